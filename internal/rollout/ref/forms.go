package ref

import (
	"path"
	"strings"
)

// String is the canonical form, which Parse reads as the same Ref. The zero Ref
// is "".
func (r Ref) String() string {
	var b strings.Builder
	switch {
	case r.Global:
		b.WriteString(r.version())
	case r == Ref{}:
		return ""
	case r.Repo != "":
		b.WriteString(r.Repo + "/-/" + r.Path)
	case r.Path == "":
		b.WriteString(".")
	default:
		b.WriteString(r.Path)
	}
	if r.Versioned && !r.Global {
		b.WriteString("/" + r.version())
	}
	if r.Kind != None {
		b.WriteString("/" + string(r.Kind))
	}
	if r.Name != "" {
		b.WriteString("/" + r.Name)
	}
	if r.Fragment != "" {
		b.WriteString("#" + r.Fragment)
	}
	return b.String()
}

func (r Ref) version() string {
	if r.Intent {
		return "+" + r.Release
	}
	return "@" + r.Release
}

// MarshalText writes the canonical form.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads any form; empty text is the zero Ref.
func (r *Ref) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*r = Ref{}
		return nil
	}
	*r, err = Parse(string(text))
	return err
}

// Absolute reports whether the reference means the same wherever it is read,
// but for "the latest".
func (r Ref) Absolute() bool { return r.Global || r.Repo != "" && r.Repo != "." }

// In makes a relative reference absolute, as it is read in the package file
// self: its own documents are those of self's release. A path without "./-/" is
// relative to self's folder. Without a release, another package's latest is
// meant.
func (r Ref) In(self Ref) Ref {
	if r.Absolute() {
		return r
	}
	if r.own() {
		r.Path = self.Path
	} else if r.Repo == "" {
		r.Path = path.Join(path.Dir(self.Path), r.Path)
	}
	if self.Repo != "" {
		r.Repo = self.Repo
	}
	if !r.Versioned && r.Kind != None {
		r.Versioned = true
		if r.Path == self.Path {
			r.Versioned, r.Release = self.Versioned, self.Release
		}
	}
	return r
}

// At makes a relative reference absolute, as it is read on a command line: in a
// checkout of repo, in its folder dir ("." for the root). One that names no file,
// such as "./@/call/build", is returned as it is: see Ref.Absolute.
func (r Ref) At(repo, dir string) Ref {
	if r.Absolute() || r.own() {
		return r
	}
	if r.Repo == "" {
		r.Path = path.Join(dir, r.Path)
	}
	r.Repo = repo
	if r.Kind != None {
		r.Versioned = true
	}
	return r
}

// own reports whether the reference is to the package file that it stands in.
func (r Ref) own() bool { return r.Repo == "" && (r.Path == "." || r.Path == "") }

// Document is the name of the reference's document in the state.
func (r Ref) Document() string {
	r.Fragment = ""
	return r.String()
}

// Package is the package that the reference is about, without a release.
func (r Ref) Package() Ref { return Ref{Repo: r.Repo, Path: r.Path} }

// InRelease is the same reference in a release of its package: "r7", a tag, or
// "" for the latest. A global reference is in none, and stays.
func (r Ref) InRelease(release string) Ref {
	if r.Global {
		return r
	}
	r.Versioned, r.Release = true, release
	return r
}

// Sub is a document beside: of the same package, release, and state or intent.
func (r Ref) Sub(kind Kind, name string) Ref {
	r.Kind, r.Name, r.Fragment = kind, name, ""
	return r
}

// Join is the document below: build/1 of build.
func (r Ref) Join(names ...string) Ref {
	r.Name, r.Fragment = path.Join(append([]string{r.Name}, names...)...), ""
	return r
}

// WithFragment is the same document's field.
func (r Ref) WithFragment(fragment string) Ref {
	r.Fragment = fragment
	return r
}

// AsIntent is the same reference with "+", AsState with "@".
func (r Ref) AsIntent() Ref {
	r.Versioned, r.Intent = true, true
	return r
}

// AsState is the same reference with "@".
func (r Ref) AsState() Ref {
	r.Versioned, r.Intent = true, false
	return r
}

// Global is the document of a kind and name that belongs to no repository:
// @/environment/staging.
func Global(kind Kind, name string) Ref {
	return Ref{Global: true, Versioned: true, Kind: kind, Name: name}
}
