// Package linuxpkg writes system packages: deb, rpm, apk and archlinux. The same
// options give the same bytes, whatever the machine, its clock and its users.
package linuxpkg

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/apk"
	"github.com/goreleaser/nfpm/v2/arch"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/rpm"

	"github.com/slipway-dev/slipway/internal/release"
)

// Options are what a package is made of.
type Options struct {
	Package  release.PlanPackage
	Project  string
	Commit   string           // full hash
	Time     time.Time        // the commit's; the only time in the package
	Binaries []release.Binary // those of the package's builds on its platform are taken
	Dir      string           // clean checkout; only read
}

// Write writes the package to w. Licences and readmes at the checkout's root go to
// /usr/share/doc/<name>; in a deb the licences are its copyright file.
//
// A content whose source is one file goes to its target, or into it when the target
// ends with a slash. A folder, or what a glob finds, goes below the target by the
// path under the folder, or under the glob's part without wildcards.
//
// Errors for the user are of kind release.Invalid, and name the file of the package.
// nfpm holds the compressed package in memory, for rpm and apk each file too; a
// context that ends is seen before the work and when the package is written out.
func Write(ctx context.Context, w io.Writer, o Options) error {
	if err := Check(o.Package); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	o.Time = o.Time.UTC().Truncate(time.Second)
	staging, err := os.MkdirTemp("", "slipway-package-")
	if err != nil {
		return fmt.Errorf("make a folder for %s: %w", o.Package.Asset, err)
	}
	defer func() { _ = os.RemoveAll(staging) }()
	checkout, err := openCheckout(o.Dir, staging, o.Package.Asset, o.Time)
	if err != nil {
		return err
	}
	defer func() { _ = checkout.root.Close() }()
	info, err := describe(o, checkout)
	if err != nil {
		return err
	}
	out := writerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return w.Write(p)
	})
	if err := packagerOf(o.Package.Format).Package(info, out); err != nil {
		return fmt.Errorf("%s: %w", o.Package.Asset, err)
	}
	return ctx.Err()
}

// packager is a format's, without nfpm's registry.
type packager interface {
	Package(info *nfpm.Info, w io.Writer) error
}

func packagerOf(format string) packager {
	switch format {
	case "deb":
		return deb.Default
	case "rpm":
		return rpm.DefaultRPM
	case "apk":
		return apk.Default
	}
	return arch.Default
}

// writerFunc is an io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// describe says the package in nfpm's words. Nothing is left to nfpm's defaults,
// which ask the environment, the host and the clock.
func describe(o Options, c *checkout) (*nfpm.Info, error) {
	p := o.Package
	architecture := architectures[p.Format][platformKey(p.Platform)]
	summary, _, _ := strings.Cut(strings.TrimSpace(p.Description), "\n")
	info := &nfpm.Info{
		Name: p.Name, Arch: architecture, Platform: "linux", MTime: o.Time,
		Version: spell(p.Format, p.Version, o.Commit, o.Time), VersionSchema: "none",
		Section: p.Section, Priority: "optional", Maintainer: p.Maintainer, Vendor: p.Vendor,
		Homepage: p.Homepage, License: p.License, Description: p.Description,
		DisableGlobbing: true,
	}
	info.Umask = 0o022
	info.Depends = relations(p.Format, p.Depends)
	info.Recommends = relations(p.Format, p.Recommends)
	info.Suggests = relations(p.Format, p.Suggests)
	info.Conflicts = relations(p.Format, p.Conflicts)
	info.Replaces = relations(p.Format, p.Replaces)
	info.Provides = relations(p.Format, p.Provides)
	info.Deb = nfpm.Deb{Arch: architecture, Compression: "gzip:6"}
	info.RPM = nfpm.RPM{Arch: architecture, BuildHost: "localhost", Compression: "gzip:6", Group: p.Section, Summary: summary, Packager: p.Maintainer}
	info.APK.Arch = architecture
	info.ArchLinux = nfpm.ArchLinux{Arch: architecture, Packager: p.Maintainer}
	if packageNames["archlinux"].MatchString(o.Project) {
		info.ArchLinux.Pkgbase = o.Project
	}
	switch p.Format {
	case "rpm":
		info.Release = "1"
		if p.License == "" {
			info.License = "unspecified" // a tag that every rpm has
		}
	case "apk":
		info.Release, info.Description = "r0", summary
		for _, name := range info.Conflicts { // a conflict is a dependency on its absence
			info.Depends = append(info.Depends, "!"+name)
		}
	case "archlinux":
		info.Release, info.Description = "1", summary
	}
	if err := addScripts(info, p, c); err != nil {
		return nil, err
	}
	return info, addContents(info, o, c)
}

// addScripts adds the scripts. On apk and archlinux an upgrade has scripts of its
// own; there, too, files are put in place.
func addScripts(info *nfpm.Info, p release.PlanPackage, c *checkout) error {
	for _, s := range []struct {
		field, path string
		to          []*string
	}{
		{"preinstall", p.Scripts.PreInstall, []*string{&info.Scripts.PreInstall, &info.APK.Scripts.PreUpgrade, &info.ArchLinux.Scripts.PreUpgrade}},
		{"postinstall", p.Scripts.PostInstall, []*string{&info.Scripts.PostInstall, &info.APK.Scripts.PostUpgrade, &info.ArchLinux.Scripts.PostUpgrade}},
		{"preremove", p.Scripts.PreRemove, []*string{&info.Scripts.PreRemove}},
		{"postremove", p.Scripts.PostRemove, []*string{&info.Scripts.PostRemove}},
	} {
		if s.path == "" {
			continue
		}
		path, err := c.script(s.field, s.path)
		if err != nil {
			return err
		}
		for _, to := range s.to {
			*to = path
		}
	}
	return nil
}
