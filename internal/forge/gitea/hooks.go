package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// Hooks lists the repository's own webhooks; those of its organisation or of
// the whole server are not among them. Only administrators of the repository
// see them.
func (f *Forge) Hooks(ctx context.Context) ([]forge.Hook, error) {
	client, call, err := f.beginWrite(ctx, "list webhooks")
	if err != nil {
		return nil, err
	}
	out := []forge.Hook{}
	err = pages(call, func(h *sdk.Hook) int64 { return h.ID },
		func(n int) ([]*sdk.Hook, *sdk.Response, error) {
			return client.ListRepoHooks(f.owner, f.name, sdk.ListHooksOptions{ListOptions: page(n)})
		},
		func(h *sdk.Hook) bool {
			out = append(out, forge.Hook{
				ID: strconv.FormatInt(h.ID, 10), URL: h.Config["url"], Active: h.Active, Events: h.Events, ContentType: h.Config["content_type"],
			})
			return true
		})
	if err != nil {
		return nil, f.adminOnly(err, func(message string) error { return call.Fail(forge.ErrForbidden, message) })
	}
	return out, nil
}

// adminOnly says who may, where the server says that the user may not.
func (f *Forge) adminOnly(err error, fail func(message string) error) error {
	var e *forge.Error
	if errors.As(err, &e) && e.Status == http.StatusForbidden && errors.Is(err, forge.ErrForbidden) {
		return fail(fmt.Sprintf("%s: the token's user must be an administrator of %s/%s, and the token have the scope write:repository",
			e.Message, f.owner, f.name))
	}
	return err
}

// TestHook has the server deliver a push of the default branch that changes
// nothing, whichever events the webhook wants. In an empty repository nothing
// is sent.
func (f *Forge) TestHook(ctx context.Context, id string) error {
	ctx, call := wire.Begin(ctx, "test the webhook "+id)
	if err := f.mayWrite(call); err != nil {
		return err
	}
	n, err := f.number(call, id)
	if err != nil {
		return err
	}
	path := f.server.JoinPath("api/v1/repos", f.owner, f.name, "hooks", strconv.FormatInt(n, 10), "tests")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, path.String(), http.NoBody)
	if err != nil {
		return call.Err(err)
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return f.adminOnly(call.Err(err), func(message string) error { return call.Fail(forge.ErrForbidden, message) })
	}
	return resp.Body.Close()
}
