package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/ledger"
)

// A delivery is kept as it came, becomes an operation, and that is operated.
func TestDeliveryBecomesOperation(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		l := open(t, url)
		begun := make(chan time.Time, 1)
		var decided time.Time
		start(t, l, handler{
			deliver: func(_ context.Context, d ledger.Delivery) (ledger.Verdict, error) {
				decided = time.Now()
				return ledger.Verdict{Operations: []ledger.NewOperation{release("v1", d.Repository)}}, nil
			},
			operate: func(_ context.Context, op ledger.Operation) ledger.Result {
				begun <- time.Now()
				return ledger.Result{State: ledger.OpDone, Summary: "published", Report: []byte(`{"a":1}`)}
			},
		})
		time.Sleep(100 * time.Millisecond)
		sent := time.Now()
		id, err := l.Accept(t.Context(), ledger.Delivery{Forge: "gitea", Event: "push", GUID: "g-1", Repository: "acme/hello", Body: []byte(`{"ref":1}`)})
		if err != nil {
			t.Fatal(err)
		}
		accepted := time.Now()
		at := <-begun
		t.Logf("accepted in %v, decided after %v, begun after %v more", accepted.Sub(sent), decided.Sub(accepted), at.Sub(decided))
		d, err := l.Delivery(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		d.Received, d.Processed = time.Time{}, time.Time{}
		want := ledger.Delivery{ID: id, Forge: "gitea", Event: "push", GUID: "g-1", Repository: "acme/hello",
			Body: []byte(`{"ref":1}`), Outcome: ledger.Queued, Operations: []int64{1}}
		if diff := cmp.Diff(want, d); diff != "" {
			t.Error(diff)
		}
		op := awaitState(t, l, d.Operations[0], ledger.OpDone)
		if op.Summary != "published" || string(op.Report) != `{"a":1}` || op.Attempt != 1 || op.Delivery != id {
			t.Errorf("the operation is %+v", op)
		}
	})
}
