package gitea

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// Comments lists the comments on issues and pull requests; those of reviews
// are not among them. The server's times are whole seconds.
func (f *Forge) Comments(ctx context.Context, since time.Time) ([]forge.PostedComment, error) {
	client, call, err := f.begin(ctx, "list comments")
	if err != nil {
		return nil, err
	}
	return comments(call, func(n int) ([]*sdk.Comment, *sdk.Response, error) {
		return client.ListRepoIssueComments(f.owner, f.name, sdk.ListIssueCommentOptions{ListOptions: page(n), Since: since.UTC()})
	})
}

// CommentsAt lists the comments of an issue or pull request. There are none on
// commits.
func (f *Forge) CommentsAt(ctx context.Context, at forge.Place) ([]forge.PostedComment, error) {
	client, call, err := f.begin(ctx, "list the comments on "+placeName(at))
	if err != nil {
		return nil, err
	}
	if at.Issue == 0 {
		return []forge.PostedComment{}, nil
	}
	// Asked for the comments of no issue the server fails with 500.
	if _, _, err := client.GetIssue(f.owner, f.name, int64(at.Issue)); err != nil {
		return nil, call.Err(err)
	}
	return comments(call, func(n int) ([]*sdk.Comment, *sdk.Response, error) {
		return client.ListIssueComments(f.owner, f.name, int64(at.Issue), sdk.ListIssueCommentOptions{ListOptions: page(n)})
	})
}

func comments(call *wire.Call, read func(page int) ([]*sdk.Comment, *sdk.Response, error)) ([]forge.PostedComment, error) {
	out := []forge.PostedComment{}
	var odd error
	err := pages(call, func(c *sdk.Comment) int64 { return c.ID }, read, func(c *sdk.Comment) bool {
		posted, err := postedComment(call, c)
		odd = errors.Join(odd, err)
		out = append(out, posted)
		return err == nil
	})
	if err = errors.Join(err, odd); err != nil {
		return nil, call.Err(err)
	}
	slices.SortStableFunc(out, func(a, b forge.PostedComment) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return out, nil
}

func postedComment(call *wire.Call, c *sdk.Comment) (forge.PostedComment, error) {
	out := forge.PostedComment{
		ID: strconv.FormatInt(c.ID, 10), Body: c.Body, URL: c.HTMLURL, CreatedAt: c.Created,
		Edited: !c.Updated.Equal(c.Created),
	}
	if c.Poster != nil {
		// The forge's own users, such as gitea-actions, have numbers below
		// zero; -1 is the ghost that deleted users become.
		out.Author, out.ByBot = c.Poster.UserName, c.Poster.ID < -1
	}
	where := c.IssueURL
	if c.PRURL != "" {
		where, out.Place.OnPullRequest = c.PRURL, true
	}
	u, err := url.Parse(where)
	if err == nil {
		out.Place.Issue, err = strconv.Atoi(path.Base(u.Path))
	}
	if err != nil || out.Place.Issue <= 0 || c.ID == 0 {
		return forge.PostedComment{}, call.NotForge("the answer has a comment in it that is on no issue")
	}
	return out, nil
}

func placeName(at forge.Place) string {
	if at.Issue == 0 {
		return at.Commit
	}
	return "#" + strconv.Itoa(at.Issue)
}

// CreateComment comments on an issue or pull request.
func (f *Forge) CreateComment(ctx context.Context, at forge.Place, body string) (forge.PostedComment, error) {
	client, call, err := f.beginWrite(ctx, "comment on "+placeName(at))
	if err != nil {
		return forge.PostedComment{}, err
	}
	if err := checkComment(call, body); err != nil {
		return forge.PostedComment{}, err
	}
	if at.Issue == 0 {
		return forge.PostedComment{}, call.Fail(forge.ErrRejected, string(f.dialect)+" has no comments on commits")
	}
	c, _, err := client.CreateIssueComment(f.owner, f.name, int64(at.Issue), sdk.CreateIssueCommentOption{Body: body})
	if err = call.Err(err); failedInside(err) {
		// So it answers for an issue that does not exist.
		if _, _, gone := client.GetIssue(f.owner, f.name, int64(at.Issue)); errors.Is(call.Err(gone), forge.ErrNotFound) {
			return forge.PostedComment{}, call.Fail(forge.ErrNotFound, "there is no issue and no pull request of this number")
		}
	}
	if err != nil {
		return forge.PostedComment{}, err
	}
	return postedComment(call, c)
}

// checkComment refuses what the SDK refuses without a kind.
func checkComment(call *wire.Call, body string) error {
	if strings.TrimSpace(body) == "" {
		return call.Fail(forge.ErrRejected, "the comment is empty")
	}
	return nil
}

// failedInside says whether the server answered 500, which it does for some
// things that are not there.
func failedInside(err error) bool {
	var e *forge.Error
	return errors.As(err, &e) && e.Status == http.StatusInternalServerError
}

// EditComment gives a comment another text.
func (f *Forge) EditComment(ctx context.Context, _ forge.Place, id, body string) error {
	client, call, err := f.beginWrite(ctx, "edit comment "+id)
	if err != nil {
		return err
	}
	n, err := f.number(call, id)
	if err != nil {
		return err
	}
	if err := checkComment(call, body); err != nil {
		return err
	}
	c, _, err := client.EditIssueComment(f.owner, f.name, n, sdk.EditIssueCommentOption{Body: body})
	if err := call.Err(err); err != nil {
		return err
	}
	if c.ID != n {
		return call.NotForge("the answer has no comment in it")
	}
	return nil
}

// React gives a comment a reaction, and takes the others back.
func (f *Forge) React(ctx context.Context, _ forge.Place, id string, r forge.Reaction) error {
	client, call, err := f.beginWrite(ctx, "react to comment "+id)
	if err != nil {
		return err
	}
	call.Repeatable()
	n, err := f.number(call, id)
	if err != nil {
		return err
	}
	if _, _, err := client.PostIssueCommentReaction(f.owner, f.name, n, string(r)); err != nil {
		return call.Err(err)
	}
	for _, other := range []forge.Reaction{forge.Eyes, forge.Rocket, forge.Confused} {
		if other == r {
			continue
		}
		if _, err := client.DeleteIssueCommentReaction(f.owner, f.name, n, string(other)); err != nil {
			return call.Err(err)
		}
	}
	return nil
}
