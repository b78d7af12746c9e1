package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/ledger"
)

// Who asks for the same gets the same operation, until its ref is superseded.
func TestSameIdentityIsOneOperation(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		first := propose(t, l, release("v1", "acme/a"), release("v2", "acme/a"), release("v1", "acme/a"))
		want := []ledger.Proposed{{ID: first[0].ID, New: true}, {ID: first[1].ID, New: true}, {ID: first[0].ID}}
		if diff := cmp.Diff(want[:2], first[:2]); diff != "" || first[2].ID != first[0].ID {
			t.Errorf("%v\n%s", first, diff)
		}
		op, err := l.ByIdentity(t.Context(), "v1")
		if err != nil || op.Folds != 1 || op.State != ledger.OpQueued {
			t.Fatalf("the operation is %+v, %v", op, err)
		}
		supersede := func() {
			t.Helper()
			if err := l.Supersede(t.Context(), "gitea", "acme/a", "refs/tags/v1"); err != nil {
				t.Fatal(err)
			}
		}
		supersede() // it has yet to begin: it stays what it is
		if again := propose(t, l, release("v1", "acme/a")); again[0].New {
			t.Fatal("an operation that has yet to begin was superseded")
		}
		start(t, l, handler{})
		awaitState(t, l, op.ID, ledger.OpDone)
		supersede()
		again := propose(t, l, release("v1", "acme/a"))
		if !again[0].New || again[0].ID == op.ID {
			t.Fatalf("after its tag was gone, the same was not asked for anew: %+v", again)
		}
		if old, err := l.Operation(t.Context(), op.ID); err != nil || old.Identity != fmt.Sprintf("v1#%d", op.ID) {
			t.Errorf("the old one is %+v, %v", old, err)
		}
	})
}

// Within a lane operations run one after another, oldest first; lanes and
// repositories go side by side.
func TestOrderWithinALane(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url, func(o *ledger.Options) { o.Workers = 4 })
		var mu sync.Mutex
		running, seen := map[string]int{}, map[string][]int64{}
		start(t, l, handler{operate: func(_ context.Context, op ledger.Operation) ledger.Result {
			lane := op.Repository + " " + string(op.Lane)
			mu.Lock()
			running[lane]++
			if running[lane] > 1 {
				t.Errorf("%d run at once in %s", running[lane], lane)
			}
			seen[lane] = append(seen[lane], op.ID)
			mu.Unlock()
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			running[lane]--
			mu.Unlock()
			return ledger.Result{State: ledger.OpDone}
		}})
		var all []ledger.NewOperation
		for i := range 60 {
			op := release(fmt.Sprint("op", i), fmt.Sprint("acme/r", i%3))
			if i%4 == 0 {
				op.Lane = ledger.Commands
			}
			all = append(all, op)
		}
		propose(t, l, all...)
		await(t, "all are done", func() bool {
			done, err := l.Operations(t.Context(), ledger.OperationFilter{States: []ledger.OperationState{ledger.OpDone}})
			return err == nil && len(done) == len(all)
		})
		for lane, ids := range seen {
			if !slices.IsSorted(ids) {
				t.Errorf("in %s they ran as %v", lane, ids)
			}
		}
	})
}

// Deliveries are decided side by side, and yet what they ask for in a
// repository begins in their order.
func TestOperationsBeginInTheOrderOfDeliveries(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		const n = 30
		for i := range n {
			if _, err := l.Accept(t.Context(), ledger.Delivery{Forge: "gitea", Event: "push", GUID: fmt.Sprint(i), Repository: "acme/a"}); err != nil {
				t.Fatal(err)
			}
		}
		var mu sync.Mutex
		var begun []int64
		start(t, l, handler{
			deliver: func(_ context.Context, d ledger.Delivery) (ledger.Verdict, error) {
				time.Sleep(time.Duration(n-d.ID) * time.Millisecond / 2) // the last is the first that is decided
				if d.ID%5 == 0 {
					return ledger.Verdict{Outcome: ledger.Ignored}, nil
				}
				return ledger.Verdict{Operations: []ledger.NewOperation{release(d.GUID, d.Repository)}}, nil
			},
			operate: func(_ context.Context, op ledger.Operation) ledger.Result {
				mu.Lock()
				defer mu.Unlock()
				begun = append(begun, op.Delivery)
				return ledger.Result{State: ledger.OpDone}
			},
		})
		await(t, "all have begun", func() bool { mu.Lock(); defer mu.Unlock(); return len(begun) == n-n/5 })
		if !slices.IsSorted(begun) {
			t.Errorf("they began as %v", begun)
		}
	})
}

// A delivery that can't be decided is tried again, and stops nobody.
func TestDeliveryIsTriedAgain(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		var tries atomic.Int32
		start(t, l, handler{deliver: func(_ context.Context, d ledger.Delivery) (ledger.Verdict, error) {
			if d.GUID == "bad" {
				switch tries.Add(1) {
				case 1:
					return ledger.Verdict{}, errors.New("not now")
				case 2:
					panic("worse")
				}
			}
			return ledger.Verdict{Operations: []ledger.NewOperation{release(d.GUID, d.Repository)}}, nil
		}})
		var ids []int64
		for _, guid := range []string{"bad", "good"} {
			id, err := l.Accept(t.Context(), ledger.Delivery{Forge: "gitea", Event: "push", GUID: guid, Repository: "acme/a"})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		await(t, "the later one is done", func() bool {
			op, err := l.ByIdentity(t.Context(), "good")
			return err == nil && op.State == ledger.OpDone
		})
		if d, err := l.Delivery(t.Context(), ids[0]); err != nil || d.Outcome != ledger.Pending || d.Reason == "" {
			t.Errorf("the first is %+v, %v", d, err)
		}
		await(t, "the first is done", func() bool {
			op, err := l.ByIdentity(t.Context(), "bad")
			return err == nil && op.State == ledger.OpDone
		})
	})
}

// One that waits lets the next go, is begun again when its time has come, and
// finds what it remembered.
func TestWaitingLetsTheNextGo(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		var mu sync.Mutex
		var begun []string
		start(t, l, handler{operate: func(ctx context.Context, op ledger.Operation) ledger.Result {
			mu.Lock()
			begun = append(begun, op.Identity)
			mu.Unlock()
			if op.Identity == "a" && op.Attempt == 1 {
				if err := l.Remember(ctx, op.ID, []byte(`"half"`)); err != nil {
					t.Error(err)
				}
				return ledger.Result{State: ledger.OpWaiting, Summary: "the forge is down", After: 300 * time.Millisecond}
			}
			return ledger.Result{State: ledger.OpDone, Summary: string(op.Memory)}
		}})
		p := propose(t, l, release("a", "acme/a"), release("b", "acme/a"))
		op := awaitState(t, l, p[0].ID, ledger.OpWaiting)
		if op.Summary != "the forge is down" || op.NextTry.IsZero() {
			t.Errorf("waiting: %+v", op)
		}
		done := awaitState(t, l, p[0].ID, ledger.OpDone)
		if late := done.Started.Sub(op.NextTry); late < 0 || late > 500*time.Millisecond {
			t.Errorf("it was begun %v after its time", late)
		}
		if done.Summary != `"half"` || done.Attempt != 2 {
			t.Errorf("done: %+v", done)
		}
		if diff := cmp.Diff([]string{"a", "b", "a"}, begun); diff != "" {
			t.Error(diff)
		}
	})
}

// What an operation asks for next is made with its end.
func TestNextIsMadeWithTheEnd(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		start(t, l, handler{operate: func(_ context.Context, op ledger.Operation) ledger.Result {
			if op.Identity == "first" {
				return ledger.Result{State: ledger.OpDone, Next: []ledger.NewOperation{release("second", "acme/other")}}
			}
			return ledger.Result{State: ledger.OpDone}
		}})
		propose(t, l, release("first", "acme/a"))
		await(t, "the second is done", func() bool {
			op, err := l.ByIdentity(t.Context(), "second")
			return err == nil && op.State == ledger.OpDone
		})
	})
}

// A handler that panics, or gives no state, fails its operation and nothing else.
func TestBadHandlerFailsItsOperation(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		start(t, l, handler{operate: func(_ context.Context, op ledger.Operation) ledger.Result {
			switch op.Identity {
			case "panics":
				panic("oh")
			case "nothing":
				return ledger.Result{}
			}
			return ledger.Result{State: ledger.OpDone, Summary: "bad \x00 text \xff", Report: nil}
		}})
		p := propose(t, l, release("panics", "acme/a"), release("nothing", "acme/a"), release("good\x00\xff", "acme/a"))
		awaitState(t, l, p[0].ID, ledger.OpFailed)
		awaitState(t, l, p[1].ID, ledger.OpFailed)
		awaitState(t, l, p[2].ID, ledger.OpDone)
	})
}

// A fresh operation begins within moments of the delivery that asks for it.
func TestLatency(t *testing.T) {
	alone(t, func(t *testing.T, url string) {
		l := open(t, url)
		begun := make(chan time.Time, 1)
		decided := make(chan time.Time, 1)
		start(t, l, handler{
			deliver: func(_ context.Context, d ledger.Delivery) (ledger.Verdict, error) {
				decided <- time.Now()
				return ledger.Verdict{Operations: []ledger.NewOperation{release(d.GUID, d.Repository)}}, nil
			},
			operate: func(context.Context, ledger.Operation) ledger.Result {
				begun <- time.Now()
				return ledger.Result{State: ledger.OpDone}
			},
		})
		var delivery, operation []time.Duration
		for i := range 30 {
			if _, err := l.Accept(t.Context(), ledger.Delivery{Forge: "gitea", GUID: fmt.Sprint(i), Repository: fmt.Sprint("acme/r", i)}); err != nil {
				t.Fatal(err)
			}
			accepted := time.Now()
			d, o := <-decided, <-begun
			delivery, operation = append(delivery, d.Sub(accepted)), append(operation, o.Sub(d))
			time.Sleep(5 * time.Millisecond)
		}
		slices.Sort(delivery)
		slices.Sort(operation)
		t.Logf("from Accept's end to Deliver: median %v, worst %v; from Deliver to Operate: median %v, worst %v",
			delivery[15], delivery[29], operation[15], operation[29])
		if operation[15] > 300*time.Millisecond || delivery[15] > 300*time.Millisecond {
			t.Error("it is polled for, not told")
		}
	})
}
