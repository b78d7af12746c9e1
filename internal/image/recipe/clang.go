package recipe

import (
	"fmt"
	"path"
	"regexp"

	"github.com/slipway-dev/slipway/internal/release"
)

// c: each platform is tested and compiled in its own builder image. Every build
// is a whole one, for a Makefile's idea of what changed can't be trusted in a
// release; where the builder image has ccache, only what changed is compiled.
func (s *source) c() (language, error) {
	l := language{name: "c", image: s.image("gcc:15"), env: map[string]string{"LDFLAGS": "-static", "SLIPWAY_CACHE": workDir}}
	if v := s.plan.Toolchain; v != "" && s.plan.BuildImage == "" {
		l.image = "gcc:" + v
	}
	l.mounts = []string{s.cache(l, "work", workDir)}
	l.prepare = []string{
		"for d in /usr/lib/ccache/bin /usr/lib/ccache /usr/lib64/ccache; do if [ -d $d ]; then export PATH=$d:$PATH CCACHE_DIR=$SLIPWAY_CACHE/ccache; break; fi; done",
	}
	if s.makefile() == "" && s.has("CMakeLists.txt") {
		return s.cmake(l)
	}
	if s.makefile() == "" && (s.plan.Build == "" || s.plan.Test == "") {
		return language{}, release.Invalidf("name the folder with the sources in `context`, or write `build` and `test` scripts", "image %s: there is no Makefile in %s", s.img.ID, s.folder())
	}
	return s.make(l)
}

// make finds the artifacts: those given, or the files that the packages name, or
// what the Makefile installs.
func (s *source) make(l language) (language, error) {
	text, _, err := s.read(s.makefile())
	if err != nil {
		return l, err
	}
	for _, target := range []string{"test", "check"} {
		if hasTarget(text, target) {
			l.test = []string{"make " + target}
			break
		}
	}
	build := "make"
	packages := s.packages()
	for _, p := range packages {
		build += " " + p
	}
	l.build = []string{build}
	switch {
	case s.plan.Build != "" || len(s.plan.Artifacts) > 0:
	case len(packages) > 0:
		for _, p := range packages {
			l.build = append(l.build, fmt.Sprintf(`cp ./%s "$SLIPWAY_OUT/"`, p))
			l.programs = append(l.programs, path.Base(p))
		}
	case hasTarget(text, "install"):
		l.build = append(l.build, `make install DESTDIR="$SLIPWAY_OUT"`)
		l.root = true
	default:
		return l, release.Invalidf("name the programs in `artifacts`, or add an install target that heeds DESTDIR", "image %s: %s does not say which files the image needs: it has no install target", s.img.ID, s.where(s.makefile()))
	}
	return l, nil
}

// cmake compiles outside of the sources.
func (s *source) cmake(l language) (language, error) {
	if s.plan.BuildImage == "" {
		return l, release.Invalidf("set `build-image` to one that has a compiler and cmake", "image %s: the sources in %s are built with cmake, which no official image has", s.img.ID, s.folder())
	}
	const configure = "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build"
	l.test = []string{configure, "(cd build && ctest --output-on-failure)"}
	l.build = []string{configure}
	switch packages := s.packages(); {
	case len(s.plan.Artifacts) > 0:
	case len(packages) > 0:
		for _, p := range packages {
			l.build = append(l.build, fmt.Sprintf(`cp ./build/%s "$SLIPWAY_OUT/"`, p))
			l.programs = append(l.programs, path.Base(p))
		}
	default:
		l.build = append(l.build, `DESTDIR="$SLIPWAY_OUT" cmake --install build`)
		l.root = true
	}
	return l, nil
}

// hasTarget tells whether a Makefile has a rule for a target.
func hasTarget(makefile, target string) bool {
	return regexp.MustCompile(`(?m)^(?:[^\s#:=]+[ \t]+)*` + regexp.QuoteMeta(target) + `(?:[ \t]+[^\s#:=]+)*[ \t]*::?(?:[^=:]|$)`).MatchString(makefile)
}
