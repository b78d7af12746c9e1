package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/ledger"
)

// untilCancelled is an operation that goes on until somebody ends it.
func untilCancelled(begun chan<- ledger.Operation, causes chan<- error) func(context.Context, ledger.Operation) ledger.Result {
	return func(ctx context.Context, op ledger.Operation) ledger.Result {
		begun <- op
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return ledger.Result{State: ledger.OpCancelled, Summary: context.Cause(ctx).Error()}
	}
}

// What is queued, waiting or running can be cancelled; the next one begins.
func TestCancel(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		begun, causes := make(chan ledger.Operation, 9), make(chan error, 9)
		until := untilCancelled(begun, causes)
		start(t, l, handler{operate: func(ctx context.Context, op ledger.Operation) ledger.Result {
			if op.Identity == "waits" {
				return ledger.Result{State: ledger.OpWaiting, After: time.Hour}
			}
			return until(ctx, op)
		}})
		p := propose(t, l, release("1", "acme/a"), release("2", "acme/a"), release("3", "acme/a"), release("waits", "acme/b"))
		cancel := func(id int64) {
			t.Helper()
			if err := l.Cancel(t.Context(), id, "harbour"); err != nil {
				t.Fatal(err)
			}
		}
		first := <-begun
		cancel(p[1].ID) // queued
		if op := awaitState(t, l, p[1].ID, ledger.OpCancelled); op.Summary != "cancelled by harbour" || op.Finished.IsZero() {
			t.Errorf("queued and cancelled: %+v", op)
		}
		asked := time.Now()
		cancel(first.ID) // running
		if cause := <-causes; !errors.Is(cause, ledger.ErrCancelled) || time.Since(asked) > 500*time.Millisecond {
			t.Errorf("it ended after %v because %v", time.Since(asked), cause)
		}
		awaitState(t, l, first.ID, ledger.OpCancelled)
		if next := <-begun; next.ID != p[2].ID {
			t.Errorf("the next is %d, want %d", next.ID, p[2].ID)
		}
		awaitState(t, l, p[3].ID, ledger.OpWaiting)
		cancel(p[3].ID)
		awaitState(t, l, p[3].ID, ledger.OpCancelled)
		if err := l.Cancel(t.Context(), p[3].ID, "harbour"); !errors.Is(err, ledger.ErrState) {
			t.Errorf("cancel what has ended: %v", err)
		}
		if err := l.Cancel(t.Context(), 999, "harbour"); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("cancel what is not there: %v", err)
		}
		cancel(p[2].ID)
		<-causes
	})
}

// What another process cancels ends here within about a second.
func TestCancelFromAnotherProcess(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		begun, causes := make(chan ledger.Operation, 1), make(chan error, 1)
		start(t, l, handler{operate: untilCancelled(begun, causes)})
		p := propose(t, l, release("1", "acme/a"))
		<-begun
		other := open(t, url, func(o *ledger.Options) { o.Serving = false })
		asked := time.Now()
		if err := other.Cancel(t.Context(), p[0].ID, "harbour"); err != nil {
			t.Fatal(err)
		}
		if cause := <-causes; !errors.Is(cause, ledger.ErrCancelled) || time.Since(asked) > 3*time.Second {
			t.Errorf("it ended after %v because %v", time.Since(asked), cause)
		}
		awaitState(t, l, p[0].ID, ledger.OpCancelled)
	})
}

// A final operation that is not done may be begun again; its attempts go on.
func TestRetry(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		start(t, l, handler{operate: func(_ context.Context, op ledger.Operation) ledger.Result {
			if op.Attempt == 1 {
				return ledger.Result{State: ledger.OpRefused, Summary: "no"}
			}
			return ledger.Result{State: ledger.OpDone}
		}})
		p := propose(t, l, release("1", "acme/a"))
		awaitState(t, l, p[0].ID, ledger.OpRefused)
		if err := l.Retry(t.Context(), p[0].ID, "harbour"); err != nil {
			t.Fatal(err)
		}
		if op := awaitState(t, l, p[0].ID, ledger.OpDone); op.Attempt != 2 {
			t.Errorf("it is %+v", op)
		}
		if err := l.Retry(t.Context(), p[0].ID, "harbour"); !errors.Is(err, ledger.ErrState) {
			t.Errorf("retry what is done: %v", err)
		}
	})
}

// While a repository is held, nothing of its releases begins, and commands do.
func TestHold(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		start(t, l, handler{})
		if err := l.Hold(t.Context(), "gitea", "acme/a", "harbour", "freeze"); err != nil {
			t.Fatal(err)
		}
		command := release("command", "acme/a")
		command.Lane = ledger.Commands
		p := propose(t, l, release("held", "acme/a"), release("other", "acme/b"), command)
		awaitState(t, l, p[1].ID, ledger.OpDone)
		awaitState(t, l, p[2].ID, ledger.OpDone)
		if op, err := l.Operation(t.Context(), p[0].ID); err != nil || op.State != ledger.OpQueued {
			t.Fatalf("held: %+v, %v", op, err)
		}
		h, err := l.Held(t.Context(), "gitea", "acme/a")
		if err != nil || h == nil || h.Actor != "harbour" || h.Reason != "freeze" {
			t.Errorf("Held = %+v, %v", h, err)
		}
		if err := l.Unhold(t.Context(), "gitea", "acme/a", "harbour"); err != nil {
			t.Fatal(err)
		}
		awaitState(t, l, p[0].ID, ledger.OpDone)
		if h, err := l.Held(t.Context(), "gitea", "acme/a"); err != nil || h != nil {
			t.Errorf("Held = %+v, %v", h, err)
		}
	})
}

// The audit trail has who did what, when, on which commit, with which outcome.
func TestAuditTrail(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		if err := l.Hold(t.Context(), "gitea", "acme/a", "mate", "freeze"); err != nil {
			t.Fatal(err)
		}
		p := propose(t, l, release("1", "acme/a"), release("2", "acme/a"))
		if err := l.Cancel(t.Context(), p[1].ID, "mate"); err != nil {
			t.Fatal(err)
		}
		start(t, l, handler{operate: func(context.Context, ledger.Operation) ledger.Result {
			return ledger.Result{State: ledger.OpFailed, Summary: "it does not compile"}
		}})
		if err := l.Unhold(t.Context(), "gitea", "acme/a", "mate"); err != nil {
			t.Fatal(err)
		}
		awaitState(t, l, p[0].ID, ledger.OpFailed)
		if err := l.Audit(t.Context(), ledger.AuditEntry{Actor: "x", Action: "promote", Forge: "gitea", Repository: "acme/b", Outcome: "refused"}); err != nil {
			t.Fatal(err)
		}
		entries, err := l.AuditLog(t.Context(), ledger.AuditFilter{Repository: "acme/a", Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Actor+" "+e.Action+" "+e.Ref+": "+e.Outcome+" "+e.Detail)
			if e.At.IsZero() || (e.Operation != 0 && e.Commit == "") {
				t.Errorf("%+v", e)
			}
		}
		want := []string{
			"harbour release refs/tags/1: failed it does not compile",
			"mate unhold : released ",
			"harbour release refs/tags/2: cancelled cancelled by mate",
			"mate cancel refs/tags/2: cancelled ",
			"mate hold : held freeze",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
