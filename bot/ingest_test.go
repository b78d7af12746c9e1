package bot

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/internal/ledger"
)

// kept is a ledger that takes everything, or nothing.
type keeper struct {
	mu   sync.Mutex
	all  []ledger.Delivery
	fail error
}

func (k *keeper) Accept(_ context.Context, d ledger.Delivery) (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return 0, k.fail
	}
	k.all = append(k.all, d)
	return int64(len(k.all)), nil
}

func testIngest(k *keeper) *ingest {
	c := Config{Forges: []ForgeConfig{
		{Name: "tea", Kind: "gitea", Server: "http://127.0.0.1:3000", Secrets: []string{"old", "s3cr3t"}, Repositories: []string{"*/*"}},
		{Name: "hub", Kind: "github", Server: "https://github.com", Secrets: []string{"s3cr3t"}, Repositories: []string{"acme/*"}},
		{Name: "hub2", Kind: "github", Server: "https://ghe.example", Secrets: []string{"s3cr3t"}, Repositories: []string{"acme/*"}},
	}}
	m := newMetrics(func(context.Context) (ledger.Stats, error) { return ledger.Stats{}, nil })
	return newIngest(c, k, m, slog.New(slog.DiscardHandler))
}

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// request is a delivery of GitHub's.
func request(event, secret string, body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, WebhookPath, bytes.NewReader(body))
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", "guid")
	r.Header.Set("Content-Type", "application/json")
	if secret != "" {
		r.Header.Set("X-Hub-Signature-256", "sha256="+sign(secret, body))
	}
	return r
}

const pushBody = `{"ref":"refs/tags/v1","before":"0000000000000000000000000000000000000000","after":"1111111111111111111111111111111111111111","repository":{"full_name":"Acme/Hello","html_url":"https://github.com/Acme/Hello"}}`

// Each delivery is answered as it deserves, and only whole, signed ones of
// served repositories are kept.
func TestIngestAnswers(t *testing.T) {
	t.Parallel()
	edit := func(r *http.Request, f func(http.Header)) *http.Request { f(r.Header); return r }
	huge := append([]byte(`{"x":"`), bytes.Repeat([]byte("a"), maxDelivery)...)
	for _, c := range []struct {
		name   string
		req    *http.Request
		status int
		kept   bool
	}{
		{"a push", request("push", "s3cr3t", []byte(pushBody)), 202, true},
		{"a ping", request("ping", "s3cr3t", []byte(`{"zen":"x"}`)), 200, false},
		{"an unknown event", request("gollum", "s3cr3t", []byte(`{}`)), 204, false},
		{"another secret", request("push", "wrong", []byte(pushBody)), 401, false},
		{"no signature", request("push", "", []byte(pushBody)), 401, false},
		{"an empty signature", edit(request("push", "", []byte(pushBody)), func(h http.Header) { h.Set("X-Hub-Signature-256", "sha256=") }), 401, false},
		{"a signature that is no hex", edit(request("push", "", []byte(pushBody)), func(h http.Header) { h.Set("X-Hub-Signature-256", "sha256=zz") }), 401, false},
		{"a signature cut short", edit(request("push", "", []byte(pushBody)), func(h http.Header) {
			h.Set("X-Hub-Signature-256", "sha256="+sign("s3cr3t", []byte(pushBody))[:32])
		}), 401, false},
		{"an unknown event without a signature", request("gollum", "", []byte(`{}`)), 401, false},
		{"no event", httptest.NewRequest(http.MethodPost, WebhookPath, strings.NewReader("{}")), 400, false},
		{"a GET", httptest.NewRequest(http.MethodGet, WebhookPath, nil), 405, false},
		{"broken JSON", request("push", "s3cr3t", []byte(pushBody[:60])), 400, false},
		{"no JSON at all", request("push", "s3cr3t", nil), 400, false},
		{"a push without after", request("push", "s3cr3t", []byte(`{"ref":"refs/tags/v1","before":"0","repository":{"full_name":"acme/hello"}}`)), 400, false},
		{"a comment without an id", request("issue_comment", "s3cr3t", []byte(`{"action":"created","comment":{},"issue":{"number":1},"repository":{"full_name":"acme/hello"}}`)), 400, false},
		{"no repository", request("push", "s3cr3t", []byte(`{"ref":"x","before":"0","after":"1"}`)), 400, false},
		{"a repository with a path in it", request("push", "s3cr3t", []byte(`{"ref":"x","before":"0","after":"1","repository":{"full_name":"../../etc"}}`)), 400, false},
		{"a repository that is not served", request("push", "s3cr3t", []byte(strings.ReplaceAll(pushBody, "Acme/", "other/"))), 200, false},
		{"more than 25 MB", request("push", "s3cr3t", huge), 413, false},
		{"more than 25 MB, length unknown", func() *http.Request {
			r := request("push", "s3cr3t", nil)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(huge)), -1
			return r
		}(), 413, false},
		{"a large one", request("push", "s3cr3t", []byte(strings.Replace(pushBody, `"ref"`, `"x":"`+strings.Repeat("a", 3<<20)+`","ref"`, 1))), 202, true},
		{"Gitea's signature alone on GitHub's event", edit(request("push", "", []byte(pushBody)), func(h http.Header) { h.Set("X-Gitea-Signature", sign("s3cr3t", []byte(pushBody))) }), 401, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := &keeper{}
			w := httptest.NewRecorder()
			testIngest(k).ServeHTTP(w, c.req)
			if w.Code != c.status || (len(k.all) == 1) != c.kept {
				t.Errorf("HTTP %d, %d kept; want %d, kept %v: %s", w.Code, len(k.all), c.status, c.kept, w.Body)
			}
			if w.Code == 204 && w.Body.Len() > 0 {
				t.Errorf("204 with a body")
			}
		})
	}
}

// A delivery that the ledger can't keep is not acknowledged.
func TestIngestUnavailable(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	testIngest(&keeper{fail: errors.New("disk full")}).ServeHTTP(w, request("push", "s3cr3t", []byte(pushBody)))
	if w.Code != 503 || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("HTTP %d: %s", w.Code, w.Body)
	}
}

// Forges that share a secret are told apart by the repository's address.
func TestIngestSharedSecret(t *testing.T) {
	t.Parallel()
	k := &keeper{}
	testIngest(k).ServeHTTP(httptest.NewRecorder(), request("push", "s3cr3t", []byte(strings.ReplaceAll(pushBody, "https://github.com", "https://ghe.example"))))
	if len(k.all) != 1 || k.all[0].Forge != "hub2" || k.all[0].Repository != "acme/hello" {
		t.Errorf("%+v", k.all)
	}
}

// GitHub signs a form as it is sent, Gitea the JSON in it; the JSON is kept.
func TestIngestForm(t *testing.T) {
	t.Parallel()
	form := []byte(url.Values{"payload": {pushBody}}.Encode())
	for kind, r := range map[string]*http.Request{"hub": request("push", "s3cr3t", form), "tea": request("push", "", form)} {
		if kind == "tea" {
			r.Header.Set("X-Gitea-Event", "push")
			r.Header.Set("X-Gitea-Signature", sign("s3cr3t", []byte(pushBody)))
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		k, w := &keeper{}, httptest.NewRecorder()
		testIngest(k).ServeHTTP(w, r)
		if w.Code != 202 || string(k.all[0].Body) != pushBody || k.all[0].Forge != kind {
			t.Errorf("%s: HTTP %d: %s", kind, w.Code, w.Body)
		}
	}
}

// What a real Gitea has sent is taken, by its own headers, and kept as Gitea's;
// what it sent without a secret is refused.
func TestIngestRecordedDeliveries(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/deliveries/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded deliveries: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Headers map[string]string `json:"headers"`
			Body    string            `json:"rawBody"`
		}
		if err := json.Unmarshal(data, &d); err != nil || d.Body == "" {
			t.Fatalf("%s: %v", file, err)
		}
		r := httptest.NewRequest(http.MethodPost, WebhookPath, strings.NewReader(d.Body))
		for name, value := range d.Headers {
			r.Header.Set(name, value)
		}
		k := &keeper{}
		w := httptest.NewRecorder()
		testIngest(k).ServeHTTP(w, r)
		want := 204
		switch {
		case strings.Contains(file, "nosecret"):
			want = 401
		case handled[r.Header.Get("X-Gitea-Event")]:
			want = 202
		}
		if w.Code != want {
			t.Errorf("%s: HTTP %d, want %d: %s", filepath.Base(file), w.Code, want, w.Body)
		}
		if want == 202 && k.all[0].Forge != "tea" {
			t.Errorf("%s: of %s", filepath.Base(file), k.all[0].Forge)
		}
	}
}
