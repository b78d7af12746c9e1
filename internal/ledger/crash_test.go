package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/statetest"
)

// crashChild has the test binary be a bot: it accepts what it reads from its
// input, a line a delivery, and says what it has accepted.
const crashChild = "SLIPWAY_LEDGER_CRASH_CHILD"

func TestMain(m *testing.M) {
	if url := os.Getenv(crashChild); url != "" {
		if err := runChild(url, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	isChild, err := statetest.Child(func(ctx context.Context, url string) (state.Store, error) {
		s, _, err := ledger.OpenState(ctx, url)
		return s, err
	})
	if isChild {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func runChild(url string, in io.Reader, out io.Writer) error {
	ctx := context.Background()
	l, err := ledger.Open(ctx, ledger.Options{URL: url, Serving: true, Workers: 8, Lease: 2 * time.Second,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		return err
	}
	if err := l.Start(ctx, handler{
		deliver: func(_ context.Context, d ledger.Delivery) (ledger.Verdict, error) {
			return ledger.Verdict{Operations: []ledger.NewOperation{release(d.GUID, d.Repository)}}, nil
		},
		operate: func(_ context.Context, op ledger.Operation) ledger.Result {
			time.Sleep(time.Duration(op.ID%20) * time.Millisecond)
			return ledger.Result{State: ledger.OpDone}
		},
	}); err != nil {
		return err
	}
	var mu sync.Mutex
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		guid := lines.Text()
		go func() {
			_, err := l.Accept(ctx, ledger.Delivery{Forge: "gitea", Event: "push", GUID: guid, Repository: crashRepository(guid), Body: []byte("{}")})
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				_, _ = fmt.Fprintln(out, guid)
			}
		}()
	}
	return lines.Err()
}

func crashRepository(guid string) string { return "acme/r" + guid[len(guid)-1:] }

// child is a running one.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	// acknowledged has what it said, until it ends.
	acknowledged chan string
}

func startChild(t *testing.T, url string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(exe), acknowledged: make(chan string, 10000)}
	c.cmd.Env = append(os.Environ(), crashChild+"="+url)
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.acknowledged)
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadString('\n')
			if err != nil { // a line that was cut does not count
				return
			}
			c.acknowledged <- strings.TrimSpace(line)
		}
	}()
	t.Cleanup(c.kill)
	return c
}

// kill kills it, and drops what it has not said.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	for range c.acknowledged { // until its output ends
	}
	_ = c.cmd.Wait()
}

// Bots are killed again and again while deliveries come in, and replicas on
// PostgreSQL go on: nothing that was acknowledged is lost, and each operation
// has its result once.
func TestKilledBots(t *testing.T) {
	alone(t, func(t *testing.T, url string) {
		const deliveries, kills = 300, 6
		replicas := 2
		if isSQLite(url) {
			replicas = 1
		}
		random := rand.New(rand.NewPCG(5, 2026))
		children := make([]*child, replicas)
		for i := range children {
			children[i] = startChild(t, url)
		}
		acknowledged := map[string]int{}
		hear := func(c *child) {
			for {
				select {
				case guid, ok := <-c.acknowledged:
					if !ok {
						return
					}
					acknowledged[guid]++
				default:
					return
				}
			}
		}
		killed := 0
		begun := time.Now()
		for round := 0; len(acknowledged) < deliveries; round++ {
			if time.Since(begun) > 2*time.Minute {
				t.Fatalf("%d of %d deliveries are acknowledged", len(acknowledged), deliveries)
			}
			// Some again, as forges do.
			for range 15 {
				c, guid := children[random.IntN(replicas)], fmt.Sprint("v", random.IntN(deliveries))
				if acknowledged[guid] > 0 && random.IntN(3) > 0 {
					continue
				}
				_, _ = fmt.Fprintln(c.in, guid) // a child that was killed reads nothing
			}
			time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
			for _, c := range children {
				hear(c)
			}
			if killed < kills && len(acknowledged) > (killed+1)*deliveries/(kills+2) {
				i := random.IntN(replicas)
				children[i].kill()
				children[i] = startChild(t, url)
				killed++
			}
		}
		if killed < kills {
			t.Errorf("only %d were killed", killed)
		}
		l := open(t, url, func(o *ledger.Options) { o.Serving = false })
		await(t, "all is done", func() bool {
			s, err := l.Stats(t.Context())
			return err == nil && s.Deliveries == 0 && len(s.Operations) == 0
		})
		for guid := range acknowledged {
			found, err := l.Deliveries(t.Context(), ledger.DeliveryFilter{GUID: guid})
			if err != nil || len(found) < acknowledged[guid] {
				t.Errorf("%s was acknowledged %d times and is stored %d times, %v", guid, acknowledged[guid], len(found), err)
			}
			op, err := l.ByIdentity(t.Context(), guid)
			if err != nil || op.State != ledger.OpDone || op.Folds != len(found)-1 {
				t.Errorf("of %d deliveries %s became %+v, %v", len(found), guid, op, err)
				continue
			}
			ends, err := l.AuditLog(t.Context(), ledger.AuditFilter{Operation: op.ID})
			if err != nil || len(ends) != 1 {
				t.Errorf("%s has %d results, %v", guid, len(ends), err)
			}
		}
		again, err := l.Operations(t.Context(), ledger.OperationFilter{Limit: 10000})
		if err != nil {
			t.Fatal(err)
		}
		attempts := 0
		for _, op := range again {
			attempts += op.Attempt
		}
		t.Logf("%d killed; %d operations in %d attempts, %v", killed, len(again), attempts, time.Since(begun))
	})
}
