package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

const operationColumns = `id, identity, lane, kind, forge, repository, ref, commit_hash, class, actor, cause, delivery, input,
	state, attempt, folds, created, started, finished, next_try, summary, memory, report`

func scanOperation(r rows) (op Operation, err error) {
	var created, started, finished, nextTry int64
	var input, memory, report []byte
	err = r.Scan(&op.ID, &op.Identity, &op.Lane, &op.Kind, &op.Forge, &op.Repository, &op.Ref, &op.Commit, &op.Class,
		&op.Actor, &op.Cause, &op.Delivery, &input, &op.State, &op.Attempt, &op.Folds, &created, &started, &finished,
		&nextTry, &op.Summary, &memory, &report)
	op.Input, op.Memory, op.Report = input, memory, report
	op.Created, op.Started = fromMicros(created), fromMicros(started)
	op.Finished, op.NextTry = fromMicros(finished), fromMicros(nextTry)
	return op, err
}

// selectOperations reads rows of operationColumns.
func selectOperations(ctx context.Context, q querier, sql string, args ...any) (found []Operation, err error) {
	err = each(ctx, q, func(r rows) error {
		op, err := scanOperation(r)
		found = append(found, op)
		return err
	}, sql, args...)
	return found, err
}

// Operation reads an operation. ErrNotFound when there is none.
func (l *Ledger) Operation(ctx context.Context, id int64) (Operation, error) {
	return l.operation(ctx, l.db, fmt.Sprintf("operation %d", id), "id = $1", id)
}

// ByIdentity reads the operation that has this identity now. ErrNotFound when
// there is none.
func (l *Ledger) ByIdentity(ctx context.Context, identity string) (Operation, error) {
	return l.operation(ctx, l.db, "operation "+identity, "identity = $1", clean(identity))
}

func (l *Ledger) operation(ctx context.Context, q querier, name, condition string, arg any) (Operation, error) {
	found, err := selectOperations(ctx, q, `SELECT `+operationColumns+` FROM slipway_operations WHERE `+condition, arg)
	if err != nil {
		return Operation{}, fmt.Errorf("read %s: %w", name, err)
	}
	if len(found) == 0 {
		return Operation{}, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	return found[0], nil
}

// OperationFilter chooses operations; what is empty does not matter.
type OperationFilter struct {
	Forge      string
	Repository string
	Ref        string
	Commit     string
	Kind       string
	Lane       Lane
	Actor      string
	Delivery   int64 // made by this one
	States     []OperationState
	Before     int64 // an id: older than this one
	Limit      int   // 0 is 100
}

// Operations lists operations, newest first.
func (l *Ledger) Operations(ctx context.Context, f OperationFilter) ([]Operation, error) {
	var w where
	w.equal("forge", f.Forge)
	w.equal("repository", f.Repository)
	w.equal("ref", f.Ref)
	w.equal("commit_hash", f.Commit)
	w.equal("kind", f.Kind)
	w.equal("lane", string(f.Lane))
	w.equal("actor", f.Actor)
	if f.Delivery != 0 {
		w.and("delivery = ?", f.Delivery)
	}
	if f.Before != 0 {
		w.and("id < ?", f.Before)
	}
	if len(f.States) > 0 {
		var any []string
		for _, s := range f.States {
			any = append(any, w.value(string(s)))
		}
		w.and("state IN (" + strings.Join(any, ", ") + ")")
	}
	found, err := selectOperations(ctx, l.db, `SELECT `+operationColumns+` FROM slipway_operations`+w.String()+
		` ORDER BY id DESC LIMIT `+w.value(cmp.Or(f.Limit, 100)), w.args...)
	if err != nil {
		return nil, fmt.Errorf("list operations: %w", err)
	}
	return found, nil
}

// Remember keeps what an attempt that runs in this process wants the next one
// to know. ErrLeaseLost when it runs here no longer.
func (l *Ledger) Remember(ctx context.Context, id int64, memory json.RawMessage) error {
	le := l.running.get(id)
	if le == nil {
		return fmt.Errorf("remember of operation %d: %w", id, ErrLeaseLost)
	}
	err := l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE slipway_operations SET memory = $4 WHERE id = $1 AND owner = $2 AND attempt = $3 AND state = 'running'`,
			id, l.owner, le.op.Attempt, nullable(memory))
		if err == nil && n == 0 {
			err = ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remember of operation %d: %w", id, err)
	}
	return nil
}
