package memory

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

func (v view) Self(ctx context.Context) (string, error) {
	if err := v.named(ctx); err != nil {
		return "", failed("read the token's account", err)
	}
	return v.login, nil
}

// named refuses a token that is none.
func (v view) named(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if v.access == Anonymous {
		return &Refusal{Status: http.StatusUnauthorized, Message: "there is no token", Kind: forge.ErrUnauthorized}
	}
	if v.access == BadToken {
		return v.repo.Allow(v.access, false)
	}
	return nil
}

func (v view) Permission(ctx context.Context, login string) (forge.Permission, error) {
	if err := errors.Join(v.named(ctx), v.repo.Allow(v.access, false)); err != nil {
		return forge.NoAccess, failed("read the permission of "+login, err)
	}
	return v.repo.Permission(login), nil
}

func (v view) InTeam(ctx context.Context, team, login string) (bool, error) {
	if err := v.named(ctx); err != nil {
		return false, failed("look for "+login+" in "+team, err)
	}
	member, _ := v.repo.people.InTeam(team, login)
	return member, nil
}

func (v view) Comments(ctx context.Context, since time.Time) ([]forge.PostedComment, error) {
	if err := v.may(ctx, false); err != nil {
		return nil, failed("list comments", err)
	}
	return v.repo.posted(v.repo.Comments(since)), nil
}

func (v view) CommentsAt(ctx context.Context, at forge.Place) ([]forge.PostedComment, error) {
	const op = "list comments"
	if err := v.may(ctx, false); err != nil {
		return nil, failed(op, err)
	}
	list, err := v.repo.CommentsAt(at)
	if err != nil {
		return nil, failed(op, err)
	}
	return v.repo.posted(list), nil
}

func (r *Repo) posted(list []Comment) []forge.PostedComment {
	out := []forge.PostedComment{}
	for _, c := range list {
		out = append(out, r.domainComment(c))
	}
	slices.SortStableFunc(out, func(a, b forge.PostedComment) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return out
}

func (r *Repo) domainComment(c Comment) forge.PostedComment {
	return forge.PostedComment{
		ID: strconv.FormatInt(c.ID, 10), Place: c.Place, Author: c.Author.Login, ByBot: c.Author.Bot, Body: c.Body,
		URL: r.CommentURL(c), CreatedAt: c.Created, Edited: c.Edited(),
	}
}

// CommentURL is a comment's page.
func (r *Repo) CommentURL(c Comment) string {
	switch {
	case c.Place.Issue == 0:
		return fmt.Sprintf("%s/commit/%s#commitcomment-%d", r.url, c.Place.Commit, c.ID)
	case c.Place.OnPullRequest && r.dialect == GitHub:
		return fmt.Sprintf("%s/pull/%d#issuecomment-%d", r.url, c.Place.Issue, c.ID)
	case c.Place.OnPullRequest:
		return fmt.Sprintf("%s/pulls/%d#issuecomment-%d", r.url, c.Place.Issue, c.ID)
	}
	return fmt.Sprintf("%s/issues/%d#issuecomment-%d", r.url, c.Place.Issue, c.ID)
}

func (v view) CreateComment(ctx context.Context, at forge.Place, body string) (forge.PostedComment, error) {
	const op = "comment"
	if err := v.may(ctx, true); err != nil {
		return forge.PostedComment{}, failed(op, err)
	}
	c, err := v.repo.AddComment(at, v.login, body)
	if err != nil {
		return forge.PostedComment{}, failed(op, err)
	}
	return v.repo.domainComment(c), nil
}

func (v view) EditComment(ctx context.Context, _ forge.Place, id, body string) error {
	op := "edit comment " + id
	if err := v.may(ctx, true); err != nil {
		return failed(op, err)
	}
	n, err := number(id)
	if err == nil {
		_, err = v.repo.EditComment(n, v.login, body)
	}
	if err != nil {
		return failed(op, err)
	}
	return nil
}

func (v view) React(ctx context.Context, _ forge.Place, id string, sign forge.Reaction) error {
	op := "react to comment " + id
	if err := v.may(ctx, true); err != nil {
		return failed(op, err)
	}
	n, err := number(id)
	if err == nil {
		_, _, err = v.repo.React(n, v.login, string(sign))
	}
	for _, other := range []forge.Reaction{forge.Eyes, forge.Rocket, forge.Confused} {
		if err == nil && other != sign {
			err = v.repo.Unreact(n, 0, v.login, string(other))
		}
	}
	if err != nil {
		return failed(op, err)
	}
	return nil
}

func (v view) Login(ctx context.Context) (user, password string, err error) {
	if err := v.named(ctx); err != nil {
		return "", "", failed("read the login for git", err)
	}
	if v.repo.dialect == GitHub {
		return "x-access-token", "memory-token", nil
	}
	return v.login, "memory-token", nil
}
