package storm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/bot"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/release"
)

// botEnv is the variable that has a program be a bot of a storm; it holds the
// botConfig. A program that runs storms calls Bot before anything else.
const botEnv = "SLIPWAY_STORM_BOT"

type botConfig struct {
	Database     string
	Data         string
	Forge        string
	Git          string
	Repositories []string
	Workers      int
	Lease        time.Duration
}

// Bot is a bot of a storm when this process was started as one; it writes its
// address to out, and returns when it was told to end.
func Bot(out, log io.Writer) (was bool, err error) {
	text := os.Getenv(botEnv)
	if text == "" {
		return false, nil
	}
	var c botConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return true, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return true, c.serve(ctx, out, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})))
}

func (c botConfig) serve(ctx context.Context, out io.Writer, log *slog.Logger) error {
	l, err := ledger.Open(ctx, ledger.Options{URL: c.Database, Log: log, Serving: true, Workers: c.Workers, Lease: c.Lease})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, l.Close())
	}
	config := bot.Config{
		Data: c.Data, Database: c.Database, Workers: c.Workers, Keep: 24 * time.Hour, CatchUp: time.Hour, Drain: 5 * time.Second, GiveUp: time.Hour,
		Forges: []bot.ForgeConfig{{Name: "sim", Kind: "gitea", Server: c.Forge, Token: simforge.WriteToken, Secrets: []string{secret}, Repositories: c.Repositories}},
	}
	b := bot.New(config, l, bot.Deps{
		Parse: func(_, event string, body []byte) (forge.Event, error) { return gitea.ParseEvent(event, body) },
		Connect: func(f bot.ForgeConfig, repository string, _ func(int)) (bot.Forge, error) {
			return gitea.New(gitea.Options{Server: f.Server, Repository: repository, Token: f.Token})
		},
		Mirror:  c.mirror(),
		Release: publish,
		Log:     log,
	})
	fmt.Fprintln(out, listener.Addr())
	return errors.Join(b.Serve(ctx, listener), l.Close())
}

// mirror gives the one clone that stands for all.
func (c botConfig) mirror() func(context.Context, string, git.Login, string, string) (*git.Repo, error) {
	open := sync.OnceValues(func() (*git.Repo, error) { return git.Open(context.Background(), c.Git) })
	return func(context.Context, string, git.Login, string, string) (*git.Repo, error) { return open() }
}

// publish makes a release as the engine does, from a draft, but with nothing in
// it: what is there is gone on with.
func publish(ctx context.Context, w bot.Work) (release.Report, error) {
	d := forge.Draft{Tag: w.Event.Tag, Commit: w.Event.Commit, Title: w.Event.Tag}
	rep := release.Report{Schema: release.ReportSchema, Outcome: release.Published}
	found, err := w.Forge.Releases(ctx, d.Tag)
	if err != nil {
		return rep, err
	}
	var r forge.Release
	if len(found) > 0 {
		r = found[0]
	} else if r, err = w.Forge.CreateDraft(ctx, d); err != nil {
		return rep, err
	}
	if !r.Draft {
		rep.Outcome = release.Unchanged
		return rep, nil
	}
	select { // builds and uploads take their time
	case <-ctx.Done():
		return rep, context.Cause(ctx)
	case <-time.After(5 * time.Millisecond):
	}
	_, err = w.Forge.Update(ctx, r.ID, forge.Update{Draft: d, Publish: true})
	return rep, err
}
