package github_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
)

const commit = "6dcb09b5b57875f334f61aebed695e2e4193db5e"

// Of each name counts the newest, be it a status or a check run; neutral and
// skipped are passed, and words that nobody knows are failed.
func TestChecks(t *testing.T) {
	t.Parallel()
	status := func(id int, context, state, at string) string {
		return fmt.Sprintf(`{"id":%d,"context":%q,"state":%q,"created_at":"2026-01-01T%s:00Z","target_url":"https://ci.example/%d"}`, id, context, state, at, id)
	}
	run := func(id int, name, state, conclusion, at string) string {
		return fmt.Sprintf(`{"id":%d,"name":%q,"status":%q,"conclusion":%s,"started_at":"2026-01-01T%s:00Z","html_url":"https://gh.example/%d"}`, id, name, state, conclusion, at, id)
	}
	at := "GET /api/v3/repos/acme/hello/commits/" + commit
	f := scripted(t, "x", map[string]answer{
		at + "/status": {200, `{"state":"failure","statuses":[` + strings.Join([]string{
			status(1, "ci", "success", "10:00"), status(2, "lint", "error", "10:00"), status(3, "wait", "pending", "10:00"), status(4, "both", "success", "09:00"),
		}, ",") + `]}`, nil},
		at + "/check-runs": {200, `{"total_count":9,"check_runs":[` + strings.Join([]string{
			run(5, "both", "completed", `"failure"`, "10:00"), run(6, "test", "completed", `"failure"`, "10:00"), run(7, "test", "completed", `"success"`, "11:00"),
			run(8, "queue", "queued", "null", "10:00"), run(9, "skip", "completed", `"skipped"`, "10:00"), run(10, "even", "completed", `"neutral"`, "10:00"),
			run(11, "slow", "completed", `"timed_out"`, "10:00"), run(12, "new", "completed", `"some_new_word"`, "10:00"), run(13, "hm", "waiting", "null", "10:00"),
		}, ",") + `]}`, nil},
	})
	got, err := f.Checks(t.Context(), commit)
	want := []forge.Check{
		{Name: "both", State: forge.CheckFailed, Word: "failure", URL: "https://gh.example/5"},
		{Name: "ci", State: forge.CheckPassed, Word: "success", URL: "https://ci.example/1"},
		{Name: "even", State: forge.CheckPassed, Word: "neutral", URL: "https://gh.example/10"},
		{Name: "hm", State: forge.CheckPending, Word: "waiting", URL: "https://gh.example/13"},
		{Name: "lint", State: forge.CheckFailed, Word: "error", URL: "https://ci.example/2"},
		{Name: "new", State: forge.CheckFailed, Word: "some_new_word", URL: "https://gh.example/12"},
		{Name: "queue", State: forge.CheckPending, Word: "queued", URL: "https://gh.example/8"},
		{Name: "skip", State: forge.CheckPassed, Word: "skipped", URL: "https://gh.example/9"},
		{Name: "slow", State: forge.CheckFailed, Word: "timed_out", URL: "https://gh.example/11"},
		{Name: "test", State: forge.CheckPassed, Word: "success", URL: "https://gh.example/7"},
		{Name: "wait", State: forge.CheckPending, Word: "pending", URL: "https://ci.example/3"},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("Checks: %v (-want +got):\n%s", err, d)
	}
	for _, bad := range []string{"main", "../../user", "", strings.ToUpper(commit), commit[:39]} {
		if _, err := f.Checks(t.Context(), bad); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("Checks(%q): %v", bad, err)
		}
	}
}

// Many checks come on several pages, all of which count.
func TestManyChecks(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{Rates: &simforge.Unlimited})
	at := sim.Tags["v1.0.0"]
	for i := range 230 {
		if _, err := sim.Repo.AddStatus("ci", memory.Status{Commit: at, Context: fmt.Sprintf("s%03d", i), State: "success"}); err != nil {
			t.Fatal(err)
		}
		if _, err := sim.Repo.SetCheckRun(at, fmt.Sprintf("r%03d", i), "completed", "success"); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := writer(t, sim).Checks(t.Context(), at); err != nil || len(list) != 460 {
		t.Errorf("%d checks, %v; want 460", len(list), err)
	}
}

// A status's text is cut to what GitHub takes, and an unknown commit is refused.
func TestSetStatus(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{})
	f := writer(t, sim)
	s := forge.CommitStatus{Context: "slipway/release", State: "pending", Description: strings.Repeat("ü", 200), URL: "https://bot.example/1"}
	if err := f.SetStatus(t.Context(), sim.Tags["v1.0.0"], s); err != nil {
		t.Fatal(err)
	}
	if got := sim.Repo.Statuses(sim.Tags["v1.0.0"])[0]; got.Description != strings.Repeat("ü", 139)+"…" || got.URL != s.URL || got.State != "pending" {
		t.Errorf("status %+v", got)
	}
	if err := f.SetStatus(t.Context(), commit, s); !errors.Is(err, forge.ErrRejected) {
		t.Errorf("unknown commit: %v", err)
	}
	s.State = "perhaps"
	if err := f.SetStatus(t.Context(), sim.Tags["v1.0.0"], s); !errors.Is(err, forge.ErrRejected) {
		t.Errorf("bad state: %v", err)
	}
}

// A pull request says where it comes from; an issue is none.
func TestPullRequest(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{})
	f := writer(t, sim)
	head := sim.Tags["v1.0.0"]
	if _, err := sim.Repo.OpenPull(t.Context(), memory.NewPull{Author: "eve", HeadRepository: "eve/hello", HeadBranch: "fix", HeadCommit: head, Draft: true}); err != nil {
		t.Fatal(err)
	}
	got, err := f.PullRequest(t.Context(), 1)
	want := forge.PullRequest{
		Number: 1, HeadRepository: "eve/hello", HeadBranch: "fix", HeadCommit: head, BaseBranch: "main", Fork: true, Draft: true, MergeCommit: got.MergeCommit,
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	merged, err := sim.Repo.MergePull(t.Context(), 1, "octocat")
	if err != nil {
		t.Fatal(err)
	}
	got, err = f.PullRequest(t.Context(), 1)
	if err != nil || !got.Merged || got.MergeCommit != merged.Pull.MergeCommit {
		t.Errorf("merged: %+v, %v", got, err)
	}
	sim.Repo.OpenIssue("eve", "no pull request", "")
	for _, n := range []int{2, 3, 0, -1} {
		if _, err := f.PullRequest(t.Context(), n); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("PullRequest(%d): %v", n, err)
		}
	}
	gone := scripted(t, "x", map[string]answer{"GET /api/v3/repos/acme/hello/pulls/4": {200,
		`{"number":4,"head":{"sha":"` + commit + `","ref":"fix","repo":null},"base":{"ref":"main","repo":{"full_name":"acme/hello"}}}`, nil}})
	if got, err := gone.PullRequest(t.Context(), 4); err != nil || !got.Fork || got.HeadRepository != "" {
		t.Errorf("of a fork that is gone: %+v, %v", got, err)
	}
}

// Tags, branches and public releases are listed as they are.
func TestRefsAndReleases(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{Rates: &simforge.Unlimited})
	f := writer(t, sim)
	if err := f.CreateTag(t.Context(), "cli/v3.0.0", sim.Tags["v1.0.0"]); err != nil {
		t.Fatal(err)
	}
	for i := range 205 {
		if err := sim.Refs.SetTag(t.Context(), fmt.Sprintf("more/%03d", i), sim.Tags["v1.0.0"]); err != nil {
			t.Fatal(err)
		}
	}
	tags, err := f.Tags(t.Context())
	if err != nil || len(tags) != 1+205+2 || tags[len(tags)-1] != (forge.Tag{Name: "v1.1.0", Commit: sim.Tags["v1.1.0"]}) {
		t.Errorf("%d tags, %v: %+v", len(tags), err, tags[max(0, len(tags)-2):])
	}
	if err := f.CreateTag(t.Context(), "v1.0.0", sim.Tags["v1.0.0"]); !errors.Is(err, forge.ErrConflict) || forge.Uncertain(err) {
		t.Errorf("a taken tag: %v", err)
	}
	for name, at := range map[string]string{"a..b": commit, "v9": "main", "v8": commit} {
		if err := f.CreateTag(t.Context(), name, at); !errors.Is(err, forge.ErrRejected) {
			t.Errorf("CreateTag(%s, %s): %v", name, at, err)
		}
	}
	if head, err := f.Head(t.Context(), "main"); head != sim.Tags["v1.1.0"] || err != nil {
		t.Errorf("Head = %s, %v", head, err)
	}
	for _, branch := range []string{"mai", "none", "../tags/v1.0.0", ""} {
		if _, err := f.Head(t.Context(), branch); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("Head(%q): %v", branch, err)
		}
	}
	for i := range 130 {
		if _, err := sim.Repo.Create(t.Context(), memory.Writer, memory.NewRelease{Tag: fmt.Sprintf("more/%03d", i), Draft: i%2 == 1}); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range map[int]int{0: 65, 1: 1, 60: 60, 100: 65} {
		list, err := f.Published(t.Context(), n)
		if err != nil || len(list) != want {
			t.Errorf("Published(%d): %d releases, %v", n, len(list), err)
		}
	}
}
