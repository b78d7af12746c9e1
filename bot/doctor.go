package bot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/release"
)

// Level is how a finding is to be taken.
type Level string

// The levels of findings.
const (
	Good Level = "ok"
	Warn Level = "warning"
	Bad  Level = "problem"
)

// Finding is one thing that doctor looked at.
type Finding struct {
	Level  Level  `json:"level"`
	What   string `json:"what"`   // what was looked at: "webhook of acme/hello"
	Detail string `json:"detail"` // what was found
	Hint   string `json:"hint,omitempty"`
}

// Examination is what doctor needs besides the bot.
type Examination struct {
	Bot *Bot
	// Send has the forges send test deliveries to a bot that runs.
	Send bool
	// HasBuilder reports whether BuildKit is where the config says.
	HasBuilder func(ctx context.Context) bool
	HTTP       *http.Client
	Tell       func(Finding)
}

// Doctor looks whether everything is there that the bot needs, and tells of each
// thing as it finds it.
func (e Examination) Doctor(ctx context.Context) {
	c := e.Bot.config
	if err := e.Bot.ledger.Ping(ctx); err != nil {
		e.Tell(Finding{Bad, "database", firstLine(err.Error()), "look at database: in the bot's config"})
	} else {
		e.Tell(Finding{Good, "database", "it answers", ""})
	}
	if c.URL == "" {
		e.Tell(Finding{Warn, "url", "the bot's public address is not in its config", "set url:, so that webhooks can be checked"})
	}
	running := e.alive(ctx)
	e.builder(ctx)
	for _, f := range c.Forges {
		e.clock(ctx, f)
		names, err := e.Bot.served(ctx, f)
		if err != nil {
			e.Tell(found(err, "repositories of "+f.Name))
		}
		if len(names) == 0 && err == nil {
			e.Tell(Finding{Bad, "repositories of " + f.Name, "its account may write none that the config names", "look at repositories: and at the account's rights"})
		}
		for _, name := range names {
			e.repository(ctx, f, name, running)
		}
	}
}

func found(err error, what string) Finding {
	return Finding{Bad, what, firstLine(err.Error()), release.HintOf(err)}
}

// alive asks the bot that should be running.
func (e Examination) alive(ctx context.Context) bool {
	at := "http://" + Dialable(e.Bot.config.Listen)
	if _, err := e.counters(ctx); err != nil {
		e.Tell(Finding{Warn, "bot", "none answers at " + at, "start it with `slipway bot`, then ask again: test deliveries need it"})
		return false
	}
	e.Tell(Finding{Good, "bot", "it runs at " + at, ""})
	return true
}

// Dialable is a listen address as a client on the same machine takes it.
func Dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (e Examination) builder(ctx context.Context) {
	c := e.Bot.config
	needed := slices.ContainsFunc(c.Forges, func(f ForgeConfig) bool {
		s := c.Settings(f, "")
		return s.Work == WorkInBot && s.HostBuilds != AllowHost
	})
	switch {
	case e.HasBuilder(ctx):
		e.Tell(Finding{Good, "builder", "BuildKit is there", ""})
	case needed:
		e.Tell(Finding{Bad, "builder", "there is no BuildKit, and builds may not run plain on this machine", "start one and name it with builder: or BUILDX_BUILDER; or allow host-builds; or set work: workflow"})
	default:
		e.Tell(Finding{Warn, "builder", "there is no BuildKit: images can only be put together of binaries", ""})
	}
}

// skewed is from where on a clock is wrong: tokens of apps are refused then.
const skewed = 30 * time.Second

func (e Examination) clock(ctx context.Context, f ForgeConfig) {
	what := "clock against " + f.Name
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, f.Server, nil)
	if err != nil {
		e.Tell(found(err, what))
		return
	}
	resp, err := e.HTTP.Do(req)
	if err != nil {
		e.Tell(Finding{Bad, "forge " + f.Name, firstLine(err.Error()), "is its address right, and reachable from here?"})
		return
	}
	_ = resp.Body.Close() // a HEAD has none
	at, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return // it does not tell the time
	}
	if off := e.Bot.Clock().Sub(at).Abs(); off > skewed {
		e.Tell(Finding{Bad, what, fmt.Sprintf("they differ by %s", off.Round(time.Second)), "set this machine's clock (NTP)"})
		return
	}
	e.Tell(Finding{Good, what, "they agree", ""})
}

func (e Examination) repository(ctx context.Context, f ForgeConfig, name string, running bool) {
	r, err := e.Bot.repository(f.Name, name)
	if err != nil {
		e.Tell(found(err, name))
		return
	}
	info, err := r.forge.Repository(ctx)
	switch {
	case errors.Is(err, forge.ErrUnauthorized):
		e.Tell(Finding{Bad, "token for " + name, "the forge does not accept it", "make a new one"})
		return
	case errors.Is(err, forge.ErrNotFound):
		e.Tell(Finding{Bad, name, "the forge has no such repository, or the account may not see it", "look at repositories: and at the account's rights"})
		return
	case err != nil:
		e.Tell(found(err, name))
		return
	case info.Archived:
		e.Tell(Finding{Warn, name, "it is archived: nothing can be released", ""})
		return
	case !info.CanWrite:
		e.Tell(Finding{Bad, "token for " + name, "it may not write the repository", "give the account the right to write, and the token the scope for it"})
	default:
		e.Tell(Finding{Good, "token for " + name, "it may write", ""})
	}
	e.people(ctx, r)
	e.hook(ctx, r, running)
}

// people asks whether the bot may see what a commenter may do.
func (e Examination) people(ctx context.Context, r *repository) {
	owner, _, _ := strings.Cut(r.name, "/")
	if _, err := r.forge.Permission(ctx, owner); errors.Is(err, forge.ErrForbidden) {
		e.Tell(Finding{Bad, "commands in " + r.name, "the account may not see what others may do, so all their commands are refused",
			"on Gitea, only an administrator of the repository may: make the bot's account one"})
	}
}

// wanted are the events that a webhook should send, in each forge's words.
func wanted(kind string) []string {
	if kind == "github" {
		return []string{"push", "create", "delete", "issue_comment", "commit_comment", "release", "workflow_run"}
	}
	return []string{"push", "create", "delete", "issue_comment", "pull_request_comment", "release"}
}

func (e Examination) hook(ctx context.Context, r *repository, running bool) {
	what, url := "webhook of "+r.name, e.Bot.config.Webhook()
	hooks, ok := r.forge.(forge.Hooks)
	if !ok || url == "" {
		return
	}
	all, err := hooks.Hooks(ctx)
	i := slices.IndexFunc(all, func(h forge.Hook) bool { return h.URL == url })
	if at := e.arrived(ctx, r); i < 0 && !at.IsZero() {
		level := Warn
		if r.config.App.ID != 0 {
			level = Good
		}
		e.Tell(Finding{level, what, "it has none of its own, but a delivery arrived at " + at.UTC().Format(time.DateTime) + ", by an app's or an organisation's", ""})
		return
	}
	if errors.Is(err, forge.ErrForbidden) || errors.Is(err, forge.ErrNotFound) {
		e.Tell(Finding{Warn, what, "the account may not see it", "it needs to administer the repository for that; an app or an organisation may have the webhook instead"})
		return
	}
	if err != nil {
		e.Tell(found(err, what))
		return
	}
	if i < 0 && r.config.App.ID != 0 {
		e.Tell(Finding{Warn, what, "no delivery has arrived by the app's yet", "look at the webhook and the events in the app's settings"})
		return
	}
	if i < 0 {
		e.Tell(Finding{Bad, what, "there is none to " + url, "add one in the repository's settings, with a secret of the config and the events " + strings.Join(wanted(r.config.Kind), ", ")})
		return
	}
	h := all[i]
	var lacks []string
	for _, event := range wanted(r.config.Kind) {
		if !slices.Contains(h.Events, event) && !slices.Contains(h.Events, "*") {
			lacks = append(lacks, event)
		}
	}
	switch {
	case !h.Active:
		e.Tell(Finding{Bad, what, "it is switched off", "make it active in the repository's settings"})
		return
	case len(lacks) > 0:
		e.Tell(Finding{Warn, what, "it sends no " + strings.Join(lacks, ", "), "choose these events in its settings"})
	default:
		e.Tell(Finding{Good, what, "it is there, with all events", ""})
	}
	if running && e.Send {
		e.delivery(ctx, r, hooks, h)
	}
}

// lately is for how long a delivery shows that there is a webhook.
const lately = 7 * 24 * time.Hour

// arrived is when the last delivery of the repository came, which an app's
// webhook or an organisation's may bring; zero when none did lately.
func (e Examination) arrived(ctx context.Context, r *repository) time.Time {
	got, err := e.Bot.ledger.Deliveries(ctx, ledger.DeliveryFilter{Forge: r.config.Name, Repository: r.name, Since: e.Bot.Clock().Add(-lately), Limit: 1})
	if err != nil || len(got) == 0 {
		return time.Time{}
	}
	return got[0].Received
}

// arrives is how long a test delivery may take.
const arrives = 8 * time.Second

// delivery has the forge send a test, and looks what the bot made of it.
func (e Examination) delivery(ctx context.Context, r *repository, hooks forge.Hooks, h forge.Hook) {
	what := "delivery from " + r.name
	before, err := e.counters(ctx)
	if err == nil {
		err = hooks.TestHook(ctx, h.ID)
	}
	if err != nil {
		e.Tell(found(err, what))
		return
	}
	for end := time.Now().Add(arrives); time.Now().Before(end); {
		now, err := e.counters(ctx)
		if err != nil {
			break
		}
		more := func(outcomes ...string) bool {
			for _, o := range outcomes {
				if now[o] > before[o] {
					return true
				}
			}
			return false
		}
		switch {
		case more("accepted", "ping", "unserved", "unknown"):
			e.Tell(Finding{Good, what, "it arrived, and its signature is right", ""})
			return
		case more("forged"):
			e.Tell(Finding{Bad, what, "it arrived, but signed with another secret than the config's", "set the webhook's secret to one of secrets: of forge " + r.config.Name})
			return
		case more("unsigned"):
			e.Tell(Finding{Bad, what, "it arrived without a signature", "set the webhook's secret to one of secrets: of forge " + r.config.Name})
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
	hint := "is " + h.URL + " reachable from the forge?"
	if r.config.Kind != "github" {
		hint += " A bot on a private address gets nothing until the server's app.ini allows it: [security] ALLOWED_HOST_LIST ([webhook] before 1.27)"
	}
	e.Tell(Finding{Bad, what, "a test delivery did not arrive", hint})
}

var counter = regexp.MustCompile(`^slipway_deliveries_total\{.*outcome="([^"]*)".*\} ([0-9.e+]+)$`)

// counters reads how many deliveries the running bot has had, by outcome.
func (e Examination) counters(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+Dialable(e.Bot.config.Listen)+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := e.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the bot's metrics: HTTP %d", resp.StatusCode)
	}
	out := map[string]float64{}
	lines := bufio.NewScanner(io.LimitReader(resp.Body, 8<<20))
	for lines.Scan() {
		if m := counter.FindStringSubmatch(lines.Text()); m != nil {
			if n, err := strconv.ParseFloat(m[2], 64); err == nil {
				out[m[1]] += n
			}
		}
	}
	return out, lines.Err()
}
