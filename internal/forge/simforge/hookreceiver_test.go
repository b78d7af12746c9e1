package simforge_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/forge/github"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

const hookSecret = "s3cr3t"

// receiver takes webhooks, and refuses those that are not signed right.
type receiver struct {
	t       *testing.T
	url     string
	dialect memory.Dialect
	delay   time.Duration

	mu   sync.Mutex
	got  []received
	open int // at the moment
	most int // at once
}

type received struct {
	header http.Header
	body   []byte
	event  forge.Event
}

func (r received) kind() string { return r.header.Get("X-Gitea-Event-Type") }
func (r received) guid() string { return r.header.Get("X-GitHub-Delivery") }

func newReceiver(t *testing.T, d memory.Dialect) *receiver {
	t.Helper()
	r := &receiver{t: t, dialect: d}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.url = s.URL + "/webhook"
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.count(1)
	defer r.count(-1)
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	select {
	case <-time.After(r.delay):
	case <-req.Context().Done():
		return
	}
	got := received{header: req.Header.Clone(), body: body}
	signed := body
	if form := req.Header.Get("Content-Type") == "application/x-www-form-urlencoded"; form {
		values, err := url.ParseQuery(string(body))
		if err != nil {
			r.t.Error(err)
		}
		got.body = []byte(values.Get("payload"))
		if r.dialect == memory.Gitea {
			signed = got.body
		}
	}
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write(signed)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); req.Header.Get("X-Hub-Signature-256") != want {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	parse, name := github.ParseEvent, req.Header.Get("X-GitHub-Event")
	if r.dialect == memory.Gitea {
		parse, name = gitea.ParseEvent, req.Header.Get("X-Gitea-Event")
	}
	if got.event, err = parse(name, got.body); err != nil {
		r.t.Errorf("%s: %v in %s", name, err, got.body)
	}
	r.mu.Lock()
	r.got = append(r.got, got)
	r.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

func (r *receiver) count(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open += n
	r.most = max(r.most, r.open)
}

// take waits for all deliveries and gives them.
func (r *receiver) take(s *simforge.Server) []received {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	if err := s.AwaitHooks(ctx); err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.got
	r.got = nil
	return out
}

func (r *receiver) hook(s *simforge.Server, events ...string) memory.Hook {
	r.t.Helper()
	h, err := s.AddHook("acme/hello", simforge.Hook{URL: r.url, Secret: hookSecret, Events: events})
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

// words are deliveries as "event action", sorted.
func words(list []received) []string {
	out := []string{}
	for _, r := range list {
		out = append(out, strings.TrimSpace(r.header.Get("X-GitHub-Event")+" "+r.event.Action))
	}
	slices.Sort(out)
	return out
}

func dialects(t *testing.T, run func(t *testing.T, d memory.Dialect)) {
	for _, d := range []memory.Dialect{memory.GitHub, memory.Gitea} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			run(t, d)
		})
	}
}
