package project_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/project"
)

// What each event asks for: a selection, a plan only, or nothing; with a reason.
func TestAsk(t *testing.T) {
	t.Parallel()
	commit := strings.Repeat("ab12", 10)
	ask := func(tag, branch, commit, reason string) project.Asked {
		return project.Asked{Selection: project.Selection{Tag: tag, Branch: branch, Commit: commit}, Reason: reason}
	}
	skip := func(reason string) project.Asked { return project.Asked{Skip: true, Reason: reason} }
	plan := func(reason string) project.Asked {
		return project.Asked{Selection: project.Selection{Commit: commit}, Plan: true, Reason: reason}
	}
	pull := func(action string, fork, merged bool) forge.Event {
		return forge.Event{Name: "pull_request", Action: action, DefaultBranch: "main",
			PullRequest: &forge.PullRequest{Number: 7, HeadBranch: "main", HeadCommit: commit, BaseBranch: "main", Fork: fork, Merged: merged, MergeCommit: strings.Repeat("c", 40)}}
	}
	run := func(action, conclusion, branch, tag string, fork bool) forge.Event {
		return forge.Event{Name: "workflow_run", Action: action,
			Run: &forge.WorkflowRun{Name: "tests", Branch: branch, Tag: tag, Commit: commit, Conclusion: conclusion, Fork: fork}}
	}
	published := func(action string, draft bool) forge.Event {
		return forge.Event{Name: "release", Action: action, Release: &forge.EventRelease{Tag: "v1.0.0", Draft: draft}}
	}
	for _, c := range []struct {
		name string
		ev   forge.Event
		want project.Asked
	}{
		{"push of a tag", forge.Event{Name: "push", Tag: "v1.0.0", Commit: commit},
			ask("v1.0.0", "", commit, "Tag v1.0.0 was pushed, at commit ab12ab12ab12.")},
		{"push of a tag without a commit", forge.Event{Name: "push", Tag: "v1.0.0"}, ask("v1.0.0", "", "", "Tag v1.0.0 was pushed.")},
		{"push of a branch", forge.Event{Name: "push", Branch: "main", Commit: commit},
			project.Asked{Selection: project.Selection{Branch: "main", Commit: commit}, Reason: "Branch main was pushed, at commit ab12ab12ab12.",
				ByClass: "Branch main was pushed, and a push of a branch publishes nothing: a tag, a schedule or a dispatch does, or `class: development`."}},
		{"push of something else", forge.Event{Name: "push", Ref: "refs/notes/x", Commit: commit},
			skip("refs/notes/x was pushed, which is neither a tag nor a branch.")},
		{"push that deletes a tag", forge.Event{Name: "push", Tag: "v1.0.0", Before: commit, Deleted: true},
			skip("Tag v1.0.0 was deleted, and a deletion asks for nothing.")},
		{"delete", forge.Event{Name: "delete", Branch: "x", Deleted: true}, skip("Branch x was deleted, and a deletion asks for nothing.")},
		{"create", forge.Event{Name: "create", Tag: "v1.0.0"}, skip("Tag v1.0.0 was created, and its push tells the same.")},

		// Never a branch: a fork's main is not ours.
		{"pull request", pull("opened", false, false), plan("Pull request 7 gets a plan of its commit ab12ab12ab12, and publishes nothing.")},
		{"pull request of a fork", pull("synchronize", true, false), plan("Pull request 7 gets a plan of its commit ab12ab12ab12, and publishes nothing.")},
		{"pull request again", pull("reopened", false, false), plan("Pull request 7 gets a plan of its commit ab12ab12ab12, and publishes nothing.")},
		{"pull request, ready", pull("ready_for_review", false, false), plan("Pull request 7 gets a plan of its commit ab12ab12ab12, and publishes nothing.")},
		{"pull request with a label", pull("labeled", false, false), skip(`Pull request 7: the action "labeled" changes nothing in its plan.`)},
		{"pull request, closed", pull("closed", false, false), skip(`Pull request 7: the action "closed" changes nothing in its plan.`)},
		{"pull request, merged", pull("closed", false, true), skip("Pull request 7 was merged: the push of main tells the same.")},
		{"pull request of nothing", forge.Event{Name: "pull_request", Action: "opened"}, skip("The event does not say which pull request it is about.")},
		{"pull_request_target", forge.Event{Name: "pull_request_target", Action: "opened", PullRequest: pull("opened", true, false).PullRequest},
			skip("pull_request_target would run a pull request's files with the repository's secrets: use pull_request, which needs none.")},

		{"schedule", forge.Event{Name: "schedule", DefaultBranch: "main", Schedule: "@weekly"}, ask("", "main", "", "The schedule asks for the head of main.")},
		{"schedule of nothing", forge.Event{Name: "schedule"}, skip("The schedule does not say which branch is the default one.")},
		{"dispatch for a tag", forge.Event{Name: "workflow_dispatch", Tag: "v1.0.0", Inputs: map[string]string{"tag": "v2.0.0"}},
			ask("v1.0.0", "", "", "The workflow was started by hand for tag v1.0.0.")},
		{"dispatch for a branch", forge.Event{Name: "workflow_dispatch", Branch: "main"},
			ask("", "main", "", "The workflow was started by hand for the head of branch main.")},
		{"dispatch for something else", forge.Event{Name: "workflow_dispatch", Ref: "refs/pull/1/head"},
			skip("The workflow was started by hand for refs/pull/1/head, which is neither a tag nor a branch.")},
		{"dispatch for nothing", forge.Event{Name: "workflow_dispatch"}, skip("The workflow was started by hand, without a tag or branch.")},

		{"release", published("published", false), ask("v1.0.0", "", "", "The release of tag v1.0.0 was published.")},
		{"release, no longer a prerelease", published("released", false), ask("v1.0.0", "", "", "The release of tag v1.0.0 was published.")},
		{"draft", published("created", true), skip("The release of v1.0.0 is a draft: it asks for something once it is published.")},
		{"release, edited", published("edited", false), skip(`The release of v1.0.0: the action "edited" asks for nothing, only its publication does.`)},
		{"release, deleted", published("deleted", false), skip(`The release of v1.0.0: the action "deleted" asks for nothing, only its publication does.`)},
		{"release of nothing", forge.Event{Name: "release", Action: "published"}, skip("The event does not say which release it is about.")},

		{"run for a branch", run("completed", "success", "main", "", false),
			ask("", "main", commit, "The workflow tests ended well for branch main, at commit ab12ab12ab12.")},
		{"run for a tag", run("completed", "success", "", "v1.0.0", false), ask("v1.0.0", "", commit, "The workflow tests ended well for tag v1.0.0.")},
		{"run for neither", run("completed", "success", "", "", false), skip("The workflow tests ran for neither a tag nor a branch.")},
		{"run that goes on", run("requested", "", "main", "", false), skip("The workflow tests has not ended yet.")},
		{"run that failed", run("completed", "failure", "main", "", false), skip(`The workflow tests ended with "failure", not with success.`)},
		{"run of a fork", run("completed", "success", "main", "", true),
			skip("The workflow tests ran for a commit that is, or may be, another repository's: only commits of this one are released.")},
		{"run of nothing", forge.Event{Name: "workflow_run", Action: "completed"}, skip("The event does not say which workflow ran.")},

		{"comment", forge.Event{Name: "issue_comment", Action: "created", Comment: &forge.Comment{Body: "/promote"}},
			skip("A comment asks for nothing here: commands are for the bot.")},
		{"comment on a commit", forge.Event{Name: "commit_comment", Action: "created"}, skip("A comment asks for nothing here: commands are for the bot.")},
		{"status", forge.Event{Name: "status"}, skip("The event status asks for nothing.")},
		{"anything", forge.Event{Name: "gollum"}, skip("The event gollum asks for nothing.")},
	} {
		if diff := cmp.Diff(c.want, project.Ask(c.ev)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}
