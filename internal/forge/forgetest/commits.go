package forgetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
)

var commitPromises = []promise{
	{"of each name the newest check counts", testChecks},
	{"checks are listed to the last page", testCheckPages},
	{"a status may be set again", testSetStatus},
	{"a status of an unknown commit is refused", testStatusUnknown},
	{"a pull request tells its commits", testPullRequest},
	{"a fork's pull request is one", testForkPull},
	{"tags are listed with their commits, to the last page", testTags},
	{"published releases are listed, newest first", testPublished},
	{"the head of a branch", testHead},
	{"a tag is made once", testCreateTag},
	{"bad tags are refused", testBadTag},
	{"a read token sets no status and makes no tag", testCommitTokens},
}

func (s BotSubject) commits(t *testing.T) forge.Commits { return must[forge.Commits](t, s.Forge) }

const unknownCommit = "00000000000000000000000000000000000abcde"

func (s BotSubject) checks(t *testing.T, commit string) []forge.Check {
	t.Helper()
	got, err := s.commits(t).Checks(t.Context(), commit)
	if err != nil {
		t.Fatalf("Checks: %v", err)
	}
	for i := range got {
		got[i].URL = ""
	}
	return got
}

func testChecks(t *testing.T, s BotSubject) {
	commit := s.Tags["v1.0.0"]
	if got := s.checks(t, commit); len(got) != 0 {
		t.Fatalf("there are checks already: %+v", got)
	}
	for _, set := range [][2]string{
		{"ci/test", "pending"}, {"ci/lint", "success"}, {"ci/test", "failure"}, {"deploy", "error"}, {"ci/test", "success"}, {"ci/lint", "pending"},
	} {
		s.SetStatus(t, commit, set[0], set[1])
	}
	want := []forge.Check{
		{Name: "ci/lint", State: forge.CheckPending, Word: "pending"},
		{Name: "ci/test", State: forge.CheckPassed, Word: "success"},
		{Name: "deploy", State: forge.CheckFailed, Word: "error"},
	}
	if s.Traits.AnyState {
		s.SetStatus(t, commit, "odd", "bogus")
		want = append(want, forge.Check{Name: "odd", State: forge.CheckFailed, Word: "bogus"})
	}
	if d := cmp.Diff(want, s.checks(t, commit)); d != "" {
		t.Errorf("Checks (-want +got):\n%s", d)
	}
	if got := s.checks(t, s.Tags["v1.1.0"]); len(got) != 0 {
		t.Errorf("another commit has %+v", got)
	}
	if _, err := s.commits(t).Checks(t.Context(), unknownCommit); err == nil {
		t.Error("an unknown commit has no checks, and no error either")
	}
	if s.SetCheckRun != nil {
		s.checkRuns(t)
	}
}

func (s BotSubject) checkRuns(t *testing.T) {
	t.Helper()
	commit := s.Tags["v1.1.0"]
	for _, run := range [][3]string{
		{"build", "completed", "failure"}, {"build", "completed", "success"}, {"docs", "completed", "skipped"}, {"look", "completed", "neutral"},
		{"slow", "in_progress", ""}, {"wait", "queued", ""}, {"late", "completed", "timed_out"}, {"stop", "completed", "cancelled"},
	} {
		s.SetCheckRun(t, commit, run[0], run[1], run[2])
	}
	want := []forge.Check{
		{Name: "build", State: forge.CheckPassed, Word: "success"}, {Name: "docs", State: forge.CheckPassed, Word: "skipped"},
		{Name: "late", State: forge.CheckFailed, Word: "timed_out"}, {Name: "look", State: forge.CheckPassed, Word: "neutral"},
		{Name: "slow", State: forge.CheckPending, Word: "in_progress"}, {Name: "stop", State: forge.CheckFailed, Word: "cancelled"},
		{Name: "wait", State: forge.CheckPending, Word: "queued"},
	}
	if d := cmp.Diff(want, s.checks(t, commit)); d != "" {
		t.Errorf("Checks with check runs (-want +got):\n%s", d)
	}
}

func testCheckPages(t *testing.T, s BotSubject) {
	commit := s.Tags["v1.0.0"]
	n := s.Traits.PageSize + 5
	for i := range n {
		s.SetStatus(t, commit, fmt.Sprintf("ci/%03d", i), "pending")
	}
	for i := range n {
		s.SetStatus(t, commit, fmt.Sprintf("ci/%03d", i), "success")
	}
	got := s.checks(t, commit)
	if len(got) != n {
		t.Fatalf("%d checks, want %d", len(got), n)
	}
	for i, c := range got {
		if c.Name != fmt.Sprintf("ci/%03d", i) || c.State != forge.CheckPassed {
			t.Errorf("check %d is %+v, want the newer one", i, c)
		}
	}
}

func testSetStatus(t *testing.T, s BotSubject) {
	commit := s.Tags["v1.0.0"]
	for _, state := range []string{"pending", "pending", "failure", "error", "success"} {
		err := s.commits(t).SetStatus(t.Context(), commit, forge.CommitStatus{
			Context: "slipway/release", State: state, URL: "https://slipway.example/1", Description: strings.Repeat("äöü ", 100),
		})
		if err != nil {
			t.Fatalf("SetStatus(%s): %v", state, err)
		}
		got, err := s.commits(t).Checks(t.Context(), commit)
		if err != nil || len(got) != 1 || got[0].Word != state || got[0].Name != "slipway/release" || got[0].URL != "https://slipway.example/1" {
			t.Errorf("after SetStatus(%s) the checks are %+v, %v", state, got, err)
		}
	}
}

func testStatusUnknown(t *testing.T, s BotSubject) {
	err := s.commits(t).SetStatus(t.Context(), unknownCommit, forge.CommitStatus{Context: "slipway/release", State: "success"})
	certain(t, "SetStatus", err)
	wantErr(t, "SetStatus", err, forge.ErrRejected)
}

func testPullRequest(t *testing.T, s BotSubject) {
	number, head := s.OpenPull(t)
	issue := s.OpenIssue(t)
	got, err := s.commits(t).PullRequest(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	if got.HeadBranch == "" || got.MergeCommit == head {
		t.Errorf("an open pull request is %+v", got)
	}
	branch := got.HeadBranch
	got.MergeCommit = "" // GitHub's trial
	want := forge.PullRequest{Number: number, HeadRepository: s.Repository, HeadBranch: branch, HeadCommit: head, BaseBranch: "main"}
	if got != want {
		t.Errorf("an open pull request is %+v, want %+v", got, want)
	}
	commit := s.Merge(t, number)
	got, err = s.commits(t).PullRequest(t.Context(), number)
	want.Merged, want.MergeCommit = true, commit
	if err != nil || got != want {
		t.Errorf("a merged pull request is %+v, %v; want %+v", got, err, want)
	}
	if at, err := s.commits(t).Head(t.Context(), "main"); err != nil || at != commit {
		t.Errorf("main is at %s, %v; want the merge %s", at, err, commit)
	}
	for _, n := range []int{issue, issue + 1000, 0, -1} {
		_, err := s.commits(t).PullRequest(t.Context(), n)
		wantErr(t, fmt.Sprintf("PullRequest(%d)", n), err, forge.ErrNotFound)
	}
}

func testForkPull(t *testing.T, s BotSubject) {
	number, head := s.OpenForkPull(t)
	got, err := s.commits(t).PullRequest(t.Context(), number)
	if err != nil || !got.Fork || got.Merged || got.HeadCommit != head || got.HeadRepository == "" || got.HeadRepository == s.Repository {
		t.Errorf("a fork's pull request is %+v, %v; its head is %s", got, err, head)
	}
}

func testTags(t *testing.T, s BotSubject) {
	want := map[string]string{"cli/v1.0.0": s.Tags["v1.0.0"]}
	for name, commit := range s.Tags {
		want[name] = commit
	}
	s.SetTag(t, "cli/v1.0.0", s.Tags["v1.0.0"])
	for i := range s.Traits.PageSize + 5 {
		name := fmt.Sprintf("page-%03d", i)
		s.SetTag(t, name, s.Tags["v1.1.0"])
		want[name] = s.Tags["v1.1.0"]
	}
	list, err := s.commits(t).Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tag := range list {
		got[tag.Name] = tag.Commit
	}
	if d := cmp.Diff(want, got); d != "" || len(list) != len(got) {
		t.Errorf("Tags lists %d (-want +got):\n%s", len(list), d)
	}
}

func testPublished(t *testing.T, s BotSubject) {
	ctx := t.Context()
	if list, err := s.commits(t).Published(ctx, 0); err != nil || len(list) != 0 {
		t.Fatalf("Published = %+v, %v; want none", list, err)
	}
	for _, tag := range []string{"v1.0.0", "v1.1.0", "v9.0.0"} {
		d := forge.Draft{Tag: tag, Commit: s.Tags["v1.1.0"], Title: "Release " + tag, Prerelease: tag == "v1.1.0"}
		if s.Tags[tag] != "" {
			d.Commit = s.Tags[tag]
		}
		rel, err := s.Forge.CreateDraft(ctx, d)
		if err != nil {
			t.Fatal(err)
		}
		if tag == "v9.0.0" {
			continue
		}
		if _, err := s.Forge.Update(ctx, rel.ID, forge.Update{Draft: d, Publish: true}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.commits(t).Published(ctx, 0)
	if err != nil || len(list) != 2 {
		t.Fatalf("Published = %+v, %v; want two", list, err)
	}
	got := map[string]bool{}
	for _, rel := range list {
		got[rel.Tag] = rel.Prerelease
		if rel.Draft || rel.ID == "" || len(rel.Assets) > 0 {
			t.Errorf("listed is %+v", rel)
		}
	}
	if d := cmp.Diff(map[string]bool{"v1.0.0": false, "v1.1.0": true}, got); d != "" {
		t.Errorf("Published (-want +got):\n%s", d)
	}
	if list[0].Created.Before(list[1].Created) {
		t.Errorf("the older release of %+v comes first", list)
	}
	if one, err := s.commits(t).Published(ctx, 1); err != nil || len(one) != 1 || one[0].ID != list[0].ID {
		t.Errorf("Published(1) = %+v, %v; want %s", one, err, list[0].Tag)
	}
}

func testHead(t *testing.T, s BotSubject) {
	if got, err := s.commits(t).Head(t.Context(), "main"); err != nil || got != s.Tags["v1.1.0"] {
		t.Errorf("Head(main) = %s, %v; want %s", got, err, s.Tags["v1.1.0"])
	}
	for _, name := range []string{"no-such-branch", "no/such/branch", "", "v1.0.0", "mai", "../main", "a b"} {
		_, err := s.commits(t).Head(t.Context(), name)
		wantErr(t, fmt.Sprintf("Head(%q)", name), err, forge.ErrNotFound)
	}
}

func testCreateTag(t *testing.T, s BotSubject) {
	ctx := t.Context()
	for _, name := range []string{"v2.0.0", "cli/v2.0.0", "v2.0.0-ß+α"} {
		if err := s.commits(t).CreateTag(ctx, name, s.Tags["v1.0.0"]); err != nil {
			t.Fatalf("CreateTag(%s): %v", name, err)
		}
		if got, err := s.Forge.Tag(ctx, name); err != nil || got.Commit != s.Tags["v1.0.0"] {
			t.Errorf("Tag(%s) = %+v, %v", name, got, err)
		}
		for _, commit := range []string{s.Tags["v1.0.0"], s.Tags["v1.1.0"]} {
			err := s.commits(t).CreateTag(ctx, name, commit)
			wantErr(t, "CreateTag again", err, forge.ErrConflict)
			certain(t, "CreateTag again", err)
		}
		if got, err := s.Forge.Tag(ctx, name); err != nil || got.Commit != s.Tags["v1.0.0"] {
			t.Errorf("after refusals Tag(%s) = %+v, %v", name, got, err)
		}
	}
}

func testBadTag(t *testing.T, s BotSubject) {
	for _, name := range []string{"", "a..b", "a b", "-x", "x.lock", "a~1", "a/"} {
		err := s.commits(t).CreateTag(t.Context(), name, s.Tags["v1.0.0"])
		wantErr(t, fmt.Sprintf("CreateTag(%q)", name), err, forge.ErrRejected)
		certain(t, fmt.Sprintf("CreateTag(%q)", name), err)
	}
	certain(t, "CreateTag of an unknown commit", s.commits(t).CreateTag(t.Context(), "v3.0.0", unknownCommit))
	_, err := s.Forge.Tag(t.Context(), "v3.0.0")
	wantErr(t, "its tag", err, forge.ErrNotFound)
}

func testCommitTokens(t *testing.T, s BotSubject) {
	commits := must[forge.Commits](t, s.ReadOnly)
	for what, err := range map[string]error{
		"SetStatus": commits.SetStatus(t.Context(), s.Tags["v1.0.0"], forge.CommitStatus{Context: "c", State: "success"}),
		"CreateTag": commits.CreateTag(t.Context(), "v3.0.0", s.Tags["v1.0.0"]),
	} {
		wantErr(t, what, err, forge.ErrForbidden)
		certain(t, what, err)
	}
	if got, err := commits.Head(t.Context(), "main"); err != nil || got != s.Tags["v1.1.0"] {
		t.Errorf("Head with the read token = %s, %v", got, err)
	}
}
