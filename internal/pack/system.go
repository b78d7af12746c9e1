package pack

import (
	"context"
	"io"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/slipway-dev/slipway/internal/installer"
	"github.com/slipway-dev/slipway/internal/pack/linuxpkg"
	"github.com/slipway-dev/slipway/internal/release"
)

// documents are globs of the files that linuxpkg packs by itself.
var documents = []string{"[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*", "[Cc][Oo][Pp][Yy][Ii][Nn][Gg]*", "[Nn][Oo][Tt][Ii][Cc][Ee]*", "[Rr][Ee][Aa][Dd][Mm][Ee]*"}

// Check finds, before anything is built, what of a plan could not be packed.
func Check(p release.Plan) error {
	for _, sys := range p.Packages {
		if err := linuxpkg.Check(sys); err != nil {
			return err
		}
	}
	return nil
}

// CheckSource finds, before anything is built, files of packages that are not in
// the checkout.
func CheckSource(p release.Plan, dir, dist string) error {
	if len(p.Packages) == 0 {
		return nil
	}
	s, err := openSource(dir, dist)
	if err != nil {
		return err
	}
	defer s.Close()
	seen := map[string]bool{}
	for _, sys := range p.Packages {
		for _, pattern := range sources(sys) {
			if seen[pattern] {
				continue
			}
			seen[pattern] = true
			if _, err := s.find([]string{pattern}, "package "+sys.Name, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// sources are the paths and globs of the repository that a package is made of,
// besides its licence and readme.
func sources(sys release.PlanPackage) []string {
	var out []string
	for _, c := range sys.Contents {
		if c.Source != "" && c.Type != "symlink" {
			out = append(out, c.Source)
		}
	}
	for _, s := range []string{sys.Scripts.PreInstall, sys.Scripts.PostInstall, sys.Scripts.PreRemove, sys.Scripts.PostRemove} {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// systemPackage prepares a deb, rpm, apk or archlinux package.
func (p *packer) systemPackage(sys release.PlanPackage) (asset, error) {
	out := asset{name: sys.Asset, kind: release.KindPackage, platform: &sys.Platform, from: "package " + sys.Asset, mode: 0o644}
	var binaries []release.Binary
	for _, b := range p.Binaries {
		if b.Platform == sys.Platform {
			binaries = append(binaries, b)
			out.size += b.Size
		}
	}
	// Of a commit its hash says what is in the files; a snapshot's may have changed.
	var files []entry
	if p.Plan.Snapshot {
		var err error
		if files, err = p.source.find(append(sources(sys), documents...), out.from, true); err != nil {
			return out, err
		}
	}
	out.inputs = struct {
		Package  release.PlanPackage
		Commit   string
		Time     int64
		Writer   []string
		Binaries []release.Binary
		Files    []entry
	}{sys, p.Plan.Commit, p.Plan.Time.Unix(), versions("github.com/goreleaser/nfpm/v2", "github.com/klauspost/compress", "github.com/klauspost/pgzip"), binaries, files}
	out.write = func(ctx context.Context, w io.Writer, _ func(int64)) error {
		return linuxpkg.Write(ctx, w, linuxpkg.Options{Package: sys, Project: p.Plan.Project, Commit: p.Plan.Commit, Time: p.Plan.Time, Binaries: binaries, Dir: p.Source})
	}
	return out, nil
}

// versions are those of the modules that write a file: other ones may write other
// bytes.
func versions(modules ...string) []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	out := []string{info.GoVersion}
	for _, m := range modules {
		for _, d := range info.Deps {
			if d.Path == m {
				out = append(out, d.Version)
			}
		}
	}
	return out
}

// installScript writes the script that installs these assets.
func installScript(p release.Plan, artifacts []release.Artifact, binaries []release.ManifestBinary) ([]byte, error) {
	in := installer.Release{Project: p.Project, Tag: p.Tag, Version: p.Version, Description: p.Installer.Description, Homepage: p.Installer.Homepage, License: p.Installer.License}
	for _, a := range artifacts {
		f := installer.File{Name: a.Name, URL: p.Installer.Base + url.PathEscape(a.Name), Digest: a.Digest, Format: formatOf(a.Name)}
		for _, b := range binaries {
			if b.Asset == a.Name {
				f.Platform = b.Platform
				f.Binaries = append(f.Binaries, b.Name)
			}
		}
		if len(f.Binaries) > 0 {
			in.Files = append(in.Files, f)
		}
	}
	return installer.Script(in)
}

func formatOf(name string) string {
	for _, format := range []string{"tar.gz", "tar.zst", "zip"} {
		if strings.HasSuffix(name, "."+format) {
			return format
		}
	}
	return "binary"
}
