package ledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/sqlstate"
)

// Options say where a ledger is and how it works.
type Options struct {
	// URL is "sqlite:/path/bot.db", the bare path of a SQLite file, or
	// "postgres://user:password@host:port/database".
	URL string
	Log *slog.Logger // nothing is logged when it is nil

	// Serving is for the bot itself: it may Start. A SQLite file has one serving
	// process and is made by it; others may open it beside.
	Serving bool
	// Replica names this process in the database; it is made unique.
	Replica string

	Workers         int // operations of the lane Releases at once, over all repositories, and as many of Rollouts; 0 is 2
	CommandWorkers  int // operations of other lanes at once; 0 is 4
	DeliveryWorkers int // deliveries at once; 0 is 32
	// Lease is how long a process that is gone keeps its operations; a living one
	// renews it every third of it. 0 is 20 s.
	Lease time.Duration
}

// Ledger is the bot's memory. Its methods may be called from several goroutines.
type Ledger struct {
	options Options
	log     *slog.Logger
	db      database
	queue   queue
	owner   string // of this process's leases

	accepts *accepts
	running *running
	store   *sqlstate.Store
	wakeup  chan struct{} // an operation began to wait

	closing sync.Once
	closed  error

	mu       sync.Mutex
	handler  Handler // while it is started
	draining bool
	endKeep  context.CancelFunc
	kept     sync.WaitGroup
}

// Open opens a database and brings its tables up to date. Several replicas may
// do so at once.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	o.Workers = cmp.Or(o.Workers, 2)
	o.CommandWorkers = cmp.Or(o.CommandWorkers, 4)
	o.DeliveryWorkers = cmp.Or(o.DeliveryWorkers, 32)
	o.Lease = cmp.Or(o.Lease, 20*time.Second)
	l := &Ledger{
		options: o,
		log:     cmp.Or(o.Log, quiet()),
		owner:   replicaName(o.Replica),
		running: newRunning(),
		wakeup:  make(chan struct{}, 1),
	}
	use := sqliteBeside
	if o.Serving {
		use = sqliteServing
	}
	var err error
	if l.db, err = openDatabase(ctx, o.URL, use); err != nil {
		return nil, fmt.Errorf("open the bot's database: %w", err)
	}
	if err := l.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the bot's database: %w", err), l.db.close())
	}
	return l, nil
}

func openDatabase(ctx context.Context, url string, use sqliteUse) (database, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	switch {
	case url == "":
		return nil, errors.New("no address of a database was given")
	case scheme == "postgres" || scheme == "postgresql":
		return openPostgres(ctx, url)
	case scheme == "sqlite":
		return openSQLite(strings.TrimPrefix(rest, "//"), use)
	case strings.Contains(url, "://"):
		return nil, fmt.Errorf("%s is no database that Slipway knows; use postgres://… or sqlite:PATH", scheme)
	default:
		return openSQLite(url, use)
	}
}

func (l *Ledger) prepare(ctx context.Context) error {
	if err := l.db.migrate(ctx); err != nil {
		return err
	}
	c := queueConfig{log: slog.New(riverLog{l.log.Handler()}), replica: l.owner}
	if l.options.Serving {
		c.workers = l.workers()
		c.sizes = map[string]int{
			deliveryQueue: l.options.DeliveryWorkers, releaseQueue: l.options.Workers,
			rolloutQueue: l.options.Workers,
			commandQueue: l.options.CommandWorkers, reconcileQueue: 2,
		}
	}
	var err error
	if l.queue, err = l.db.newQueue(c); err != nil {
		return err
	}
	l.store = sqlstate.New(documents{l.db})
	l.accepts = newAccepts(l)
	return nil
}

// Close ends all work at once and closes the database. What runs is begun again
// by the next process; Stop before is kinder.
func (l *Ledger) Close() error {
	l.closing.Do(func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		err := l.Stop(over)
		l.accepts.close()
		l.closed = errors.Join(err, l.db.close())
	})
	return l.closed
}

// Ping asks the database whether it is there.
func (l *Ledger) Ping(ctx context.Context) error {
	var n int
	if _, err := one(ctx, l.db, []any{&n}, `SELECT version FROM slipway_schema`); err != nil {
		return fmt.Errorf("ask the bot's database: %w", err)
	}
	return nil
}

// Store keeps documents in the same database.
func (l *Ledger) Store() state.Store { return l.store }

// replicaName is a name that no other process has, of characters that River takes.
func replicaName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, cmp.Or(name, "bot"))
	return name[:min(len(name), 60)] + "-" + rand.Text()[:10]
}

// riverLog lowers what River says: of its own doings to debug, and its errors,
// which it gets over by itself, to warnings.
type riverLog struct{ slog.Handler }

func (h riverLog) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, lowered(level))
}

func (h riverLog) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lowered(r.Level)
	return h.Handler.Handle(ctx, r)
}

func (h riverLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return riverLog{h.Handler.WithAttrs(attrs)}
}
func (h riverLog) WithGroup(name string) slog.Handler { return riverLog{h.Handler.WithGroup(name)} }

func lowered(level slog.Level) slog.Level {
	switch {
	case level >= slog.LevelError:
		return slog.LevelWarn
	case level == slog.LevelInfo:
		return slog.LevelDebug
	default:
		return level
	}
}
