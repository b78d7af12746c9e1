package site

import (
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
)

// The page tells how to install the newest release from a shell, if it has a script
// for that and the command is one that can be pasted as it is.
func TestInstallLine(t *testing.T) {
	t.Parallel()
	script := File{Name: "install.sh", Key: "_releases/v1.0.0/install.sh", Kind: release.KindInstaller}
	for _, c := range []struct {
		base, key string
		files     []File
		want      string
	}{
		{"https://hello.example/", "_releases/install.sh", []File{script}, "curl -fsSL https://hello.example/_releases/install.sh | sh"},
		{"https://hello.example/", "", []File{script}, ""},
		{"https://hello.example/", "_releases/install.sh", nil, ""},
		{"https://hello.example/$(id)/", "_releases/install.sh", []File{script}, ""},
	} {
		s := Site{Project: "hello", Base: c.base, Groups: DefaultGroups(release.DefaultClasses("main")), HTML: "_releases.html", JSON: "_releases.json", Script: c.key}
		ix := NewIndex(Release{Name: "v1.0.0", Tag: "v1.0.0", Class: "stable", Time: time.Unix(1, 0).UTC(), Files: c.files})
		for p, err := range Pages(s, ix) {
			if err != nil {
				t.Fatal(err)
			}
			if has := strings.Contains(string(p.Content), "curl "); p.Key == s.HTML && (has != (c.want != "") || !strings.Contains(string(p.Content), c.want)) {
				t.Errorf("%+v: the page has the line: %v", c, has)
			}
		}
	}
}
