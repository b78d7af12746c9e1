package ledger

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// Audit writes an entry of the audit trail. Operations that end, retries,
// cancels, holds and their ends write one by themselves.
func (l *Ledger) Audit(ctx context.Context, e AuditEntry) error {
	err := l.db.write(ctx, false, func(ctx context.Context, t *tx) error { return audit(ctx, t, e) })
	if err != nil {
		return fmt.Errorf("write the audit trail: %w", err)
	}
	return nil
}

func audit(ctx context.Context, t *tx, e AuditEntry) error {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	_, err := t.exec(ctx, `INSERT INTO slipway_audit
		(at, actor, action, forge, repository, ref, commit_hash, operation, delivery, outcome, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		micros(e.At), clean(e.Actor), clean(e.Action), clean(e.Forge), clean(e.Repository), clean(e.Ref), clean(e.Commit),
		e.Operation, e.Delivery, clean(e.Outcome), clean(e.Detail))
	return err
}

// auditEnd writes the entry of an operation that has ended.
func auditEnd(ctx context.Context, t *tx, op Operation) error {
	e := entryOf(op, op.Actor, op.Kind, string(op.State))
	e.Detail = op.Summary
	return audit(ctx, t, e)
}

func entryOf(op Operation, actor, action, outcome string) AuditEntry {
	return AuditEntry{Actor: actor, Action: action, Outcome: outcome, Forge: op.Forge, Repository: op.Repository,
		Ref: op.Ref, Commit: op.Commit, Operation: op.ID, Delivery: op.Delivery}
}

// AuditFilter chooses entries; what is empty does not matter.
type AuditFilter struct {
	Forge      string
	Repository string
	Actor      string
	Action     string
	Operation  int64
	Since      time.Time
	Until      time.Time // before this
	Before     int64     // an id: older than this one
	Limit      int       // 0 is 100
}

// AuditLog lists entries, newest first.
func (l *Ledger) AuditLog(ctx context.Context, f AuditFilter) (entries []AuditEntry, err error) {
	var w where
	w.equal("forge", f.Forge)
	w.equal("repository", f.Repository)
	w.equal("actor", f.Actor)
	w.equal("action", f.Action)
	if f.Operation != 0 {
		w.and("operation = ?", f.Operation)
	}
	if !f.Since.IsZero() {
		w.and("at >= ?", micros(f.Since))
	}
	if !f.Until.IsZero() {
		w.and("at < ?", micros(f.Until))
	}
	if f.Before != 0 {
		w.and("id < ?", f.Before)
	}
	err = each(ctx, l.db, func(r rows) error {
		var e AuditEntry
		var at int64
		err := r.Scan(&e.ID, &at, &e.Actor, &e.Action, &e.Forge, &e.Repository, &e.Ref, &e.Commit, &e.Operation, &e.Delivery, &e.Outcome, &e.Detail)
		e.At = fromMicros(at)
		entries = append(entries, e)
		return err
	}, `SELECT id, at, actor, action, forge, repository, ref, commit_hash, operation, delivery, outcome, detail FROM slipway_audit`+
		w.String()+` ORDER BY id DESC LIMIT `+w.value(cmp.Or(f.Limit, 100)), w.args...)
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	return entries, nil
}
