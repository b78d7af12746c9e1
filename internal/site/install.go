package site

import (
	"regexp"
	"slices"

	"github.com/slipway-dev/slipway/internal/release"
)

// plainURL has nothing that a shell would read as more than a word.
var plainURL = regexp.MustCompile(`^https?://[A-Za-z0-9:/._~%-]+$`)

// install is the command line that installs the newest release, if it has a script
// for that.
func (s Site) install(files []File) string {
	has := slices.ContainsFunc(files, func(f File) bool { return f.Kind == release.KindInstaller })
	if url := s.URL(s.Script); s.Script != "" && has && plainURL.MatchString(url) {
		return "curl -fsSL " + url + " | sh"
	}
	return ""
}
