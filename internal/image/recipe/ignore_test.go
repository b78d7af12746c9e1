package recipe_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// TestEnvironmentFilesStayOut: in a release no line of the user's .dockerignore
// brings an environment file back, of whatever kind the image is, at whatever
// depth the file lies.
func TestEnvironmentFilesStayOut(t *testing.T) {
	t.Parallel()
	hidden := []string{".env", ".env.local", "config/.env", "a/b/c/.env.production", ".env.d/secret", "x/.env/inner", ".git/.env"}
	open := []string{".env.example", "config/.env.sample", ".env.template", "deep/er/.env.dist", "env", "a.env", "other.txt", ".environment"}
	fsys := tree(t, append(goFiles,
		"Dockerfile", "FROM scratch\nCOPY . /\n", ".s2i/bin/assemble", "", ".s2i/bin/run", "",
		".dockerignore", "**\n!.env\n!**/.env*\n!**\n", ".s2iignore", "!.env\n!**/.env\n")...)
	for _, p := range append(hidden, open...) {
		fsys[p] = &fstest.MapFile{Data: []byte("SECRET=1")}
	}
	o := recipe.Options{Project: "hello"}
	for name, make := range kinds(fsys, o) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := make(release.PlanImage{})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range hidden {
				if !ignores(t, r.Ignore, p) {
					t.Errorf("%s reaches the builder\n%s", p, r.Ignore)
				}
			}
			for _, p := range open {
				if ignores(t, r.Ignore, p) {
					t.Errorf("%s is left out\n%s", p, r.Ignore)
				}
			}
		})
		t.Run(name+" in development", func(t *testing.T) {
			t.Parallel()
			r, err := make(release.PlanImage{Development: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range append(hidden, open...) {
				if ignores(t, r.Ignore, p) && !strings.HasPrefix(p, ".git/") {
					t.Errorf("%s is left out of a development build\n%s", p, r.Ignore)
				}
			}
		})
	}
}

// kinds makes a recipe of each kind with some settings of like.
func kinds(fsys fstest.MapFS, o recipe.Options) map[string]func(like release.PlanImage) (recipe.Recipe, error) {
	set := func(img, like release.PlanImage) release.PlanImage {
		img.Development, img.EnvFiles = like.Development, like.EnvFiles
		return img
	}
	return map[string]func(release.PlanImage) (recipe.Recipe, error){
		"dockerfile": func(like release.PlanImage) (recipe.Recipe, error) {
			return recipe.Dockerfile(set(release.PlanImage{Kind: release.ImageOfDockerfile, Dockerfile: "Dockerfile"}, like), fsys)
		},
		"source": func(like release.PlanImage) (recipe.Recipe, error) {
			return recipe.Source(set(source(release.PlanFrom{}), like), fsys, o)
		},
		"s2i": func(like release.PlanImage) (recipe.Recipe, error) {
			return recipe.S2I(set(s2i(release.PlanS2I{}), like), fsys, recipe.S2IImages{}, o)
		},
	}
}

// TestEnvironmentPatterns: the patterns of env-files mean the same to the
// .dockerignore as to doublestar.
func TestEnvironmentPatterns(t *testing.T) {
	t.Parallel()
	all := []string{"secrets.yaml", "a/secrets.yaml", "prod.env", "a/stage.env", "config/local.json", "x/config/local.json", "[odd].env", "a b.key", "trailing .key ", ".env", ".env.example", "é.key", "a|b.pem", "b.pem"}
	for name, c := range map[string]struct {
		patterns, hidden []string
	}{
		"name":        {[]string{"secrets.yaml"}, []string{"secrets.yaml", "a/secrets.yaml"}},
		"braces":      {[]string{"{prod,stage}.env"}, []string{"prod.env", "a/stage.env"}},
		"nested":      {[]string{"{prod,{stage,dev}}.env"}, []string{"prod.env", "a/stage.env"}},
		"folder":      {[]string{"config/*.json"}, []string{"config/local.json", "x/config/local.json"}},
		"from /":      {[]string{"/config/local.json"}, []string{"config/local.json", "x/config/local.json"}},
		"**":          {[]string{"**/*.env"}, []string{"prod.env", "a/stage.env", "[odd].env", ".env"}},
		"not class":   {[]string{"[!ps]?*.env"}, []string{"[odd].env"}},
		"escaped":     {[]string{`\[odd\].env`}, []string{"[odd].env"}},
		"space":       {[]string{"*.key*"}, []string{"a b.key", "trailing .key ", "é.key"}},
		"bar":         {[]string{"a|*.pem"}, []string{"a|b.pem"}},
		"by its name": {[]string{".env.example"}, []string{".env.example"}},
		"none":        {[]string{}, nil},
		"default":     {nil, []string{".env"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := tree(t, goFiles...)
			for _, p := range all {
				fsys[p] = &fstest.MapFile{}
			}
			img := source(release.PlanFrom{})
			img.EnvFiles = c.patterns
			r, err := recipe.Source(img, fsys, recipe.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var hidden []string
			for _, p := range all {
				if ignores(t, r.Ignore, p) {
					hidden = append(hidden, p)
				}
				if ignores(t, r.Ignore, p) != recipe.IsEnvironmentFile(img, p) {
					t.Errorf("%q: the .dockerignore says %v, IsEnvironmentFile %v\n%s", p, ignores(t, r.Ignore, p), recipe.IsEnvironmentFile(img, p), r.Ignore)
				}
			}
			if d := cmp.Diff(c.hidden, hidden); d != "" {
				t.Errorf("hidden (-want +got):\n%s", d)
			}
		})
	}
	bad := source(release.PlanFrom{})
	bad.EnvFiles = []string{"[a"}
	_, err := recipe.Source(bad, tree(t, goFiles...), recipe.Options{})
	fails(t, err, "env-files", "[a")
}

// TestIgnoreFiles: the Dockerfile's own .dockerignore counts before the
// context's, and a line that can't be understood is shown with its file.
func TestIgnoreFiles(t *testing.T) {
	t.Parallel()
	img := release.PlanImage{Kind: release.ImageOfDockerfile, Dockerfile: "docker/Dockerfile", Context: "app"}
	fsys := tree(t, "docker/Dockerfile", "FROM scratch\nCOPY . /\n", ".dockerignore", "root\n", "app/.dockerignore", "context\n", "app/x", "")
	r, err := recipe.Dockerfile(img, fsys)
	if err != nil {
		t.Fatal(err)
	}
	if !ignores(t, r.Ignore, "context") || ignores(t, r.Ignore, "root") {
		t.Errorf("not the context's .dockerignore:\n%s", r.Ignore)
	}
	fsys["docker/Dockerfile.dockerignore"] = &fstest.MapFile{Data: []byte("own")}
	if r, err = recipe.Dockerfile(img, fsys); err != nil {
		t.Fatal(err)
	}
	if !ignores(t, r.Ignore, "own") || ignores(t, r.Ignore, "context") {
		t.Errorf("not the Dockerfile's own .dockerignore:\n%s", r.Ignore)
	}
	fsys["docker/Dockerfile.dockerignore"] = &fstest.MapFile{Data: []byte("[a\n")}
	_, err = recipe.Dockerfile(img, fsys)
	fails(t, err, "docker/Dockerfile.dockerignore")
}

// TestLinksOut: nothing outside of the repository is read, whichever way leads
// there.
func TestLinksOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	repository := dir + "/repository"
	for _, err := range []error{
		os.MkdirAll(repository+"/sub", 0o755),
		os.WriteFile(dir+"/secret", []byte("FROM scratch\n"), 0o600),
		os.WriteFile(repository+"/sub/Dockerfile", []byte("FROM scratch\nCOPY . /\n"), 0o600),
		os.Symlink("../secret", repository+"/out"), os.Symlink(dir, repository+"/absolute"),
		os.Symlink("sub/../sub/Dockerfile", repository+"/in"), os.Symlink("loop", repository+"/loop"),
		os.Symlink("..", repository+"/sub/up"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, words := range map[string][]string{
		"../secret": {"leads out"}, "out": {"leads out"}, "absolute/secret": {"leads out"}, dir + "/secret": {"leads out"},
		"sub/up/../secret": {"leads out"}, "sub/../../secret": {"leads out"}, "missing": {"there is no", "missing"},
	} {
		_, err := recipe.Dockerfile(release.PlanImage{Kind: release.ImageOfDockerfile, Dockerfile: name}, os.DirFS(repository))
		fails(t, err, words...)
		img := builds()
		img.Files = []string{name}
		_, err = recipe.Files(img, os.DirFS(repository))
		fails(t, err, words...)
		from := source(release.PlanFrom{})
		from.Context = name
		_, err = recipe.Source(from, os.DirFS(repository), recipe.Options{})
		fails(t, err, words...)
	}
	for _, name := range []string{"in", "sub/Dockerfile", "sub/up/in"} {
		if _, err := recipe.Dockerfile(release.PlanImage{Kind: release.ImageOfDockerfile, Dockerfile: name}, os.DirFS(repository)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := recipe.Dockerfile(release.PlanImage{Kind: release.ImageOfDockerfile, Dockerfile: "loop"}, os.DirFS(repository)); err == nil {
		t.Error("a link to itself is read")
	}
}
