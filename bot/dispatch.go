package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/report"
)

// dispatch is a release that a workflow of the repository is to make.
type dispatch struct {
	workflow string // the file's name
	ref      string // full ref to run it on
	inputs   map[string]string
	tag      string // of the release that comes of it
	commit   string // that the run is for, empty when the ref's head is
	decision release.Decision
}

// How a run that was dispatched is looked for and followed.
const (
	followEvery = 5 * time.Second
	appearsIn   = 2 * time.Minute
	clockSkew   = 30 * time.Second
)

// dispatched starts the workflow, or finds the run that an earlier attempt has
// started, and follows it to its end.
func (b *Bot) dispatched(ctx context.Context, r *repository, tell *teller, d dispatch) (release.Report, error) {
	rep := release.Report{Schema: release.ReportSchema, Outcome: release.Stopped, Decision: d.decision}
	err := b.followed(ctx, r, tell, d)
	if err != nil && (ctx.Err() != nil || len(tell.rollouts) == 0 || !tell.remembered().Over) {
		return rep, err
	}
	failed := err // in its rollout, if there is a release
	rep, err = b.releasedBy(ctx, r, d, rep)
	if err != nil && failed != nil && !passes(err) {
		return rep, failed
	}
	if err != nil && !passes(err) && ctx.Err() == nil {
		tell.remember(ctx, func(m *memory) { m.Over = true })
	}
	return rep, err
}

// followed has the workflow run once, and follows it to its end.
func (b *Bot) followed(ctx context.Context, r *repository, tell *teller, d dispatch) error {
	w, ok := r.forge.(forge.Workflows)
	if !ok {
		return release.Refuse("set work: bot for it in the bot's config", "this forge starts no workflows for others")
	}
	run, err := b.startRun(ctx, w, tell, d)
	if err != nil {
		if cancelled(ctx) {
			b.stopRun(ctx, w, tell, d)
		}
		return err
	}
	tell.change(func(a *report.Answer) {
		a.Link, a.Stages = run.URL, []report.AnswerStage{{Name: "workflow", State: "⏳", Summary: d.workflow}}
	})
	for run.Conclusion == "" {
		select {
		case <-ctx.Done():
			if cancelled(ctx) {
				b.stopRun(ctx, w, tell, d)
			}
			return ctx.Err()
		case <-time.After(followEvery):
		}
		if run, err = w.Run(ctx, run.ID); err != nil {
			return err
		}
	}
	if run.Conclusion != "success" {
		tell.remember(ctx, func(m *memory) { m.Over = true })
		return release.Failf("look at "+run.URL, "the workflow %s ended with %q", d.workflow, run.Conclusion)
	}
	return nil
}

// startRun dispatches the workflow once. What an earlier attempt may have
// started is looked for first.
func (b *Bot) startRun(ctx context.Context, w forge.Workflows, tell *teller, d dispatch) (forge.WorkflowRun, error) {
	m := tell.remembered()
	if m.Over && len(tell.op.Report) > 0 {
		m = memory{} // it had ended, and somebody asks for it anew
		tell.remember(ctx, func(t *memory) { t.Over, t.Run, t.Dispatched = false, "", time.Time{} })
	}
	if m.Run != "" {
		return w.Run(ctx, m.Run)
	}
	since := m.Dispatched
	if since.IsZero() {
		since = b.Clock()
		others, err := w.Runs(ctx, d.workflow, since.Add(-clockSkew))
		if err == nil {
			tell.remember(ctx, func(m *memory) {
				m.Dispatched, m.Others = since, nil
				for _, run := range others {
					m.Others = append(m.Others, run.ID)
				}
			})
			err = w.Dispatch(ctx, d.workflow, d.ref, d.inputs)
		}
		if err != nil && !forge.Uncertain(err) {
			tell.remember(ctx, func(m *memory) { m.Dispatched = time.Time{} })
			if errors.Is(err, forge.ErrNotFound) {
				return forge.WorkflowRun{}, release.Refuse("write one with `slipway init --workflow release`, or name another with workflow: in the bot's config",
					"there is no workflow %s on %s that can be dispatched", d.workflow, d.ref)
			}
			return forge.WorkflowRun{}, err
		}
	}
	return b.awaitRun(ctx, w, tell, d, since)
}

// awaitRun waits until the run that was dispatched is there.
func (b *Bot) awaitRun(ctx context.Context, w forge.Workflows, tell *teller, d dispatch, since time.Time) (forge.WorkflowRun, error) {
	for {
		runs, err := w.Runs(ctx, d.workflow, since.Add(-clockSkew))
		if err != nil {
			return forge.WorkflowRun{}, err
		}
		for _, run := range runs {
			if run.Event == "workflow_dispatch" && d.isOf(run) && !slices.Contains(tell.remembered().Others, run.ID) {
				tell.remember(ctx, func(m *memory) { m.Run = run.ID })
				return run, nil
			}
		}
		if b.Clock().Sub(since) > appearsIn {
			tell.remember(ctx, func(m *memory) { m.Dispatched = time.Time{} })
			return forge.WorkflowRun{}, release.Failf("see the repository's Actions page, then /retry", "the workflow %s was dispatched, but no run of it has appeared", d.workflow)
		}
		select {
		case <-ctx.Done():
			return forge.WorkflowRun{}, ctx.Err()
		case <-time.After(followEvery / 5):
		}
	}
}

// stopRun cancels the run of an operation that was cancelled, whose end does not
// depend on it. One that was dispatched right before is waited for.
func (b *Bot) stopRun(ctx context.Context, w forge.Workflows, tell *teller, d dispatch) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	m := tell.remembered()
	if m.Run == "" && !m.Dispatched.IsZero() {
		run, err := b.awaitRun(ctx, w, tell, d, m.Dispatched)
		if err != nil {
			tell.log.Warn("the workflow that was dispatched could not be cancelled", "error", firstLine(err.Error()))
			return
		}
		m.Run = run.ID
	}
	if m.Run == "" {
		return
	}
	if err := w.CancelRun(ctx, m.Run); err != nil {
		tell.log.Warn("the workflow that was dispatched could not be cancelled", "run", m.Run, "error", firstLine(err.Error()))
	}
	tell.remember(ctx, func(m *memory) { m.Over = true })
}

// isOf reports whether a run is for what was dispatched.
func (d dispatch) isOf(run forge.WorkflowRun) bool {
	name := d.ref[strings.LastIndex(d.ref, "/")+1:]
	if tag, ok := strings.CutPrefix(d.ref, "refs/tags/"); ok {
		name = tag
	} else if branch, ok := strings.CutPrefix(d.ref, "refs/heads/"); ok {
		name = branch
	}
	return (run.Branch == name || run.Tag == name) && (d.commit == "" || run.Commit == d.commit)
}

// releasedBy looks for what the workflow has published.
func (b *Bot) releasedBy(ctx context.Context, r *repository, d dispatch, rep release.Report) (release.Report, error) {
	found, err := r.forge.Releases(ctx, d.tag)
	if err != nil {
		return rep, err
	}
	for _, f := range found {
		if !f.Draft {
			rep.Outcome = release.Published
			rep.Release = &release.ForgeRelease{ID: f.ID, URL: f.URL, Tag: f.Tag}
			return rep, nil
		}
	}
	return rep, release.Failf("look at the run's log: it may have had nothing to release", "the workflow %s ended well, but %s", d.workflow, fmt.Sprintf("there is no release %s", d.tag))
}
