package github

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// comment is GitHub's answer for a comment on an issue or on a commit;
// go-github v60 does not say by which app one was made.
type comment struct {
	ID   int64 `json:"id"`
	User *struct {
		Login string `json:"login"`
		Type  string `json:"type"`
	} `json:"user"`
	App       json.RawMessage `json:"performed_via_github_app"`
	Body      string          `json:"body"`
	HTMLURL   string          `json:"html_url"`
	IssueURL  string          `json:"issue_url"`
	CommitID  string          `json:"commit_id"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
}

func (c comment) domain() forge.PostedComment {
	out := forge.PostedComment{
		ID: decimal(c.ID), Body: c.Body, URL: c.HTMLURL, CreatedAt: c.CreatedAt,
		Edited: c.UpdatedAt.After(c.CreatedAt),
		ByBot:  len(c.App) > 0 && string(c.App) != "null",
		Place:  forge.Place{Commit: c.CommitID},
	}
	if c.User != nil { // it is null for an account that is gone
		out.Author = c.User.Login
		out.ByBot = out.ByBot || c.User.Type == "Bot"
	}
	if c.CommitID == "" {
		// An address that has no number at its end leaves 0, which is no issue.
		out.Place.Issue, _ = strconv.Atoi(path.Base(c.IssueURL))
		page, _, _ := strings.Cut(c.HTMLURL, "#")
		out.Place.OnPullRequest = path.Base(path.Dir(page)) == "pull"
	}
	return out
}

func commentID(c comment) int64 { return c.ID }

// Comments lists what was said since a time. Commit comments can't be asked
// for by time and stand in the order of their making: they are read from the
// last page back to the first that begins before since, so that of older ones
// that were changed only those on the pages read are seen.
func (f *Forge) Comments(ctx context.Context, since time.Time) ([]forge.PostedComment, error) {
	ctx, call := wire.Begin(ctx, "list comments")
	since = since.UTC().Truncate(time.Second) // as GitHub dates
	asked := "/issues/comments?sort=created&direction=asc"
	if !since.IsZero() {
		asked += "&since=" + url.QueryEscape(since.Add(-time.Second).Format(time.RFC3339))
	}
	onIssues, err := pages(ctx, f.api, call, f.path("")+asked, commentID)
	if err != nil {
		return nil, err
	}
	onCommits, err := newest(ctx, f.api, call, f.path("/comments"), func(c comment) bool { return c.CreatedAt.Before(since) })
	if err != nil {
		return nil, err
	}
	var all []comment
	for _, c := range slices.Concat(onIssues, onCommits) {
		if !c.UpdatedAt.Before(since) || !c.CreatedAt.Before(since) {
			all = append(all, c)
		}
	}
	return posted(all), nil
}

// posted sorts comments, oldest first, and drops what was read twice.
func posted(list []comment) []forge.PostedComment {
	order := func(a, b comment) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.CommitID, b.CommitID), cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(list, order)
	list = slices.CompactFunc(list, func(a, b comment) bool { return order(a, b) == 0 })
	out := make([]forge.PostedComment, 0, len(list))
	for _, c := range list {
		out = append(out, c.domain())
	}
	return out
}

// CommentsAt lists the comments at one place.
func (f *Forge) CommentsAt(ctx context.Context, at forge.Place) ([]forge.PostedComment, error) {
	ctx, call := wire.Begin(ctx, "list comments on "+placeName(at))
	thread, err := f.thread(call, at)
	if err != nil {
		return nil, err
	}
	list, err := pages(ctx, f.api, call, thread, commentID)
	return posted(list), err
}

// CreateComment says something.
func (f *Forge) CreateComment(ctx context.Context, at forge.Place, body string) (forge.PostedComment, error) {
	ctx, call := wire.Begin(ctx, "comment on "+placeName(at))
	if err := f.mayWrite(call); err != nil {
		return forge.PostedComment{}, err
	}
	thread, err := f.thread(call, at)
	if err != nil {
		return forge.PostedComment{}, err
	}
	var c comment
	if _, err := f.do(ctx, call, http.MethodPost, thread, map[string]string{"body": body}, &c); err != nil {
		return forge.PostedComment{}, err
	}
	if c.ID == 0 {
		return forge.PostedComment{}, call.NotForge("the answer has no comment in it")
	}
	out := c.domain()
	out.Place.OnPullRequest = out.Place.OnPullRequest || at.OnPullRequest
	return out, nil
}

// EditComment gives a comment another text.
func (f *Forge) EditComment(ctx context.Context, at forge.Place, id, body string) error {
	ctx, call := wire.Begin(ctx, "edit a comment on "+placeName(at))
	if err := f.mayWrite(call); err != nil {
		return err
	}
	at1, err := f.commentPath(call, at, id)
	if err != nil {
		return err
	}
	_, err = f.do(ctx, call, http.MethodPatch, at1, map[string]string{"body": body}, nil)
	return err
}

type reaction struct {
	ID   int64 `json:"id"`
	User *struct {
		Login string `json:"login"`
	} `json:"user"`
	Content forge.Reaction `json:"content"`
}

// React gives a comment a reaction before it takes the others back, so that
// the comment is never seen without one.
func (f *Forge) React(ctx context.Context, at forge.Place, id string, r forge.Reaction) error {
	ctx, call := wire.Begin(ctx, fmt.Sprintf("react with %s on %s", r, placeName(at)))
	call.Repeatable() // GitHub answers with the reaction that is there
	if err := f.mayWrite(call); err != nil {
		return err
	}
	at1, err := f.commentPath(call, at, id)
	if err != nil {
		return err
	}
	self, err := f.Self(ctx)
	if err != nil {
		return err
	}
	if _, err := f.do(ctx, call, http.MethodPost, at1+"/reactions", map[string]any{"content": r}, nil); err != nil {
		return err
	}
	list, err := pages(ctx, f.api, call, at1+"/reactions", func(r reaction) int64 { return r.ID })
	if err != nil {
		return err
	}
	others := []forge.Reaction{forge.Eyes, forge.Rocket, forge.Confused}
	for _, old := range list {
		if old.User == nil || !strings.EqualFold(old.User.Login, self) || old.Content == r || !slices.Contains(others, old.Content) {
			continue
		}
		if err := f.remove(ctx, call, fmt.Sprintf("%s/reactions/%d", at1, old.ID)); err != nil {
			return err
		}
	}
	return nil
}

// thread is where the comments of a place are.
func (f *Forge) thread(call *wire.Call, at forge.Place) (string, error) {
	switch {
	case at.Issue > 0:
		return f.path("/issues/%d/comments", at.Issue), nil
	case fullHash(at.Commit):
		return f.path("/commits/%s/comments", at.Commit), nil
	}
	return "", call.Fail(forge.ErrNotFound, "there is no such place: an issue's number or a commit's full hash is needed")
}

// commentPath is where one comment is.
func (f *Forge) commentPath(call *wire.Call, at forge.Place, id string) (string, error) {
	n, err := number(call, id)
	if err != nil {
		return "", err
	}
	if at.Issue == 0 && at.Commit != "" {
		return f.path("/comments/%d", n), nil
	}
	return f.path("/issues/comments/%d", n), nil
}

func placeName(at forge.Place) string {
	switch {
	case at.Issue > 0:
		return "#" + strconv.Itoa(at.Issue)
	case fullHash(at.Commit):
		return "commit " + at.Commit[:12]
	}
	return "nothing"
}

// fullHash keeps everything out of an address that is no commit's name.
func fullHash(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// notFoundIs gives "not found" other words.
func notFoundIs(call *wire.Call, err error, message string) error {
	if errors.Is(err, forge.ErrNotFound) {
		return call.Fail(forge.ErrNotFound, message)
	}
	return err
}
