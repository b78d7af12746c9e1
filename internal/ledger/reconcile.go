package ledger

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
)

// Reconcile has the handler compare a repository with the ledger, unless that
// is queued or running already. One that fails is logged, and left to the next
// call.
func (l *Ledger) Reconcile(ctx context.Context, forge, repository string) error {
	job := reconcileJob{clean(forge), clean(repository)}
	err := l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO slipway_reconciles (forge, repository) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
			job.Forge, job.Repository)
		if err != nil || n == 0 {
			return err
		}
		return l.queue.insert(ctx, t, job)
	})
	if err != nil {
		return fmt.Errorf("queue a look at %s: %w", repository, err)
	}
	return nil
}

func (l *Ledger) workReconcile(ctx context.Context, job *river.Job[reconcileJob]) error {
	handler, ok := l.taking()
	if !ok {
		return river.JobSnooze(0)
	}
	of, taken := job.Args, false
	begun := time.Now()
	err := l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE slipway_reconciles SET owner = $3, lease_until = `+l.db.dialect().now+` + $4
			WHERE forge = $1 AND repository = $2 AND owner = ''`, of.Forge, of.Repository, l.owner, l.options.Lease.Microseconds())
		if err != nil {
			return err
		}
		taken = n == 1
		return l.queue.complete(ctx, t, job.JobRow)
	})
	if err != nil || !taken {
		return err
	}
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	lease := l.running.addReconcile(of, cancel, begun.Add(l.options.Lease))
	defer l.running.removeReconcile(of, lease)
	if l.isDraining() {
		cancel(ErrDraining)
	}
	if err := reconcile(work, handler, of); err != nil && context.Cause(work) == nil {
		l.log.Error("a repository could not be compared with the ledger", "forge", of.Forge, "repository", of.Repository, "error", err)
	}
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), l.options.Lease)
	defer stop()
	return l.forgetReconcile(last, of)
}

func reconcile(ctx context.Context, h Handler, of reconcileJob) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return h.Reconcile(ctx, of.Forge, of.Repository)
}

func (l *Ledger) forgetReconcile(ctx context.Context, of reconcileJob) error {
	err := l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM slipway_reconciles WHERE forge = $1 AND repository = $2 AND owner = $3`,
			of.Forge, of.Repository, l.owner)
		return err
	})
	if err != nil {
		l.log.Error("the end of a reconciliation can't be stored", "repository", of.Repository, "error", err)
	}
	return nil // its lease will run out
}

// takeOverReconciles queues those again whose process is gone.
func (l *Ledger) takeOverReconciles(ctx context.Context, alone bool) error {
	condition := `lease_until < ` + l.db.dialect().now
	if alone {
		condition = `1 = 1`
	}
	return l.db.write(ctx, false, func(ctx context.Context, t *tx) error {
		var jobs []river.JobArgs
		err := each(ctx, t, func(r rows) error {
			var job reconcileJob
			err := r.Scan(&job.Forge, &job.Repository)
			jobs = append(jobs, job)
			return err
		}, `UPDATE slipway_reconciles SET owner = '', lease_until = 0 WHERE owner <> '' AND `+condition+` RETURNING forge, repository`)
		if err != nil {
			return err
		}
		return l.queue.insert(ctx, t, jobs...)
	})
}
