package release

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	octalMode   = regexp.MustCompile(`^0?[0-7]{3,4}$`)
)

// packages checks the system packages.
func (v *validator) packages() {
	emptyList(v, "packages", v.given.Packages, "leave the key out to make none")
	for i, p := range v.given.Packages {
		v.systemPackage(at("packages", i), p)
	}
	if h := v.given.Homepage; h != "" {
		v.url("homepage", h)
	}
}

func (v *validator) systemPackage(field string, p Package) {
	if p.Name != "" && !packageName.MatchString(p.Name) {
		v.add(field+".name", "at least two lower-case letters, digits and + - . with a letter or digit first", "%q is no name of a package", p.Name)
	}
	v.packageFormats(field+".formats", p)
	v.buildIDs(field+".builds", p.Builds)
	if p.Homepage != "" {
		v.url(field+".homepage", p.Homepage)
	}
	if p.BinDir != "" {
		v.target(field+".bin-dir", p.BinDir)
	}
	for i, c := range p.Contents {
		v.content(at(field+".contents", i), c)
	}
	for _, s := range []struct{ key, path string }{{"preinstall", p.Scripts.PreInstall}, {"postinstall", p.Scripts.PostInstall},
		{"preremove", p.Scripts.PreRemove}, {"postremove", p.Scripts.PostRemove}} {
		if s.path != "" {
			v.path(field+".scripts."+s.key, "", s.path)
		}
	}
	for _, l := range []struct {
		key   string
		names []string
	}{{"depends", p.Depends}, {"recommends", p.Recommends}, {"suggests", p.Suggests}, {"conflicts", p.Conflicts}, {"replaces", p.Replaces}, {"provides", p.Provides}} {
		for i, n := range l.names {
			if strings.TrimSpace(n) == "" || strings.ContainsAny(n, "\n\r\x00") {
				v.add(at(field+"."+l.key, i), "", "%q is no package", n)
			}
		}
	}
}

func (v *validator) packageFormats(field string, p Package) {
	emptyList(v, field, p.Formats, "leave the key out for all formats")
	for i, f := range p.Formats {
		switch {
		case !slices.Contains(PackageFormats, f):
			v.add(at(field, i), EnumHint(f, PackageFormats), "%q is not one of %s", f, strings.Join(PackageFormats, ", "))
		case slices.Contains(p.Formats[:i], f):
			v.add(at(field, i), "", "%s is listed twice", f)
		}
	}
}

// buildIDs checks references to builds.
func (v *validator) buildIDs(field string, ids []string) {
	emptyList(v, field, ids, "leave the key out for all builds")
	if v.given.Builds == nil {
		return
	}
	var known []string
	for _, b := range v.given.Builds {
		known = append(known, b.ID)
	}
	v.references(field, ids, known)
}

// target checks an absolute path on the system that the package is for.
func (v *validator) target(field, p string) {
	switch {
	case !strings.HasPrefix(p, "/"):
		v.add(field, "begin it with /", "%q is not an absolute path", p)
	case slices.Contains(strings.Split(p, "/"), ".."), path.Clean(p) == "/":
		v.add(field, "such as /usr/bin", "%q is no place for a file", p)
	case strings.ContainsAny(p, "\x00\n\r"):
		v.add(field, "", "%q has a control character in it", p)
	}
}

func (v *validator) content(field string, c PackageContent) {
	v.enum(field+".type", c, "Type", c.Type)
	if c.Target == "" {
		v.add(field+".target", "write where it goes", "the target is empty")
	} else {
		v.target(field+".target", c.Target)
	}
	switch {
	case c.Type == "dir" && c.Source != "":
		v.add(field+".source", "leave it out, or take another type", "a dir is an empty folder")
	case c.Type != "dir" && c.Source == "":
		v.add(field+".source", "write the path in the repository", "the source is empty")
	case c.Type != "symlink" && c.Source != "":
		v.glob(field+".source", c.Source)
	}
	if c.Mode != "" && !octalMode.MatchString(c.Mode) {
		v.add(field+".mode", "write it in octal and quoted, such as \"0640\"", "%q is no mode", c.Mode)
	}
}
