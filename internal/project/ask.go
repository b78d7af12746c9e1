package project

import (
	"fmt"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/release"
)

// Asked is what an event asks of a release: a selection; a plan only; or
// nothing.
type Asked struct {
	Selection Selection
	// Plan is set for pull requests: it is said what would be released, and
	// nothing is published.
	Plan bool
	// ByClass says why nothing is published unless somebody named the class: a
	// branch is pushed many times a day. Empty for all that is released by itself.
	ByClass string
	// Skip is set when the event asks for nothing; Selection is empty then.
	Skip   bool
	Reason string // a sentence, always there
}

// Ask says what an event asks for. A selection without a commit means the tag
// or the head of the branch, as the repository has it.
func Ask(ev forge.Event) Asked {
	switch ev.Name {
	case "push":
		return askPush(ev)
	case "create":
		return skip("%s was created, and its push tells the same.", named(ev))
	case "delete":
		return skip("%s was deleted, and a deletion asks for nothing.", named(ev))
	case "pull_request":
		return askPullRequest(ev)
	case "pull_request_target":
		return skip("pull_request_target would run a pull request's files with the repository's secrets: use pull_request, which needs none.")
	case "schedule":
		if ev.DefaultBranch == "" {
			return skip("The schedule does not say which branch is the default one.")
		}
		return Asked{Selection: Selection{Branch: ev.DefaultBranch}, Reason: fmt.Sprintf("The schedule asks for the head of %s.", ev.DefaultBranch)}
	case "workflow_dispatch":
		return askDispatch(ev)
	case "release":
		return askRelease(ev)
	case "workflow_run":
		return askRun(ev)
	case "issue_comment", "commit_comment":
		return skip("A comment asks for nothing here: commands are for the bot.")
	}
	return skip("The event %s asks for nothing.", ev.Name)
}

func askPush(ev forge.Event) Asked {
	switch {
	case ev.Deleted:
		return skip("%s was deleted, and a deletion asks for nothing.", named(ev))
	case ev.Tag == "" && ev.Branch == "":
		return skip("%s was pushed, which is neither a tag nor a branch.", ev.Ref)
	}
	a := Asked{Selection: Selection{Tag: ev.Tag, Branch: ev.Branch, Commit: ev.Commit}}
	a.Reason = named(ev) + " was pushed."
	if ev.Commit != "" {
		a.Reason = fmt.Sprintf("%s was pushed, at commit %s.", named(ev), release.ShortCommit(ev.Commit))
	}
	if ev.Branch != "" {
		a.ByClass = named(ev) + " was pushed, and a push of a branch publishes nothing: a tag, a schedule or a dispatch does, or `class: development`."
	}
	return a
}

func askPullRequest(ev forge.Event) Asked {
	p := ev.PullRequest
	switch {
	case p == nil:
		return skip("The event does not say which pull request it is about.")
	case ev.Action == "closed" && p.Merged:
		return skip("Pull request %d was merged: the push of %s tells the same.", p.Number, p.BaseBranch)
	}
	switch ev.Action {
	case "opened", "synchronize", "reopened", "ready_for_review":
		// Not its branch: a fork's main is not this repository's.
		return Asked{Selection: Selection{Commit: p.HeadCommit}, Plan: true,
			Reason: fmt.Sprintf("Pull request %d gets a plan of its commit %s, and publishes nothing.", p.Number, release.ShortCommit(p.HeadCommit))}
	}
	return skip("Pull request %d: the action %q changes nothing in its plan.", p.Number, ev.Action)
}

func askDispatch(ev forge.Event) Asked {
	switch {
	case ev.Tag != "":
		return Asked{Selection: Selection{Tag: ev.Tag}, Reason: fmt.Sprintf("The workflow was started by hand for tag %s.", ev.Tag)}
	case ev.Branch != "":
		return Asked{Selection: Selection{Branch: ev.Branch}, Reason: fmt.Sprintf("The workflow was started by hand for the head of branch %s.", ev.Branch)}
	case ev.Ref != "":
		return skip("The workflow was started by hand for %s, which is neither a tag nor a branch.", ev.Ref)
	}
	return skip("The workflow was started by hand, without a tag or branch.")
}

func askRelease(ev forge.Event) Asked {
	r := ev.Release
	switch {
	case r == nil || r.Tag == "":
		return skip("The event does not say which release it is about.")
	case r.Draft:
		return skip("The release of %s is a draft: it asks for something once it is published.", r.Tag)
	case ev.Action == "published" || ev.Action == "released":
		return Asked{Selection: Selection{Tag: r.Tag}, Reason: fmt.Sprintf("The release of tag %s was published.", r.Tag)}
	}
	return skip("The release of %s: the action %q asks for nothing, only its publication does.", r.Tag, ev.Action)
}

func askRun(ev forge.Event) Asked {
	r := ev.Run
	switch {
	case r == nil:
		return skip("The event does not say which workflow ran.")
	case ev.Action != "completed":
		return skip("The workflow %s has not ended yet.", r.Name)
	case r.Conclusion != "success":
		return skip("The workflow %s ended with %q, not with success.", r.Name, r.Conclusion)
	case r.Fork:
		return skip("The workflow %s ran for a commit that is, or may be, another repository's: only commits of this one are released.", r.Name)
	case r.Tag != "":
		return Asked{Selection: Selection{Tag: r.Tag, Commit: r.Commit},
			Reason: fmt.Sprintf("The workflow %s ended well for tag %s.", r.Name, r.Tag)}
	case r.Branch == "":
		return skip("The workflow %s ran for neither a tag nor a branch.", r.Name)
	}
	return Asked{Selection: Selection{Branch: r.Branch, Commit: r.Commit},
		Reason: fmt.Sprintf("The workflow %s ended well for branch %s, at commit %s.", r.Name, r.Branch, release.ShortCommit(r.Commit))}
}

func skip(format string, args ...any) Asked {
	return Asked{Skip: true, Reason: fmt.Sprintf(format, args...)}
}

// named is the ref as people call it, at the beginning of a sentence.
func named(ev forge.Event) string {
	switch {
	case ev.Tag != "":
		return "Tag " + ev.Tag
	case ev.Branch != "":
		return "Branch " + ev.Branch
	case ev.Ref != "":
		return ev.Ref
	}
	return "Something"
}
