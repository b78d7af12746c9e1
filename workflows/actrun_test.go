package workflows_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/workflows"
)

// project is a repository on a forge in memory, checked out as act has it.
type project struct {
	t       *testing.T
	dir     string // the checkout
	base    string // everything of this project
	server  string
	repo    *memory.Repo
	token   string
	secrets map[string]string
	runner  string // act
	docker  string
	actions map[string]string
}

const sampleConfig = `project: hello
builds:
  - id: hello
    builder: command
    run: printf '%s' "hello {version} {os} {arch}{variant}" > {output}
`

// newProject makes a project whose config has more lines.
func newProject(t *testing.T, config string) *project {
	t.Helper()
	p := &project{t: t, base: t.TempDir(), token: simforge.WriteToken, runner: realtest.Act(t), docker: realtest.Docker(t)}
	realtest.LoadActionImage(t, p.docker)
	p.dir, p.actions = filepath.Join(p.base, "work"), actions(t, p.base)
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p.write(".slipway.yaml", sampleConfig+config)
	p.write("README.md", "hello\n")
	p.git("init", "-q", "--initial-branch=main")
	p.git("add", "--all")
	p.git("commit", "-qm", "feat: begin")
	bare := filepath.Join(p.base, "hello.git")
	p.git("clone", "-q", "--bare", ".", bare)
	s, err := simforge.Start(simforge.Options{Dialect: memory.GitHub})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	p.server, p.repo = s.URL, s.AddGitRepo(memory.Options{FullName: "acme/hello"}, bare)
	origin, err := url.Parse(s.URL + "/acme/hello.git")
	if err != nil {
		t.Fatal(err)
	}
	origin.User = url.UserPassword("x", simforge.WriteToken) // what actions/checkout keeps for a push
	p.git("remote", "add", "origin", origin.String())
	p.git("fetch", "-q", "origin")
	return p
}

func (p *project) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// git runs git as everybody would.
func (p *project) git(args ...string) string {
	p.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_AUTHOR_DATE=2024-03-01T10:00:00Z",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org", "GIT_COMMITTER_DATE=2024-03-01T10:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (p *project) head() string { return strings.TrimSpace(p.git("rev-parse", "HEAD")) }

// pushed is the event of a push of a ref at HEAD.
func (p *project) pushed(ref string) map[string]any {
	return map[string]any{"ref": ref, "before": strings.Repeat("0", 40), "after": p.head(), "deleted": false, "head_commit": map[string]any{"id": p.head()}}
}

// published holds that readers see a release with that many assets.
func (p *project) published(tag string, assets int) {
	p.t.Helper()
	for _, r := range p.repo.PublicReleases() {
		if r.Tag == tag {
			if len(r.Assets) != assets {
				p.t.Errorf("%s has %d assets, not %d", tag, len(r.Assets), assets)
			}
			return
		}
	}
	p.t.Errorf("%s is not published", tag)
}

// run is what the runner recorded of a workflow's run.
type run struct {
	t           *testing.T
	err         error
	log         string            // as people see it
	outputs     map[string]string // of the action's last step
	annotations []string          // KIND FILE:LINE:COLUMN TEXT
	summary     string
	masked      map[string]bool
	probe       string // what a step after it saw
}

// act has the runner carry out a template on an event.
func (p *project) act(name string, o workflows.Options, event string, body map[string]any) run {
	p.t.Helper()
	f, err := workflows.Render("github", name, o)
	if err != nil {
		p.t.Fatal(err)
	}
	dir := filepath.Join(p.base, fmt.Sprint("run-", time.Now().UnixNano()))
	shared := filepath.Join(dir, "shared")
	if err := os.MkdirAll(shared, 0o777); err != nil {
		p.t.Fatal(err)
	}
	file, eventFile := filepath.Join(dir, filepath.Base(f.Path)), filepath.Join(dir, "event.json")
	body["repository"] = map[string]any{"full_name": "acme/hello", "name": "hello", "default_branch": "main", "owner": map[string]any{"login": "acme"}}
	body["sender"] = map[string]any{"login": "ada"}
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	// act names its containers after the workflow; several run at once.
	content := bytes.Replace(withProbe(f.Content), []byte("\nname: "), []byte("\nname: "+filepath.Base(dir)+" "), 1)
	for name, text := range map[string][]byte{file: content, eventFile: text} {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	args := []string{event, "--directory", p.dir, "--workflows", file, "--eventpath", eventFile, "--json",
		"--pull=false", "--network", "host", "--container-daemon-socket", "-", "--platform", "ubuntu-latest=" + realtest.JobImage,
		"--container-options", "--volume " + shared + ":/shared", "--no-cache-server", "--action-cache-path", filepath.Join(dir, "cache"),
		"--env", "SLIPWAY_SERVER=" + p.server, "--env", "SLIPWAY_FORGE=github", "--env", "SLIPWAY_REPOSITORY=acme/hello", "--actor", "ada"}
	secrets := map[string]string{"GITHUB_TOKEN": p.token}
	maps.Copy(secrets, p.secrets)
	env := append(os.Environ(), "DOCKER_HOST="+p.docker, "HOME="+dir, "XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"))
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		args = append(args, "--secret", name+"="+secrets[name])
	}
	for _, uses := range slices.Sorted(maps.Keys(p.actions)) {
		args = append(args, "--local-repository", uses+"="+p.actions[uses])
	}
	cmd := exec.CommandContext(p.t.Context(), p.runner, args...)
	cmd.Env, cmd.Dir = env, dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	r := run{t: p.t, err: err, outputs: map[string]string{}, masked: map[string]bool{}}
	r.read(&stdout)
	r.log += stderr.String()
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Logf("act %s, %s:\n%s", name, event, r.log)
		}
	})
	return r
}

// probe is a step after those of each job: it shows, in a form that no mask
// changes, what later steps see of the outputs, and which files there are.
const probe = `
      - name: probe
        if: always()
        env:
          STEPS: ${{ toJSON(steps) }}
        run: echo "PROBE:$(printf '%s' "$STEPS" | base64 -w0)"
`

// withProbe adds the probe to every job: a job's steps are at the end of it.
func withProbe(content []byte) []byte {
	var out []byte
	inSteps := false
	for line := range bytes.Lines(content) {
		if inSteps && !bytes.HasPrefix(line, []byte("      ")) {
			out, inSteps = append(out, probe[1:]...), false
		}
		inSteps = inSteps || string(line) == "    steps:\n"
		out = append(out, line...)
	}
	if inSteps {
		out = append(out, probe[1:]...)
	}
	return out
}

// entry is a line of act's log.
type entry struct {
	Msg, Command, Name, Arg, Content string
	KvPairs                          map[string]string
	Raw                              bool `json:"raw_output"`
}

func (r *run) read(stdout *bytes.Buffer) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			r.log += lines.Text() + "\n"
			continue
		}
		if coded, ok := strings.CutPrefix(strings.TrimSpace(e.Msg), "PROBE:"); ok {
			plain, err := base64.StdEncoding.DecodeString(coded)
			if err != nil {
				r.t.Errorf("the probe says %q", e.Msg)
			}
			r.probe += string(plain)
			continue
		}
		r.log += e.Msg + "\n"
		switch e.Command {
		case "set-output":
			r.outputs[e.Name] = e.Arg
		case "add-mask":
			r.masked[e.Arg] = true
		case "summary":
			r.summary += e.Content
		case "error", "warning", "notice":
			where := ""
			if e.KvPairs["file"] != "" {
				where = fmt.Sprintf(" %s:%s:%s", e.KvPairs["file"], e.KvPairs["line"], e.KvPairs["col"])
			}
			r.annotations = append(r.annotations, e.Command+where+" "+e.Arg)
		}
	}
}

func (r run) ended(well bool) {
	r.t.Helper()
	if (r.err == nil) != well {
		r.t.Fatalf("it ended with %v", r.err)
	}
}

// output holds that the runner and the steps after it have that value.
func (r run) output(name, want string) {
	r.t.Helper()
	quoted, err := json.Marshal(want)
	if err != nil {
		r.t.Fatal(err)
	}
	if got := r.outputs[name]; got != want || !strings.Contains(r.probe, fmt.Sprintf("%q: %s", name, quoted)) {
		r.t.Errorf("output %s is %q, not %q; later steps see\n%s", name, got, want, r.probe)
	}
}

func (r run) says(where, text string, want ...string) {
	r.t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			r.t.Errorf("the %s does not say %q:\n%s", where, w, text)
		}
	}
}

// hides holds that a secret is nowhere in what the runner recorded.
func (r run) hides(secret string) {
	r.t.Helper()
	for where, text := range map[string]string{"log": r.log, "summary": r.summary, "outputs": fmt.Sprint(r.outputs) + r.probe, "annotations": fmt.Sprint(r.annotations)} {
		if strings.Contains(text, secret) {
			r.t.Errorf("a secret is in the %s", where)
		}
	}
}
