package gitea_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/release"
)

const (
	onMain  = "a954c8b1dcdb64bee84530301d12896d2bbb7353"
	onFeat  = "7bd5c69b24b095f4315c6decd2ad978ba3838e12"
	initial = "62d700bdeed9ff85218cf1da6d083bbac0190971"
	merge   = "36ab4ceacaee69f10bca4d2ce866ed03861f4586"
	inApp   = "7a946602069898ba4253dd81a62d22bf118c4ec7"
)

// at is an event of one of the recorded repositories.
func at(repository, name, action string, more func(*forge.Event)) forge.Event {
	ev := forge.Event{Name: name, Action: action, Repository: repository, Server: "http://127.0.0.1:3999", DefaultBranch: "main", Sender: "root1"}
	ev.URL = ev.Server + "/" + repository
	ev.CloneURL = ev.URL + ".git"
	if more != nil {
		more(&ev)
	}
	return ev
}

func comment(id, body, url string, issue int, second int) *forge.Comment {
	return &forge.Comment{ID: id, Author: "root1", Body: body, Issue: issue, OnPullRequest: issue == 2,
		URL: "http://127.0.0.1:3999/root1/r1/" + url, CreatedAt: time.Date(2026, 11, 20, 20, 4, second, 0, time.UTC)}
}

// What a real Gitea 1.27.3 delivered, under the name in its header.
func TestParseEventOfRecordedDeliveries(t *testing.T) {
	t.Parallel()
	pull := func(more func(*forge.PullRequest)) func(*forge.Event) {
		return func(ev *forge.Event) {
			ev.PullRequest = &forge.PullRequest{Number: 2, HeadRepository: "root1/r1", HeadBranch: "feat", HeadCommit: onFeat, BaseBranch: "main"}
			if more != nil {
				more(ev.PullRequest)
			}
		}
	}
	for _, c := range []struct {
		file, header string
		want         forge.Event
	}{
		{"001_create_branch_main", "create", at("root1/r1", "create", "", func(ev *forge.Event) {
			ev.Ref, ev.Branch, ev.Commit = "refs/heads/main", "main", initial
		})},
		{"003_push_refs-heads-main", "push", at("root1/r1", "push", "", func(ev *forge.Event) {
			ev.Ref, ev.Branch, ev.Commit, ev.Before = "refs/heads/main", "main", onMain, initial
		})},
		{"004_push_refs-tags-v0.1.0", "push", at("root1/r1", "push", "", func(ev *forge.Event) {
			ev.Ref, ev.Tag, ev.Commit = "refs/tags/v0.1.0", "v0.1.0", onMain
		})},
		// An annotated tag: after is the tag's own object.
		{"006_push_refs-tags-v0.2.0", "push", at("root1/r1", "push", "", func(ev *forge.Event) {
			ev.Ref, ev.Tag, ev.Commit = "refs/tags/v0.2.0", "v0.2.0", onMain
		})},
		{"007_create_tag_v0.2.0", "create", at("root1/r1", "create", "", func(ev *forge.Event) {
			ev.Ref, ev.Tag = "refs/tags/v0.2.0", "v0.2.0"
		})},
		{"016_push_refs-tags-x1", "push", at("root1/r1", "push", "", func(ev *forge.Event) {
			ev.Ref, ev.Tag, ev.Before, ev.Deleted = "refs/tags/x1", "x1", onMain, true
		})},
		{"017_delete_tag_x1", "delete", at("root1/r1", "delete", "", func(ev *forge.Event) {
			ev.Ref, ev.Tag, ev.Deleted = "refs/tags/x1", "x1", true
		})},
		{"020_release_deleted", "release", at("root1/r1", "release", "deleted", func(ev *forge.Event) {
			ev.Release = &forge.EventRelease{ID: "4", Tag: "x2"}
		})},
		{"023_issues_opened", "issues", at("root1/r1", "issues", "opened", nil)},
		{"024_issue_comment_created", "issue_comment", at("root1/r1", "issue_comment", "created", func(ev *forge.Event) {
			ev.Comment = comment("1", "/release v1.0.0", "issues/1#issuecomment-1", 1, 7)
		})},
		{"025_issue_comment_edited", "issue_comment", at("root1/r1", "issue_comment", "edited", func(ev *forge.Event) {
			ev.Comment = comment("1", "/release v1.0.1 edited", "issues/1#issuecomment-1", 1, 7)
		})},
		{"028_pull_request_opened", "pull_request", at("root1/r1", "pull_request", "opened", pull(nil))},
		{"029_issue_comment_pull_request_comment_created", "issue_comment", at("root1/r1", "issue_comment", "created", func(ev *forge.Event) {
			ev.Comment = comment("3", "/release from pr", "pulls/2#issuecomment-3", 2, 12)
		})},
		// By its header a review is called a comment.
		{"030_pull_request_comment_pull_request_review_comment_reviewed", "pull_request_comment", at("root1/r1", "pull_request_review", "submitted", nil)},
		{"031_pull_request_closed", "pull_request", at("root1/r1", "pull_request", "closed", pull(func(p *forge.PullRequest) {
			p.Merged, p.MergeCommit = true, merge
		}))},
		{"032_push_refs-heads-main", "push", at("root1/r1", "push", "", func(ev *forge.Event) {
			ev.Ref, ev.Branch, ev.Commit, ev.Before = "refs/heads/main", "main", merge, onMain
		})},
		{"034_status_success", "status", at("root1/r1", "status", "", func(ev *forge.Event) {
			ev.Status = &forge.Status{Commit: onMain, Context: "ci/release", State: "success"}
		})},
		{"035_status_bogus", "status", at("root1/r1", "status", "", func(ev *forge.Event) {
			ev.Status = &forge.Status{Commit: onMain, Context: "ci/release", State: "bogus"}
		})},
		{"actions_003_push_refs-tags-v1.0.0", "push", at("root1/app", "push", "", func(ev *forge.Event) {
			ev.Ref, ev.Tag, ev.Commit = "refs/tags/v1.0.0", "v1.0.0", inApp
		})},
		{"actions_005_status_pending", "status", at("root1/app", "status", "", func(ev *forge.Event) {
			ev.Sender, ev.SenderIsBot = "gitea-actions", true
			ev.Status = &forge.Status{Commit: inApp, Context: "container / docker-in-container (push)", State: "pending"}
		})},
		{"actions_006_workflow_run_requested", "workflow_run", at("root1/app", "workflow_run", "requested", func(ev *forge.Event) {
			ev.Run = &forge.WorkflowRun{ID: "1", Name: "container", Event: "push", Tag: "v1.0.0", Commit: inApp, URL: ev.URL + "/actions/runs/1"}
		})},
		{"actions_007_workflow_job_queued", "workflow_job", at("root1/app", "workflow_job", "queued", nil)},
		{"release_003_release_published", "release", at("root1/r1", "release", "published", func(ev *forge.Event) {
			ev.Release = &forge.EventRelease{ID: "8", Tag: "v1.0.0", Prerelease: true}
		})},
		{"release_004_release_updated", "release", at("root1/r1", "release", "edited", func(ev *forge.Event) {
			ev.Release = &forge.EventRelease{ID: "8", Tag: "v1.0.0"}
		})},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			got, err := gitea.ParseEvent(c.header, delivery(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			// A reusable workflow hears of its caller's event as workflow_call.
			called, err := gitea.ParseEvent("workflow_call", delivery(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			switch c.want.Name {
			case "issues", "status", "workflow_job": // they start no workflow that could release
			default:
				if diff := cmp.Diff(c.want, called); diff != "" {
					t.Errorf("as workflow_call (-want +got)\n%s", diff)
				}
			}
		})
	}
}

// The finer names of Gitea's event types, and of its workflows, come back in
// GitHub's words.
func TestParseEventNames(t *testing.T) {
	t.Parallel()
	pull := delivery(t, "028_pull_request_opened")
	for _, c := range []struct {
		name, body, event, action string
	}{
		{"pull_request_sync", strings.Replace(string(pull), `"opened"`, `"synchronized"`, 1), "pull_request", "synchronize"},
		{"pull_request", strings.Replace(string(pull), `"opened"`, `"synchronized"`, 1), "pull_request", "synchronize"},
		{"pull_request_target", strings.Replace(string(pull), `"opened"`, `"synchronized"`, 1), "pull_request_target", "synchronize"},
		{"pull_request_label", strings.Replace(string(pull), `"opened"`, `"label_updated"`, 1), "pull_request", "labeled"},
		{"pull_request_comment", string(delivery(t, "029_issue_comment_pull_request_comment_created")), "issue_comment", "created"},
		{"pull_request_approved", string(delivery(t, "030_pull_request_comment_pull_request_review_comment_reviewed")), "pull_request_review", "submitted"},
		{"pull_request_review_rejected", `{"action":"reviewed"}`, "pull_request_review", "submitted"},
		{"issue_label", `{"action":"label_cleared"}`, "issues", "unlabeled"},
		{"wiki", `{"action":"created","page":"Home","comment":"a text here, not an object"}`, "gollum", "created"},
		{"action_run_success", `{"action":"success","run":{"id":1}}`, "action_run_success", "success"},
		{"workflow_call", `{}`, "workflow_call", ""},
	} {
		ev, err := gitea.ParseEvent(c.name, []byte(c.body))
		if err != nil || ev.Name != c.event || ev.Action != c.action {
			t.Errorf("%s: got %s %s, %v; want %s %s", c.name, ev.Name, ev.Action, err, c.event, c.action)
		}
	}
}

// Event files that only runners see, in the shapes of Gitea 1.27's
// services/actions.
func TestParseEventOfRunners(t *testing.T) {
	t.Parallel()
	repository := part(t, "024_issue_comment_created", "repository")
	sender := `{"id":-2,"login":"gitea-actions"}`
	for _, c := range []struct {
		name, event, body string
		want              forge.Event
	}{
		{"a dispatch from a tag", "workflow_dispatch",
			`{"workflow":"release.yml","ref":"refs/tags/v1.0.0","inputs":{"class":"stable","dry-run":"true","n":3,"b":false,"none":null},"repository":` + repository + `,"sender":{"id":1,"login":"root1"}}`,
			at("root1/r1", "workflow_dispatch", "", func(ev *forge.Event) {
				ev.Ref, ev.Tag = "refs/tags/v1.0.0", "v1.0.0"
				ev.Inputs = map[string]string{"class": "stable", "dry-run": "true", "n": "3", "b": "false", "none": ""}
			})},
		{"a short ref is a branch's", "workflow_dispatch",
			`{"workflow":"release.yml","ref":"v1.0.0","inputs":{},"repository":` + repository + `,"sender":{"id":1,"login":"root1"}}`,
			at("root1/r1", "workflow_dispatch", "", func(ev *forge.Event) { ev.Ref, ev.Branch = "refs/heads/v1.0.0", "v1.0.0" })},
		// The rest of a schedule's document is an old push, which isn't meant.
		{"a schedule", "schedule",
			`{"schedule":"0 3 * * 1","ref":"refs/heads/old","before":"","after":"` + onMain + `","head_commit":{"id":"` + onMain + `"},"repository":` + repository + `,"sender":` + sender + `}`,
			at("root1/r1", "schedule", "", func(ev *forge.Event) {
				ev.Schedule, ev.Sender, ev.SenderIsBot = "0 3 * * 1", "gitea-actions", true
			})},
		{"a schedule, called", "workflow_call",
			`{"schedule":"0 3 * * 1","ref":"refs/heads/old","after":"` + onMain + `","repository":` + repository + `,"sender":` + sender + `}`,
			at("root1/r1", "schedule", "", func(ev *forge.Event) {
				ev.Schedule, ev.Sender, ev.SenderIsBot = "0 3 * * 1", "gitea-actions", true
			})},
		// Gitea doesn't say whether a pull request's run is a fork's.
		{"a run for a pull request", "workflow_run",
			`{"action":"completed","workflow":{"name":"tests"},"workflow_run":{"id":7,"path":"tests.yml@refs/pull/2/head","event":"pull_request","head_sha":"` + onFeat + `","conclusion":"success"},"repository":` + repository + `,"sender":` + sender + `}`,
			at("root1/r1", "workflow_run", "completed", func(ev *forge.Event) {
				ev.Sender, ev.SenderIsBot = "gitea-actions", true
				ev.Run = &forge.WorkflowRun{ID: "7", Name: "tests", Event: "pull_request", Commit: onFeat, Conclusion: "success", Fork: true}
			})},
		{"a run for a branch", "workflow_run",
			`{"action":"completed","workflow":null,"workflow_run":{"id":7,"path":"tests.yml@refs/heads/main","head_branch":"main","event":"push","head_sha":"` + onMain + `","conclusion":"success"},"repository":` + repository + `,"sender":` + sender + `}`,
			at("root1/r1", "workflow_run", "completed", func(ev *forge.Event) {
				ev.Sender, ev.SenderIsBot = "gitea-actions", true
				ev.Run = &forge.WorkflowRun{ID: "7", Event: "push", Branch: "main", Commit: onMain, Conclusion: "success"}
			})},
		{"a pull request of a fork that is gone", "pull_request",
			`{"action":"reopened","pull_request":{"number":5,"draft":true,"head":{"ref":"main","sha":"` + onFeat + `","repo":null},"base":{"ref":"main"}},"repository":` + repository + `,"sender":{"id":1,"login":"root1"}}`,
			at("root1/r1", "pull_request", "reopened", func(ev *forge.Event) {
				ev.PullRequest = &forge.PullRequest{Number: 5, HeadBranch: "main", HeadCommit: onFeat, BaseBranch: "main", Fork: true, Draft: true}
			})},
		{"a ref that is neither", "push",
			`{"ref":"refs/notes/commits","after":"` + onMain + `","repository":` + repository + `,"sender":{"id":1,"login":"root1"}}`,
			at("root1/r1", "push", "", func(ev *forge.Event) { ev.Ref, ev.Commit = "refs/notes/commits", onMain })},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := gitea.ParseEvent(c.event, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A document that is broken, or another event's, is refused with what is wrong.
func TestParseEventRefuses(t *testing.T) {
	t.Parallel()
	pull, status := string(delivery(t, "028_pull_request_opened")), string(delivery(t, "034_status_success"))
	for _, c := range []struct{ event, body, want string }{
		{"push", ``, `the "push" event is empty`},
		{"push", "{\n \"ref\": nope}", `is not JSON: invalid character 'o' in literal null (expecting 'u') at line 2, column 10`},
		{"push", pull[:len(pull)/2], `is not JSON: unexpected end of JSON input`},
		{"push", `payload=%7B%7D`, `is not JSON`},
		{"push", `null`, `is null, not an object`},
		{"gollum", `[]`, `is not an object but of the type array`},
		{"push", `{"ref":5}`, `has a value of the type number at "ref", which takes another (line 1, column 8)`},
		{"push", pull, `the "push" event has no ref`},
		{"push", `{"ref":"refs/heads/main"}`, `has no commit (after)`},
		{"push", `{"ref":"refs/heads/main","after":"` + onMain[:12] + `"}`, `that is not a full hash: "a954c8b1dcdb"`},
		{"push", `{"ref":"refs/heads/main","after":"--upload-pack=x"}`, `that is not a full hash`},
		{"push", `{"ref":"refs/heads/main","after":"` + onMain + `","repository":{"full_name":"../x"}}`, `is of no repository that can be`},
		{"pull_request", status, `has no pull_request`},
		{"pull_request", `{"pull_request":{"number":1}}`, `has no commit (pull_request.head.sha)`},
		{"issue_comment", status, `has no comment`},
		{"issue_comment", `{"comment":{"id":1}}`, `has no number of its issue`},
		{"issue_comment", `{"comment":{"id":1,"created_at":"yesterday"},"issue":{"number":1}}`, `has another shape than expected`},
		{"release", `{}`, `has no release`},
		{"release", `{"release":{"id":1}}`, `has no tag (release.tag_name)`},
		{"workflow_run", `{}`, `has no workflow_run`},
		{"status", pull, `has no commit (sha)`},
		{"workflow_dispatch", `{"inputs":[1]}`, `has inputs that are not an object`},
		{"workflow_dispatch", `{"inputs":{"a":[1]}}`, `has the input "a", which is neither text, a number nor yes or no`},
	} {
		ev, err := gitea.ParseEvent(c.event, []byte(c.body))
		if err == nil || !strings.Contains(err.Error(), c.want) || release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
			t.Errorf("%s %.40s: got %v, want %q with a hint", c.event, c.body, err, c.want)
		}
		if diff := cmp.Diff(forge.Event{}, ev); diff != "" {
			t.Errorf("%s: a refused event says something: %s", c.event, diff)
		}
	}
}

// What is huge in a document does not make a huge error.
func TestParseEventErrorsAreShort(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("9", 1<<20)
	for _, body := range []string{
		`{"ref":` + huge + `}`,
		`{"ref":"refs/heads/x","after":"` + huge + `"}`,
		`{"ref":"refs/heads/x","after":"` + onMain + `","repository":{"full_name":"` + huge + `"}}`,
		`{"comment":{"id":1,"created_at":"` + huge + `"}}`,
	} {
		_, err := gitea.ParseEvent("push", []byte(body))
		if err == nil {
			t.Errorf("%.40s was taken", body)
		} else if len(err.Error()) > 1000 {
			t.Errorf("an error of %d bytes for %.40s", len(err.Error()), body)
		}
	}
}

// Whatever comes, it is an event with full hashes or an error of kind Invalid.
func FuzzParseEvent(f *testing.F) {
	for name, file := range map[string]string{
		"push":                 "006_push_refs-tags-v0.2.0",
		"create":               "001_create_branch_main",
		"pull_request":         "028_pull_request_opened",
		"pull_request_comment": "030_pull_request_comment_pull_request_review_comment_reviewed",
		"issue_comment":        "024_issue_comment_created",
		"release":              "020_release_deleted",
		"workflow_run":         "actions_006_workflow_run_requested",
		"status":               "034_status_success",
		"workflow_call":        "017_delete_tag_x1",
	} {
		f.Add(name, delivery(f, file))
	}
	f.Add("workflow_dispatch", []byte(`{"ref":"main","inputs":{"a":true}}`))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		ev, err := gitea.ParseEvent(name, body)
		if err != nil {
			if release.KindOf(err) != release.Invalid {
				t.Errorf("not Invalid: %v", err)
			}
			return
		}
		if err := ev.Validate(); err != nil {
			t.Error(err)
		}
	})
}

func delivery(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// part is a field of a recorded delivery, as JSON.
func part(t testing.TB, name, field string) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(delivery(t, name), &fields); err != nil {
		t.Fatal(err)
	}
	return string(fields[field])
}
