package simforge_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

// What people do in a repository reaches its webhooks, signed, and can be read
// without loss.
func TestHooks(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, d memory.Dialect) {
		s, repo, _ := start(t, simforge.Options{Dialect: d}, memory.Options{Refs: sampleRefs(t)})
		r := newReceiver(t, d)
		r.hook(s, "issue_comment", "pull_request_comment", "commit_comment")
		first := memory.Hash("first")
		pull := openPull(t, repo)
		made, err := repo.AddComment(forge.Place{Issue: pull}, "alice", "/promote\nthanks")
		if err != nil {
			t.Fatal(err)
		}
		got := r.take(s)
		if len(got) != 1 {
			t.Fatalf("%d deliveries, want 1", len(got))
		}
		ev := got[0].event
		want := &forge.Comment{
			ID: fmt.Sprint(made.ID), Author: "alice", Body: "/promote\nthanks", Issue: pull, OnPullRequest: true,
			URL: repo.CommentURL(made), CreatedAt: made.Created,
		}
		if diff := cmp.Diff(want, ev.Comment); diff != "" || ev.Name != "issue_comment" || ev.Action != "created" {
			t.Errorf("%s %s (-want +got):\n%s", ev.Name, ev.Action, diff)
		}
		if ev.Sender != "alice" || ev.SenderIsBot || ev.Repository != "acme/hello" || ev.Server != s.URL || ev.DefaultBranch != "main" ||
			ev.CloneURL != s.CloneURL("acme/hello") {
			t.Errorf("the event is %+v", ev)
		}
		if d == memory.Gitea && got[0].kind() != "pull_request_comment" {
			t.Errorf("the type is %q", got[0].kind())
		}
		if _, err := repo.EditComment(made.ID, "bob", "/promote v2"); err != nil {
			t.Fatal(err)
		}
		got = r.take(s)
		if len(got) != 1 || got[0].event.Action != "edited" || got[0].event.Sender != "bob" || got[0].event.Comment.Author != "alice" {
			t.Errorf("an edit is told as %+v", got)
		}
		_, err = repo.AddComment(forge.Place{Commit: first}, "alice", "/promote")
		got = r.take(s)
		switch {
		case d == memory.Gitea && (err == nil || len(got) != 0):
			t.Errorf("a comment on a commit: %v, %+v", err, got)
		case d == memory.GitHub && (err != nil || len(got) != 1 || got[0].event.Comment.Commit != first):
			t.Errorf("a comment on a commit: %v, %+v", err, got)
		}
	})
}

func openPull(t *testing.T, repo *memory.Repo) int {
	t.Helper()
	pull, err := repo.OpenPull(t.Context(), memory.NewPull{
		Author: "alice", Title: "more", HeadRepository: "forker/hello", HeadBranch: "more", HeadCommit: memory.Hash("more"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return pull.Number
}

// On Gitea somebody who asks for issue_comment alone hears nothing of pull
// requests.
func TestHookOfIssuesAlone(t *testing.T) {
	t.Parallel()
	s, repo, _ := start(t, simforge.Options{Dialect: memory.Gitea}, memory.Options{Refs: sampleRefs(t)})
	r := newReceiver(t, memory.Gitea)
	r.hook(s, "issue_comment")
	for _, number := range []int{openPull(t, repo), repo.OpenIssue("alice", "an issue", "").Number} {
		if _, err := repo.AddComment(forge.Place{Issue: number}, "alice", "hello"); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.take(s); len(got) != 1 || got[0].event.Comment.OnPullRequest {
		t.Errorf("told of %v", words(got))
	}
}

// Publishing tells of the tag that it makes, and a draft is told of on GitHub.
func TestHooksOfRelease(t *testing.T) {
	t.Parallel()
	want := map[memory.Dialect][]string{
		memory.GitHub: {"create", "push", "release created", "release published", "release released", "status"},
		memory.Gitea:  {"create", "push", "release published", "status"},
	}
	dialects(t, func(t *testing.T, d memory.Dialect) {
		s, repo, c := start(t, simforge.Options{Dialect: d}, memory.Options{Refs: sampleRefs(t)})
		r := newReceiver(t, d)
		r.hook(s)
		id := c.draft("v3.0.0")
		c.do(200, "PATCH", fmt.Sprintf("/repos/acme/hello/releases/%d", id), map[string]any{"draft": false})
		c.do(201, "POST", "/repos/acme/hello/statuses/"+memory.Hash("first"), map[string]any{"state": "success", "context": "ci"})
		got := r.take(s)
		if diff := cmp.Diff(want[d], words(got)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		for _, one := range got {
			ev := one.event
			switch ev.Name {
			case "push":
				if ev.Tag != "v3.0.0" || ev.Commit != memory.Hash("second") || ev.Before != "" || ev.Deleted {
					t.Errorf("push %+v", ev)
				}
			case "release":
				if ev.Release.Tag != "v3.0.0" || ev.Release.ID != fmt.Sprint(id) {
					t.Errorf("release %+v", ev.Release)
				}
			case "status":
				if *ev.Status != (forge.Status{Commit: memory.Hash("first"), Context: "ci", State: "success"}) {
					t.Errorf("status %+v", ev.Status)
				}
			}
		}
		if _, err := repo.ReleaseByTag(memory.Anonymous, "v3.0.0"); err != nil {
			t.Error(err)
		}
	})
}

// Each delivery is tried once; what is lost GitHub can deliver again under the
// same number, while Gitea knows nothing of it.
func TestLostHooks(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, d memory.Dialect) {
		s, repo, _ := start(t, simforge.Options{Dialect: d}, memory.Options{Refs: sampleRefs(t)})
		r := newReceiver(t, d)
		hook := r.hook(s, "create")
		s.LoseHooks(true)
		if err := repo.CreateTag(t.Context(), "v2.0.0", memory.Hash("first"), "alice"); err != nil {
			t.Fatal(err)
		}
		if got := r.take(s); len(got) != 0 {
			t.Fatalf("told of %v", words(got))
		}
		s.LoseHooks(false)
		tried := repo.Deliveries(hook.ID)
		if d == memory.Gitea {
			if len(tried) != 0 {
				t.Errorf("Gitea knows of %+v", tried)
			}
			return
		}
		if len(tried) != 1 || tried[0].OK() || tried[0].Status != 0 {
			t.Fatalf("GitHub knows of %+v", tried)
		}
		if err := s.Redeliver("acme/hello", tried[0].ID); err != nil {
			t.Fatal(err)
		}
		got := r.take(s)
		if len(got) != 1 || got[0].guid() != tried[0].GUID || got[0].event.Tag != "v2.0.0" {
			t.Errorf("delivered again: %+v", got)
		}
		if tried = repo.Deliveries(hook.ID); len(tried) != 2 || !tried[0].OK() || !tried[0].Redelivery {
			t.Errorf("GitHub knows of %+v", tried)
		}
	})
}

// A delivery that comes more than once has the same number on GitHub, on Gitea
// each time another.
func TestRepeatedHooks(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, d memory.Dialect) {
		s, repo, _ := start(t, simforge.Options{Dialect: d}, memory.Options{Refs: sampleRefs(t)})
		r := newReceiver(t, d)
		r.hook(s, "create")
		s.RepeatHooks(4)
		if err := repo.CreateTag(t.Context(), "v2.0.0", memory.Hash("first"), "alice"); err != nil {
			t.Fatal(err)
		}
		got, guids := r.take(s), map[string]bool{}
		for _, one := range got {
			guids[one.guid()] = true
		}
		want := 1
		if d == memory.Gitea {
			want = 5
		}
		if len(got) != 5 || len(guids) != want {
			t.Errorf("%d deliveries with %d numbers, want 5 with %d", len(got), len(guids), want)
		}
	})
}

// Gitea has one sender for the whole server, so that a slow receiver holds the
// others up; GitHub has many. A receiver that is too slow has not got it.
func TestSlowReceiver(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, d memory.Dialect) {
		s, repo, _ := start(t, simforge.Options{Dialect: d, HookDeadline: 200 * time.Millisecond}, memory.Options{Refs: sampleRefs(t)})
		r := newReceiver(t, d)
		r.delay = 20 * time.Millisecond
		hook := r.hook(s, "create")
		for i := range 5 {
			if err := repo.CreateTag(t.Context(), fmt.Sprintf("v2.0.%d", i), memory.Hash("first"), "alice"); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.take(s); len(got) != 5 || d == memory.Gitea && r.most != 1 || d == memory.GitHub && r.most < 2 {
			t.Errorf("%d deliveries, %d at once", len(got), r.most)
		}
		r.delay = time.Minute
		if err := repo.CreateTag(t.Context(), "v3.0.0", memory.Hash("first"), "alice"); err != nil {
			t.Fatal(err)
		}
		if got := r.take(s); len(got) != 0 {
			t.Errorf("told of %v", words(got))
		}
		if last := repo.Deliveries(hook.ID)[0]; last.Status != 0 || last.StatusText != "timed out" {
			t.Errorf("the slow one is noted as %d %s", last.Status, last.StatusText)
		}
	})
}

// Without a secret GitHub signs nothing, and Gitea with nothing.
func TestHookWithoutSecret(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, d memory.Dialect) {
		s, repo, _ := start(t, simforge.Options{Dialect: d}, memory.Options{Refs: sampleRefs(t)})
		got := make(chan http.Header, 1)
		target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Clone() }))
		t.Cleanup(target.Close)
		if _, err := s.AddHook("acme/hello", simforge.Hook{URL: target.URL}); err != nil {
			t.Fatal(err)
		}
		repo.OpenIssue("alice", "an issue", "")
		values, there := (<-got)["X-Hub-Signature-256"]
		if d == memory.GitHub && there || d == memory.Gitea && !slices.Equal(values, []string{"sha256="}) {
			t.Errorf("signature %q", values)
		}
	})
}

// A form has the JSON in its field "payload".
func TestHookAsForm(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, d memory.Dialect) {
		s, repo, _ := start(t, simforge.Options{Dialect: d}, memory.Options{Refs: sampleRefs(t)})
		r := newReceiver(t, d)
		if _, err := s.AddHook("acme/hello", simforge.Hook{URL: r.url, Secret: hookSecret, Form: true}); err != nil {
			t.Fatal(err)
		}
		repo.OpenIssue("alice", "an issue", "")
		if got := r.take(s); len(got) != 1 || got[0].event.Name != "issues" {
			t.Errorf("told of %v", words(got))
		}
	})
}
