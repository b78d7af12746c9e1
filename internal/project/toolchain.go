package project

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/slipway-dev/slipway/internal/release"
)

// toolchains are the programs whose builds and checks can do without this
// machine's: by the builder image that brings them.
var toolchains = map[string]func(source fs.FS, dir string) string{"go": goImage, "cargo": rustImage}

// InImages gives builds and checks whose toolchain is not on this machine to a
// builder image that has it; what names an image keeps it. has says whether a
// program is there. The problems are warnings that tell of it.
func InImages(cfg release.Config, source fs.FS, has func(program string) bool) (release.Config, release.Problems) {
	var told release.Problems
	pick := func(field, program, dir string) string {
		find, known := toolchains[program]
		if !known || has(program) {
			return ""
		}
		image := find(source, dir)
		told = append(told, release.Problem{Field: field, Warning: true, Message: fmt.Sprintf("there is no %s on this machine: it runs in %s", program, image),
			Hint: fmt.Sprintf("write image: %s, so that it is the same everywhere", image)})
		return image
	}
	cfg.Builds, cfg.Test = slices.Clone(cfg.Builds), slices.Clone(cfg.Test)
	for i, b := range cfg.Builds {
		program := "go"
		if b.Builder == "command" {
			program = programOf(b.Run)
		}
		if b.Image == "" {
			cfg.Builds[i].Image = pick(fmt.Sprintf("builds[%d]", i), program, b.Dir)
		}
	}
	for i, s := range cfg.Test {
		if s.Image == "" {
			cfg.Test[i].Image = pick(fmt.Sprintf("test[%d]", i), programOf(s.Run), s.Dir)
		}
	}
	return cfg, told
}

// programOf is the program that a command begins with.
func programOf(c release.Command) string {
	words := c.Args
	if len(words) == 0 {
		words = strings.Fields(c.Script)
	}
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// goImage is Go's image of the version that go.mod asks for.
func goImage(source fs.FS, dir string) string {
	for _, at := range []string{path.Join(dir, "go.mod"), "go.mod"} {
		data, err := fs.ReadFile(source, path.Clean(at))
		if err != nil {
			continue
		}
		f, err := modfile.ParseLax(at, data, nil)
		if err != nil || f.Go == nil {
			continue
		}
		// Images are named after releases of the form 1.26 and 1.26.2, of which
		// the shorter one has all mends.
		parts := strings.SplitN(f.Go.Version, ".", 3)
		if len(parts) >= 2 {
			return "golang:" + parts[0] + "." + parts[1]
		}
	}
	return "golang:latest"
}

func rustImage(fs.FS, string) string { return "rust:latest" }
