package simforge_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// everything does all of which webhooks hear, and gives what was delivered by
// event, type and action.
func everything(t *testing.T, d memory.Dialect) map[string]received {
	t.Helper()
	refs := sampleRefs(t)
	refs.SetBranch("feature", memory.Hash("feature"))
	s, repo, _ := start(t, simforge.Options{Dialect: d}, memory.Options{Refs: refs})
	r := newReceiver(t, d)
	hook := r.hook(s)
	ctx, first, second := t.Context(), memory.Hash("first"), memory.Hash("second")
	const zeros = "0000000000000000000000000000000000000000"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(repo.Pushed(ctx, "alice", []memory.RefUpdate{
		{Ref: "refs/heads/main", Before: first, After: second}, {Ref: "refs/tags/v1.0.0", Before: zeros, After: first},
	}))
	must(repo.Pushed(ctx, "alice", []memory.RefUpdate{{Ref: "refs/tags/gone", Before: first, After: zeros}}))
	issue := repo.OpenIssue("alice", "an issue", "a text").Number
	c, err := repo.AddComment(forge.Place{Issue: issue}, "alice", "hello")
	must(err)
	_, err = repo.EditComment(c.ID, "alice", "hello again")
	must(err)
	pull, err := repo.OpenPull(ctx, memory.NewPull{Author: "alice", Title: "more", HeadBranch: "feature"})
	must(err)
	_, err = repo.AddComment(forge.Place{Issue: pull.Number}, "alice", "/promote")
	must(err)
	_, err = repo.MergePull(ctx, pull.Number, "alice")
	must(err)
	_, err = repo.AddStatus("alice", memory.Status{Commit: first, Context: "ci", State: "success"})
	must(err)
	_, err = repo.Create(ctx, memory.Writer, memory.NewRelease{Tag: "v1.0.0", Title: "One", Body: "notes"})
	must(err)
	file := repo.AddWorkflow("release.yml", "Release").File
	_, err = repo.Dispatch(ctx, "alice", file, "refs/tags/v1.0.0", nil)
	must(err)
	if d == memory.GitHub {
		_, err = repo.AddComment(forge.Place{Commit: first}, "alice", "/promote")
		must(err)
		_, err = repo.SetCheckRun(first, "build", "completed", "success")
		must(err)
		made, err := repo.CreateDeployment(ctx, "alice", forge.Deployment{Ref: first, Environment: "production"})
		must(err)
		_, err = repo.SetDeploymentStatus(made.ID, forge.DeploymentStatus{State: "success"})
		must(err)
		must(repo.TestHook(hook.ID, "alice"))
	}
	out := map[string]received{}
	for _, got := range r.take(s) {
		name := strings.TrimSpace(fmt.Sprintf("%s %s %s", got.header.Get("X-GitHub-Event"), got.event.Tag, got.event.Action))
		if got.kind() == "pull_request_comment" {
			name = "pull_request_comment"
		}
		if got.event.Name == "push" && got.event.Deleted {
			name += "deleted"
		}
		out[strings.Join(strings.Fields(name), " ")] = got
	}
	return out
}

// Gitea's webhooks have the keys of recorded ones, at every depth.
func TestGiteaBodies(t *testing.T) {
	t.Parallel()
	got := everything(t, memory.Gitea)
	for name, file := range map[string]string{
		"push": "003_push_refs-heads-main", "push v1.0.0": "004_push_refs-tags-v0.1.0", "push gonedeleted": "016_push_refs-tags-x1",
		"create v1.0.0": "007_create_tag_v0.2.0", "delete gone": "017_delete_tag_x1", "issues opened": "023_issues_opened",
		"issue_comment created": "024_issue_comment_created", "issue_comment edited": "025_issue_comment_edited",
		"pull_request_comment": "029_issue_comment_pull_request_comment_created", "pull_request opened": "028_pull_request_opened",
		"pull_request closed": "031_pull_request_closed", "status": "034_status_success", "release published": "release_003_release_published",
		"workflow_run requested": "actions_006_workflow_run_requested",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, ok := got[name]
			if !ok {
				t.Fatalf("nothing was delivered; there are %q", slices.Sorted(maps.Keys(got)))
			}
			want, err := os.ReadFile(filepath.Join("..", "gitea", "testdata", "events", file+".json"))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(paths(t, want), paths(t, one.body)); d != "" {
				t.Errorf("keys (-recorded +ours):\n%s", d)
			}
		})
	}
	for key := range got["issues opened"].header {
		if !slices.Contains(giteaHeaders, key) {
			t.Errorf("Gitea sends no %s", key)
		}
	}
	for _, key := range giteaHeaders {
		if got["issues opened"].header.Get(key) == "" {
			t.Errorf("%s is missing", key)
		}
	}
}

// giteaHeaders are those of a recorded delivery, in Go's spelling.
var giteaHeaders = []string{
	"Accept-Encoding", "Content-Length", "Content-Type", "User-Agent",
	"X-Gitea-Delivery", "X-Gitea-Event", "X-Gitea-Event-Type", "X-Gitea-Hook-Installation-Target-Type", "X-Gitea-Signature",
	"X-Github-Delivery", "X-Github-Event", "X-Github-Event-Type", "X-Github-Hook-Installation-Target-Type",
	"X-Gogs-Delivery", "X-Gogs-Event", "X-Gogs-Event-Type", "X-Gogs-Signature", "X-Hub-Signature", "X-Hub-Signature-256",
}

// ignored are keys that come and go with what a thing has: a review, a run on
// a branch, a reviewer, a file.
var ignored = []string{".review_comments", ".requested_reviewers[]", ".head_branch", ".assets[]", ".added[]"}

// paths are all keys of a document, with those of nested objects.
func paths(t *testing.T, doc []byte) []string {
	t.Helper()
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	walk("", v, found)
	return slices.Sorted(maps.Keys(found))
}

func walk(at string, v any, found map[string]bool) {
	for _, end := range ignored {
		if strings.HasSuffix(at, end) {
			return
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			walk(at+"."+k, x, found)
		}
	case []any:
		for _, x := range v {
			walk(at+"[]", x, found)
		}
	}
	found[at] = true
}

// GitHub's webhooks have the keys of its own examples, at the top and in all
// that package github reads. The examples are of 2019: what has come since may
// be there too.
func TestGitHubBodies(t *testing.T) {
	t.Parallel()
	got := everything(t, memory.GitHub)
	events := githubExamples(t)
	for name, object := range map[string]string{
		"push": "head_commit", "push v1.0.0": "head_commit", "push gonedeleted": "", "create v1.0.0": "", "delete gone": "",
		"issues opened": "issue", "issue_comment created": "comment", "issue_comment edited": "comment", "commit_comment created": "comment",
		"pull_request opened": "pull_request", "pull_request closed": "pull_request", "release published": "release", "release created": "release",
		"status": "commit", "check_run completed": "check_run", "workflow_run requested": "workflow_run", "deployment created": "deployment",
		"deployment_status created": "deployment_status", "ping": "hook",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, ok := got[name]
			if !ok {
				t.Fatalf("nothing was delivered; there are %q", slices.Sorted(maps.Keys(got)))
			}
			var ours map[string]any
			if err := json.Unmarshal(one.body, &ours); err != nil {
				t.Fatal(err)
			}
			example := githubExample(t, events, one, ours)
			if d := cmp.Diff(keys(example, "organization", "installation"), keys(ours)); d != "" {
				t.Errorf("keys (-example +ours):\n%s", d)
			}
			for _, nested := range []string{"repository", "sender", object} {
				want, _ := example[nested].(map[string]any)
				have, _ := ours[nested].(map[string]any)
				for key := range want {
					if _, ok := have[key]; !ok && !slices.Contains([]string{"organization", "app", "performed_via_github_app", "draft"}, key) {
						t.Errorf("%s has no %s", nested, key)
					}
				}
			}
		})
	}
	for _, key := range []string{"X-Github-Delivery", "X-Github-Event", "X-Github-Hook-Id", "X-Hub-Signature", "X-Hub-Signature-256"} {
		if got["ping"].header.Get(key) == "" {
			t.Errorf("%s is missing", key)
		}
	}
}

type githubEvent struct {
	Name     string
	Examples []map[string]any
}

func githubExamples(t *testing.T) (events []githubEvent) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(realtest.GitHubWebhooks(t), "api.github.com", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &events); err != nil {
		t.Fatal(err)
	}
	return events
}

// githubExample finds GitHub's example for a delivery: of the same action and,
// for pushes, of the same kind.
func githubExample(t *testing.T, events []githubEvent, one received, ours map[string]any) map[string]any {
	t.Helper()
	for _, ev := range events {
		if ev.Name != one.header.Get("X-GitHub-Event") {
			continue
		}
		for _, x := range ev.Examples {
			if x["action"] == ours["action"] && x["deleted"] == ours["deleted"] && (x["head_commit"] == nil) == (ours["head_commit"] == nil) {
				return x
			}
		}
	}
	t.Fatalf("GitHub has no example of %s %s", one.event.Name, one.event.Action)
	return nil
}

func keys(m map[string]any, without ...string) []string {
	var out []string
	for k := range m {
		if !slices.Contains(without, k) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}
