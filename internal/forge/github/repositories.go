package github

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

type repositoryAnswer struct {
	FullName    string          `json:"full_name"`
	Archived    bool            `json:"archived"`
	Disabled    bool            `json:"disabled"`
	Permissions map[string]bool `json:"permissions"`
}

func repositoryName(r repositoryAnswer) string { return r.FullName }

// Repositories lists the full names of the repositories that the token, or the
// app in all its installations, may write, sorted. Archived ones nobody may.
// Options.Repository is not looked at.
func Repositories(ctx context.Context, o Options) ([]string, error) {
	server, err := o.server()
	if err != nil {
		return nil, err
	}
	if o.App != nil {
		return ofApp(ctx, o, server)
	}
	ctx, call := wire.Begin(ctx, "list repositories")
	if o.Token == "" {
		return nil, call.Fail(forge.ErrUnauthorized, "there is no token: give one, or a GitHub App, to find repositories by a pattern")
	}
	a := newAPI(o, server, tokenDialect(o.Token))
	list, err := pages(ctx, a, call, "user/repos", repositoryName)
	if errors.Is(err, forge.ErrForbidden) { // an installation's token is no user
		list, err = ofInstallation(ctx, a, call)
		return writable(list, false), err
	}
	return writable(list, true), err
}

// writable picks the repositories; told says whether the answers' permissions
// are those of who asks: for installations they are not.
func writable(list []repositoryAnswer, told bool) []string {
	names := []string{}
	for _, r := range list {
		if r.Archived || r.Disabled || told && !r.Permissions["push"] {
			continue
		}
		names = append(names, r.FullName)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func ofInstallation(ctx context.Context, a *api, call *wire.Call) ([]repositoryAnswer, error) {
	type answer struct {
		Repositories []repositoryAnswer `json:"repositories"`
	}
	return pagesOf(ctx, a, call, "installation/repositories", func(a answer) []repositoryAnswer { return a.Repositories }, repositoryName)
}

// ofApp asks each installation. One that was suspended or taken away is left
// out: it may write nothing.
func ofApp(ctx context.Context, o Options, server *url.URL) ([]string, error) {
	l, err := newLogin(o, server)
	if err != nil {
		return nil, err
	}
	ids := []int64{l.installation}
	if l.installation == 0 {
		if ids, err = l.installations(ctx); err != nil {
			return nil, err
		}
	}
	var all []repositoryAnswer
	for _, id := range ids {
		one := *l
		one.installation = id
		list, err := one.repositories(ctx, o, server)
		if err != nil && (l.installation != 0 || !errors.Is(err, forge.ErrUnauthorized)) {
			return nil, err
		}
		all = append(all, list...)
	}
	return writable(all, false), nil
}

// repositories lists what one installation may write.
func (l *login) repositories(ctx context.Context, o Options, server *url.URL) ([]repositoryAnswer, error) {
	ok, err := l.mayWrite(ctx)
	if err != nil || !ok {
		return nil, err
	}
	ctx, call := wire.Begin(ctx, "list the repositories of the app's installation "+decimal(l.installation))
	return ofInstallation(ctx, newAPI(o, server, wire.Dialect{Authorize: l.authorize}), call)
}

// installations lists those that are not suspended.
func (l *login) installations(ctx context.Context) ([]int64, error) {
	ctx, call := wire.Begin(ctx, "list the installations of the app")
	type answer struct {
		ID        int64   `json:"id"`
		Suspended *string `json:"suspended_at"`
	}
	list, err := pages(ctx, l.api, call, "app/installations", func(a answer) int64 { return a.ID })
	var ids []int64
	for _, in := range list {
		if in.Suspended == nil {
			ids = append(ids, in.ID)
		}
	}
	return ids, err
}
