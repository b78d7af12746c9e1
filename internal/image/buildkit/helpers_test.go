package buildkit

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

var epoch = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// noDocker is an environment without docker: a home of its own, and an engine
// that is not there.
func noDocker(t testing.TB, more map[string]string) func(string) string {
	t.Helper()
	home := t.TempDir()
	env := map[string]string{"HOME": home, "DOCKER_HOST": "unix://" + filepath.Join(home, "docker.sock")}
	for k, v := range more {
		env[k] = v
	}
	return func(k string) string { return env[k] }
}

// realBuilder is the builder on the real BuildKit.
func realBuilder(t testing.TB, o Options) *Builder {
	t.Helper()
	o.Flag = realtest.BuildKit(t)
	if o.Getenv == nil {
		o.Getenv = noDocker(t, nil)
	}
	return mustFind(t, o)
}

func mustFind(t testing.TB, o Options) *Builder {
	t.Helper()
	b, reason, err := Find(t.Context(), o)
	if err != nil || b == nil {
		t.Fatalf("Find: %v, %s, %v", b, reason, err)
	}
	t.Cleanup(b.Close)
	return b
}

// folder writes files into a new folder; a name may have folders in it.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func parsed(t testing.TB, names ...string) []release.Platform {
	t.Helper()
	var out []release.Platform
	for _, n := range names {
		p, err := release.ParsePlatform(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// hasNoTag holds that a repository has nothing that a reader could find by a
// name.
func hasNoTag(t testing.TB, registry, repository string) {
	t.Helper()
	status, body := get(t, "http://"+registry+"/v2/"+repository+"/tags/list")
	if status == http.StatusOK && !strings.Contains(body, `"tags":null`) && !strings.Contains(body, `"tags":[]`) {
		t.Errorf("%s has tags: %s", repository, body)
	}
}

// recorder keeps what a stage is told.
type recorder struct {
	mu    sync.Mutex
	tasks map[string]string // name → how it ended
	began func(name string) // nil: nobody is told
}

func (r *recorder) Task(name string, _ int64) progress.Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tasks == nil {
		r.tasks = map[string]string{}
	}
	r.tasks[name] = "runs"
	if r.began != nil {
		r.began(name)
	}
	return recordedTask{r, name}
}

func (r *recorder) Done(string, error) {}

type recordedTask struct {
	r    *recorder
	name string
}

func (recordedTask) At(int64) {}

func (recordedTask) Output(string) {}

func (t recordedTask) Done(summary string, err error) {
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	t.r.tasks[t.name] = "done " + summary
	if err != nil {
		t.r.tasks[t.name] = "failed"
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
