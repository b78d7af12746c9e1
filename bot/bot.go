package bot

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/worker"
	"github.com/slipway-dev/slipway/internal/state"
)

// Forge is a repository as the bot sees it. Workflows, Hooks, Missed,
// Deployments and Rated are used where an adapter has them.
type Forge interface {
	forge.Forge
	forge.Talk
	forge.Commits
	forge.Credentials
}

// Deps is what the bot is given by who starts it.
type Deps struct {
	Parse Parse
	// Connect opens a repository on a forge. It asks the server nothing. answered
	// hears the HTTP status of each answer, and 0 of a call that got none.
	Connect func(f ForgeConfig, repository string, answered func(status int)) (Forge, error)
	// Repositories lists those that the forge's account may write.
	Repositories func(ctx context.Context, f ForgeConfig) ([]string, error)
	// Mirror brings the copy of a repository in dir to where the forge's is; nil
	// is git.Mirror.
	Mirror func(ctx context.Context, address string, login git.Login, defaultBranch, dir string) (*git.Repo, error)
	// Release has the engine carry a request out.
	Release func(ctx context.Context, w Work) (release.Report, error)
	// Rollout has a process of its own carry a rollout out.
	Rollout func(ctx context.Context, w RolloutWork) (worker.Outcome, error)
	// OpenState opens the state that a repository keeps on a branch of its own, at
	// this address; dir is a folder for a copy of it.
	OpenState func(ctx context.Context, address string, login git.Login, dir string) (state.Store, func() error, error)
	Log       *slog.Logger
	Clock     func() time.Time
}

// Work is a request to the engine.
type Work struct {
	Project    project.Project
	Event      release.Event // instead of the project's, for a promotion
	Promotion  *engine.Promotion
	Goal       engine.Goal
	Target     *release.Target
	Forge      forge.Forge
	Store      state.Store
	Dir        string   // a folder of the operation's own, for artifacts
	Tree       string   // a folder for the commit's files, kept for the next operation
	HostBuilds bool     // builds and checks may run plain on this machine
	Settings   Settings // of the repository: which buckets it may publish to
	Builder    string
	Progress   progress.Reporter
}

// Bot carries out what the ledger hands it. It is the ledger's Handler.
type Bot struct {
	Deps
	config  Config
	ledger  *ledger.Ledger
	metrics *metrics
	wake    chan struct{} // the schedules have changed

	mu   sync.Mutex
	open map[string]*repository // by forge and name
}

var _ ledger.Handler = (*Bot)(nil)

// New makes the bot on an open ledger.
func New(c Config, l *ledger.Ledger, d Deps) *Bot {
	if d.Clock == nil {
		d.Clock = time.Now
	}
	if d.Mirror == nil {
		d.Mirror = git.Mirror
	}
	return &Bot{Deps: d, config: c, ledger: l, metrics: newMetrics(l.Stats), wake: make(chan struct{}, 1), open: map[string]*repository{}}
}

// repository is one that the bot serves, with what is remembered of it for a
// while.
type repository struct {
	bot    *Bot
	config ForgeConfig
	name   string // owner/name, lower case
	forge  Forge
	Settings

	mu     sync.Mutex
	info   forge.Repository
	self   string
	readAt time.Time
}

// remembered is for how long what a forge says of a repository counts.
const remembered = 10 * time.Minute

// repository finds a repository that the config serves.
func (b *Bot) repository(forgeName, name string) (*repository, error) {
	name = strings.ToLower(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	key := forgeName + "|" + name
	if r, ok := b.open[key]; ok {
		return r, nil
	}
	f, ok := b.config.Forge(forgeName)
	if !ok || !f.Serves(name) {
		return nil, release.Refuse("add it to the bot's config", "%s is not among the repositories of forge %s in the bot's config", name, forgeName)
	}
	conn, err := b.Connect(f, name, func(status int) { b.metrics.answeredBy(f.Name, status) })
	if err != nil {
		return nil, err
	}
	r := &repository{bot: b, config: f, name: name, forge: conn, Settings: b.config.Settings(f, name)}
	b.open[key] = r
	return r, nil
}

// facts are what the forge says of the repository, and the login of the bot's
// own account.
func (r *repository) facts(ctx context.Context) (info forge.Repository, self string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.bot.Clock(); now.Sub(r.readAt) > remembered {
		if r.info, err = r.forge.Repository(ctx); err != nil {
			return info, "", err
		}
		if r.self, err = r.forge.Self(ctx); err != nil {
			return info, "", err
		}
		r.readAt = now
	}
	return r.info, r.self, nil
}

// tree is where a lane of the repository has its files checked out.
func (r *repository) tree(lane ledger.Lane) string {
	return filepath.Join(r.bot.config.Data, "trees", fileName(r.config.Name), filepath.FromSlash(r.name), string(lane))
}

// clone brings the bot's copy of the repository to where the forge's is.
func (r *repository) clone(ctx context.Context) (*git.Repo, error) {
	info, _, err := r.facts(ctx)
	if err != nil {
		return nil, err
	}
	user, password, err := r.forge.Login(ctx)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(r.bot.config.Data, "clones", fileName(r.config.Name), filepath.FromSlash(r.name)+".git")
	repo, err := r.bot.Mirror(ctx, r.address(), git.Login{User: user, Password: password}, info.DefaultBranch, dir)
	if err != nil && ctx.Err() == nil && release.KindOf(err) == release.Failed {
		err = fmt.Errorf("%w: %w", ErrAway, err) // git says in words only why it could not fetch
	}
	return repo, err
}

func (r *repository) address() string { return r.config.Server + "/" + r.name + ".git" }

// fileName is a forge's name as a folder's.
func fileName(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' {
			return c
		}
		return '_'
	}, s)
}
