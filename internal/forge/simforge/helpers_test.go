package simforge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

// clock is a clock that tests turn.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// client speaks to a server as a bare HTTP client.
type client struct {
	t     *testing.T
	base  string
	token string
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("answer %q: %v", a.body, err)
	}
}

// send makes a request; the error is the connection's.
func (c client) send(method, path, contentType string, body []byte, headers ...string) (answer, error) {
	url := path
	if !strings.HasPrefix(path, "http") {
		url = c.base + path
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body == nil {
		r.Body = nil
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "token "+c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, data}, err
}

// do is send with a status that must come.
func (c client) do(want int, method, path string, body any, headers ...string) answer {
	c.t.Helper()
	var data []byte
	kind := ""
	switch b := body.(type) {
	case nil:
	case []byte:
		data, kind = b, "application/octet-stream"
	default:
		var err error
		if data, err = json.Marshal(b); err != nil {
			c.t.Fatal(err)
		}
		kind = "application/json"
	}
	a, err := c.send(method, path, kind, data, headers...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	if a.status != want {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, want, a.body)
	}
	return a
}

// start serves acme/hello with the tags v1.0.0 and v1.1.0.
func start(t *testing.T, o simforge.Options, ro memory.Options) (*simforge.Server, *memory.Repo, client) {
	t.Helper()
	s, err := simforge.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("requests:\n%s", s.Recorder())
		}
	})
	if ro.Refs == nil {
		ro.Refs = sampleRefs(t)
	}
	repo := s.AddRepo(ro)
	prefix := "/api/v3"
	if o.Dialect == memory.Gitea {
		prefix = "/api/v1"
	}
	return s, repo, client{t, s.URL + prefix, simforge.WriteToken}
}

func sampleRefs(t *testing.T) *memory.MemoryRefs {
	t.Helper()
	refs := memory.NewRefs()
	first, second := memory.Hash("first"), memory.Hash("second")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	refs.AddCommit(memory.Commit{Hash: first, Time: at, Message: "first"})
	refs.AddCommit(memory.Commit{Hash: second, Time: at.Add(time.Hour), Message: "second"})
	refs.SetBranch("main", second)
	if err := refs.SetTag(t.Context(), "v1.0.0", first); err != nil {
		t.Fatal(err)
	}
	refs.SetAnnotatedTag("v1.1.0", second, "Release 1.1.0")
	return refs
}

func parse(t *testing.T, texts ...string) []simforge.Fault {
	t.Helper()
	var out []simforge.Fault
	for _, text := range texts {
		f, err := simforge.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

// draft makes a draft and gives its id.
func (c client) draft(tag string) int64 {
	c.t.Helper()
	var rel struct{ ID int64 }
	c.do(201, "POST", "/repos/acme/hello/releases", map[string]any{"tag_name": tag, "name": tag, "draft": true}).json(c.t, &rel)
	return rel.ID
}

func assetPath(id int64, name string) string {
	return fmt.Sprintf("/repos/acme/hello/releases/%d/assets?name=%s", id, name)
}

func bytesOf(t *testing.T, body any) []byte {
	t.Helper()
	switch b := body.(type) {
	case nil:
		return nil
	case []byte:
		return b
	}
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
