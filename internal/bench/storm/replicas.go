package storm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// replicas are the bots that run, each as a process.
type replicas struct {
	config botConfig
	dir    string
	kills  int

	mu    sync.Mutex
	bots  []*proc.Process
	alive []string // their addresses; empty while one is away
}

func startReplicas(ctx context.Context, o Options, w *world, dir string) (*replicas, error) {
	r := &replicas{dir: dir, bots: make([]*proc.Process, o.Replicas), alive: make([]string, o.Replicas), config: botConfig{
		Database: o.Database, Forge: w.forge.URL, Git: w.git, Repositories: w.names, Workers: o.Workers, Lease: o.Lease}}
	for i := range r.bots {
		if err := r.start(ctx, i); err != nil {
			r.end()
			return nil, err
		}
	}
	return r, nil
}

// start runs the i-th bot until it listens.
func (r *replicas) start(ctx context.Context, i int) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	c := r.config
	c.Data = filepath.Join(r.dir, fmt.Sprint("bot", i))
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(c.Data+".log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the bot has its own descriptor
	said := &firstLine{line: make(chan string, 1)}
	p, err := proc.Start(ctx, proc.Cmd{Args: []string{exe}, Env: []string{botEnv + "=" + string(text), "NO_PROXY=127.0.0.1"}, Stdout: said, Stderr: log})
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.bots[i] = p
	r.mu.Unlock()
	select {
	case address := <-said.line:
		r.mu.Lock()
		r.alive[i] = address
		r.mu.Unlock()
		return nil
	case <-p.Done():
		return fmt.Errorf("a bot has ended: %w\n%s", errors.Join(p.Wait(), ctx.Err()), r.logs())
	case <-time.After(time.Minute):
		return fmt.Errorf("a bot does not start within a minute\n%s", r.logs())
	}
}

// pick gives the address of a bot that is there, or none.
func (r *replicas) pick(n int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.alive {
		if a := r.alive[(n+i)%len(r.alive)]; a != "" {
			return a
		}
	}
	return ""
}

// killSome kills a bot, each in its turn, and starts it again, whenever the
// storm has got on by as much as there are to be kills.
func (r *replicas) killSome(ctx context.Context, o Options, random *rand.Rand, progress func() float64) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for r.kills < o.Kills {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the storm is over, and only %d of %d bots were killed", r.kills, o.Kills)
		case <-tick.C:
		}
		if progress() < float64(r.kills+1)/float64(o.Kills+1) {
			continue
		}
		i := r.kills % o.Replicas
		r.mu.Lock()
		p := r.bots[i]
		r.alive[i] = ""
		r.mu.Unlock()
		p.Kill()
		<-p.Done()
		r.kills++
		fmt.Fprintf(o.Log, "storm: bot %d is killed at %.0f %%\n", i, 100*progress())
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
		if err := r.start(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// end ends all bots as a service manager does.
func (r *replicas) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.bots {
		if p != nil {
			p.Terminate()
		}
	}
	for _, p := range r.bots {
		if p == nil {
			continue
		}
		select {
		case <-p.Done():
		case <-time.After(20 * time.Second):
			p.Kill()
			<-p.Done()
		}
	}
}

// logs are the ends of what the bots have written.
func (r *replicas) logs() string {
	var b strings.Builder
	for i := range r.alive {
		text, err := os.ReadFile(filepath.Join(r.dir, fmt.Sprintf("bot%d.log", i)))
		if err == nil && len(text) > 0 {
			fmt.Fprintf(&b, "bot %d:\n%s\n", i, text[max(0, len(text)-3000):])
		}
	}
	return b.String()
}

// firstLine hands on the first line that is written to it.
type firstLine struct {
	buf  bytes.Buffer
	line chan string
	told bool
}

func (f *firstLine) Write(p []byte) (int, error) {
	if !f.told {
		f.buf.Write(p)
		if line, _, whole := strings.Cut(f.buf.String(), "\n"); whole {
			f.told = true
			f.line <- line
		}
	}
	return len(p), nil
}
