package installer

import (
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// Debian's checker of shell scripts finds nothing, whichever shell it is for.
func TestScriptShellcheck(t *testing.T) {
	t.Parallel()
	checker := realtest.Program(t, "shellcheck", "shellcheck")
	p := serve(t)
	var files []File
	for _, format := range preference {
		files = append(files, p.add("linux/amd64", format, "d", map[string]string{"hello": ""}), p.add("darwin/arm64", format, "", map[string]string{"hello": ""}))
	}
	s := script(t, sample(files...))
	for _, shell := range []string{"sh", "dash", "bash"} {
		var out strings.Builder
		if err := proc.Run(t.Context(), proc.Cmd{Args: []string{checker, "--shell", shell, "--severity", "style", "-"}, Stdin: strings.NewReader(s), Stdout: &out}); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out.String())
		}
	}
}

func TestScriptRefusesWhatItCantInstall(t *testing.T) {
	t.Parallel()
	p := serve(t)
	good := p.add("linux/amd64", "binary", "", map[string]string{"hello": program("hello")})
	for name, spoil := range map[string]func(*Release){
		"no project":       func(r *Release) { r.Project = "" },
		"zero":             func(r *Release) { r.Tag = "a\x00b" },
		"no file":          func(r *Release) { r.Files = nil },
		"no digest":        func(r *Release) { r.Files[0].Digest = "" },
		"another digest":   func(r *Release) { r.Files[0].Digest = "sha512:" + strings.Repeat("0", 128) },
		"no URL":           func(r *Release) { r.Files[0].URL = "" },
		"local URL":        func(r *Release) { r.Files[0].URL = "file:///etc/passwd" },
		"option as URL":    func(r *Release) { r.Files[0].URL = "--output=/etc/passwd" },
		"URL of lines":     func(r *Release) { r.Files[0].URL += "\n" },
		"program going up": func(r *Release) { r.Files[0].Binaries = []string{"../hello"} },
		"no program":       func(r *Release) { r.Files[0].Binaries = nil },
		"folder going up":  func(r *Release) { r.Files[0].Dir = "a/../.." },
		"unknown format":   func(r *Release) { r.Files[0].Format = "rar" },
	} {
		r := sample(good)
		spoil(&r)
		if s, err := Script(r); s != nil || release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
			t.Errorf("%s: %v (hint %q)", name, err, release.HintOf(err))
		}
	}
	a, b := script(t, sample(good, p.add("linux/arm64", "zip", "", map[string]string{"x": ""}))), script(t, sample(p.add("linux/arm64", "zip", "", map[string]string{"x": ""}), good))
	if a != b {
		t.Error("the order of the files makes another script")
	}
}
