package recipe_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

func scripts(url string) recipe.BuilderImage {
	return recipe.BuilderImage{User: "1001", Labels: map[string]string{"io.openshift.s2i.scripts-url": url}}
}

// TestS2IScripts: each script is taken from the sources, then from the folder
// that the config names, then from the label's.
func TestS2IScripts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files         []string
		scripts       string
		builder       recipe.BuilderImage
		assemble, run string
	}{
		"label":             {nil, "", scripts("image:///usr/libexec/s2i"), "/usr/libexec/s2i/assemble", "/usr/libexec/s2i/run"},
		"label with /":      {nil, "", scripts("image:///usr/libexec/s2i/"), "/usr/libexec/s2i/assemble", "/usr/libexec/s2i/run"},
		"config":            {nil, "/opt/s2i", scripts("image:///usr/libexec/s2i"), "/opt/s2i/assemble", "/opt/s2i/run"},
		"config as URL":     {nil, "image:///opt/s2i", recipe.BuilderImage{}, "/opt/s2i/assemble", "/opt/s2i/run"},
		"sources":           {[]string{".s2i/bin/assemble", "", ".s2i/bin/run", ""}, "/opt/s2i", scripts("http://x"), "/tmp/scripts/assemble", "/tmp/scripts/run"},
		"one of sources":    {[]string{".s2i/bin/assemble", ""}, "", scripts("image:///s"), "/tmp/scripts/assemble", "/s/run"},
		"sources, no label": {[]string{".s2i/bin/assemble", "", ".s2i/bin/run", ""}, "", recipe.BuilderImage{}, "/tmp/scripts/assemble", "/tmp/scripts/run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := recipe.S2I(s2i(release.PlanS2I{Scripts: c.scripts}), tree(t, append(c.files, "main.c", "")...), recipe.S2IImages{Builder: c.builder}, recipe.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var assemble, run string
			for _, cmd := range parse(t, r.Dockerfile)[0].Commands {
				switch cmd := cmd.(type) {
				case *instructions.RunCommand:
					assemble = cmd.CmdLine[0]
				case *instructions.CmdCommand:
					run = cmd.CmdLine[0]
				}
			}
			if assemble != c.assemble || run != c.run {
				t.Errorf("assemble %s, run %s; want %s, %s", assemble, run, c.assemble, c.run)
			}
		})
	}
}

// TestS2IProblems: what a Source-to-Image build lacks is said with where it was
// looked for.
func TestS2IProblems(t *testing.T) {
	t.Parallel()
	ok := scripts("image:///usr/libexec/s2i")
	for name, c := range map[string]struct {
		files   []string
		plan    release.PlanS2I
		builder recipe.BuilderImage
		words   []string
	}{
		"nothing":      {nil, release.PlanS2I{}, recipe.BuilderImage{}, []string{"assemble", ".s2i/bin/assemble", "scripts", "io.openshift.s2i.scripts-url", "registry.example/s2i/c:1"}},
		"no run":       {[]string{".s2i/bin/assemble", ""}, release.PlanS2I{}, recipe.BuilderImage{}, []string{"no script run"}},
		"http":         {nil, release.PlanS2I{}, scripts("https://x.example/s2i"), []string{"https://x.example/s2i", "never downloaded", ".s2i/bin"}},
		"file":         {nil, release.PlanS2I{Scripts: "file:///x"}, ok, []string{"file:///x"}},
		"relative":     {nil, release.PlanS2I{Scripts: "s2i"}, ok, []string{"s2i", "image:///usr/libexec/s2i"}},
		"environment":  {[]string{".s2i/environment", "A=1\n# x\n\nB\n C=1\nA=2\n"}, release.PlanS2I{}, ok, []string{".s2i/environment:4:1", `"B"`, ".s2i/environment:5:1", ".s2i/environment:6:1", "line 1"}},
		"exclude":      {nil, release.PlanS2I{Exclude: "("}, ok, []string{"exclude"}},
		"s2iignore":    {[]string{".s2iignore", "[a\n"}, release.PlanS2I{}, ok, []string{".s2iignore"}},
		"no artifacts": {nil, release.PlanS2I{RuntimeImage: "scratch"}, ok, []string{"artifacts", "nothing"}},
		"artifact":     {nil, release.PlanS2I{RuntimeImage: "scratch", Artifacts: []string{"a:b:c"}}, ok, []string{"a:b:c"}},
		"artifact ..":  {nil, release.PlanS2I{RuntimeImage: "scratch", Artifacts: []string{"a:../b"}}, ok, []string{"a:../b"}},
		"user":         {nil, release.PlanS2I{}, recipe.BuilderImage{User: "a b", Labels: ok.Labels}, []string{"a b"}},
		"builder":      {nil, release.PlanS2I{Builder: "UPPER/case:x y"}, ok, []string{"UPPER"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := recipe.S2I(s2i(c.plan), tree(t, append(c.files, "main.c", "")...), recipe.S2IImages{Builder: c.builder}, recipe.Options{})
			fails(t, err, c.words...)
		})
	}
	_, err := recipe.Usage("registry.example/plain:1", "", recipe.BuilderImage{})
	fails(t, err, "registry.example/plain:1", "io.openshift.s2i.scripts-url")
}

// TestS2IRuntime: where artifacts go, and what the image starts.
func TestS2IRuntime(t *testing.T) {
	t.Parallel()
	builder := scripts("image:///s")
	builder.Workdir = "/opt/app"
	for name, c := range map[string]struct {
		files    []string
		artifact string
		label    string
		runtime  string
		image    recipe.BuilderImage
		copied   string
		starts   string
	}{
		"relative":       {nil, "hello", "", "scratch", recipe.BuilderImage{}, "/opt/app/hello /app/hello", "/app/hello"},
		"absolute":       {nil, "/bin/hello", "", "scratch", recipe.BuilderImage{}, "/bin/hello /app/hello", "/app/hello"},
		"new name":       {nil, "hello:hi", "", "scratch", recipe.BuilderImage{}, "/opt/app/hello /app/hi", "/app/hi"},
		"new path":       {nil, "hello:/usr/bin/hi", "", "scratch", recipe.BuilderImage{}, "/opt/app/hello /usr/bin/hi", "/usr/bin/hi"},
		"folder":         {nil, "hello:/usr/bin/", "", "scratch", recipe.BuilderImage{}, "/opt/app/hello /usr/bin/hello", "/usr/bin/hello"},
		"dot":            {nil, "hello:.", "", "scratch", recipe.BuilderImage{}, "/opt/app/hello /app/hello", "/app/hello"},
		"label":          {nil, "", "/opt/hello:bin;", "scratch", recipe.BuilderImage{}, "/opt/hello /app/bin/hello", "/app/bin/hello"},
		"runtime's":      {nil, "hello", "", "alpine", recipe.BuilderImage{Cmd: []string{"sh"}}, "/opt/app/hello /app/hello", ""},
		"starts nothing": {nil, "hello", "", "busybox", recipe.BuilderImage{}, "/opt/app/hello /app/hello", "/app/hello"},
		"runtime's s2i":  {nil, "hello", "", "alpine", scripts("image:///r"), "/opt/app/hello /app/hello", "/r/run"},
		"own run":        {[]string{".s2i/bin/run", ""}, "hello", "", "alpine", scripts("image:///r"), "/opt/app/hello /app/hello", "/usr/libexec/s2i/run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := builder
			b.Labels = map[string]string{"io.openshift.s2i.scripts-url": "image:///s", "io.openshift.s2i.assemble-input-files": c.label}
			plan := release.PlanS2I{RuntimeImage: c.runtime}
			if c.artifact != "" {
				plan.Artifacts = []string{c.artifact}
			}
			r, err := recipe.S2I(s2i(plan), tree(t, append(c.files, "main.c", "")...), recipe.S2IImages{Builder: b, Runtime: c.image}, recipe.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var copied, starts, user string
			for _, cmd := range parse(t, r.Dockerfile)[1].Commands {
				switch cmd := cmd.(type) {
				case *instructions.CopyCommand:
					if cmd.From == "build" {
						copied = cmd.SourcePaths[0] + " " + cmd.DestPath
					}
				case *instructions.EntrypointCommand:
					starts = cmd.CmdLine[0]
				case *instructions.CmdCommand:
					starts = cmd.CmdLine[0]
				case *instructions.UserCommand:
					user = cmd.User
				}
			}
			if d := cmp.Diff([]string{c.copied, c.starts, release.DefaultUser}, []string{copied, starts, user}); d != "" {
				t.Errorf("(-want +got):\n%s\n%s", d, r.Dockerfile)
			}
		})
	}
}

// TestS2IEntry: an entrypoint of the config comes before the run script.
func TestS2IEntry(t *testing.T) {
	t.Parallel()
	img := s2i(release.PlanS2I{})
	img.Entrypoint, img.Cmd = []string{"/bin/hello"}, []string{"serve"}
	r, err := recipe.S2I(img, tree(t, "main.c", ""), recipe.S2IImages{Builder: scripts("image:///s")}, recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(r.Dockerfile); !strings.Contains(text, `ENTRYPOINT ["/bin/hello"]`) || !strings.Contains(text, `CMD ["serve"]`) || strings.Contains(text, `CMD ["/s/run"]`) {
		t.Error(text)
	}
}

// TestS2IExclude: the regular expression takes out just the paths that it
// matches; empty takes out nothing, .git included.
func TestS2IExclude(t *testing.T) {
	t.Parallel()
	all := []string{"main.c", ".git/config", "sub/.git/config", ".gitignore", "docs/a.md", "docs/deep/b.md", "docs/c.txt", "build/x.o", "build/y.o", "dist/x"}
	for expr, want := range map[string][]string{
		release.DefaultExclude: {".git/config", "sub/.git/config"},
		"":                     nil,
		`\.md$`:                {"docs/a.md", "docs/deep/b.md"},
		`^build`:               {"build/x.o", "build/y.o"},
		`^docs/deep$`:          nil, // a folder that goes only as it is empty
		`^dist`:                {"dist/x"},
		`o$|^build$`:           {"build/x.o", "build/y.o"},
		`.*`:                   all,
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			fsys := tree(t)
			for _, p := range all {
				fsys[p] = tree(t, p, "")[p]
			}
			r, err := recipe.S2I(s2i(release.PlanS2I{Exclude: expr}), fsys, recipe.S2IImages{Builder: scripts("image:///s")}, recipe.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range all {
				if ignores(t, r.Ignore, p) {
					got = append(got, p)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s\n%s", d, r.Ignore)
			}
			if strings.Contains(string(r.Dockerfile), "--exclude") {
				t.Errorf("the restored artifacts are excluded from, too:\n%s", r.Dockerfile)
			}
		})
	}
}

// TestS2IDockerignore: a .dockerignore is for another Dockerfile.
func TestS2IDockerignore(t *testing.T) {
	t.Parallel()
	r, err := recipe.S2I(s2i(release.PlanS2I{}), tree(t, "main.c", "", ".dockerignore", "*\n"), recipe.S2IImages{Builder: scripts("image:///s")}, recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if ignores(t, r.Ignore, "main.c") {
		t.Errorf("main.c is left out:\n%s", r.Ignore)
	}
}

// TestS2IEnvironment: the file's variables reach assemble and the image, those
// of the config over them, and quotes are warned of.
func TestS2IEnvironment(t *testing.T) {
	t.Parallel()
	img := s2i(release.PlanS2I{Env: map[string]string{"B": "config"}, Exclude: ""})
	r, err := recipe.S2I(img, tree(t, ".s2i/environment", "A=x=y $z\r\nB=file\nC=\nD=\"q\"\n"), recipe.S2IImages{Builder: scripts("image:///s")}, recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, cmd := range parse(t, r.Dockerfile)[0].Commands {
		if e, ok := cmd.(*instructions.EnvCommand); ok {
			expanded(t, e)
			got[e.Env[0].Key] = e.Env[0].Value
		}
	}
	if d := cmp.Diff(map[string]string{"A": "x=y $z", "B": "config", "C": "", "D": `"q"`}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if len(r.Warnings) != 1 || r.Warnings[0].Line != 4 || !r.Warnings[0].Warning {
		t.Errorf("warnings %v, want one of line 4", r.Warnings)
	}
}

// FuzzS2IEnvironment: any .s2i/environment is read, or refused line by line.
func FuzzS2IEnvironment(f *testing.F) {
	for _, s := range []string{"A=1\n", "# c\n\nA=1", "A", "=x", "A=\x00", "A=1\r\nB=2\r\n", "é=1", "A='q'\nA=2", "A=\\\nB=$A", " A=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := recipe.S2I(s2i(release.PlanS2I{}), tree(t, ".s2i/environment", text), recipe.S2IImages{Builder: scripts("image:///s")}, recipe.Options{})
		if err != nil {
			fails(t, err)
			var ps release.Problems
			if errors.As(err, &ps) {
				for _, p := range ps {
					if p.File == ".s2i/environment" && (p.Line < 1 || p.Line > strings.Count(text, "\n")+1) {
						t.Errorf("%v is in line %d", p, p.Line)
					}
				}
			}
			return
		}
		for _, cmd := range parse(t, r.Dockerfile)[0].Commands {
			if e, ok := cmd.(*instructions.EnvCommand); ok {
				expanded(t, e)
				if line := e.Env[0].Key + "=" + e.Env[0].Value; !strings.Contains(text, line) {
					t.Errorf("%q is not in %q", line, text)
				}
			}
		}
	})
}
