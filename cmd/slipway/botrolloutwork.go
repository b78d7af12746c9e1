package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/rollout/worker"
	"github.com/slipway-dev/slipway/internal/state"
)

// rolloutWork is one request of the bot's at work.
type rolloutWork struct {
	worker.Request
	*rollout.Runner
	counted *workCount
}

func (w *rolloutWork) do(ctx context.Context) (worker.Outcome, error) {
	w.counted = &workCount{Reporter: w.Progress}
	w.Progress = w.counted
	var out worker.Outcome
	var err error
	switch w.Action {
	case worker.Carry, worker.Retry:
		out, err = w.carry(ctx)
	case worker.Approve:
		return w.approve(ctx)
	case worker.Deploy:
		out, err = w.deployTo(ctx)
	case worker.Rollback:
		out, err = w.rollBack(ctx)
	case worker.Continue:
		out.Status = rollout.Complete
	default:
		err = release.Failf("", "there is no action %q", w.Action)
	}
	if err != nil || w.Only {
		return out, err
	}
	return w.andOthers(ctx, out)
}

// workCount notes whether something was run.
type workCount struct {
	progress.Reporter
	tasks atomic.Bool
}

func (c *workCount) Stage(name string) progress.Stage { return countedStage{c.Reporter.Stage(name), c} }

type countedStage struct {
	progress.Stage
	of *workCount
}

func (s countedStage) Task(name string, total int64) progress.Task {
	s.of.tasks.Store(true)
	return s.Stage.Task(name, total)
}

// andOthers goes on with what this has made possible elsewhere in the repository.
func (w *rolloutWork) andOthers(ctx context.Context, out worker.Outcome) (worker.Outcome, error) {
	left := map[ref.Ref]bool{}
	for _, l := range w.Leave {
		pkg := ref.Ref{Repo: w.Repo, Path: l.Package}
		name, err := w.releaseAt(ctx, pkg, l.Commit)
		if err != nil {
			return out, err
		}
		left[pkg.InRelease(name)] = name != ""
	}
	done, err := w.Continue(ctx, rollout.Scope{Intents: true, Skip: func(r ref.Ref) bool { return left[r] }})
	out.Changed = w.counted.tasks.Load()
	if err != nil && w.Action != worker.Continue {
		w.Progress.Note("what else is outstanding could not be looked at: " + err.Error())
		return out, ctx.Err()
	}
	if err != nil {
		return out, err
	}
	for _, f := range done.Failed {
		w.Progress.Note(f)
	}
	for _, e := range done.Elsewhere {
		out.Elsewhere = append(out.Elsewhere, e.Release.String())
	}
	if w.Action == worker.Continue {
		out.Summary = fmt.Sprintf("%d pieces of work were outstanding.", len(done.Done))
		if out.Failed = strings.Join(done.Failed, "\n"); out.Failed != "" {
			out.Status = rollout.Failed
		}
		return out, nil
	}
	if self, err := ref.Parse(out.Release); err == nil && self.Release != "" && out.Status == rollout.Waiting {
		again, err := w.outcome(ctx, self.Package(), self.Release) // that may have been what it waited for
		again.Changed, again.Elsewhere = out.Changed, out.Elsewhere
		return again, err
	}
	return out, nil
}

// pointed is the document that says which release a commit has.
type pointed struct {
	Release string `json:"release"`
}

// releaseAt is the release of a package at a commit, "" when it has none.
func (w *rolloutWork) releaseAt(ctx context.Context, pkg ref.Ref, commit string) (string, error) {
	var p pointed
	_, err := state.Load(ctx, w.Store, pkg.String()+"/@/commit/"+commit, &p)
	return p.Release, err
}

// carry makes the release or finds it, and does its work.
func (w *rolloutWork) carry(ctx context.Context) (worker.Outcome, error) {
	pkg := ref.Ref{Repo: w.Repo, Path: w.Package}
	name, err := w.releaseAt(ctx, pkg, w.Commit)
	if err != nil {
		return worker.Outcome{}, err
	}
	if name == "" {
		doc, envs, err := w.New(ctx, rollout.NewRelease{Package: pkg, Commit: w.Commit, Tag: w.Tag})
		if err != nil {
			return worker.Outcome{}, err
		}
		if doc == nil {
			return worker.Outcome{Status: rollout.Complete, Summary: "It registers " + namesOf(envs) + "."}, nil
		}
		name = "r" + strconv.Itoa(doc.Number)
	} else if w.Action == worker.Retry {
		if doc, _, err := w.FindRelease(ctx, pkg, name); err != nil {
			return worker.Outcome{}, err
		} else if doc.Status != rollout.Complete {
			again, err := w.Retry(ctx, pkg, name, rollout.RecordedInputs)
			if err != nil {
				return worker.Outcome{}, err
			}
			w.Progress.Note(fmt.Sprintf("%s: %s again, with the recorded inputs", name, strings.Join(again, ", ")))
		}
	}
	if w.Only {
		return w.outcome(ctx, pkg, name)
	}
	if _, err := w.Advance(ctx, pkg, name); err != nil {
		return worker.Outcome{}, err
	}
	return w.outcome(ctx, pkg, name)
}

func namesOf(envs []lang.Environment) string {
	var names []string
	for _, e := range envs {
		names = append(names, e.Name)
	}
	return strings.Join(names, ", ")
}

// outcome is how a release stands.
func (w *rolloutWork) outcome(ctx context.Context, pkg ref.Ref, name string) (worker.Outcome, error) {
	return worker.Look(ctx, w.Runner, pkg, name)
}

// candidate is a release that a person may mean.
type candidate struct {
	pkg  ref.Ref
	name string
	doc  rollout.Release
}

// find lists the releases of this repository's packages that a person may mean,
// the newest of each package that fits.
func (w *rolloutWork) find(ctx context.Context, fits func(rollout.Release) bool) ([]candidate, error) {
	packages, err := w.Packages(ctx)
	if err != nil {
		return nil, err
	}
	var all []candidate
	for _, pkg := range packages {
		if pkg.Repo != w.Repo || w.Package != "" && pkg.Path != w.Package {
			continue
		}
		releases, err := w.Releases(ctx, pkg)
		if err != nil {
			return nil, err
		}
		for _, doc := range releases {
			if w.named(doc) && fits(doc) {
				all = append(all, candidate{pkg, "r" + strconv.Itoa(doc.Number), doc})
				break
			}
		}
	}
	return all, nil
}

// named says whether a release has the name that was asked for.
func (w *rolloutWork) named(doc rollout.Release) bool {
	name := strings.TrimPrefix(w.Release, "@")
	if name == "" || name == doc.Tag || slices.Contains(doc.Tags, name) {
		return true
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(name, "r")); err == nil && n == doc.Number {
		return true
	}
	return len(name) >= 7 && strings.HasPrefix(doc.Commit, strings.ToLower(name))
}

func (w *rolloutWork) asked() string {
	what := "release"
	if w.Release != "" {
		what += " " + w.Release
	}
	if w.Package != "" {
		what += " of " + w.Package
	}
	return what
}

// one is the only candidate, or an error that names the others.
func (w *rolloutWork) one(all []candidate, hint, none string) (candidate, error) {
	switch len(all) {
	case 1:
		return all[0], nil
	case 0:
		return candidate{}, release.Refuse("see /status", "there is no %s %s", w.asked(), none)
	}
	var names []string
	for _, c := range all {
		names = append(names, c.pkg.Path)
	}
	return candidate{}, release.Refuse(hint, "that fits several packages: %s", strings.Join(names, ", "))
}

func (w *rolloutWork) approve(ctx context.Context) (worker.Outcome, error) {
	all, err := w.find(ctx, func(doc rollout.Release) bool {
		return w.Release != "" || doc.Status == rollout.Waiting || doc.Status == rollout.Pending
	})
	if err != nil {
		return worker.Outcome{}, err
	}
	c, err := w.one(all, "name the package: /approve <package>", "that waits")
	if err != nil {
		return worker.Outcome{}, err
	}
	name := w.Approval
	if name == "" {
		name = "approval"
	}
	if err := w.Approve(ctx, c.pkg, c.doc, name, w.Request.By); err != nil {
		return worker.Outcome{}, err
	}
	return worker.Outcome{Release: c.pkg.InRelease(c.name).String(), Status: c.doc.Status, Changed: true, Summary: fmt.Sprintf("%s approves %s of %s.", w.Request.By, c.name, c.pkg.Path)}, nil
}

func (w *rolloutWork) deployTo(ctx context.Context) (worker.Outcome, error) {
	key := "deploy/" + w.Environment
	all, err := w.find(ctx, func(doc rollout.Release) bool {
		return slices.ContainsFunc(doc.Phases, func(p rollout.Phase) bool { return slices.Contains(p.Items, key) })
	})
	if err != nil {
		return worker.Outcome{}, err
	}
	c, err := w.one(all, "name the package: /deploy <release> to "+w.Environment+" of <package>", "with a deploy to "+w.Environment)
	if err != nil {
		return worker.Outcome{}, err
	}
	if w.Only {
		return w.wish(ctx, c.pkg, c.name)
	}
	it, err := w.DeployTo(ctx, c.pkg, c.name, w.Environment)
	return w.deployed(c.pkg.InRelease(c.name), it, err)
}

func (w *rolloutWork) rollBack(ctx context.Context) (worker.Outcome, error) {
	deploys, err := w.Deployed(ctx)
	if err != nil {
		return worker.Outcome{}, err
	}
	var all []candidate
	for _, d := range deploys {
		if d.Environment == w.Environment && d.Package.Repo == w.Repo && (w.Package == "" || d.Package.Path == w.Package) {
			all = append(all, candidate{pkg: d.Package})
		}
	}
	to := w.Release
	if len(all) == 0 {
		return worker.Outcome{}, release.Refuse("see /status", "nothing of this repository is deployed to %s", w.Environment)
	}
	c, err := w.one(all, "name the package: /rollback "+w.Environment+" of <package>", "")
	if err != nil {
		return worker.Outcome{}, err
	}
	if to != "" {
		w.Package = c.pkg.Path
		found, err := w.find(ctx, func(rollout.Release) bool { return true })
		if err != nil {
			return worker.Outcome{}, err
		}
		meant, err := w.one(found, "", "of "+c.pkg.Path)
		if err != nil {
			return worker.Outcome{}, err
		}
		to = meant.name
	}
	if w.Only {
		if to == "" {
			if to, err = w.before(ctx, c.pkg); err != nil {
				return worker.Outcome{}, err
			}
		}
		return w.wish(ctx, c.pkg, to)
	}
	it, err := w.Rollback(ctx, c.pkg, w.Environment, to)
	self := c.pkg
	if parsed, perr := ref.Parse(it.Release); perr == nil {
		self = parsed
	}
	return w.deployed(self, it, err)
}

// deployed is how one deploy ended.
func (w *rolloutWork) deployed(self ref.Ref, it rollout.Item, err error) (worker.Outcome, error) {
	out := worker.Outcome{Status: it.Status, Summary: fmt.Sprintf("%s has %s of %s.", w.Environment, self.Release, self.Path)}
	if why, waits := waitingFor(err); waits {
		out.Status, out.Waits, out.Summary = rollout.Waiting, []string{why}, "it waits: "+why
		return out, nil
	}
	if err != nil && release.KindOf(err) == release.Failed && it.Status == rollout.Failed {
		out.Status, out.Failed, out.Hint = rollout.Failed, err.Error(), release.HintOf(err)
		err = nil
	}
	out.Items = []worker.Item{{Key: "deploy/" + w.Environment, Status: it.Status, Text: worker.Told(it)}}
	return out, err
}

// wish writes down which release is to be in the environment, for who does it.
func (w *rolloutWork) wish(ctx context.Context, pkg ref.Ref, name string) (worker.Outcome, error) {
	value, err := json.Marshal(rollout.DeployIntent{Release: name})
	if err != nil {
		return worker.Outcome{}, err
	}
	to := pkg.Package().Sub(ref.Deploy, w.Environment)
	to.Versioned = true
	return worker.Outcome{Release: pkg.InRelease(name).String(), Status: rollout.Pending, Changed: true, Wish: to.String(),
		Summary: fmt.Sprintf("%s is to have %s of %s.", w.Environment, name, pkg.Path)}, w.Set(ctx, to, value)
}

// before is the newest release before the one that is deployed which was deployed
// well.
func (w *rolloutWork) before(ctx context.Context, pkg ref.Ref) (string, error) {
	to, err := w.Before(ctx, pkg, w.Environment)
	if release.KindOf(err) == release.Refused {
		err = release.Refuse("name one: /rollback "+w.Environment+" to <release>", "nothing was deployed to %s before", w.Environment)
	}
	return to, err
}
