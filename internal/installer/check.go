package installer

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/release"
)

var sha256Digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// check refuses a release that could not be installed, or only by a lie: each file
// has an address and a digest, and its programs stay in the folder.
func check(r Release) error {
	if r.Project == "" || r.Version == "" {
		return release.Invalidf("name the project in the config", "an installer needs the project's name and a version")
	}
	for _, s := range []string{r.Project, r.Name, r.Tag, r.Version, r.Description, r.Homepage, r.License} {
		if !text(s) {
			return release.Invalidf("write plain text", "an installer can't hold %q", s)
		}
	}
	for _, f := range r.Files {
		if err := checkFile(f); err != nil {
			return err
		}
	}
	return nil
}

func checkFile(f File) error {
	u, err := url.Parse(f.URL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.ContainsAny(f.URL, " \t\r\n"):
		return release.Invalidf("give the place where it lies an http or https URL", "%q can't be downloaded from %q", f.Name, f.URL)
	case !sha256Digest.MatchString(f.Digest):
		return release.Invalidf("publish it again, so that its digest is recorded", "%q has no SHA-256 digest, so an installer could not check it", f.Name)
	case !text(f.Name) || !text(f.URL) || !text(f.Dir) || path.IsAbs(f.Dir) || slices.Contains(strings.Split(f.Dir, "/"), ".."):
		return release.Invalidf("name a folder inside the archive", "%q has its programs in %q", f.Name, f.Dir)
	case len(f.Binaries) == 0 || (f.Format == "binary" && len(f.Binaries) > 1):
		return release.Invalidf("name one program for a bare binary, and at least one for an archive", "%q is of format %s and has %d programs", f.Name, f.Format, len(f.Binaries))
	}
	for _, b := range f.Binaries {
		if b == "" || b == "." || b == ".." || strings.ContainsAny(b, `/\`) || !text(b) {
			return release.Invalidf("a program is a file name", "%q has a program %q, which is no file name", f.Name, b)
		}
	}
	return nil
}

// text tells what can be written to a file of text; what it means to a shell, Ruby
// or JSON is for their quoting.
func text(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
