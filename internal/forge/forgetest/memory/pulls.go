package memory

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Pull is what a pull request has besides its issue.
type Pull struct {
	HeadRepository string // owner/name; empty when it was deleted
	HeadBranch     string
	HeadCommit     string
	Base           string // a branch
	BaseCommit     string // at the time of its opening
	Draft          bool
	Merged         bool
	MergedAt       time.Time
	MergedBy       User
	// MergeCommit is the commit it was merged with; before, GitHub's trial merge.
	MergeCommit string
}

// NewPull is a pull request to open.
type NewPull struct {
	Author, Title, Body string
	// HeadRepository is a fork's name, empty for the repository's own branch.
	HeadRepository string
	HeadBranch     string
	HeadCommit     string // of a fork; else the branch's
	Base           string // empty: the default branch
	Draft          bool
}

// OpenPull opens a pull request.
func (r *Repo) OpenPull(ctx context.Context, n NewPull) (Issue, error) {
	if n.Base == "" {
		branch, err := r.refs.DefaultBranch(ctx)
		if err != nil {
			return Issue{}, err
		}
		n.Base = branch
	}
	if n.HeadRepository == "" {
		n.HeadRepository = r.fullName
	}
	base, ok, err := r.refs.Commit(ctx, n.Base)
	if err != nil || !ok {
		return Issue{}, orNotFound(r.dialect, err)
	}
	if n.HeadCommit == "" {
		head, ok, err := r.refs.Commit(ctx, n.HeadBranch)
		if err != nil || !ok {
			return Issue{}, orNotFound(r.dialect, err)
		}
		n.HeadCommit = head.Hash
	}
	u := r.people.Add(n.Author)
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	is := r.newIssue(u, n.Title, n.Body)
	is.Pull = &Pull{
		HeadRepository: n.HeadRepository, HeadBranch: n.HeadBranch, HeadCommit: n.HeadCommit,
		Base: n.Base, BaseCommit: base.Hash, Draft: n.Draft,
	}
	if r.dialect == GitHub {
		is.Pull.MergeCommit = Hash("trial merge of " + n.HeadCommit)
	}
	r.happened(Happening{Event: "pull_request", Action: "opened", Actor: u.Login, Issue: copyIssue(is)})
	return *copyIssue(is), nil
}

func orNotFound(d Dialect, err error) error {
	if err != nil {
		return err
	}
	return notFound(d)
}

// MergePull merges a pull request with a merge commit. One of a fork must have
// a head that the repository knows.
func (r *Repo) MergePull(ctx context.Context, number int, actor string) (Issue, error) {
	is, err := r.Issue(number)
	if err != nil {
		return Issue{}, err
	}
	if is.Pull == nil {
		return Issue{}, notFound(r.dialect)
	}
	if is.Pull.Merged {
		return Issue{}, &Refusal{Status: http.StatusMethodNotAllowed, Message: "Pull Request is not mergeable", Kind: forge.ErrRejected}
	}
	before, _, err := r.refs.Commit(ctx, is.Pull.Base)
	if err != nil {
		return Issue{}, err
	}
	who, _, _ := strings.Cut(is.Pull.HeadRepository, "/")
	message := fmt.Sprintf("Merge pull request #%d from %s/%s\n\n%s", number, who, is.Pull.HeadBranch, is.Title)
	merge, err := r.refs.Merge(ctx, is.Pull.Base, is.Pull.HeadCommit, message)
	if err != nil {
		return Issue{}, err
	}
	u := r.people.Add(actor)
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	stored := r.issue(number)
	stored.Pull.Merged, stored.Pull.MergeCommit, stored.Pull.MergedAt, stored.Pull.MergedBy = true, merge, r.now(), u
	stored.Closed, stored.ClosedAt, stored.Updated = true, r.now(), r.now()
	r.happened(Happening{Event: "push", Actor: u.Login,
		Update: RefUpdate{Ref: "refs/heads/" + is.Pull.Base, Before: before.Hash, After: merge}})
	r.happened(Happening{Event: "pull_request", Action: "closed", Actor: u.Login, Issue: copyIssue(stored)})
	return *copyIssue(stored), nil
}

// CloseIssue closes an issue or pull request without merging it.
func (r *Repo) CloseIssue(number int, actor string) error {
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	is := r.issue(number)
	if is == nil {
		return notFound(r.dialect)
	}
	is.Closed, is.ClosedAt, is.Updated = true, r.now(), r.now()
	h := Happening{Event: "issues", Action: "closed", Actor: actor, Issue: copyIssue(is)}
	if is.Pull != nil {
		h.Event = "pull_request"
	}
	r.happened(h)
	return nil
}
