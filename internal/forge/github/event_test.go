package github_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/github"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// examples are GitHub's own, by event.
func examples(t testing.TB, server string) map[string][]json.RawMessage {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(realtest.GitHubWebhooks(t), server, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name     string            `json:"name"`
		Examples []json.RawMessage `json:"examples"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	events := make(map[string][]json.RawMessage, len(list))
	for _, e := range list {
		events[e.Name] = append(events[e.Name], e.Examples...)
	}
	return events
}

// Each example of each event that GitHub publishes is an event, with the
// repository, sender and action that it has.
func TestParseEventOfEachExample(t *testing.T) {
	t.Parallel()
	for server, least := range map[string]int{"api.github.com": 300, "ghes-35": 100} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			seen := 0
			for name, bodies := range examples(t, server) {
				for i, body := range bodies {
					seen++
					ev, err := github.ParseEvent(name, body)
					if err != nil {
						t.Errorf("%s %d: %v", name, i, err)
						continue
					}
					var want struct {
						Action     string
						Repository struct {
							FullName string `json:"full_name"`
						}
						Sender struct{ Login string }
					}
					if err := json.Unmarshal(body, &want); err != nil {
						t.Fatal(err)
					}
					if ev.Name != name || ev.Action != want.Action || ev.Repository != want.Repository.FullName || ev.Sender != want.Sender.Login {
						t.Errorf("%s %d: got %s %q of %q by %q", name, i, ev.Name, ev.Action, ev.Repository, ev.Sender)
					}
				}
			}
			if seen < least {
				t.Errorf("only %d examples", seen)
			}
		})
	}
}

const (
	pushed  = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
	changes = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
	object  = "7d5dc6c7a2ae2d0c7b4b5f4d4f2a3e9c1b0a9f8e"
)

// at is an event of the repository of most examples.
func at(name, action string, more func(*forge.Event)) forge.Event {
	ev := forge.Event{Name: name, Action: action, Repository: "Codertocat/Hello-World", Server: "https://github.com",
		DefaultBranch: "master", Sender: "Codertocat"}
	ev.URL = ev.Server + "/" + ev.Repository
	ev.CloneURL = ev.URL + ".git"
	more(&ev)
	return ev
}

// What the examples of the events that matter say.
func TestParseEventOfExamples(t *testing.T) {
	t.Parallel()
	events := examples(t, "api.github.com")
	for _, c := range []struct {
		event string
		index int
		want  forge.Event
	}{
		{"push", 0, at("push", "", func(ev *forge.Event) {
			ev.Ref, ev.Tag, ev.Commit = "refs/tags/simple-tag", "simple-tag", pushed
		})},
		{"push", 3, at("push", "", func(ev *forge.Event) {
			ev.Ref, ev.Tag, ev.Before, ev.Deleted, ev.Installation = "refs/tags/simple-tag", "simple-tag", pushed, true, 1
		})},
		{"push", 4, at("push", "", func(ev *forge.Event) {
			ev.Ref, ev.Branch, ev.Commit, ev.Installation = "refs/heads/master", "master", pushed, 1
		})},
		{"create", 0, at("create", "", func(ev *forge.Event) { ev.Ref, ev.Tag = "refs/tags/simple-tag", "simple-tag" })},
		{"delete", 0, at("delete", "", func(ev *forge.Event) {
			ev.Ref, ev.Tag, ev.Deleted = "refs/tags/simple-tag", "simple-tag", true
		})},
		{"pull_request", 0, at("pull_request", "opened", func(ev *forge.Event) {
			ev.PullRequest = &forge.PullRequest{Number: 2, HeadRepository: "Codertocat/Hello-World", HeadBranch: "changes", HeadCommit: changes, BaseBranch: "master"}
		})},
		{"issue_comment", 0, at("issue_comment", "created", func(ev *forge.Event) {
			ev.Comment = &forge.Comment{ID: "492700400", Author: "Codertocat", Body: "You are totally right! I'll get this fixed right away.", Issue: 1,
				URL: "https://github.com/Codertocat/Hello-World/issues/1#issuecomment-492700400", CreatedAt: time.Date(2019, 5, 15, 15, 20, 21, 0, time.UTC)}
		})},
		{"commit_comment", 0, at("commit_comment", "created", func(ev *forge.Event) {
			ev.Comment = &forge.Comment{ID: "33548674", Author: "Codertocat", Body: "This is a really good change! :+1:", Commit: pushed,
				URL: ev.URL + "/commit/" + pushed + "#commitcomment-33548674", CreatedAt: time.Date(2019, 5, 15, 15, 20, 39, 0, time.UTC)}
		})},
		{"release", 0, at("release", "published", func(ev *forge.Event) {
			ev.Release = &forge.EventRelease{ID: "17372790", Tag: "0.0.1"}
		})},
		{"release", 8, at("release", "prereleased", func(ev *forge.Event) {
			ev.Release = &forge.EventRelease{ID: "17372790", Tag: "0.0.1", Prerelease: true}
		})},
		{"workflow_run", 1, forge.Event{Name: "workflow_run", Action: "completed", Repository: "octo-org/octo-repo", Server: "https://github.com",
			URL: "https://github.com/octo-org/octo-repo", CloneURL: "https://github.com/octo-org/octo-repo.git", DefaultBranch: "master", Sender: "Codertocat",
			Run: &forge.WorkflowRun{ID: "289782451", Event: "repository_dispatch", Branch: "master", Commit: "3484a3fb816e0859fd6e1cea078d76385ff50625",
				Conclusion: "success", URL: "https://github.com/octo-org/octo-repo/actions/runs/289782451"}}},
		{"status", 0, at("status", "", func(ev *forge.Event) {
			ev.Status = &forge.Status{Commit: pushed, Context: "default", State: "success"}
		})},
	} {
		got, err := github.ParseEvent(c.event, events[c.event][c.index])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %d (-want +got)\n%s", c.event, c.index, diff)
		}
	}
}

const repository = `"repository":{"full_name":"Codertocat/Hello-World","html_url":"https://github.com/Codertocat/Hello-World",` +
	`"clone_url":"https://github.com/Codertocat/Hello-World.git","default_branch":"master","custom_properties":{"team":["a","b"],"tier":"1"}},` +
	`"sender":{"login":"Codertocat","type":"User"}`

// What the examples lack: annotated tags, forks, apps, the event files of
// runners, and custom properties that are lists, which go-github does not know.
func TestParseEventOfOtherBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, event, body string
		want              forge.Event
	}{
		{"an annotated tag, moved", "push",
			`{"ref":"refs/tags/v1","before":"` + changes + `","after":"` + object + `","forced":true,"head_commit":{"id":"` + pushed + `"},` + repository + `}`,
			at("push", "", func(ev *forge.Event) {
				ev.Ref, ev.Tag, ev.Before, ev.Commit, ev.Forced = "refs/tags/v1", "v1", changes, pushed, true
			})},
		{"a tag of a tree", "push", `{"ref":"refs/tags/v1","after":"` + object + `","head_commit":null,` + repository + `}`,
			at("push", "", func(ev *forge.Event) { ev.Ref, ev.Tag = "refs/tags/v1", "v1" })},
		{"a tag with a shell's characters", "push", `{"ref":"refs/tags/$(id);'v1'","after":"` + pushed + `","head_commit":{"id":"` + pushed + `"},` + repository + `}`,
			at("push", "", func(ev *forge.Event) { ev.Ref, ev.Tag, ev.Commit = "refs/tags/$(id);'v1'", "$(id);'v1'", pushed })},
		{"a fork's pull request", "pull_request",
			`{"action":"synchronize","pull_request":{"number":3,"draft":true,"merge_commit_sha":"` + object + `","head":{"ref":"master","sha":"` + changes + `","repo":{"full_name":"mallory/Hello-World"}},"base":{"ref":"master"}},` + repository + `}`,
			at("pull_request", "synchronize", func(ev *forge.Event) {
				ev.PullRequest = &forge.PullRequest{Number: 3, HeadRepository: "mallory/Hello-World", HeadBranch: "master", HeadCommit: changes,
					BaseBranch: "master", Fork: true, Draft: true, MergeCommit: object}
			})},
		{"a fork that is gone", "pull_request_target",
			`{"action":"closed","pull_request":{"number":3,"merged":true,"head":{"ref":"x","sha":"` + changes + `","repo":null},"base":{"ref":"master"}},` + repository + `}`,
			at("pull_request_target", "closed", func(ev *forge.Event) {
				ev.PullRequest = &forge.PullRequest{Number: 3, HeadBranch: "x", HeadCommit: changes, BaseBranch: "master", Fork: true, Merged: true}
			})},
		{"an app's comment on a pull request", "issue_comment",
			`{"action":"created","issue":{"number":9,"pull_request":{}},"comment":{"id":1,"body":"/promote","user":{"login":"ci[bot]"}},"installation":{"id":77},` +
				strings.Replace(repository, `"login":"Codertocat","type":"User"`, `"login":"ci[bot]","type":"Bot"`, 1) + `}`,
			at("issue_comment", "created", func(ev *forge.Event) {
				ev.Sender, ev.SenderIsBot, ev.Installation = "ci[bot]", true, 77
				ev.Comment = &forge.Comment{ID: "1", Author: "ci[bot]", Body: "/promote", Issue: 9, OnPullRequest: true}
			})},
		{"a fork's run", "workflow_run",
			`{"action":"completed","workflow_run":{"id":5,"name":"tests","event":"pull_request","head_branch":"master","head_sha":"` + changes + `","conclusion":"success","head_repository":{"full_name":"mallory/Hello-World"}},` + repository + `}`,
			at("workflow_run", "completed", func(ev *forge.Event) {
				ev.Run = &forge.WorkflowRun{ID: "5", Name: "tests", Event: "pull_request", Branch: "master", Commit: changes, Conclusion: "success", Fork: true}
			})},
		{"a schedule", "schedule", `{"schedule":"0 3 * * 1","workflow":".github/workflows/weekly.yml",` + repository + `}`,
			at("schedule", "", func(ev *forge.Event) { ev.Schedule = "0 3 * * 1" })},
		{"a dispatch", "workflow_dispatch",
			`{"inputs":{"tag":"v1","dry-run":true,"n":10000000000000000001,"none":null},"ref":"refs/tags/v1","workflow":".github/workflows/x.yml",` + repository + `}`,
			at("workflow_dispatch", "", func(ev *forge.Event) {
				ev.Ref, ev.Tag = "refs/tags/v1", "v1"
				ev.Inputs = map[string]string{"tag": "v1", "dry-run": "true", "n": "10000000000000000001", "none": ""}
			})},
		{"a dispatch without inputs", "workflow_dispatch", `{"inputs":null,"ref":"refs/heads/master",` + repository + `}`,
			at("workflow_dispatch", "", func(ev *forge.Event) { ev.Ref, ev.Branch = "refs/heads/master", "master" })},
		{"an event of tomorrow", "teleport", `{"action":"arrived","teleport":[1],` + repository + `}`,
			at("teleport", "arrived", func(*forge.Event) {})},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := github.ParseEvent(c.event, []byte(c.body))
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
	for _, c := range []struct{ event, body, want string }{
		{"push", " \n", `the "push" event is empty`},
		{"push", "{\n \"ref\": \"x", `is not JSON: unexpected end of JSON input at line 2`},
		{"push", `null`, `is null, not an object`},
		{"teleport", `null`, `is null, not an object`},
		{"push", `"push"`, `is not an object but of the type string`},
		{"push", `{"ref":{}}`, `has a value of the type object at "ref", which takes another (line 1, column 8)`},
		{"push", `{"action":"opened","number":1,"pull_request":{}}`, `the "push" event has no ref`},
		{"push", `{"ref":"refs/heads/x","after":"` + strings.Repeat("g", 40) + `"}`, `that is not a full hash`},
		{"push", `{"ref":"refs/tags/x","after":"` + pushed + `","head_commit":{"id":"-x"}}`, `has a commit that is not a full hash: "-x"`},
		{"create", `{"ref":"","ref_type":"tag"}`, `has no ref`},
		{"pull_request", `{"ref":"refs/heads/x"}`, `has no pull_request`},
		{"pull_request_target", `{"pull_request":{"number":1,"head":{"sha":"abc"}}}`, `has a pull_request.head.sha that is not a full hash: "abc"`},
		{"issue_comment", `{"comment":{"id":4}}`, `has no number of its issue (issue.number)`},
		{"commit_comment", `{"comment":{"id":4}}`, `has no commit (comment.commit_id)`},
		{"commit_comment", `{"comment":{"id":4,"created_at":"yesterday"}}`, `has another shape than expected`},
		{"release", `{"release":{"id":4}}`, `has no tag (release.tag_name)`},
		{"workflow_run", `{"workflow_run":{"id":4}}`, `has no commit (workflow_run.head_sha)`},
		{"status", `{}`, `has no commit (sha)`},
		{"workflow_dispatch", `{"ref":"refs/heads/x","inputs":"a"}`, `has inputs that are not an object`},
		{"workflow_dispatch", `{"ref":"refs/heads/x","inputs":{"a":{}}}`, `has the input "a", which is neither text, a number nor yes or no`},
		{"gollum", `{"repository":{"full_name":"a/b/c"}}`, `is of no repository that can be`},
	} {
		ev, err := github.ParseEvent(c.event, []byte(c.body))
		if err == nil || !strings.Contains(err.Error(), c.want) || release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
			t.Errorf("%s %.40s: got %v, want %q with a hint", c.event, c.body, err, c.want)
		}
		if diff := cmp.Diff(forge.Event{}, ev); diff != "" {
			t.Errorf("%s: a refused event says something: %s", c.event, diff)
		}
	}
}

// Whatever comes, it is an event with full hashes or an error of kind Invalid.
func FuzzParseEvent(f *testing.F) {
	for name, bodies := range examples(f, "api.github.com") {
		f.Add(name, []byte(bodies[0]))
	}
	f.Add("workflow_dispatch", []byte(`{"ref":"main","inputs":{"a":true}}`))
	f.Add("schedule", []byte(`{"schedule":"@weekly"}`))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		ev, err := github.ParseEvent(name, body)
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
