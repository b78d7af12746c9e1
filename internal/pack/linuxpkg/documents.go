package linuxpkg

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/goreleaser/nfpm/v2/files"

	"github.com/slipway-dev/slipway/internal/pack/dist"
)

// licences and readmes are told by their names, as people and forges do.
var (
	licences = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)([-_.].*)?$`)
	readmes  = regexp.MustCompile(`(?i)^readme(\.[a-z0-9]+)?$`)
)

// documents adds licences and readmes of the checkout's root, and for a deb what
// Debian's policy asks for. A place that `contents` has taken is left to it.
func (l *contents) documents(o Options, c *checkout, version string) error {
	entries, err := fs.ReadDir(c.root.FS(), ".")
	if err != nil {
		return dist.Readable(err)
	}
	dir := path.Join("/usr/share/doc", o.Package.Name)
	var legal []string
	for _, e := range entries {
		name, kind := e.Name(), ""
		switch {
		case !e.Type().IsRegular() || !fitsPath(name):
			continue
		case licences.MatchString(name):
			kind = files.TypeRPMLicense
			legal = append(legal, name)
		case readmes.MatchString(name):
			kind = files.TypeRPMDoc
		}
		if o.Package.Format != "rpm" && kind != "" {
			if kind == files.TypeRPMLicense && o.Package.Format == "deb" {
				continue
			}
			kind = files.TypeFile
		}
		if target := path.Join(dir, name); kind != "" && l.at[target] == "" {
			if err := l.file(c, name, target, kind, 0o644); err != nil {
				return err
			}
		}
	}
	if o.Package.Format == "deb" {
		return l.debian(o, c, dir, legal, version)
	}
	return nil
}

// debian adds the copyright and changelog that each package of Debian's has.
func (l *contents) debian(o Options, c *checkout, dir string, legal []string, version string) error {
	copyright, err := c.copyright(o, legal)
	if err != nil {
		return err
	}
	var changelog bytes.Buffer
	z, err := gzip.NewWriterLevel(&changelog, gzip.BestCompression)
	if err != nil {
		return err
	}
	fmt.Fprintf(z, "%s (%s) stable; urgency=medium\n\n  * %s %s, made of commit %s.\n\n -- %s  %s\n", o.Package.Name, version,
		o.Project, o.Package.Version, o.Commit, o.Package.Maintainer, o.Time.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	if err := z.Close(); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{"copyright", copyright}, {"changelog.gz", changelog.Bytes()}} {
		target := path.Join(dir, f.name)
		if len(f.text) == 0 || l.at[target] != "" {
			continue
		}
		s, err := c.keep(bytes.NewReader(f.text))
		if err != nil {
			return err
		}
		if err := l.add(&files.Content{Source: s.path, Destination: target, Type: files.TypeFile, FileInfo: root(0o644, s.size)}); err != nil {
			return err
		}
	}
	return nil
}

// copyright is what the licences say, one after the other.
func (c *checkout) copyright(o Options, legal []string) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\n", o.Project)
	if o.Package.Homepage != "" {
		fmt.Fprintf(&out, "Source: %s\n", o.Package.Homepage)
	}
	if o.Package.License != "" {
		fmt.Fprintf(&out, "License: %s\n", o.Package.License)
	}
	for _, name := range legal {
		f, err := c.root.Open(name)
		if err != nil {
			return nil, dist.Readable(err)
		}
		fmt.Fprintf(&out, "\n%s\n%s\n\n", name, strings.Repeat("-", len(name)))
		_, err = io.Copy(&out, f)
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}
