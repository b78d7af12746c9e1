package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/checkout"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/rollout/worker"
)

// rolloutChildCommand is what the bot starts to evaluate release packages: a
// process that has none of its secrets.
func (a *app) rolloutChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "rollout-worker",
		Short:  "Do one rollout for the bot, which asks by pipes",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// When the bot is gone, what runs is ended first.
			broken := make(chan os.Signal, 1)
			signal.Notify(broken, syscall.SIGPIPE)
			defer signal.Stop(broken)
			return worker.Serve(cmd.Context(), a.in, a.out, a.rolloutChild)
		},
	}
}

// rolloutChild does what the bot asks for.
func (a *app) rolloutChild(ctx context.Context, req worker.Request, l *worker.Link) (worker.Outcome, error) {
	hard, err := limitMemory(req.Limits.Memory)
	if err != nil {
		return worker.Outcome{}, err
	}
	repo, err := git.Open(ctx, req.Git)
	if err != nil {
		return worker.Outcome{}, err
	}
	machines := &machines{Host: req.Host, unlimited: hard, getenv: a.getenv, note: l.Note, rooms: map[string]*room{}}
	defer machines.close()
	source := &checkout.Source{Repo: repo, Trees: req.Trees, Host: machines.at}
	defer func() { _ = source.Close(context.WithoutCancel(ctx)) }() // its folder goes with the operation's
	w := &rolloutWork{Request: req, Runner: &rollout.Runner{Store: l, Source: source, Repo: req.Name, Owner: rollout.NewOwner(a.getenv), By: req.By,
		Progress: l, Limits: lang.Limits{Memory: uint64(max(req.Limits.Memory, 0))}, HTTP: packageHTTP(req.Limits.Private), Deployments: l, Member: l.Member, Shipped: l.Shipped}}
	if err := w.readRepo(ctx); err != nil {
		return worker.Outcome{}, err
	}
	return w.do(ctx)
}

// limitMemory bounds what this process may take, so that what gets by the
// language's own limit ends this process, and not the bot. It gives the bound
// that scripts may have instead, in KiB, as ulimit takes it.
func limitMemory(most int64) (unlimited string, err error) {
	var was syscall.Rlimit
	if most <= 0 {
		return "", nil
	}
	if err := syscall.Getrlimit(syscall.RLIMIT_DATA, &was); err != nil {
		return "", err
	}
	limit := syscall.Rlimit{Cur: uint64(most + headroom), Max: was.Max}
	if limit.Cur > was.Cur {
		return "", nil // it is less already
	}
	unlimited = "unlimited"
	if was.Cur < 1<<62 {
		unlimited = fmt.Sprint(was.Cur >> 10)
	}
	return unlimited, syscall.Setrlimit(syscall.RLIMIT_DATA, &limit)
}

// packageHTTP is what packages reach by http.get and the like. Unless private
// addresses are allowed, nothing beside this machine and in its networks is, by
// whatever name: the address itself is looked at, after it was found.
func packageHTTP(private bool) *http.Client {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 30 * time.Second, MaxIdleConns: 10}
	d := &net.Dialer{Timeout: 30 * time.Second}
	if !private {
		t.Proxy = nil // what a proxy reaches can't be looked at
		d.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if !isPublic(at.Addr()) {
				return release.Refuse("the bot's config allows it with rollout-private-http: allow", "release packages may not reach %s: it is no public address", at.Addr())
			}
			return nil
		}
	}
	t.DialContext = d.DialContext
	return &http.Client{Transport: t, Timeout: 5 * time.Minute}
}

// notPublic are networks that the net package's own words leave out.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast()
}

// readRepo reads repo.ocu.star at the commit: the repository's name in
// references, and its freezes.
func (w *rolloutWork) readRepo(ctx context.Context) error {
	at, err := w.Source.At(ctx, w.Commit)
	if err != nil {
		return err
	}
	file, err := lang.LoadRepo(ctx, lang.Options{Root: at.Root, Self: ref.Ref{Path: lang.RepoPath}, Host: at.Host("."), Log: noLog{}, Limits: w.Runner.Limits})
	if err != nil {
		return err
	}
	w.Freezes, w.Declared = file.Freezes, file.Environments
	if file.Alias != "" {
		w.Repo = file.Alias
	}
	return nil
}

// waitingFor tells what an error of kind Waiting waits for.
func waitingFor(err error) (string, bool) {
	var e *release.Error
	if errors.As(err, &e) && e.Kind == release.Waiting {
		return e.Message, true
	}
	return "", false
}
