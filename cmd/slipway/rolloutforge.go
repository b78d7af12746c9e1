package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/rollout/onforge"
)

// onForge gives a Runner what it may ask and tell the forge. Neither is asked for
// anything that a package does not need, and nothing is told without a token.
func (a *app) onForge(ctx context.Context, r *rollouts, remoteURL string) error {
	t, err := a.target(remoteURL)
	if err != nil {
		return err
	}
	open := sync.OnceValues(func() (forge.Forge, error) { return a.connect(ctx, t, r.Progress) })
	known := t != nil && a.hasToken(t.Forge)
	r.Shipped = a.shipped(r, known, open)
	if known && !slices.Contains([]string{"gitea", "forgejo"}, t.Forge) {
		d := onforge.NewDeployments(ctx, func(context.Context) (forge.Forge, error) { return open() }, onforge.LogURL(a.getenv), r.Progress.Note)
		r.Deployments = d
		r.close = append(r.close, d.Close)
	}
	return nil
}

// hasToken says whether there is a token for a kind of forge; for one that is not
// known yet, for any.
func (a *app) hasToken(kind string) bool {
	kinds := []string{kind}
	if kind == "" {
		kinds = []string{"github", "gitea", "forgejo"}
	}
	return slices.ContainsFunc(kinds, func(kind string) bool {
		_, err := a.token(kind)
		return err == nil
	})
}

// stepLogin is git's setting by which a workflow's step reads and writes its own
// repository with the step's token, whatever login the checkout has kept. No
// script of a package sees it. Nil anywhere else.
func (a *app) stepLogin(ctx context.Context, repo *git.Repo, remoteName string) ([][2]string, error) {
	if a.step == nil || remoteName == "" {
		return nil, nil
	}
	all, err := repo.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	address := cmp.Or(all[remoteName], remoteName)
	t, err := a.target(address)
	if err != nil || t == nil || !strings.HasPrefix(address, t.Server+"/") || !strings.HasPrefix(t.Server, "http") {
		return nil, err
	}
	for _, kind := range []string{t.Forge, "github", "gitea"} {
		if token, err := a.token(kind); err == nil {
			header := "http." + t.Server + "/.extraheader"
			login := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
			return [][2]string{{header, ""}, {header, "AUTHORIZATION: basic " + login}}, nil // the empty one takes the others away
		}
	}
	return nil, nil
}
