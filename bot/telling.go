package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/report"
)

// kindTell tells the end of an operation that could not be told at once.
const kindTell = "tell"

// telling is what is left to be told of an operation.
type telling struct {
	Of       int64               `json:"of"`
	Attempt  int                 `json:"attempt"`
	Thread   thread              `json:"thread"` // with the reply to edit, if there is one
	Body     string              `json:"body,omitempty"`
	Reaction forge.Reaction      `json:"reaction,omitempty"`
	Commit   string              `json:"commit,omitempty"`
	Status   *forge.CommitStatus `json:"status,omitempty"`
}

// owe notes, or takes back, what could not be told. What the forge refuses for
// good is owed to nobody.
func (t *teller) owe(err error, change func(l *telling, owed bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.left, err != nil && passes(err))
}

// owed is the operation that tells what is left to be told, if anything is.
func (t *teller) owed() (ledger.NewOperation, bool) {
	t.mu.Lock()
	l := t.left
	l.Of, l.Attempt, l.Thread = t.op.ID, t.op.Attempt, t.thread
	l.Thread.Reply = t.memory.Reply
	t.mu.Unlock()
	if l.Body == "" && l.Reaction == "" && l.Status == nil {
		return ledger.NewOperation{}, false
	}
	input, err := json.Marshal(l)
	return ledger.NewOperation{
		Identity: fmt.Sprintf("tell|%d|%d", t.op.ID, t.op.Attempt), Lane: ledger.Commands, Kind: kindTell, Forge: t.op.Forge, Repository: t.op.Repository,
		Ref: t.op.Ref, Commit: t.op.Commit, Actor: "slipway", Cause: fmt.Sprintf("the end of operation %d could not be told", t.op.ID), Input: input,
	}, err == nil
}

// tellLater tells what could not be told, unless the operation has gone on since.
func (b *Bot) tellLater(ctx context.Context, r *repository, op ledger.Operation) ledger.Result {
	in, err := readInput[telling](op)
	if err != nil {
		return b.failure(ctx, op, err)
	}
	of, err := b.ledger.Operation(ctx, in.Of)
	switch {
	case errors.Is(err, ledger.ErrNotFound) || err == nil && (of.Attempt != in.Attempt || !of.State.Final()):
		return ledger.Result{State: ledger.OpDone, Summary: "It has gone on since, and tells of itself."}
	case err != nil:
		return ledger.Result{State: ledger.OpWaiting, Summary: firstLine(err.Error())}
	}
	if in.Status != nil {
		if err := r.forge.SetStatus(ctx, in.Commit, *in.Status); err != nil {
			return b.failure(ctx, op, err)
		}
	}
	if in.Body != "" {
		if err := r.answerAgain(ctx, in); err != nil {
			return b.failure(ctx, op, err)
		}
	}
	if in.Reaction != "" {
		if err := r.forge.React(ctx, in.Thread.Place, in.Thread.Comment, in.Reaction); err != nil {
			return b.failure(ctx, op, err)
		}
	}
	return ledger.Result{State: ledger.OpDone, Summary: fmt.Sprintf("The end of operation %d is told.", in.Of)}
}

// answerAgain brings the answer of an operation to its end.
func (r *repository) answerAgain(ctx context.Context, in telling) error {
	reply := in.Thread.Reply
	if reply == "" {
		var err error
		if reply, err = r.answerOf(ctx, in.Thread.Place, in.Of); err != nil {
			return err
		}
	}
	if reply != "" {
		err := r.forge.EditComment(ctx, in.Thread.Place, reply, in.Body)
		if !errors.Is(err, forge.ErrNotFound) {
			return err
		}
	}
	_, err := r.forge.CreateComment(ctx, in.Thread.Place, in.Body)
	return err
}

// answerOf looks for the comment that tells of an operation; "" when there is
// none.
func (r *repository) answerOf(ctx context.Context, at forge.Place, operation int64) (string, error) {
	_, self, err := r.facts(ctx)
	if err != nil {
		return "", err
	}
	all, err := r.forge.CommentsAt(ctx, at)
	if err != nil {
		return "", err
	}
	for _, c := range all {
		if id, ok := report.CommentOf(c.Body); ok && id == operation && strings.EqualFold(c.Author, self) {
			return c.ID, nil
		}
	}
	return "", nil
}
