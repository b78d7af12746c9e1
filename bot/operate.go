package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/report"
)

// Deliver decides what a delivery asks for.
func (b *Bot) Deliver(_ context.Context, d ledger.Delivery) (ledger.Verdict, error) {
	log := b.Log.With("delivery", d.ID, "forge", d.Forge, "event", d.Event, "guid", d.GUID, "repository", d.Repository)
	f, ok := b.config.Forge(d.Forge)
	if !ok || !f.Serves(d.Repository) {
		return ledger.Verdict{Outcome: ledger.Ignored, Reason: "The repository is no longer in the bot's config."}, nil
	}
	ev, err := b.Parse(f.Kind, d.Event, d.Body)
	if err != nil {
		log.Warn("a delivery is not what its event promises", "error", err.Error())
		return ledger.Verdict{Outcome: ledger.Invalid, Reason: firstLine(err.Error())}, nil
	}
	v := verdict(d.Forge, ev, d.ID)
	log.Info("a delivery was read", "outcome", string(v.Outcome), "reason", v.Reason, "operations", len(v.Operations))
	return v, nil
}

// Operate makes one attempt at an operation.
func (b *Bot) Operate(ctx context.Context, op ledger.Operation) ledger.Result {
	log := b.Log.With("operation", op.ID, "kind", op.Kind, "forge", op.Forge, "repository", op.Repository, "ref", op.Ref,
		"commit", release.ShortCommit(op.Commit), "attempt", op.Attempt, "delivery", op.Delivery)
	log.Info("an operation begins", "actor", op.Actor, "cause", op.Cause)
	begun := b.Clock()
	r, err := b.repository(op.Forge, op.Repository)
	var res ledger.Result
	if err != nil {
		res = b.failure(ctx, op, err)
	} else {
		res = b.kind(ctx, r, op, log)
		b.metrics.left(op.Forge, r.forge)
	}
	b.metrics.operations.WithLabelValues(op.Forge, op.Kind, string(res.State)).Inc()
	log.Info("an operation ends", "state", string(res.State), "summary", res.Summary, "ms", b.Clock().Sub(begun).Milliseconds())
	return res
}

func (b *Bot) kind(ctx context.Context, r *repository, op ledger.Operation, log *slog.Logger) ledger.Result {
	switch op.Kind {
	case kindLook:
		return b.look(ctx, r, op)
	case kindRefresh:
		return b.refresh(ctx, r, op)
	case kindRelease:
		return b.release(ctx, r, op, log)
	case kindPromote:
		return b.promote(ctx, r, op, log)
	case kindRollout:
		return b.rollout(ctx, r, op, log)
	case kindCommand:
		return b.command(ctx, r, op, log)
	case kindTell:
		return b.tellLater(ctx, r, op)
	case kindTick:
		return b.scheduled(ctx, r, op)
	}
	return ledger.Result{State: ledger.OpFailed, Summary: fmt.Sprintf("this bot knows no %q: it is older than who asked", op.Kind)}
}

// failure is how an attempt that met an error ends: tried again when the fault
// may pass by itself, refused or failed when it won't.
func (b *Bot) failure(ctx context.Context, op ledger.Operation, err error) ledger.Result {
	if cause := context.Cause(ctx); cause != nil {
		return ledger.Result{State: ledger.OpCancelled, Summary: "It was cancelled."}
	}
	summary := firstLine(err.Error())
	if hint := release.HintOf(err); hint != "" {
		summary += " (" + firstLine(hint) + ")"
	}
	switch {
	case passes(err) && b.Clock().Sub(op.Created) < b.config.GiveUp:
		return ledger.Result{State: ledger.OpWaiting, Summary: "It is tried again: " + summary}
	case release.KindOf(err) == release.Waiting:
		return ledger.Result{State: ledger.OpWaiting, Summary: summary, After: 15 * time.Second}
	case release.KindOf(err) == release.Refused:
		return ledger.Result{State: ledger.OpRefused, Summary: summary}
	}
	return ledger.Result{State: ledger.OpFailed, Summary: summary}
}

// passes reports whether a fault may go away by itself: a server that is away,
// overloaded or cut off.
func passes(err error) bool {
	var fault *forge.Error
	if errors.As(err, &fault) {
		return errors.Is(err, forge.ErrUnavailable) || fault.Kind == nil && (fault.Status == 0 || fault.Status >= 500 || fault.Status == 429)
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, ErrAway)
}

// ErrAway marks a fault of a server that has no better mark: it may go away by
// itself, so the operation is tried again.
var ErrAway = errors.New("the server is away")

// look finds what a tag points at, which the event did not tell.
func (b *Bot) look(ctx context.Context, r *repository, op ledger.Operation) ledger.Result {
	name := strings.TrimPrefix(op.Ref, "refs/tags/")
	tag, err := r.forge.Tag(ctx, name)
	if errors.Is(err, forge.ErrNotFound) {
		return ledger.Result{State: ledger.OpDone, Summary: fmt.Sprintf("Tag %s is gone: there is nothing to release.", name)}
	}
	if err != nil {
		return b.failure(ctx, op, err)
	}
	return ledger.Result{State: ledger.OpDone, Summary: fmt.Sprintf("Tag %s is at %s.", name, release.ShortCommit(tag.Commit)),
		Next: []ledger.NewOperation{releaseOf(op.Forge, op.Repository, project.Selection{Tag: name, Commit: tag.Commit}, op.Actor, op.Cause)}}
}

// refresh brings the clone up to date, so that the next release finds it so,
// and reads the default branch's schedules.
func (b *Bot) refresh(ctx context.Context, r *repository, op ledger.Operation) ledger.Result {
	n, err := b.readSchedules(ctx, r)
	if err != nil {
		if release.KindOf(err) == release.Invalid {
			return ledger.Result{State: ledger.OpDone, Summary: "The config of the default branch has mistakes: " + firstLine(err.Error())}
		}
		return b.failure(ctx, op, err)
	}
	schedules := fmt.Sprintf("%d schedules", n)
	if n == 1 {
		schedules = "1 schedule"
	}
	return ledger.Result{State: ledger.OpDone, Summary: fmt.Sprintf("The default branch has %s.", schedules)}
}

// releaseInput is what a release's operation may be given.
type releaseInput struct {
	Thread thread `json:"thread,omitzero"` // where it is told of
}

func readInput[T any](op ledger.Operation) (T, error) {
	var in T
	if len(op.Input) == 0 {
		return in, nil
	}
	if err := json.Unmarshal(op.Input, &in); err != nil {
		return in, fmt.Errorf("read the operation's input: %w", err)
	}
	return in, nil
}

// release releases a tag, or a commit of a branch.
func (b *Bot) release(ctx context.Context, r *repository, op ledger.Operation, log *slog.Logger) ledger.Result {
	in, err := readInput[releaseInput](op)
	if err != nil {
		return b.failure(ctx, op, err)
	}
	tell, stop := b.newTeller(ctx, r, op, in.Thread, log)
	defer stop()
	s := selectionOf(op.Ref, op.Commit)
	rep, err := b.releaseSelected(ctx, r, op, s, tell)
	return b.told(ctx, op, tell, rep, err)
}

func selectionOf(ref, commit string) project.Selection {
	s := project.Selection{Commit: commit, Remote: "origin"}
	if tag, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		s.Tag = tag
	} else {
		s.Branch = strings.TrimPrefix(ref, "refs/heads/")
	}
	return s
}

func (b *Bot) releaseSelected(ctx context.Context, r *repository, op ledger.Operation, s project.Selection, tell *teller) (release.Report, error) {
	p, err := b.load(ctx, r, s)
	if err != nil {
		return release.Report{}, err
	}
	d, err := release.Classify(p.Event, p.Config)
	if err != nil {
		return release.Report{}, err
	}
	if d.Skip {
		return release.Report{Schema: release.ReportSchema, Outcome: release.Skipped, Decision: d}, nil
	}
	tell.rollouts = p.Config.RolloutFor(d.Class)
	tell.change(func(a *report.Answer) {
		a.Sign, a.Headline = "⏳", fmt.Sprintf("Releasing %s (%s) from %s", d.Tag, d.Class, release.ShortCommit(d.Commit))
	})
	tell.announce(ctx, func(ctx context.Context) {
		tell.status(ctx, d.Commit, "pending", fmt.Sprintf("releasing %s (%s)", d.Tag, d.Class), "")
	})
	if r.Work == WorkInWorkflow {
		return b.dispatched(ctx, r, tell, dispatch{workflow: r.Workflow, ref: op.Ref, tag: d.Tag, decision: d})
	}
	if err := b.giveWay(ctx, r, tell, d); err != nil {
		return release.Report{Schema: release.ReportSchema, Outcome: release.Stopped, Decision: d}, err
	}
	return b.Release(ctx, Work{Project: p, Event: p.Event, Goal: engine.ToRelease, Target: r.config.Target(r.name), Forge: r.forge,
		Store: b.ledger.Store(), Dir: b.folder(op), Tree: r.tree(op.Lane), HostBuilds: r.HostBuilds == AllowHost, Settings: r.Settings, Builder: b.config.Builder, Progress: tell})
}

// fresh is for how long a draft is taken for the work of a run that goes on.
const fresh = 20 * time.Minute

// giveWay waits while another run, such as a workflow's own, stages the same
// release.
func (b *Bot) giveWay(ctx context.Context, r *repository, tell *teller, d release.Decision) error {
	if tell.remembered().Begun {
		return nil
	}
	found, err := r.forge.Releases(ctx, d.Tag)
	if err != nil {
		return err
	}
	for _, f := range found {
		ours := len(f.Assets) == 0 || slices.ContainsFunc(f.Assets, func(a forge.Asset) bool { return a.Name == release.ManifestName })
		if f.Draft && ours && b.Clock().Sub(f.Created) < fresh && !b.left(ctx, tell.op, f) {
			return &release.Error{Kind: release.Waiting, Message: fmt.Sprintf("another run, such as a workflow's, is releasing %s: %s", d.Tag, f.URL),
				Hint: "it is taken up when that has not ended after twenty minutes"}
		}
	}
	tell.remember(ctx, func(m *memory) { m.Begun = true })
	return nil
}

// left reports whether a draft was left by an earlier operation of this bot that
// was cancelled, or whose tag was moved or deleted: it was made while that was
// under way.
func (b *Bot) left(ctx context.Context, op ledger.Operation, draft forge.Release) bool {
	before, err := b.ledger.Operations(ctx, ledger.OperationFilter{Forge: op.Forge, Repository: op.Repository, Ref: op.Ref, Lane: ledger.Releases, Limit: 20})
	return err == nil && slices.ContainsFunc(before, func(o ledger.Operation) bool {
		var m memory
		begun := len(o.Memory) > 0 && json.Unmarshal(o.Memory, &m) == nil && m.Begun
		return begun && o.ID != op.ID && o.State.Final() &&
			draft.Created.After(o.Created.Add(-clockSkew)) && draft.Created.Before(o.Finished.Add(clockSkew))
	})
}

// load brings the clone up to date and reads the config that counts: for a tag
// or a commit, its own.
func (b *Bot) load(ctx context.Context, r *repository, s project.Selection) (project.Project, error) {
	repo, err := r.clone(ctx)
	if err != nil {
		return project.Project{}, err
	}
	if s.Tag != "" {
		tag, err := repo.Tag(ctx, s.Tag)
		if release.KindOf(err) == release.Invalid && forge.ValidTag(s.Tag) {
			err = release.Refuse("push it again, if it should be released", "tag %s is gone", s.Tag)
		}
		if err != nil {
			return project.Project{}, err
		}
		if s.Commit != "" && tag.Commit != s.Commit {
			return project.Project{}, release.Refuse("its new place is released by itself", "tag %s was moved from %s to %s", s.Tag, release.ShortCommit(s.Commit), release.ShortCommit(tag.Commit))
		}
	}
	return project.Load(ctx, repo, s, "")
}

// folder is an operation's own, for its artifacts; it outlives a restart, so
// that what is built is not built again.
func (b *Bot) folder(op ledger.Operation) string {
	return filepath.Join(b.config.Data, "work", strconv.FormatInt(op.ID, 10))
}

// told ends a release: it tells of the outcome wherever it was told of, and
// turns it into the operation's result.
func (b *Bot) told(ctx context.Context, op ledger.Operation, tell *teller, rep release.Report, err error) ledger.Result {
	if cause := context.Cause(ctx); errors.Is(cause, ledger.ErrDraining) || errors.Is(cause, ledger.ErrLeaseLost) {
		return ledger.Result{State: ledger.OpWaiting, Summary: "The bot stopped in the middle."} // it does not count
	}
	res := b.outcome(ctx, op, rep, err)
	if data, jerr := json.Marshal(kept(rep, err)); jerr == nil {
		res.Report = data
	}
	if res.State == ledger.OpDone && rep.Outcome != release.Skipped {
		res.Next = append(res.Next, rolloutsAfter(op, tell, rep)...)
	}
	// The end is told even when the work was cancelled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	b.tellEnd(ctx, op, tell, rep, res, err)
	return b.concluded(op, tell, res)
}

// concluded is the last of an operation: what could not be told is asked for, and
// its folder goes.
func (b *Bot) concluded(op ledger.Operation, tell *teller, res ledger.Result) ledger.Result {
	if res.State.Final() {
		if next, ok := tell.owed(); ok {
			res.Next = append(res.Next, next)
		}
		if err := os.RemoveAll(b.folder(op)); err != nil {
			tell.log.Warn("the operation's folder could not be removed", "error", err.Error())
		}
	}
	return res
}

// kept is the report as the ledger has it: with the whole error, of which the
// summary is the first line.
func kept(rep release.Report, err error) release.Report {
	rep.Schema = release.ReportSchema
	if err != nil {
		rep.Outcome = release.Stopped
		rep.Error = &release.ReportError{Code: int(release.KindOf(err)), Message: clip(err.Error(), 8_000), Hint: release.HintOf(err)}
	}
	return rep
}

// outcome is the result of a release.
func (b *Bot) outcome(ctx context.Context, op ledger.Operation, rep release.Report, err error) ledger.Result {
	if err != nil {
		return b.failure(ctx, op, err)
	}
	res := ledger.Result{State: ledger.OpDone}
	name := rep.Decision.Tag
	if rep.Plan != nil {
		name = rep.Plan.Tag
	}
	switch rep.Outcome {
	case release.Skipped:
		res.Summary = "There is nothing to release: " + rep.Decision.Reason
	case release.Unchanged:
		res.Summary = name + " is published already."
	default:
		res.Summary = name + " is published."
	}
	return res
}

// tellEnd tells how an operation ended, or why it waits.
func (b *Bot) tellEnd(ctx context.Context, op ledger.Operation, tell *teller, rep release.Report, res ledger.Result, err error) {
	tell.early.Wait()
	var url string
	if rep.Release != nil {
		url = rep.Release.URL
	}
	commit := op.Commit
	if rep.Decision.Commit != "" {
		commit = rep.Decision.Commit
	}
	state, sign, reaction := "success", "🚀", forge.Rocket
	switch res.State {
	case ledger.OpWaiting:
		state, sign, reaction = "pending", "⏳", forge.Eyes
	case ledger.OpFailed:
		state, sign, reaction = "failure", "❌", forge.Confused
	case ledger.OpRefused:
		state, sign, reaction = "failure", "✋", forge.Confused
	case ledger.OpCancelled:
		state, sign, reaction = "error", "⏹", forge.Confused
	}
	if rep.Outcome != release.Skipped || err != nil {
		tell.status(ctx, commit, state, res.Summary, url)
		if state == "pending" {
			state = "queued"
		}
		tell.deployment(ctx, commit, rep.Decision.Class, state, url, res.Summary)
	}
	tell.change(func(a *report.Answer) {
		a.Sign, a.Headline, a.Report = sign, headline(res), &rep
		a.Link = url
		if err != nil {
			a.Headline = headlineOf(res.State, firstLine(err.Error()))
			a.Hint = sentence(release.HintOf(err))
			if _, rest, more := strings.Cut(err.Error(), "\n"); more {
				a.Log = lastLines(rest, 40)
			}
		}
	})
	tell.react(ctx, reaction)
	if err := tell.flush(ctx); err != nil {
		tell.log.Warn("the comment could not be edited", "error", err.Error())
	}
}

func headline(res ledger.Result) string { return headlineOf(res.State, res.Summary) }

func headlineOf(s ledger.OperationState, text string) string {
	switch s {
	case ledger.OpFailed:
		return "Failed: " + text
	case ledger.OpRefused:
		return "Refused: " + text
	case ledger.OpWaiting:
		return "Waiting: " + text
	case ledger.OpCancelled:
		return "Cancelled"
	}
	return text
}

func lastLines(s string, most int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	return clip(strings.Join(lines, "\n"), 8_000)
}
