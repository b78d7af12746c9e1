package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/rollout/worker"
	"github.com/slipway-dev/slipway/internal/state"
)

// space names the part of the bot's state that has a repository's rollouts:
// its own, or that which several repositories have together.
func (r *repository) space() string {
	if r.Space != "" {
		return "@/" + r.Space // no forge has that name
	}
	return fileName(r.config.Name) + "/" + r.name
}

// rollouts is the state of the repository's rollouts. Nothing beside it is in
// reach of who has it.
func (r *repository) rollouts() state.Store {
	return state.At(r.bot.ledger.Store(), "rollouts/"+r.space())
}

// rolloutState opens the state of the repository's rollouts: the bot's own, or,
// where a workflow does the work, the branch that it keeps it on. end closes it.
func (b *Bot) rolloutState(ctx context.Context, r *repository) (store state.Store, end func(), err error) {
	if r.Work != WorkInWorkflow {
		return r.rollouts(), func() {}, nil
	}
	user, password, err := r.forge.Login(ctx)
	if err != nil {
		return nil, nil, err
	}
	dir := filepath.Join(b.config.Data, "states", fileName(r.config.Name), filepath.FromSlash(r.name)+".git")
	store, closer, err := b.OpenState(ctx, r.address(), git.Login{User: user, Password: password}, dir)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: open the state's branch: %w", ErrAway, err)
	}
	return store, func() { _ = closer() }, nil
}

// change counts what was changed in a space, so that one who has just found
// nothing to do knows that he is to look again.
type change struct {
	Count int `json:"count"`
}

func (r *repository) changes() string { return "bot/rollouts/" + r.space() }

// generation is another one after each change in the repository's space.
func (b *Bot) generation(ctx context.Context, r *repository) (string, error) {
	var c change
	return state.Load(ctx, b.ledger.Store(), r.changes(), &c)
}

// wakeRollouts has all rollouts of a space that wait look again whether they can
// go on.
func (b *Bot) wakeRollouts(ctx context.Context, r *repository, but int64) error {
	for {
		var c change
		version, err := state.Load(ctx, b.ledger.Store(), r.changes(), &c)
		if err != nil {
			return err
		}
		c.Count++
		if _, err = state.Save(ctx, b.ledger.Store(), r.changes(), c, version); err == nil {
			break
		}
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
	waiting, err := b.ledger.Operations(ctx, ledger.OperationFilter{Kind: kindRollout, States: []ledger.OperationState{ledger.OpWaiting}, Limit: 1000})
	if err != nil {
		return err
	}
	var errs []error
	for _, op := range waiting {
		if of, err := b.repository(op.Forge, op.Repository); err == nil && of.space() == r.space() && op.ID != but {
			errs = append(errs, b.ledger.Wake(ctx, op.ID))
		}
	}
	return errors.Join(errs...)
}

// outstanding asks the other repositories of a space to do what has become
// possible, or necessary, by an operation.
func (b *Bot) outstanding(ctx context.Context, r *repository, op ledger.Operation, in rolloutInput) []ledger.NewOperation {
	if r.Space == "" || in.Action == worker.Continue && op.Actor == "slipway" {
		return nil // one round, or they would ask each other for ever
	}
	known, err := b.ledger.Operations(ctx, ledger.OperationFilter{Kind: kindRollout, Limit: 1000})
	if err != nil {
		b.Log.Warn("the repositories of a space could not be read", "space", r.Space, "error", err.Error())
		return nil
	}
	input, err := json.Marshal(rolloutInput{Action: worker.Continue})
	if err != nil {
		return nil // a struct of strings always encodes
	}
	var next []ledger.NewOperation
	seen := map[*repository]bool{r: true}
	for _, o := range known {
		of, err := b.repository(o.Forge, o.Repository)
		if err != nil || seen[of] || of.space() != r.space() {
			continue
		}
		seen[of] = true
		next = append(next, ledger.NewOperation{
			Identity: fmt.Sprintf("%s|%d|%d", identity(of.config.Name, of.name, "", "", "continue"), op.ID, op.Attempt), Lane: ledger.Rollouts, Kind: kindRollout,
			Forge: of.config.Name, Repository: of.name, Actor: "slipway", Cause: fmt.Sprintf("operation %d of %s has changed what it may refer to", op.ID, r.name), Input: input,
		})
	}
	return next
}
