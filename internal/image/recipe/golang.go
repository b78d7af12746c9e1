package recipe

import (
	"fmt"
	"go/build"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/slipway-dev/slipway/internal/release"
)

// golang: tests run on the builder's platform, and the compiler there makes the
// binaries of every platform, static.
func (s *source) golang() (language, error) {
	mod, manifests, err := s.goManifests()
	if err != nil {
		return language{}, err
	}
	image, err := s.goImage(mod)
	if err != nil {
		return language{}, err
	}
	l := language{name: "go", image: image, cross: true, env: map[string]string{"CGO_ENABLED": "0"}, manifests: manifests}
	mods, cache := cacheDir+"/go-mod", cacheDir+"/go-build"
	l.mounts = []string{s.cache(l, "mod", mods), s.cache(l, "build", cache)}
	// What the builder image has ready is used: modules as a proxy, compiled
	// packages as the start of the cache.
	l.prepare = []string{
		"own=$(go env GOMODCACHE)/cache/download",
		`if [ -d "$own" ]; then export GOPROXY="file://$own,$(go env GOPROXY)"; fi`,
		"own=$(go env GOCACHE)",
		fmt.Sprintf(`if [ -d "$own" ] && [ -z "$(ls -A %s)" ]; then cp -R "$own/." %s/; fi`, cache, cache),
		"export GOMODCACHE=" + mods + " GOCACHE=" + cache,
	}
	if s.options.Seed.GoModCache != "" {
		if err := s.seedGo(&l); err != nil {
			return language{}, err
		}
	} else if !s.has("vendor/modules.txt") && len(manifests) > 0 {
		l.download = []string{"go mod download"}
	}
	l.test = []string{"go test ./..."}
	l.target = []string{`export GOOS="$TARGETOS" GOARCH="$TARGETARCH"`,
		`case "$TARGETARCH" in arm) export GOARM="${TARGETVARIANT#v}" ;; amd64) export GOAMD64="${TARGETVARIANT:-v1}" ;; esac`}
	if s.plan.Build == "" {
		err = s.goBuild(&l, mod)
	}
	return l, err
}

// goManifests reads go.mod and finds the other files of that kind that the
// module graph needs: those of a workspace and of modules replaced by folders.
func (s *source) goManifests() (*modfile.File, []string, error) {
	var found []string
	var mod *modfile.File
	dirs := []string{"."}
	if text, ok, err := s.read("go.work"); err != nil {
		return nil, nil, err
	} else if ok {
		found = append(found, "go.work", "go.work.sum")
		work, err := modfile.ParseWork(s.where("go.work"), []byte(text), nil)
		if err != nil {
			return nil, nil, release.Invalidf("", "%v", err)
		}
		for _, u := range work.Use {
			dirs = append(dirs, u.Path)
		}
		for _, r := range work.Replace {
			dirs = append(dirs, replaced(".", r)...)
		}
	}
	for i := 0; i < len(dirs); i++ {
		dir := path.Clean(dirs[i])
		if !fs.ValidPath(dir) {
			return nil, nil, release.Invalidf("name a folder in `context` that holds both", "image %s: the module %q, which the sources need, lies outside %s", s.img.ID, dirs[i], s.folder())
		}
		if slices.Contains(dirs[:i], dir) {
			continue
		}
		dirs[i] = dir
		name := path.Join(dir, "go.mod")
		text, ok, err := s.read(name)
		if err != nil || !ok {
			if dir == "." && !slices.Contains(found, "go.work") && err == nil {
				err = release.Invalidf("name the folder with the sources in `context`", "image %s: there is no go.mod in %s", s.img.ID, s.folder())
			}
			if err != nil {
				return nil, nil, err
			}
			continue
		}
		found = append(found, name, path.Join(dir, "go.sum"))
		f, err := modfile.ParseLax(s.where(name), []byte(text), nil)
		if err != nil {
			return nil, nil, release.Invalidf("", "%v", err)
		}
		if dir == "." {
			mod = f
		}
		for _, r := range f.Replace {
			dirs = append(dirs, replaced(dir, r)...)
		}
	}
	found = slices.DeleteFunc(found, func(p string) bool { return !s.has(p) })
	return mod, found, nil
}

// replaced gives the folder that a replace directive names.
func replaced(dir string, r *modfile.Replace) []string {
	if r.New.Version != "" || !strings.HasPrefix(r.New.Path, ".") {
		return nil
	}
	return []string{path.Join(dir, r.New.Path)}
}

var goVersion = regexp.MustCompile(`^1\.[0-9]+(\.[0-9]+|rc[0-9]+|beta[0-9]+)?$`)

func (s *source) goImage(mod *modfile.File) (string, error) {
	version := s.plan.Toolchain
	switch {
	case s.plan.BuildImage != "":
		return s.plan.BuildImage, nil
	case version == "stable":
		return "golang:latest", nil
	case version != "":
	case mod != nil && mod.Toolchain != nil && mod.Toolchain.Name != "default":
		version = strings.TrimPrefix(mod.Toolchain.Name, "go")
	case mod != nil && mod.Go != nil:
		version = mod.Go.Version
	default:
		return "golang:latest", nil
	}
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "go"), "-")
	if !goVersion.MatchString(version) {
		return "", release.Invalidf("write a version such as 1.26, or set `build-image`", "image %s: %q is no version of Go", s.img.ID, version)
	}
	return "golang:" + version, nil
}

func (s *source) goBuild(l *language, mod *modfile.File) error {
	packages := s.packages()
	if len(packages) == 0 {
		packages = s.goMains()
	}
	var out []string
	for _, p := range packages {
		if strings.Contains(p, "...") {
			dir := path.Clean(strings.TrimSuffix(strings.TrimSuffix(p, "..."), "/"))
			mains := s.mains(dir, true)
			if len(mains) == 0 {
				return release.Invalidf("name a folder with a main package", "image %s: there is no program in %s", s.img.ID, p)
			}
			out = append(out, mains...)
			continue
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return release.Invalidf("name the folder of a main package in `packages`, or set `context`", "image %s: there is no program in %s: no folder has a main package", s.img.ID, s.folder())
	}
	for _, p := range out {
		name := goProgram(p, mod)
		if slices.Contains(l.programs, name) {
			return release.Invalidf("name one of them in `packages`", "image %s: two programs are called %s", s.img.ID, name)
		}
		l.programs = append(l.programs, name)
		l.build = append(l.build, fmt.Sprintf(`go build -trimpath -buildvcs=false -ldflags "-s -w -buildid=" -o "$SLIPWAY_OUT/%s" %s`, name, p))
	}
	return nil
}

// goMains are the main packages to compile when nobody names one: the root's,
// or those below cmd, or whichever there are.
func (s *source) goMains() []string {
	for _, try := range []struct {
		dir  string
		deep bool
	}{{".", false}, {"cmd", true}, {".", true}} {
		if found := s.mains(try.dir, try.deep); len(found) > 0 {
			// The project's own comes first: it is what the image starts.
			slices.SortStableFunc(found, func(a, b string) int {
				return named01(a, s.options.Project) - named01(b, s.options.Project)
			})
			return found
		}
	}
	return nil
}

func named01(p, project string) int {
	if path.Base(p) == path.Base(project) {
		return 0
	}
	return 1
}

// mains looks for main packages as go build does on Linux, without the folders
// that it skips itself.
func (s *source) mains(dir string, deep bool) []string {
	c := build.Default
	c.GOOS, c.GOARCH, c.CgoEnabled, c.BuildTags, c.ToolTags = "linux", "amd64", false, nil, nil
	c.JoinPath, c.IsAbsPath = path.Join, path.IsAbs
	c.OpenFile = func(name string) (io.ReadCloser, error) { return s.files.Open(name) }
	c.IsDir = func(name string) bool {
		st, err := fs.Stat(s.files, name)
		return err == nil && st.IsDir()
	}
	c.ReadDir = func(name string) ([]fs.FileInfo, error) {
		entries, err := fs.ReadDir(s.files, name)
		var out []fs.FileInfo
		for _, e := range entries {
			if st, err := e.Info(); err == nil {
				out = append(out, st)
			}
		}
		return out, err
	}
	var out []string
	_ = fs.WalkDir(s.files, dir, func(p string, d fs.DirEntry, err error) error { // what can't be read has no program
		if err != nil || !d.IsDir() {
			return nil
		}
		if p != dir && (!deep || skipped(d.Name()) || s.has(path.Join(p, "go.mod"))) {
			return fs.SkipDir
		}
		pkg, err := c.ImportDir(p, 0)
		if err == nil && pkg.IsCommand() && simple.MatchString(p) {
			out = append(out, strings.TrimSuffix("./"+strings.TrimPrefix(p, "."), "/"))
		}
		return nil
	})
	return out
}

func skipped(name string) bool {
	return name == "vendor" || name == "testdata" || name == "node_modules" || name[0] == '.' || name[0] == '_'
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// goProgram is the name that go build gives a package's program.
func goProgram(p string, mod *modfile.File) string {
	p = path.Clean(p)
	if p == "." && mod != nil && mod.Module != nil {
		p = mod.Module.Mod.Path
		if prefix, _, ok := module.SplitPathVersion(p); ok {
			p = prefix
		}
	} else if majorVersion.MatchString(path.Base(p)) && path.Dir(p) != "." {
		p = path.Dir(p)
	}
	if name := path.Base(p); name != "." && name != "/" && simple.MatchString(name) {
		return name
	}
	return "program"
}
