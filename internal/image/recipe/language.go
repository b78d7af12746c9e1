package recipe

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// mostManifest bounds what is read of a file of the sources, in bytes.
const mostManifest = 8 << 20

// read reads a file of the sources; "" and false when there is none.
func (s *source) read(name string) (string, bool, error) {
	st, err := fs.Stat(s.files, name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && st.IsDir() {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read %s: %w", name, err)
	}
	if st.Size() > mostManifest {
		return "", false, release.Invalidf("", "%s is too large to be one", s.where(name))
	}
	data, err := fs.ReadFile(s.files, name)
	if err != nil {
		return "", false, fmt.Errorf("read %s: %w", name, err)
	}
	return string(data), true, nil
}

// where is a file's path in the repository, for errors.
func (s *source) where(name string) string {
	if s.img.Context == "" {
		return name
	}
	return s.img.Context + "/" + name
}

func (s *source) has(name string) bool {
	st, err := fs.Stat(s.files, name)
	return err == nil && !st.IsDir()
}

// language gives the defaults of the sources' language.
func (s *source) language() (language, error) {
	name := s.plan.Language
	if name == "" {
		if name = s.detect(); name == "" {
			return language{}, release.Invalidf("set `language`, or name the folder with the sources in `context`",
				"image %s: no language is known by the files in %s: looked for go.mod, Cargo.toml, Makefile and CMakeLists.txt", s.img.ID, s.folder())
		}
	}
	switch name {
	case "go":
		return s.golang()
	case "rust":
		return s.rust()
	case "c":
		return s.c()
	case "command":
		return s.command()
	}
	return language{}, release.Invalidf("write go, rust, c or command", "image %s: %q is no language", s.img.ID, name)
}

func (s *source) folder() string {
	if s.img.Context == "" {
		return "the repository's root"
	}
	return s.img.Context
}

// detect finds the language. A Makefile beside a go.mod or a Cargo.toml says
// nothing; alone it counts when there is C to compile.
func (s *source) detect() string {
	switch {
	case s.has("go.mod") || s.has("go.work"):
		return "go"
	case s.has("Cargo.toml"):
		return "rust"
	case (s.makefile() != "" || s.has("CMakeLists.txt")) && s.anyC():
		return "c"
	}
	return ""
}

func (s *source) makefile() string {
	for _, name := range []string{"GNUmakefile", "makefile", "Makefile"} {
		if s.has(name) {
			return name
		}
	}
	return ""
}

// anyC looks for C or C++ in the sources, not deeper than where they usually lie.
func (s *source) anyC() bool {
	const deep = 4
	found := false
	_ = fs.WalkDir(s.files, ".", func(p string, d fs.DirEntry, err error) error { // what can't be read says nothing
		switch {
		case err != nil || d.IsDir() && (strings.Count(p, "/") >= deep || p != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir():
		case strings.HasSuffix(p, ".c"), strings.HasSuffix(p, ".cc"), strings.HasSuffix(p, ".cpp"), strings.HasSuffix(p, ".cxx"):
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// image is the image to compile in: the one given, or the language's.
func (s *source) image(official string) string {
	if s.plan.BuildImage != "" {
		return s.plan.BuildImage
	}
	return official
}

// packages checks the names that go to a compiler's command line.
func (s *source) packages() []string {
	var out []string
	for _, p := range s.plan.Packages {
		if !simple.MatchString(p) || strings.HasPrefix(p, "-") {
			s.doc.refuse("use letters, digits and . _ / @ -", "%q is no package to compile", p)
			continue
		}
		out = append(out, p)
	}
	return out
}

// command runs only what the user's script says.
func (s *source) command() (language, error) {
	switch {
	case s.plan.Build == "":
		return language{}, release.Invalidf("write the script that leaves what the image needs in $SLIPWAY_OUT", "image %s: language command has no `build`", s.img.ID)
	case s.plan.BuildImage == "":
		return language{}, release.Invalidf("name the image that has what the script needs", "image %s: language command has no `build-image`", s.img.ID)
	case len(s.plan.Packages) > 0:
		return language{}, release.Invalidf("name them in the build script", "image %s: language command knows no `packages`", s.img.ID)
	}
	l := language{name: "command", image: s.plan.BuildImage, env: map[string]string{"SLIPWAY_CACHE": workDir}}
	l.mounts = []string{s.cache(l, "work", workDir)}
	return l, nil
}
