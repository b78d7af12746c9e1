package linuxpkg

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/release"
)

// packageNames are the formats' rules for names.
var packageNames = map[string]*regexp.Regexp{
	"deb":       regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`),
	"rpm":       regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+._-]*$`),
	"apk":       regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+._-]*$`),
	"archlinux": regexp.MustCompile(`^[a-z0-9@_+][a-z0-9@._+-]*$`),
}

// Check finds, before anything is built, why a package could not be made: what it
// says is of kind release.Invalid.
func Check(p release.PlanPackage) error {
	names, ok := packageNames[p.Format]
	switch {
	case !ok:
		return release.Invalidf("write "+strings.Join(release.PackageFormats, ", "), "package %s: there is no format %q", p.Asset, p.Format)
	case !names.MatchString(p.Name) || len(p.Name) > 128:
		return release.Invalidf("set `name` of the package: lower-case letters, digits and + - . with a letter or digit first, at least two",
			"package %s: %q is no name for a package of format %s", p.Asset, p.Name, p.Format)
	}
	for _, check := range []func(release.PlanPackage) error{checkArchitecture, checkVersion, checkFields, checkRelations, checkContents} {
		if err := check(p); err != nil {
			return err
		}
	}
	return nil
}

// checkFields sees to it that a value stays within its field.
func checkFields(p release.PlanPackage) error {
	for _, f := range []struct{ name, value string }{
		{"homepage", p.Homepage}, {"maintainer", p.Maintainer}, {"vendor", p.Vendor}, {"license", p.License}, {"section", p.Section},
	} {
		if !oneLine(f.value) || len(f.value) > 1024 {
			return release.Invalidf("write it on one line", "package %s: `%s` %.80q is not one line of text", p.Asset, f.name, f.value)
		}
	}
	text := strings.NewReplacer("\n", "", "\t", "").Replace(p.Description)
	if !oneLine(text) || len(p.Description) > 16<<10 {
		return release.Invalidf("a line, and below it more if wanted, 16 kB at most", "package %s: `description` is no plain text", p.Asset)
	}
	if strings.TrimSpace(p.Description) == "" || strings.TrimSpace(p.Maintainer) == "" || strings.TrimSpace(p.Section) == "" {
		return release.Invalidf("leave the key out for its default", "package %s: description, maintainer and section can't be empty", p.Asset)
	}
	return nil
}

func oneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// checkContents checks what is said of files before any of them is there.
func checkContents(p release.PlanPackage) error {
	if err := checkTarget(p.Asset, "bin-dir", p.BinDir); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, c := range p.Contents {
		if err := checkTarget(p.Asset, "target", c.Target); err != nil {
			return err
		}
		if _, err := octal(c.Mode, 0); err != nil {
			return release.Invalidf("write it in octal and quoted, such as \"0640\"", "package %s: %s has mode %q", p.Asset, c.Target, c.Mode)
		}
		at := path.Clean(c.Target)
		switch {
		case c.Type == "dir" && c.Source != "":
			return release.Invalidf("leave the source out, or take another type", "package %s: %s is a dir, which is an empty folder", p.Asset, c.Target)
		case c.Type == "symlink" && (c.Source == "" || !fitsPath(c.Source)):
			return release.Invalidf("let `source` say what it points at, without white space", "package %s: the symlink %s points at %q", p.Asset, c.Target, c.Source)
		case !slices.Contains([]string{"", "file", "config", "dir", "symlink"}, c.Type):
			return release.Invalidf("write file, config, dir or symlink", "package %s: %s is of type %q, which there is not", p.Asset, c.Target, c.Type)
		case (c.Type == "" || c.Type == "file" || c.Type == "config") && !insideCheckout(c.Source):
			return release.Invalidf("write it relative to the repository's root, without `..`", "package %s: the source %q of %s leads out of the repository", p.Asset, c.Source, c.Target)
		case (c.Type == "dir" || c.Type == "symlink") && seen[at]:
			return twice(p.Asset, at)
		case c.Type == "dir" || c.Type == "symlink":
			seen[at] = true
		}
	}
	return nil
}

func twice(asset, target string) error {
	return release.Invalidf("give each its own target", "package %s: two things would lie at %s", asset, target)
}

// checkTarget checks a path on the system that the package is for. Names at the root
// that begin with a dot are the package's own description in some formats.
func checkTarget(asset, field, target string) error {
	clean := strings.TrimSuffix(target, "/")
	if !strings.HasPrefix(target, "/") || clean == "" || path.Clean(clean) != clean || strings.HasPrefix(clean, "/.") || !fitsPath(clean) || len(clean) > 1024 {
		return release.Invalidf("write an absolute path such as /usr/share/x, without `..`, white space and wildcards", "package %s: %s %q is no place for a file", asset, field, target)
	}
	return nil
}

// fitsPath refuses what the formats' lists of files can't hold: they part by white space.
func fitsPath(s string) bool {
	return oneLine(s) && !strings.ContainsFunc(s, unicode.IsSpace) && !strings.Contains(s, `\`)
}

// octal reads a mode; empty gives the default.
func octal(s string, otherwise uint32) (uint32, error) {
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(s, 8, 12)
	return uint32(n), err
}
