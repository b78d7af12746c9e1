package workflows_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/action"
	"github.com/slipway-dev/slipway/internal/config"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/workflows"
)

// workflow is what the tests look at in a workflow file.
type workflow struct {
	Name        string
	On          map[string]any
	Permissions map[string]string
	Concurrency map[string]any
	Jobs        map[string]job
}

type job struct {
	RunsOn      string `yaml:"runs-on"`
	Permissions map[string]string
	Needs       string
	Strategy    struct {
		Matrix map[string][]string
	}
	Steps []step
}

type step struct {
	ID, If, Name, Uses, Run string
	With                    map[string]string
	Env                     map[string]string
}

// metadata is what the tests look at in action.yml.
type metadata struct {
	Inputs  map[string]struct{ Default string }
	Outputs map[string]any
}

func readMetadata(t *testing.T) metadata {
	t.Helper()
	b, err := os.ReadFile("../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var m metadata
	if err := yaml.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func render(t *testing.T, forge, name string, o workflows.Options) workflow {
	t.Helper()
	f, err := workflows.Render(forge, name, o)
	if err != nil {
		t.Fatalf("%s for %s: %v", name, forge, err)
	}
	var w workflow
	if err := yaml.Unmarshal(f.Content, &w); err != nil {
		t.Fatalf("%s: %v\n%s", f.Path, err, f.Content)
	}
	return w
}

// every calls do for each workflow of each forge, with and without images and
// release packages.
func every(t *testing.T, do func(t *testing.T, forge, name string, o workflows.Options)) {
	t.Helper()
	for _, forge := range workflows.Forges() {
		for _, name := range workflows.Names(forge) {
			for _, registry := range []string{"", "ghcr.io", "registry.example:5000"} {
				for _, rollout := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/%s/%t", forge, name, registry, rollout), func(t *testing.T) {
						t.Parallel()
						do(t, forge, name, workflows.Options{Registry: registry, Rollout: rollout})
					})
				}
			}
		}
	}
}

func isAction(s step) bool { return strings.Contains(s.Uses, "slipway-dev/slipway@") }

var expression = regexp.MustCompile(`\$\{\{(.*?)\}\}`)

// Each template is a workflow of its forge that uses the action with inputs and
// outputs that action.yml has.
func TestTemplatesFitTheAction(t *testing.T) {
	t.Parallel()
	m := readMetadata(t)
	output := regexp.MustCompile(`steps\.([A-Za-z0-9_-]+)\.outputs\.([A-Za-z0-9_-]+)`)
	every(t, func(t *testing.T, forge, name string, o workflows.Options) {
		f, err := workflows.Render(forge, name, o)
		if err != nil {
			t.Fatal(err)
		}
		if want := "." + forge + "/workflows/slipway-" + name + ".yml"; f.Path != want {
			t.Errorf("it goes to %s, not %s", f.Path, want)
		}
		if !bytes.HasSuffix(f.Content, []byte("\n")) || bytes.HasSuffix(f.Content, []byte("\n\n")) || bytes.ContainsAny(f.Content, "\t\r<") {
			t.Errorf("odd ends or delimiters:\n%s", f.Content)
		}
		w := render(t, forge, name, o)
		if w.Name == "" || len(w.On) == 0 || len(w.Jobs) == 0 || w.Concurrency["group"] == nil {
			t.Errorf("it lacks a name, an event, a job or a concurrency group:\n%s", f.Content)
		}
		used := 0
		ids := map[string]bool{}
		for _, j := range w.Jobs {
			for _, s := range j.Steps {
				if !isAction(s) {
					continue
				}
				used++
				ids[s.ID] = true
				for key := range s.With {
					if _, ok := m.Inputs[key]; !ok {
						t.Errorf("action.yml has no input %s", key)
					}
				}
			}
		}
		if used == 0 {
			t.Error("it does not use the action")
		}
		for _, found := range output.FindAllStringSubmatch(string(f.Content), -1) {
			if _, ok := m.Outputs[found[2]]; !ok || !ids[found[1]] {
				t.Errorf("there is no %s", found[0])
			}
		}
	})
}

// What each template's steps come to is the command line that is meant, by the
// action's own reading of its inputs.
func TestTemplatesRun(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"release":         {"release --dist dist --class stable"},
		"development":     {"release --dist dist --class stable"},
		"plan":            {"plan --snapshot --class stable"},
		"test":            {"test --class stable"},
		"promote":         {"promote --dist dist --class stable -- inputs.from inputs.tag"},
		"split":           {"build --stage --platforms matrix.platforms --dist dist --class stable", "release --merge --dist dist --class stable"},
		"rollout":         {"rollout --continue"},
		"split-artifacts": {"build --platforms matrix.platforms --dist dist --class stable --part", "release --merge --dist dist --class stable"},
	}
	m := readMetadata(t)
	every(t, func(t *testing.T, forge, name string, o workflows.Options) {
		var got []string
		for _, j := range render(t, forge, name, o).Jobs {
			for _, s := range j.Steps {
				if isAction(s) {
					got = append(got, lineOf(t, m, s.With))
				}
			}
		}
		slices.Sort(got)
		var lines []string
		for _, line := range want[name] {
			lines = append(lines, sorted(line))
		}
		switch releases := name != "plan" && name != "test" && name != "rollout"; {
		case releases && o.Rollout && name == "promote":
			lines = append(lines, sorted("rollout --class stable --tag inputs.tag"))
		case releases && o.Rollout:
			lines = append(lines, sorted("rollout --class stable"))
		}
		slices.Sort(lines)
		if diff := cmp.Diff(lines, got); diff != "" {
			t.Error(diff)
		}
	})
}

// lineOf is the command line that the action makes of inputs, flags sorted.
// Expressions stand for their values.
func lineOf(t *testing.T, m metadata, with map[string]string) string {
	t.Helper()
	given := map[string]string{"class": "stable"} // so that every line shows whether it takes one
	for name, in := range m.Inputs {
		if in.Default != "" {
			given[name] = in.Default
		}
	}
	for name, value := range with {
		given[name] = value
	}
	var environ []string
	for name, value := range given {
		value = expression.ReplaceAllStringFunc(value, func(e string) string { return strings.TrimSpace(e[3 : len(e)-2]) })
		environ = append(environ, "INPUT_"+strings.ToUpper(name)+"="+value)
	}
	var line string
	var log bytes.Buffer
	err := action.Step{
		Environ: environ, Log: &log,
		Getenv: func(name string) string {
			for _, kv := range environ {
				if value, ok := strings.CutPrefix(kv, name+"="); ok {
					return value
				}
			}
			return ""
		},
		Run: func(_ context.Context, c action.Call) (release.Report, error) {
			line = sorted(strings.Join(c.Args, " "))
			return release.Report{}, nil
		},
	}.Do(t.Context())
	if err != nil {
		t.Errorf("%v\n%s", err, &log)
	}
	return line
}

// sorted is a command line with its flags in alphabetical order.
func sorted(line string) string {
	words := strings.Split(line, " --")
	slices.Sort(words[1:])
	return strings.Join(words, " --")
}

// A job may do what it must, and no more: whoever only reads writes nothing, and
// a secret is given to nobody who does not push images.
func TestTemplatesHaveLeastRights(t *testing.T) {
	t.Parallel()
	every(t, func(t *testing.T, forge, name string, o workflows.Options) {
		w := render(t, forge, name, o)
		for id, j := range w.Jobs {
			rights := j.Permissions
			if rights == nil {
				rights = w.Permissions
			}
			want := map[string]string{"contents": "write"}
			publishes := id != "build" && id != "rollout" && name != "plan" && name != "test"
			if id == "rollout" && forge == "github" {
				want["deployments"] = "write"
			}
			if !publishes && name != "split" && id != "rollout" {
				want["contents"] = "read"
			}
			if publishes && forge == "github" && o.Registry == "ghcr.io" {
				want["packages"] = "write"
			}
			if diff := cmp.Diff(want, rights); diff != "" {
				t.Errorf("job %s: %s", id, diff)
			}
			for _, s := range j.Steps {
				if strings.HasPrefix(s.Uses, "actions/checkout@") && (s.With["fetch-depth"] != "0" || s.With["persist-credentials"] != "false") {
					t.Errorf("job %s checks out with %v", id, s.With)
				}
				if s.Uses != "" && !isAction(s) && !regexp.MustCompile(`^actions/[a-z-]+@v[0-9]+$`).MatchString(s.Uses) {
					t.Errorf("job %s uses %s, whose major version is not pinned", id, s.Uses)
				}
				if strings.Contains(s.Run, "${{") {
					t.Errorf("job %s has an expression in its script: %s", id, s.Run)
				}
				for key, value := range s.With {
					secret := strings.Contains(value, "secrets.") || strings.Contains(value, "github.token")
					if secret && (!publishes || o.Registry == "" || key != "registry-password" && key != "registry-username") {
						t.Errorf("job %s gives %s to %s", id, value, key)
					}
				}
			}
		}
	})
}

// A branch of any name stands in a workflow as that name, and a pattern that
// matches nothing else.
func FuzzBranch(f *testing.F) {
	for _, s := range []string{"main", "release/1.x", "yes", "a: b", "it's", "#1", "&x", "*", "wip+x", "!no", "a]b", "${{ secrets.X }}", "a\\b", "é", "\u2028", "-", "{a}", "a\nb: c", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, branch string) {
		file, err := workflows.Render("github", "plan", workflows.Options{Branch: branch})
		if err != nil {
			t.Fatal(err)
		}
		var w struct {
			On struct {
				PullRequest struct {
					Branches []string
				} `yaml:"pull_request"`
			}
			Jobs map[string]any
		}
		if err := yaml.Unmarshal(file.Content, &w); err != nil {
			t.Fatalf("%q: %v\n%s", branch, err, file.Content)
		}
		if branch == "" {
			branch = "main"
		}
		got := fmt.Sprint(w.On.PullRequest.Branches)
		want := strings.ToValidUTF8(branch, "\uFFFD")
		want = regexp.MustCompile(`[*?+!\[\]\\]`).ReplaceAllString(want, `\$0`)
		if len(w.On.PullRequest.Branches) != 1 || got != "["+want+"]" || len(w.Jobs) != 1 {
			t.Errorf("%q stands there as %s, want %s", branch, got, want)
		}
	})
}

// What can't stand in a workflow is refused, and so is what there is not.
func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	for what, err := range map[string]error{
		"forge":       renderError("gitlab", "release", workflows.Options{}),
		"workflow":    renderError("gitea", "split-artifacts", workflows.Options{}),
		"path":        renderError("github", "../release", workflows.Options{}),
		"action":      renderError("github", "release", workflows.Options{Action: "a/b@v1\n- run: x"}),
		"platform":    renderError("github", "split", workflows.Options{Platforms: []string{"linux/amd64: x"}}),
		"registry":    renderError("github", "release", workflows.Options{Registry: "${{ secrets.X }}"}),
		"two formats": renderError("github", "release", workflows.Options{Registry: "ghcr.io\nx: y"}),
	} {
		if release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func renderError(forge, name string, o workflows.Options) error {
	_, err := workflows.Render(forge, name, o)
	return err
}

// Two workflows that release the same tag are found.
func TestConflict(t *testing.T) {
	t.Parallel()
	for _, forge := range workflows.Forges() {
		if a, b, both := workflows.Conflict(workflows.Together(forge, true)); both {
			t.Errorf("%s and %s", a, b)
		}
		if _, _, both := workflows.Conflict(workflows.Names(forge)); !both {
			t.Errorf("%s: release and split were let through", forge)
		}
	}
}

// Slipway's own workflows use its action as it is, its own config has no
// problem, and action.yml has the line that a release pins.
func TestOwnWorkflows(t *testing.T) {
	t.Parallel()
	m := readMetadata(t)
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no workflows", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fits(t, m, name, text)
	}
	text, err := os.ReadFile("../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	if len(regexp.MustCompile(`(?m)^  image: Dockerfile$`).FindAll(text, -1)) != 1 {
		t.Error("release.yml would not find what to pin in action.yml")
	}
	text, err = os.ReadFile("../.slipway.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, problems := config.Load(".slipway.yaml", text); len(problems) > 0 {
		t.Error(problems)
	}
}

// The workflows in the README are whole, and use the action as it is.
func TestReadmeWorkflows(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m, found := readMetadata(t), 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1) {
		if bytes.Contains(block[1], []byte("uses:")) {
			found++
			fits(t, m, "README.md", block[1])
		}
	}
	if found != 1 {
		t.Errorf("it has %d workflows", found)
	}
}

// fits holds that a workflow is one, and gives the action inputs that it has.
func fits(t *testing.T, m metadata, name string, text []byte) {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal(text, &w); err != nil || len(w.Jobs) == 0 || len(w.On) == 0 {
		t.Errorf("%s is no workflow: %v", name, err)
	}
	for _, j := range w.Jobs {
		for _, s := range j.Steps {
			if !isAction(s) && s.Uses != "./" {
				continue
			}
			for key := range s.With {
				if _, ok := m.Inputs[key]; !ok {
					t.Errorf("%s: action.yml has no input %s", name, key)
				}
			}
		}
	}
}
