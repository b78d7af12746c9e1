package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// behind writes to a database behind the ledger's back.
func behind(t *testing.T, url, statement string, args ...any) {
	t.Helper()
	driver, dsn := "pgx", url
	if isSQLite(url) {
		driver, dsn = "sqlite", "file:"+strings.TrimPrefix(url, "sqlite:")+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func shortLease(o *ledger.Options) { o.Lease = 900 * time.Millisecond }

// Who loses the lease is told so, and the result does not count: another
// attempt's does.
func TestLostLease(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url, shortLease)
		causes := make(chan error, 1)
		begun := make(chan struct{})
		start(t, l, handler{operate: func(ctx context.Context, op ledger.Operation) ledger.Result {
			if op.Attempt == 1 {
				close(begun)
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return ledger.Result{State: ledger.OpFailed, Summary: "of the first"}
			}
			return ledger.Result{State: ledger.OpDone, Summary: "of the second"}
		}})
		p := propose(t, l, release("1", "acme/a"))
		<-begun
		// As when another replica has it, which then dies.
		behind(t, url, `UPDATE slipway_operations SET owner = 'another', lease_until = 1 WHERE id = $1`, p[0].ID)
		if cause := <-causes; !errors.Is(cause, ledger.ErrLeaseLost) {
			t.Errorf("it ended because %v", cause)
		}
		if op := awaitState(t, l, p[0].ID, ledger.OpDone); op.Summary != "of the second" || op.Attempt != 2 {
			t.Errorf("it is %+v", op)
		}
		if err := l.Remember(t.Context(), p[0].ID, []byte("1")); !errors.Is(err, ledger.ErrLeaseLost) {
			t.Errorf("Remember afterwards: %v", err)
		}
	})
}

// A lease is renewed for as long as the operation takes, and nobody takes it.
func TestLeaseIsRenewed(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url, shortLease)
		h := handler{operate: func(ctx context.Context, _ ledger.Operation) ledger.Result {
			select {
			case <-time.After(3 * time.Second):
				return ledger.Result{State: ledger.OpDone}
			case <-ctx.Done():
				return ledger.Result{State: ledger.OpFailed, Summary: context.Cause(ctx).Error()}
			}
		}}
		start(t, l, h)
		if !isSQLite(url) {
			start(t, open(t, url, shortLease), h)
		}
		p := propose(t, l, release("1", "acme/a"))
		if op := awaitState(t, l, p[0].ID, ledger.OpDone); op.Attempt != 1 {
			t.Errorf("it is %+v", op)
		}
	})
}

// A bot that is stopped waits for what runs; what does not end in time is
// cancelled, queued, and done by the next bot at once.
func TestDrain(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		first := open(t, url)
		begun, causes := make(chan ledger.Operation, 2), make(chan error, 1)
		start(t, first, handler{operate: func(ctx context.Context, op ledger.Operation) ledger.Result {
			begun <- op
			if op.Identity == "short" {
				time.Sleep(200 * time.Millisecond)
				return ledger.Result{State: ledger.OpDone, Summary: "in time"}
			}
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return ledger.Result{State: ledger.OpFailed, Summary: "must not count"}
		}})
		p := propose(t, first, release("short", "acme/a"), release("long", "acme/b"), release("later", "acme/b"))
		<-begun
		<-begun
		stop, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := first.Stop(stop); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("stopping took %v", took)
		}
		if cause := <-causes; !errors.Is(cause, ledger.ErrDraining) {
			t.Errorf("it ended because %v", cause)
		}
		if op, err := first.Operation(t.Context(), p[0].ID); err != nil || op.State != ledger.OpDone {
			t.Errorf("what was short is %+v, %v", op, err)
		}
		for _, i := range []int{1, 2} {
			if op, err := first.Operation(t.Context(), p[i].ID); err != nil || op.State != ledger.OpQueued {
				t.Errorf("what was not finished is %+v, %v", op, err)
			}
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		second := open(t, url)
		began = time.Now()
		start(t, second, handler{})
		op := awaitState(t, second, p[1].ID, ledger.OpDone)
		if op.Attempt != 2 || time.Since(began) > 2*time.Second {
			t.Errorf("after %v it is %+v", time.Since(began), op)
		}
		awaitState(t, second, p[2].ID, ledger.OpDone)
	})
}

// A handler that does not hear does not keep a stopped bot from leaving, nor
// its operation from being done elsewhere.
func TestDrainOfADeafHandler(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		begun, free := make(chan struct{}), make(chan struct{})
		t.Cleanup(func() { close(free) })
		start(t, l, handler{operate: func(context.Context, ledger.Operation) ledger.Result {
			close(begun)
			<-free
			return ledger.Result{State: ledger.OpDone, Summary: "too late"}
		}})
		p := propose(t, l, release("deaf", "acme/a"))
		<-begun
		stop, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := l.Stop(stop); err == nil {
			t.Error("Stop did not say that a handler goes on")
		}
		if op, err := l.Operation(t.Context(), p[0].ID); err != nil || op.State != ledger.OpQueued {
			t.Errorf("it is %+v, %v", op, err)
		}
	})
}

// The database goes away and comes back: deliveries are refused at once and
// then taken, what runs is cancelled when its lease is over and begun again,
// and nobody has to restart anything.
func TestDatabaseAwayAndBack(t *testing.T) {
	t.Parallel()
	server := realtest.PostgreSQLServer(t)
	l := open(t, server.Database(t), func(o *ledger.Options) { o.Lease = 2 * time.Second })
	causes, begun := make(chan error, 1), make(chan struct{}, 9)
	start(t, l, handler{
		deliver: func(_ context.Context, d ledger.Delivery) (ledger.Verdict, error) {
			return ledger.Verdict{Operations: []ledger.NewOperation{release(d.GUID, d.Repository)}}, nil
		},
		operate: func(ctx context.Context, op ledger.Operation) ledger.Result {
			if op.Identity == "before" && op.Attempt == 1 {
				begun <- struct{}{}
				<-ctx.Done()
				causes <- context.Cause(ctx)
			}
			return ledger.Result{State: ledger.OpDone}
		},
	})
	send := func(guid string) error {
		_, err := l.Accept(t.Context(), ledger.Delivery{Forge: "gitea", Event: "push", GUID: guid, Repository: "acme/" + guid})
		return err
	}
	if err := send("before"); err != nil {
		t.Fatal(err)
	}
	<-begun
	server.Stop(t)
	away := time.Now()
	for range 3 {
		began := time.Now()
		err := send("away")
		if !errors.Is(err, ledger.ErrBusy) || time.Since(began) > 4*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	}
	if err := l.Ping(t.Context()); err == nil {
		t.Error("Ping says that it is there")
	}
	if cause := <-causes; !errors.Is(cause, ledger.ErrLeaseLost) || time.Since(away) > 3*time.Second {
		t.Errorf("after %v it was cancelled because %v", time.Since(away), cause)
	}
	server.Start(t)
	back := time.Now()
	await(t, "deliveries are taken", func() bool { return send("after") == nil })
	t.Logf("deliveries are taken %v after the server answers", time.Since(back))
	for _, identity := range []string{"before", "after"} {
		await(t, identity+" is done", func() bool {
			op, err := l.ByIdentity(t.Context(), identity)
			return err == nil && op.State == ledger.OpDone
		})
		t.Logf("%s is done %v after the server answers", identity, time.Since(back))
	}
}

// A full disk refuses deliveries and ends nothing.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir()+"/bot.db")
	start(t, l, handler{deliver: func(_ context.Context, d ledger.Delivery) (ledger.Verdict, error) {
		return ledger.Verdict{Operations: []ledger.NewOperation{release(d.GUID, d.Repository)}}, nil
	}})
	if err := ledger.LimitPages(t.Context(), l, 100); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 100<<10)
	random := rand.NewChaCha8([32]byte{}) // nothing that can be made smaller
	if _, err := random.Read(body); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 200 {
		if _, err = l.Accept(t.Context(), ledger.Delivery{Forge: "gitea", GUID: "big", Repository: "acme/a", Body: body}); err != nil {
			break
		}
	}
	if !errors.Is(err, ledger.ErrBusy) {
		t.Fatalf("on a full disk: %v", err)
	}
	t.Log(err)
	if err := ledger.LimitPages(t.Context(), l, 1<<30); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(t.Context(), ledger.Delivery{Forge: "gitea", GUID: "after", Repository: "acme/b", Body: body}); err != nil {
		t.Fatal(err)
	}
	await(t, "work goes on", func() bool {
		op, err := l.ByIdentity(t.Context(), "after")
		return err == nil && op.State == ledger.OpDone
	})
}
