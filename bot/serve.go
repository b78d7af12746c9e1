package bot

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
)

// Bounds of the HTTP server. A forge sends its delivery at once; whoever takes
// longer is slow on purpose.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 20 * time.Second
	idleTimeout   = time.Minute
	maxHeader     = 64 << 10
)

// Serve listens and works until ctx ends, then drains: nothing new is taken,
// what is under way may end within the config's time, and what does not is
// begun again by the next start.
func (b *Bot) Serve(ctx context.Context, l net.Listener) error {
	if err := b.ledger.Start(context.WithoutCancel(ctx), b); err != nil {
		return err
	}
	server := &http.Server{Handler: b.Handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: bodyTimeout + acceptTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(netutil.LimitListener(l, connections())) }()
	b.Log.Info("the bot listens", "address", l.Addr().String(), "webhook", b.config.Webhook(), "forges", len(b.config.Forges))

	loops, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, loop := range []func(context.Context){b.runSchedules, b.runCatchUp, giveBack} {
		running.Go(func() { loop(loops) })
	}
	var err error
	select {
	case <-ctx.Done():
		b.Log.Info("the bot drains", "seconds", b.config.Drain.Seconds())
	case err = <-failed:
	}
	stop()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.config.Drain)
	defer cancel()
	if serr := server.Shutdown(drain); serr != nil && !errors.Is(serr, context.DeadlineExceeded) {
		err = errors.Join(err, serr)
	}
	err = errors.Join(err, b.ledger.Stop(drain))
	running.Wait()
	b.Log.Info("the bot has stopped")
	return err
}

// giveBack gives memory that is not used back to the machine, from time to time:
// a bot waits for most of its life.
func giveBack(ctx context.Context) {
	for wait := 5 * time.Second; ; wait = time.Minute {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
			debug.FreeOSMemory()
		}
	}
}

// connections is how many may be open at once, so that files are left for the
// work.
func connections() int {
	const most, spare = 20_000, 512
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > most+spare {
		return most
	}
	return max(64, int(limit.Cur)-spare)
}

// Handler answers HTTP: deliveries, health and metrics.
func (b *Bot) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(WebhookPath, newIngest(b.config, b.ledger, b.metrics, b.Log))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", b.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.metrics.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	return mux
}

// ready says whether deliveries can be kept.
func (b *Bot) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := b.ledger.Ping(ctx); err != nil {
		b.Log.Warn("the database does not answer", "error", err.Error())
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "the database does not answer"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ready"})
}
