package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"time"

	"github.com/slipway-dev/slipway/bot"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/onforge"
	"github.com/slipway-dev/slipway/internal/rollout/worker"
	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/gitstate"
)

// workerVariables are all that a rollout's process sees of the bot's environment:
// where things are on this machine, and nothing that is secret.
var workerVariables = []string{"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
	"BUILDX_BUILDER", "BUILDX_CONFIG", "BUILDKIT_HOST", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
	"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GOTRACEBACK", "GORACE"}

// workerGrace is how long a rollout that is stopped may write down where it is.
const workerGrace = 5 * time.Second

// botRollout has a process of its own do a rollout.
func (a *app) botRollout(ctx context.Context, w bot.RolloutWork) (worker.Outcome, error) {
	self, err := os.Executable()
	if err != nil {
		return worker.Outcome{}, fmt.Errorf("find this program: %w", err)
	}
	var env []string
	for _, name := range workerVariables {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	opened := func(context.Context) (forge.Forge, error) { return w.Forge, nil }
	deployments := onforge.NewDeployments(ctx, opened, "", w.Progress.Note)
	defer func() { _ = deployments.Close() }() // it has said what it could not tell
	return worker.Run(ctx, worker.Start{Args: []string{self, "bot", "rollout-worker"}, Env: env, Grace: workerGrace}, w.Request, worker.Hooks{
		Store: w.Store, Progress: w.Progress, Deployments: deployments, Member: w.Forge.InTeam,
		Shipped: func(ctx context.Context, doc rollout.Release) ([]byte, error) {
			at, err := w.Repo.TagsAt(ctx, doc.Commit)
			if err != nil {
				return nil, err
			}
			var tags []string
			for _, t := range at {
				tags = append(tags, t.Name)
			}
			return onforge.Shipped(ctx, w.Forge, doc, tags)
		},
	})
}

// openBranchState opens the state that a repository keeps on its branch for it.
func openBranchState(ctx context.Context, address string, login git.Login, dir string) (state.Store, func() error, error) {
	basic := base64.StdEncoding.EncodeToString([]byte(login.User + ":" + login.Password))
	header := "http." + address + ".extraHeader"
	s, err := gitstate.Open(ctx, gitstate.Options{Remote: address, Cache: dir,
		Settings: [][2]string{{"credential.helper", ""}, {header, "Authorization: Basic " + basic}}})
	if err != nil {
		return nil, nil, err
	}
	return s, s.Close, nil
}
