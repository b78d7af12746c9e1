package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/bot"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/detect"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/forge/github"
	"github.com/slipway-dev/slipway/internal/forge/wire"
	"github.com/slipway-dev/slipway/internal/ledger"
)

// errDrained is the end of a bot that was told to stop.
var errDrained = errors.New("the bot was stopped")

// botFlags are what all bot commands take; the config is --config.
type botFlags struct{ listen string }

func (a *app) botCommand() *cobra.Command {
	var f botFlags
	cmd := &cobra.Command{
		Use:   "bot",
		Short: "Hear tag pushes, comments and schedules, and release what they ask for",
		Long: `Run the companion bot: it takes webhooks of GitHub, Gitea and Forgejo, keeps each in its
database before it answers, and releases pushed tags, promotes what a comment's /promote
names, and follows the schedules of .slipway.yaml. Every operation runs once, whoever asks
for it and however often. What a forge failed to deliver is made up for.

The config is a file (--config bot.yaml), variables (SLIPWAY_BOT_…), or both: see
docs/bot.md. Logs are JSON lines on stderr. SIGTERM ends it once the work under way has
ended, or after the config's drain; what is cut off goes on with the next start.`,
		Example: `  slipway bot --config bot.yaml
  slipway bot doctor --config bot.yaml
  slipway bot deliveries --config bot.yaml --outcome ignored
  slipway bot audit --config bot.yaml --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serveBot(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.listen, "listen", "", "address to listen on, instead of the config's")
	for _, c := range []*cobra.Command{a.rolloutChildCommand(), a.botDoctorCommand(), a.botReadyCommand(), a.botDeliveriesCommand(), a.botOperationsCommand(), a.botAuditCommand()} {
		cmd.AddCommand(a.leaf(c))
	}
	return cmd
}

// botConfig reads the bot's config, and asks the servers whose kind it does not
// name.
func (a *app) botConfig(ctx context.Context) (bot.Config, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	c, err := bot.LoadConfig(a.config, os.Environ(), cache)
	if err != nil {
		return c, err
	}
	for i := range c.Forges {
		if c.Forges[i].Kind == "" {
			if c.Forges[i].Kind, err = detect.Detect(ctx, nil, c.Forges[i].Server); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

func botLog(c bot.Config, out *os.File) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Log)) // the config's check knows the levels
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}))
}

// openLedger opens the bot's database; serving is for the bot itself.
func openLedger(ctx context.Context, c bot.Config, log *slog.Logger, serving bool) (*ledger.Ledger, error) {
	if serving {
		if err := os.MkdirAll(c.Data, 0o700); err != nil {
			return nil, err
		}
	}
	host, _ := os.Hostname() // only for people to read
	return ledger.Open(ctx, ledger.Options{URL: c.Database, Log: log, Workers: c.Workers, Serving: serving, Replica: host})
}

func (a *app) serveBot(ctx context.Context, f botFlags) error {
	c, err := a.botConfig(ctx)
	if err != nil {
		return err
	}
	if f.listen != "" {
		c.Listen = f.listen
	}
	for _, name := range c.Variables { // a repository's commands would see them
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	log := botLog(c, a.err)
	l, err := openLedger(ctx, c, log, true)
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	b := bot.New(c, l, a.botDeps(log))
	err = errors.Join(b.Serve(ctx, listener), l.Close())
	if err == nil && ctx.Err() != nil {
		return errDrained
	}
	return err
}

// botDeps wires the bot.
func (a *app) botDeps(log *slog.Logger) bot.Deps {
	logins := &apps{byName: map[string]*github.App{}}
	return bot.Deps{
		Parse: func(kind, event string, body []byte) (forge.Event, error) {
			if kind == "github" {
				return github.ParseEvent(event, body)
			}
			return gitea.ParseEvent(event, body)
		},
		Connect: func(f bot.ForgeConfig, repository string, answered func(int)) (bot.Forge, error) {
			return logins.open(f, repository, botWire(log, f, answered))
		},
		Repositories: logins.repositories,
		Release:      a.botRelease,
		Rollout:      a.botRollout,
		OpenState:    openBranchState,
		Log:          log,
	}
}

// botWire retries for a short while only: the ledger tries again later.
func botWire(log *slog.Logger, f bot.ForgeConfig, answered func(int)) wire.Options {
	return wire.Options{Tries: 3, MaxWait: 2 * time.Minute, OnAnswer: answered, OnRetry: func(op string, wait time.Duration, reason string) {
		log.Warn("a call to the forge is tried again", "forge", f.Name, "call", op, "reason", reason, "ms", wait.Milliseconds())
	}}
}

// apps are the GitHub Apps of a config: each holds its tokens, for all
// repositories.
type apps struct {
	mu     sync.Mutex
	byName map[string]*github.App
}

func (a *apps) of(f bot.ForgeConfig) *github.App {
	if f.App.ID == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byName[f.Name] == nil {
		a.byName[f.Name] = &github.App{ID: f.App.ID, Key: []byte(f.App.Key), Installation: f.App.Installation}
	}
	return a.byName[f.Name]
}

func (a *apps) github(f bot.ForgeConfig, repository string, w wire.Options) github.Options {
	o := github.Options{Server: f.Server, Repository: repository, Token: f.Token, App: a.of(f), UserAgent: "slipway/" + stamped(), Wire: w}
	if o.App != nil {
		o.Token = ""
	}
	return o
}

func giteaOptions(f bot.ForgeConfig, repository string, w wire.Options) gitea.Options {
	dialect := gitea.Gitea
	if f.Kind == "forgejo" {
		dialect = gitea.Forgejo
	}
	return gitea.Options{Dialect: dialect, Server: f.Server, Repository: repository, Token: f.Token, UserAgent: "slipway/" + stamped(), Wire: w}
}

func (a *apps) open(f bot.ForgeConfig, repository string, w wire.Options) (bot.Forge, error) {
	if f.Kind == "github" {
		return github.New(a.github(f, repository, w))
	}
	return gitea.New(giteaOptions(f, repository, w))
}

func (a *apps) repositories(ctx context.Context, f bot.ForgeConfig) ([]string, error) {
	if f.Kind == "github" {
		return github.Repositories(ctx, a.github(f, "", wire.Options{}))
	}
	return gitea.Repositories(ctx, giteaOptions(f, "", wire.Options{}))
}

// withLedger opens the database of a bot that may be running, for a look.
func (a *app) withLedger(ctx context.Context, do func(bot.Config, *ledger.Ledger) error) error {
	c, err := a.botConfig(ctx)
	if err != nil {
		return err
	}
	l, err := openLedger(ctx, c, slog.New(slog.DiscardHandler), false)
	if err != nil {
		return err
	}
	return errors.Join(do(c, l), l.Close())
}

// since reads "24h", "7d" or a date.
func since(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if d, err := time.ParseDuration(days + "h"); err == nil {
			return time.Now().Add(-24 * d), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errUsage("%q is no time: write 24h, 7d, 2026-01-31 or 2026-01-31T12:00:00Z", text)
}

func shown(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func (a *app) table(rows [][]string) {
	width := map[int]int{}
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			if i == len(row)-1 {
				b.WriteString(cell)
				break
			}
			b.WriteString(cell + strings.Repeat(" ", width[i]-len([]rune(cell))+2))
		}
		fmt.Fprintln(a.out, strings.TrimRight(b.String(), " "))
	}
}
