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

// goSources is what go.mod and go.work say.
type goSources struct {
	mod       *modfile.File // of the folder itself; nil in a workspace without one
	version   string        // of Go, as 1.26 or 1.26.8; empty: any
	manifests []string      // files that say what is depended on
	members   []string      // folders of a workspace's modules; empty without go.work
}

// golang: tests run on the builder's platform, and the compiler there makes the
// binaries of every platform, static.
func (s *source) golang() (language, error) {
	g, err := s.goManifests()
	if err != nil {
		return language{}, err
	}
	image, err := s.goImage(g.version)
	if err != nil {
		return language{}, err
	}
	l := language{name: "go", image: image, cross: true, env: map[string]string{"CGO_ENABLED": "0"}, manifests: g.manifests}
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
	} else if !s.has("vendor/modules.txt") {
		l.download = []string{"go mod download"}
	}
	test := "go test"
	for _, m := range g.members {
		test += " ./" + path.Join(m, "...")
	}
	if len(g.members) == 0 {
		test += " ./..."
	}
	l.test = []string{test}
	l.target = []string{`export GOOS="$TARGETOS" GOARCH="$TARGETARCH"`,
		`case "$TARGETARCH" in arm) export GOARM="${TARGETVARIANT#v}" ;; amd64) export GOAMD64="${TARGETVARIANT:-v1}" ;; esac`}
	if s.plan.Build == "" {
		err = s.goBuild(&l, g)
	}
	return l, err
}

// goManifests reads go.mod and finds the other files of that kind that the
// module graph needs: those of a workspace and of modules replaced by folders.
func (s *source) goManifests() (goSources, error) {
	var g goSources
	dirs := []string{"."}
	text, workspace, err := s.read("go.work")
	if err != nil {
		return g, err
	}
	if workspace {
		g.manifests = append(g.manifests, "go.work", "go.work.sum")
		work, err := modfile.ParseWork(s.where("go.work"), []byte(text), nil)
		if err != nil {
			return g, release.Invalidf("", "%v", err)
		}
		g.version = goNeeded(work.Go, work.Toolchain)
		for _, u := range work.Use {
			dirs = append(dirs, u.Path)
			g.members = append(g.members, path.Clean(u.Path))
		}
		dirs = append(dirs, replaced(".", work.Replace)...)
	}
	for i := 0; i < len(dirs); i++ {
		dir := path.Clean(dirs[i])
		if !fs.ValidPath(dir) || strings.ContainsFunc(dir, control) || !simple.MatchString(dir) {
			return g, release.Invalidf("name a folder in `context` that holds both", "image %s: the module %q, which the sources need, lies outside %s", s.img.ID, dirs[i], s.folder())
		}
		if slices.Contains(dirs[:i], dir) {
			continue
		}
		dirs[i] = dir
		more, err := s.goModule(&g, dir)
		if err != nil {
			return g, err
		}
		dirs = append(dirs, more...)
	}
	if g.mod == nil && !workspace {
		return g, release.Invalidf("name the folder with the sources in `context`", "image %s: there is no go.mod in %s", s.img.ID, s.folder())
	}
	g.manifests = slices.DeleteFunc(g.manifests, func(p string) bool { return !s.has(p) })
	return g, nil
}

// goModule reads a folder's go.mod, if it has one, and gives the folders that it
// replaces modules with.
func (s *source) goModule(g *goSources, dir string) ([]string, error) {
	name := path.Join(dir, "go.mod")
	text, ok, err := s.read(name)
	if err != nil || !ok {
		return nil, err
	}
	g.manifests = append(g.manifests, name, path.Join(dir, "go.sum"))
	f, err := modfile.Parse(s.where(name), []byte(text), nil)
	if err != nil {
		return nil, release.Invalidf("", "%v", err)
	}
	if dir == "." {
		g.mod = f
		if g.version == "" {
			g.version = goNeeded(f.Go, f.Toolchain)
		}
	}
	return replaced(dir, f.Replace), nil
}

// goNeeded is the version that a toolchain line names, or else the go line.
func goNeeded(version *modfile.Go, toolchain *modfile.Toolchain) string {
	switch {
	case toolchain != nil && toolchain.Name != "default":
		return strings.TrimPrefix(toolchain.Name, "go")
	case version != nil:
		return version.Version
	}
	return ""
}

// replaced gives the folders that replace directives name.
func replaced(dir string, replace []*modfile.Replace) []string {
	var out []string
	for _, r := range replace {
		if r.New.Version == "" && strings.HasPrefix(r.New.Path, ".") {
			out = append(out, path.Join(dir, r.New.Path))
		}
	}
	return out
}

var goVersion = regexp.MustCompile(`^1\.[0-9]+(\.[0-9]+|rc[0-9]+|beta[0-9]+)?$`)

func (s *source) goImage(needed string) (string, error) {
	if s.plan.BuildImage != "" {
		return s.plan.BuildImage, nil
	}
	version := needed
	if s.plan.Toolchain != "" {
		version = s.plan.Toolchain
	}
	if version == "" || version == "stable" {
		return "golang:latest", nil
	}
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "go"), "-")
	if !goVersion.MatchString(version) {
		return "", release.Invalidf("write a version such as 1.26, or set `build-image`", "image %s: %q is no version of Go", s.img.ID, version)
	}
	return "golang:" + version, nil
}

func (s *source) goBuild(l *language, g goSources) error {
	packages := s.packages()
	if len(packages) == 0 {
		packages = s.goMains(g.members)
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
		name := goProgram(p, g.mod)
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
func (s *source) goMains(members []string) []string {
	for _, try := range []struct {
		dirs []string
		deep bool
	}{{[]string{"."}, false}, {[]string{"cmd"}, true}, {append([]string{"."}, members...), true}} {
		var found []string
		for _, dir := range try.dirs {
			found = append(found, s.mains(dir, try.deep)...)
		}
		if len(found) > 0 {
			slices.Sort(found)
			found = slices.Compact(found)
			// The project's own comes first: it is what the image starts.
			own := func(p string) bool { return path.Base(p) == path.Base(s.options.Project) }
			if i := slices.IndexFunc(found, own); i > 0 {
				first := found[i]
				found = slices.Insert(slices.Delete(found, i, i+1), 0, first)
			}
			return found
		}
	}
	return nil
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
	_ = fs.WalkDir(s.files, dir, func(p string, d fs.DirEntry, _ error) error { // what can't be read has no program
		if d == nil || !d.IsDir() {
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
