package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// hookRights explains a refusal: GitHub hides webhooks from who may not see them.
func hookRights(call *wire.Call, err error) error {
	for _, kind := range []error{forge.ErrNotFound, forge.ErrForbidden} {
		if errors.Is(err, kind) {
			return call.Fail(kind, "it is not there, or the token may not see webhooks: "+
				`it needs "Webhooks: read" (an app or a fine-grained token), or admin:repo_hook of a repository's admin`)
		}
	}
	return err
}

// Hooks lists the repository's webhooks.
func (f *Forge) Hooks(ctx context.Context) ([]forge.Hook, error) {
	ctx, call := wire.Begin(ctx, "list webhooks")
	list, err := pages(ctx, f.api, call, f.path("/hooks"), (*gh.Hook).GetID)
	if err != nil {
		return nil, hookRights(call, err)
	}
	out := []forge.Hook{}
	for _, h := range list {
		out = append(out, forge.Hook{
			ID: decimal(h.GetID()), URL: h.GetConfig().GetURL(), Active: h.GetActive(), Events: h.Events,
			ContentType: h.GetConfig().GetContentType(),
		})
	}
	return out, nil
}

// TestHook sends a ping.
func (f *Forge) TestHook(ctx context.Context, id string) error {
	ctx, call := wire.Begin(ctx, "ping webhook "+id)
	if err := f.mayWrite(call); err != nil {
		return err
	}
	n, err := number(call, id)
	if err != nil {
		return err
	}
	_, err = f.do(ctx, call, http.MethodPost, f.path("/hooks/%d/pings", n), nil, nil)
	return hookRights(call, err)
}

// deliveries says who asks for a webhook's deliveries, and where.
func (f *Forge) deliveries(call *wire.Call, hook string) (*api, string, error) {
	if hook == forge.AppHook {
		if f.app == nil {
			return nil, "", call.Fail(forge.ErrNotFound, "only a GitHub App has a webhook of its own, and here a token asks")
		}
		return f.app.api, "app/hook/deliveries", nil
	}
	n, err := number(call, hook)
	return f.api, f.path("/hooks/%d/deliveries", n), err
}

// FailedDeliveries lists what never arrived. GitHub keeps deliveries for three
// days and lists each try, the newest first; a redelivery is a try of the same GUID.
func (f *Forge) FailedDeliveries(ctx context.Context, hook string, since time.Time) ([]forge.FailedDelivery, error) {
	ctx, call := wire.Begin(ctx, "list deliveries of webhook "+hook)
	asker, at, err := f.deliveries(call, hook)
	if err != nil {
		return nil, err
	}
	var own int64
	if hook == forge.AppHook {
		if own, err = f.id(ctx, call); err != nil {
			return nil, err
		}
	}
	arrived := map[string]bool{}
	last := map[string]forge.FailedDelivery{}
	since = since.UTC().Truncate(time.Second)
	for cursor := ""; ; {
		var list []*gh.HookDelivery
		resp, err := asker.do(ctx, call, http.MethodGet, at+"?per_page=100"+cursor, nil, &list)
		if err != nil {
			return nil, hookRights(call, err)
		}
		older := slices.IndexFunc(list, func(d *gh.HookDelivery) bool { return d.GetDeliveredAt().Before(since) })
		if older >= 0 {
			list = list[:older]
		}
		for _, d := range list {
			if own == 0 || d.GetRepositoryID() == own {
				note(d, arrived, last)
			}
		}
		next := "&cursor=" + url.QueryEscape(resp.Cursor)
		if older >= 0 || resp.Cursor == "" || next == cursor {
			break
		}
		cursor = next
	}
	out := []forge.FailedDelivery{}
	for guid, d := range last {
		if !arrived[guid] {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b forge.FailedDelivery) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.GUID, b.GUID))
	})
	return out, nil
}

// note takes one try into account; tries come newest first.
func note(d *gh.HookDelivery, arrived map[string]bool, last map[string]forge.FailedDelivery) {
	guid := d.GetGUID()
	if code := d.GetStatusCode(); code/100 == 2 {
		arrived[guid] = true
	}
	old, ok := last[guid]
	if !ok {
		old = forge.FailedDelivery{ID: decimal(d.GetID()), GUID: guid, Event: d.GetEvent()}
	}
	old.At = d.GetDeliveredAt().Time // of the first try
	last[guid] = old
}

// DeliveryBody reads what was to be delivered.
func (f *Forge) DeliveryBody(ctx context.Context, hook, id string) ([]byte, error) {
	ctx, call := wire.Begin(ctx, fmt.Sprintf("read delivery %s of webhook %s", id, hook))
	asker, at, err := f.deliveries(call, hook)
	if err != nil {
		return nil, err
	}
	n, err := number(call, id)
	if err != nil {
		return nil, err
	}
	var d gh.HookDelivery
	if _, err := asker.do(ctx, call, http.MethodGet, fmt.Sprintf("%s/%d", at, n), nil, &d); err != nil {
		return nil, hookRights(call, err)
	}
	if d.Request == nil || d.Request.RawPayload == nil {
		return nil, call.NotForge("the answer has no payload in it")
	}
	return *d.Request.RawPayload, nil
}

// id is the repository's number.
func (f *Forge) id(ctx context.Context, call *wire.Call) (int64, error) {
	return f.repoID.get(func() (int64, error) {
		var repository struct {
			ID int64 `json:"id"`
		}
		_, err := f.do(ctx, call, http.MethodGet, f.path(""), nil, &repository)
		if err == nil && repository.ID == 0 {
			err = call.NotForge("the answer has no repository in it")
		}
		return repository.ID, err
	})
}
