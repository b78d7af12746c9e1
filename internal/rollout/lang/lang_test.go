package lang_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// machine is a host that keeps scripts and files, and answers as it is told.
type machine struct {
	mu      sync.Mutex
	scripts []lang.Script
	answers map[string]lang.Shell // by text of the script
	files   map[string]string
	env     map[string]string
	refuses error
}

func (m *machine) OS() string             { return "linux" }
func (m *machine) Arch() string           { return "arm64" }
func (m *machine) Env() map[string]string { return maps.Clone(m.env) }

func (m *machine) Shell(ctx context.Context, s lang.Script, log lang.Log) (lang.Shell, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return lang.Shell{}, err
	}
	if m.refuses != nil {
		return lang.Shell{}, m.refuses
	}
	m.scripts = append(m.scripts, s)
	a := m.answers[s.Text]
	if !s.Mute {
		for line := range strings.SplitSeq(a.Stdout, "\n") {
			log.Stdout(line)
		}
	}
	return a, nil
}

func (m *machine) ReadFile(_ context.Context, path string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.files[path]
	if !ok {
		return nil, os.ErrNotExist
	}
	return []byte(content), nil
}

func (m *machine) WriteFile(_ context.Context, path string, content []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = map[string]string{}
	}
	m.files[path] = string(content)
	return nil
}

func (m *machine) texts() []string {
	var out []string
	for _, s := range m.scripts {
		out = append(out, s.Text)
	}
	return out
}

// journal is a log that remembers.
type journal struct {
	mu      sync.Mutex
	lines   []string
	secrets []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}
func (j *journal) Print(line string)  { j.add(line) }
func (j *journal) Stdout(line string) { j.add("out: " + line) }
func (j *journal) Stderr(line string) { j.add("err: " + line) }
func (j *journal) Secret(value string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.secrets = append(j.secrets, value)
}

var self = ref.Ref{Repo: "github.com/acme/app", Path: "release.ocu.star", Versioned: true, Release: "r3"}

func envs(names ...string) []lang.Environment {
	var out []lang.Environment
	for _, n := range names {
		name, kind, _ := strings.Cut(n, ":")
		out = append(out, lang.Environment{Name: name, Attributes: map[string]string{"type": kind}})
	}
	return out
}

var four = envs("staging:staging", "staging2:staging", "production:prod", "production2:prod")

// files makes a repository of pairs of path and content; a single string is
// release.ocu.star.
func files(pairs ...string) fstest.MapFS {
	if len(pairs) == 1 {
		pairs = []string{"release.ocu.star", pairs[0]}
	}
	out := fstest.MapFS{}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return out
}

func options(pairs ...string) lang.Options {
	return lang.Options{Root: files(pairs...), Self: self, Environments: four, Host: &machine{}, Log: &journal{}}
}

func mustLoad(t *testing.T, o lang.Options) *lang.Package {
	t.Helper()
	p, err := lang.Load(t.Context(), o)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return p
}

// outline is the order of a package's work: "name: kind/item, kind/item".
func outline(p *lang.Package) []string {
	var out []string
	for _, phase := range p.Phases {
		var items []string
		for _, i := range phase.Items {
			items = append(items, string(i.Kind)+"/"+i.Name)
		}
		out = append(out, phase.Name+": "+strings.Join(items, ", "))
	}
	return out
}

func raw(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sample(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("testdata/sample.ocu.star")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Ocuroot's sample runs as it stands.
func TestSample(t *testing.T) {
	t.Parallel()
	o := options(sample(t))
	p := mustLoad(t, o)
	want := []string{": call/build", "staging: deploy/staging, deploy/staging2", "production: deploy/production, deploy/production2"}
	if diff := cmp.Diff(want, outline(p)); diff != "" {
		t.Error(diff)
	}
	if p.Language != "ocuroot" || p.Version != "0.3.0" || p.File != "release.ocu.star" || len(p.Warnings) != 0 {
		t.Errorf("%+v", p)
	}
	in := p.Phases[0].Items[0].Inputs["prev_build_number"]
	if in.Ref.String() != "github.com/acme/app/-/release.ocu.star/@/call/build#output/build_number" || string(in.Default) != "0" {
		t.Errorf("prev_build_number: %v %s", in.Ref, in.Default)
	}
	tag := p.Phases[1].Items[1].Inputs["tag"]
	if tag.Ref.Kind != ref.Call || tag.Ref.Name != "build" || tag.Ref.Release != "r3" || tag.Default != nil {
		t.Errorf("tag: %v", tag.Ref)
	}
	m, log := &machine{}, &journal{}
	o.Host, o.Log = m, log
	got, err := p.Call(t.Context(), p.Phases[0].Items[0].Fn, map[string]json.RawMessage{"prev_build_number": raw(t, 6)}, o)
	if err != nil {
		t.Fatal(err)
	}
	want7 := map[string]json.RawMessage{"build_number": raw(t, 7), "tag": raw(t, "myapp:7")}
	if diff := cmp.Diff(&lang.Done{Output: want7}, got.Done); diff != "" {
		t.Error(diff)
	}
	deploy := p.Phases[2].Items[0]
	if _, err := p.Call(t.Context(), deploy.Fn, map[string]json.RawMessage{"tag": raw(t, "myapp:7"), "environment": raw(t, four[2])}, o); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Call(t.Context(), deploy.Down, map[string]json.RawMessage{"tag": raw(t, "myapp:7"), "environment": raw(t, four[2])}, o); err != nil {
		t.Fatal(err)
	}
	commands := []string{"docker build . -t myapp:7", "docker push myapp:7", "./deploy.sh myapp:7 production", "./test.sh production", "./undeploy.sh production"}
	if diff := cmp.Diff(commands, m.texts()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Building build 7...", "out: ", "out: ", "out: ", "out: ", "out: "}, log.lines); diff != "" {
		t.Error(diff)
	}
}

// The sample as it was published lacks a comma, which is named with its line.
func TestSampleWithoutComma(t *testing.T) {
	t.Parallel()
	text := strings.Replace(sample(t), `name="build",`, `name="build"`, 1)
	_, err := lang.Load(t.Context(), options(text))
	var e *lang.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	line := 1 + strings.Count(text[:strings.Index(text, `name="build"`)], "\n")
	if e.Line != line || e.File != "release.ocu.star" || e.Message != `a comma is missing after name="build"` {
		t.Errorf("want line %d, got %v", line, err)
	}
	if release.KindOf(err) != release.Invalid {
		t.Errorf("kind %v", release.KindOf(err))
	}
}
