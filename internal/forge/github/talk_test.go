package github_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/github"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// ticking is a clock that goes on a minute whenever it is looked at.
func ticking() func() time.Time {
	ticks := make(chan time.Time, 1)
	ticks <- time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	return func() time.Time {
		now := <-ticks
		ticks <- now.Add(time.Minute)
		return now
	}
}

func bodies(list []forge.PostedComment) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Body)
	}
	return out
}

// Comments on issues, pull requests and commits come in one list, oldest
// first, each with its place, and say whose they are and whether they were
// changed.
func TestComments(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{Clock: ticking(), Rates: &simforge.Unlimited})
	sim.Repo.OpenIssue("maggie", "A bug", "")
	pull, err := sim.Repo.OpenPull(t.Context(), memory.NewPull{Author: "maggie", HeadBranch: "main"})
	if err != nil {
		t.Fatal(err)
	}
	commit := sim.Tags["v1.0.0"]
	say := func(at forge.Place, who, body string) memory.Comment {
		c, err := sim.Repo.AddComment(at, who, body)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	old := say(forge.Place{Issue: 1}, "maggie", "old")
	first := say(forge.Place{Commit: commit}, "maggie", "/promote")
	say(forge.Place{Issue: 1}, "slipway[bot]", "done")
	say(forge.Place{Issue: pull.Number}, "eve", "/promote v1")
	edited := say(forge.Place{Commit: commit}, "maggie", "x")
	for id, body := range map[int64]string{edited.ID: "/promote now", old.ID: "old and changed"} {
		if _, err := sim.Repo.EditComment(id, "eve", body); err != nil {
			t.Fatal(err)
		}
	}
	got, err := writer(t, sim).Comments(t.Context(), first.Created)
	if err != nil {
		t.Fatal(err)
	}
	type short struct {
		Body, Author  string
		Place         forge.Place
		ByBot, Edited bool
	}
	var list []short
	for _, c := range got {
		if c.ID == "" || c.CreatedAt.IsZero() || !strings.HasPrefix(c.URL, sim.Server.URL+"/acme/hello/") {
			t.Errorf("comment %+v", c)
		}
		list = append(list, short{c.Body, c.Author, c.Place, c.ByBot, c.Edited})
	}
	want := []short{
		{"old and changed", "maggie", forge.Place{Issue: 1}, false, true},
		{"/promote", "maggie", forge.Place{Commit: commit}, false, false},
		{"done", "slipway[bot]", forge.Place{Issue: 1}, true, false},
		{"/promote v1", "eve", forge.Place{Issue: 2, OnPullRequest: true}, false, false},
		{"/promote now", "maggie", forge.Place{Commit: commit}, false, true},
	}
	if d := cmp.Diff(want, list); d != "" {
		t.Errorf("Comments (-want +got):\n%s", d)
	}
	at, err := writer(t, sim).CommentsAt(t.Context(), forge.Place{Commit: commit})
	if d := cmp.Diff([]string{"/promote", "/promote now"}, bodies(at)); d != "" || err != nil {
		t.Errorf("CommentsAt: %v (-want +got):\n%s", err, d)
	}
}

// What was said on commits since a time is read from the end of the list, in
// as many requests as it fills pages and one more at most.
func TestCommitCommentsFromTheEnd(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{Clock: ticking(), Rates: &simforge.Unlimited})
	var made []memory.Comment
	for i := range 730 {
		c, err := sim.Repo.AddComment(forge.Place{Commit: sim.Tags["v1.0.0"]}, "maggie", fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, c)
	}
	for from, pages := range map[int]int{729: 2, 700: 3, 610: 3, 0: 8} {
		before := len(sim.Server.Recorder().Requests())
		got, err := writer(t, sim).Comments(t.Context(), made[from].Created)
		if err != nil || len(got) != 730-from || got[0].Body != fmt.Sprint(from) {
			t.Errorf("since comment %d: %d comments, %v", from, len(got), err)
		}
		asked := 0
		for _, r := range sim.Server.Recorder().Requests()[before:] {
			if strings.HasSuffix(r.Path, "/hello/comments") {
				asked++
			}
		}
		if asked != pages {
			t.Errorf("since comment %d: %d requests, want %d", from, asked, pages)
		}
	}
}

// A comment has one of our reactions at a time, and other people's stay.
func TestReact(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{})
	f := writer(t, sim)
	sim.Repo.OpenIssue("maggie", "A bug", "")
	for _, at := range []forge.Place{{Issue: 1}, {Commit: sim.Tags["v1.0.0"]}} {
		c, err := f.CreateComment(t.Context(), at, "/promote")
		if err != nil {
			t.Fatal(err)
		}
		id := mustID(t, c.ID)
		for who, sign := range map[string]string{"maggie": "eyes", "octocat": "heart"} {
			if _, _, err := sim.Repo.React(id, who, sign); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range []forge.Reaction{forge.Eyes, forge.Eyes, forge.Rocket, forge.Confused, forge.Rocket} {
			if err := f.React(t.Context(), at, c.ID, r); err != nil {
				t.Fatal(err)
			}
			now, err := sim.Repo.Comment(id)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range now.Reactions {
				got = append(got, x.User.Login+" "+x.Content)
			}
			slices.Sort(got)
			if d := cmp.Diff([]string{"maggie eyes", "octocat " + string(min(r, "heart")), "octocat " + string(max(r, "heart"))}, got); d != "" {
				t.Errorf("after %s (-want +got):\n%s", r, d)
			}
		}
	}
}

// GitHub's roles are told as they rank; a custom role counts as the one below
// it; nobody whom it does not know may do anything.
func TestPermission(t *testing.T) {
	t.Parallel()
	const at = "GET /api/v3/repos/acme/hello"
	said := func(permission, role string) answer {
		return answer{200, fmt.Sprintf(`{"permission":%q,"role_name":%q,"user":null}`, permission, role), nil}
	}
	f := scripted(t, "x", map[string]answer{
		at:                                        {200, `{"id":1,"private":false}`, nil},
		at + "/collaborators/a/permission":        said("admin", "admin"),
		at + "/collaborators/m/permission":        said("write", "maintain"),
		at + "/collaborators/w/permission":        said("write", "write"),
		at + "/collaborators/t/permission":        said("read", "triage"),
		at + "/collaborators/custom/permission":   said("write", "release manager"),
		at + "/collaborators/old/permission":      {200, `{"permission":"admin"}`, nil},
		at + "/collaborators/n/permission":        said("none", "none"),
		at + "/collaborators/app[bot]/permission": said("write", "write"),
	})
	for login, want := range map[string]forge.Permission{
		"a": forge.MayAdmin, "m": forge.MayMaintain, "w": forge.MayWrite, "t": forge.MayTriage, "custom": forge.MayWrite, "old": forge.MayAdmin,
		"n": forge.NoAccess, "app[bot]": forge.MayWrite, "unknown": forge.NoAccess, "../../user": forge.NoAccess, "": forge.NoAccess, "a/permission?x=": forge.NoAccess,
	} {
		if got, err := f.Permission(t.Context(), login); got != want || err != nil {
			t.Errorf("Permission(%q) = %v, %v; want %v", login, got, err, want)
		}
	}
	if _, err := scripted(t, "x", nil).Permission(t.Context(), "unknown"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("of no repository: %v", err)
	}
}

// A team that can't be seen, and a login that can't be, are no membership.
func TestInTeam(t *testing.T) {
	t.Parallel()
	const at = "GET /api/v3/orgs/acme/teams/"
	f := scripted(t, "x", map[string]answer{
		at + "releasers/memberships/a": {200, `{"state":"active","role":"member"}`, nil},
		at + "releasers/memberships/p": {200, `{"state":"pending","role":"member"}`, nil},
		at + "secret/memberships/a":    {403, `{"message":"Resource not accessible by integration"}`, nil},
		at + "broken/memberships/a":    {401, `{"message":"Bad credentials"}`, nil},
	})
	for key, want := range map[[2]string]bool{
		{"acme/releasers", "a"}: true, {"acme/releasers", "p"}: false, {"acme/releasers", "b"}: false, {"acme/secret", "a"}: false,
		{"acme/none", "a"}: false, {"releasers", "a"}: false, {"acme/releasers", "../a"}: false, {"acme/../x", "a"}: false,
	} {
		if got, err := f.InTeam(t.Context(), key[0], key[1]); got != want || err != nil {
			t.Errorf("InTeam(%q) = %v, %v; want %v", key, got, err, want)
		}
	}
	if _, err := f.InTeam(t.Context(), "acme/broken", "a"); !errors.Is(err, forge.ErrUnauthorized) {
		t.Errorf("a bad token: %v", err)
	}
}

// Whose token it is, is asked once.
func TestSelf(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{})
	f := writer(t, sim)
	for range 3 {
		if who, err := f.Self(t.Context()); who != "octocat" || err != nil {
			t.Errorf("Self = %q, %v", who, err)
		}
	}
	if n := len(sim.Server.Recorder().Requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	workflow := scripted(t, "ghs_x", map[string]answer{"GET /api/v3/user": {403, `{"message":"Resource not accessible by integration"}`, nil}})
	if who, err := workflow.Self(t.Context()); who != "github-actions[bot]" || err != nil {
		t.Errorf("a workflow's token: %q, %v", who, err)
	}
}

// A comment that may have been made is told as uncertain and not made again; a
// reaction, a status and an edit are repeated.
func TestTalkFaults(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]struct {
		kind      error
		uncertain bool
		comments  int
	}{
		"comment-502":       {forge.ErrUnavailable, true, 0},
		"comment-504-after": {forge.ErrUnavailable, true, 1},
		"comment-cut-after": {forge.ErrUnavailable, true, 1},
		"comment-html":      {forge.ErrNotForge, true, 0},
		"comment-422":       {forge.ErrRejected, false, 0},
		"other-502":         {nil, false, 1},
		"other-502-after@2": {nil, false, 1},
		"other-cut-after@3": {nil, false, 1},
		"rate-limit=7":      {nil, false, 1},
		"secondary-limit=7": {nil, false, 1},
		"too-many=7@3":      {nil, false, 1},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			sim := simtest.Start(t, simforge.Options{}, fault)
			clock := &sleeps{}
			f := onSim(t, sim, simtest.Repository, simforge.WriteToken, wire.Options{Sleep: clock.sleep})
			sim.Repo.OpenIssue("maggie", "A bug", "")
			err := answerCommand(t, f, sim.Tags["v1.0.0"])
			if !errors.Is(err, want.kind) || forge.Uncertain(err) != want.uncertain {
				t.Errorf("error %v (uncertain %v), want %v (uncertain %v)", err, forge.Uncertain(err), want.kind, want.uncertain)
			}
			if n := len(sim.Repo.Comments(time.Time{})); n != want.comments {
				t.Errorf("%d comments, want %d", n, want.comments)
			}
			if strings.Contains(fault, "=7") && clock.longest() < 6*time.Second {
				t.Errorf("waited %s, want 7s", clock.longest())
			}
			if statuses := sim.Repo.Statuses(sim.Tags["v1.0.0"]); want.kind == nil && (len(statuses) == 0 || statuses[0].State != "success") {
				t.Errorf("statuses %+v", statuses)
			}
		})
	}
}

// answerCommand is what the bot does with a command.
func answerCommand(t *testing.T, f *github.Forge, commit string) error {
	ctx, at := t.Context(), forge.Place{Issue: 1}
	c, err := f.CreateComment(ctx, at, "on it")
	if err != nil {
		return err
	}
	return errors.Join(
		f.React(ctx, at, c.ID, forge.Eyes),
		f.SetStatus(ctx, commit, forge.CommitStatus{Context: "slipway/release", State: "success", Description: strings.Repeat("ö", 200)}),
		f.EditComment(ctx, at, c.ID, "done"),
	)
}

// sleeps is a clock that notes waits without waiting.
type sleeps struct {
	mu  sync.Mutex
	max time.Duration
}

func (s *sleeps) sleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.max = max(s.max, d)
	return ctx.Err()
}

func (s *sleeps) longest() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.max
}
