package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"
)

// Proposed is what became of a proposed operation.
type Proposed struct {
	ID  int64
	New bool // false: it was asked for before
}

// Propose asks for operations that no delivery asks for: of schedules,
// catch-up and the command line. It gives an answer for each, in their order.
// Those of one repository are written together, others may be when it fails.
func (l *Ledger) Propose(ctx context.Context, operations []NewOperation) ([]Proposed, error) {
	proposed := make([]Proposed, len(operations))
	// Most have been asked for before: only new ones change what may run.
	fresh, known := map[repositoryOf][]int{}, []int(nil)
	var repositories []repositoryOf
	for i, op := range operations {
		var id int64
		found, err := one(ctx, l.db, []any{&id}, `SELECT id FROM slipway_operations WHERE identity = $1`, clean(op.Identity))
		if err != nil {
			return nil, fmt.Errorf("propose operations: %w", err)
		}
		if found {
			known = append(known, i)
			continue
		}
		of := op.repository()
		if fresh[of] == nil {
			repositories = append(repositories, of)
		}
		fresh[of] = append(fresh[of], i)
	}
	for _, of := range repositories {
		if err := l.proposeSome(ctx, operations, fresh[of], []repositoryOf{of}, proposed); err != nil {
			return nil, err
		}
	}
	// Everybody touches these rows in one order.
	slices.SortFunc(known, func(a, b int) int { return cmp.Compare(operations[a].Identity, operations[b].Identity) })
	if err := l.proposeSome(ctx, operations, known, nil, proposed); err != nil {
		return nil, err
	}
	return proposed, nil
}

// proposeSome proposes the operations with these indexes in a transaction.
func (l *Ledger) proposeSome(ctx context.Context, operations []NewOperation, indexes []int, lock []repositoryOf, proposed []Proposed) error {
	if len(indexes) == 0 {
		return nil
	}
	some := make([]NewOperation, len(indexes))
	for i, index := range indexes {
		some[i] = operations[index]
	}
	var got []Proposed
	err := l.db.write(ctx, false, func(ctx context.Context, t *tx) (err error) {
		if err = l.lockRepositories(ctx, t, lock); err != nil {
			return err
		}
		got, err = l.propose(ctx, t, some, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("propose operations: %w", err)
	}
	for i, index := range indexes {
		proposed[index] = got[i]
	}
	return nil
}

// Supersede frees the identities of the operations of these refs of a repository
// that run or are final: their tags are gone, and may come back. One that has yet
// to begin will find its tag as it is then.
func (l *Ledger) Supersede(ctx context.Context, forge, repository string, refs ...string) error {
	err := l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		if err := l.lockRepositories(ctx, t, []repositoryOf{{clean(forge), clean(repository)}}); err != nil {
			return err
		}
		return supersede(ctx, t, forge, repository, refs)
	})
	if err != nil {
		return fmt.Errorf("supersede operations: %w", err)
	}
	return nil
}

func supersede(ctx context.Context, t *tx, forge, repository string, refs []string) error {
	for _, ref := range refs {
		if _, err := t.exec(ctx, `UPDATE slipway_operations SET identity = identity || '#' || CAST(id AS TEXT)
			WHERE forge = $1 AND repository = $2 AND ref = $3 AND state NOT IN ('queued', 'waiting')
			AND identity NOT LIKE '%#' || CAST(id AS TEXT)`, clean(forge), clean(repository), clean(ref)); err != nil {
			return err
		}
	}
	return nil
}

// repositoryOf is what operations are kept in order by.
type repositoryOf struct{ forge, repository string }

func (op NewOperation) repository() repositoryOf {
	return repositoryOf{clean(op.Forge), clean(op.Repository)}
}

// inOrder is each once, in the order in which everybody takes their locks.
func inOrder(all []repositoryOf) []repositoryOf {
	slices.SortFunc(all, func(a, b repositoryOf) int {
		return cmp.Or(cmp.Compare(a.forge, b.forge), cmp.Compare(a.repository, b.repository))
	})
	return slices.Compact(all)
}

// propose inserts operations or counts that they were asked for again, and
// lets the next ones begin in the repositories of new ones, and those of
// changed. All these are locked.
func (l *Ledger) propose(ctx context.Context, t *tx, operations []NewOperation, changed []repositoryOf) ([]Proposed, error) {
	for _, op := range operations {
		if err := op.check(); err != nil {
			return nil, err
		}
	}
	proposed := make([]Proposed, len(operations))
	now := micros(time.Now())
	for i, op := range operations {
		var folds int
		_, err := one(ctx, t, []any{&proposed[i].ID, &folds}, `INSERT INTO slipway_operations
			(identity, lane, kind, forge, repository, ref, commit_hash, class, actor, cause, delivery, input, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
			ON CONFLICT (identity) DO UPDATE SET folds = slipway_operations.folds + 1
			RETURNING id, folds`,
			clean(op.Identity), string(op.Lane), clean(op.Kind), clean(op.Forge), clean(op.Repository), clean(op.Ref),
			clean(op.Commit), clean(op.Class), clean(op.Actor), clean(op.Cause), op.Delivery, nullable(op.Input), now)
		if err != nil {
			return nil, err
		}
		if proposed[i].New = folds == 0; proposed[i].New {
			changed = append(changed, op.repository())
		}
	}
	for _, r := range inOrder(changed) {
		if err := l.advance(ctx, t, r); err != nil {
			return nil, err
		}
	}
	return proposed, nil
}

func repositoriesOf(operations []NewOperation) (all []repositoryOf) {
	for _, op := range operations {
		all = append(all, op.repository())
	}
	return all
}

func (op NewOperation) check() error {
	switch {
	case op.Identity == "":
		return errors.New("an operation needs an identity")
	case op.Lane != Releases && op.Lane != Commands && op.Lane != Rollouts:
		return fmt.Errorf("there is no lane %q for operations", op.Lane)
	}
	return nil
}

// advance has River begin the next operation of each lane of a repository where
// none is running or about to. It is called in each transaction that may have
// changed which one that is, under the repository's lock.
func (l *Ledger) advance(ctx context.Context, t *tx, r repositoryOf) error {
	var jobs []river.JobArgs
	for _, lane := range []Lane{Releases, Commands, Rollouts} {
		// The next is the oldest, by the delivery that asked. While an older
		// delivery is yet to be looked at for the first time, it may ask for
		// something that comes before.
		job := operationJob{Queue: queueOf(lane)}
		found, err := one(ctx, t, []any{&job.ID, &job.Attempt}, `UPDATE slipway_operations SET ready = 1 WHERE id = (
			SELECT o.id FROM slipway_operations o
			WHERE o.forge = $1 AND o.repository = $2 AND o.lane = $3 AND o.state = 'queued'
			AND NOT EXISTS (SELECT 1 FROM slipway_operations b
				WHERE b.forge = $1 AND b.repository = $2 AND b.lane = $3 AND (b.state = 'running' OR b.ready = 1))
			AND NOT ($3 <> 'command' AND EXISTS (SELECT 1 FROM slipway_holds h WHERE h.forge = $1 AND h.repository = $2))
			AND NOT EXISTS (SELECT 1 FROM slipway_deliveries d
				WHERE d.forge = $1 AND d.repository = $2 AND d.outcome = 'pending' AND d.tries = 0 AND d.id < o.delivery)
			ORDER BY o.delivery, o.id LIMIT 1) RETURNING id, attempt`, r.forge, r.repository, string(lane))
		if err != nil {
			return err
		}
		if found {
			jobs = append(jobs, job)
		}
	}
	return l.queue.insert(ctx, t, jobs...)
}
