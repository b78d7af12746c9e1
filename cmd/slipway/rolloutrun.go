package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/report"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// rolloutRun is what `slipway rollout` is asked for.
type rolloutRun struct {
	rolloutFlags

	files []string // packages; none: those of the config
	force bool
	goOn  bool
	with  string
}

func (a *app) rolloutCommand() *cobra.Command {
	var q rolloutRun
	cmd := &cobra.Command{
		Use:   "rollout [FILE...]",
		Short: "Carry a release out: make or go on with the releases of its packages",
		Long: `Carry a release out by its release packages: those that are named, or those that the config
(rollout:) names for the release's class. A package that has no release of the commit gets one; one
that has is gone on with, and what failed of it is run again. So the same command again, such as
by a rerun of a workflow's job, never begins anew.

With --continue nothing is begun: releases that wait go on when what they wait for is there.

Exit codes: 0 complete (or nothing to do), 1 failed, 2 a package is wrong, 3 waiting, 4 refused.`,
		Example: `  slipway rollout --tag v1.2.3
  slipway rollout release.ocu.star --wait 30m
  slipway rollout --continue`,
		RunE: func(cmd *cobra.Command, args []string) error {
			q.files = args
			if q.goOn && (len(args) > 0 || q.force) {
				return errUsage("--continue takes no file and no --force: it begins nothing")
			}
			if q.with != string(rollout.RecordedInputs) && q.with != string(rollout.CurrentInputs) {
				return errUsage("--with is %q: it takes recorded or current", q.with)
			}
			r, err := a.rolledOut(cmd.Context(), q)
			return a.shown(r, err, func() { report.Text(a.out, r) })
		},
	}
	a.which(cmd)
	a.workFlags(cmd, &q.rolloutFlags)
	a.jsonFlag(cmd, "the report")
	f := cmd.Flags()
	f.BoolVar(&q.force, "force", false, "make new releases, although there are some of the commit")
	f.BoolVar(&q.goOn, "continue", false, "begin nothing: go on with what waits, in all packages")
	f.StringVar(&q.with, "with", string(rollout.RecordedInputs), "what failed runs again with the recorded inputs, or with current ones")
	f.DurationVar(&q.wait, "wait", 0, "wait so long for what is missing, instead of ending with code 3")
	_ = cmd.RegisterFlagCompletionFunc("with", cobra.FixedCompletions([]string{"recorded", "current"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// rolledOut does what is asked for. Its Report is whole also when the error says
// that something failed or waits.
func (a *app) rolledOut(ctx context.Context, q rolloutRun) (r release.Report, err error) {
	r.Schema = release.ReportSchema
	if q.goOn {
		err = a.withRollouts(ctx, q.rolloutFlags, func(ctx context.Context, w *rollouts) error {
			r.Rollouts, err = w.goOn(ctx)
			return err
		})
		return concluded(r, err)
	}
	l, err := a.load(ctx)
	if err != nil {
		return r, err
	}
	a.warn(l.project.Warnings)
	r.Warnings = l.project.Warnings
	if r.Decision, err = release.Classify(l.project.Event, l.project.Config); err != nil {
		return r, err
	}
	files, why := packagesFor(q.files, a.class, r.Decision, l.project.Config)
	if why != "" {
		r.Outcome, r.Decision.Skip, r.Decision.Reason = release.Skipped, true, why
		return r, nil
	}
	err = a.withRollouts(ctx, q.rolloutFlags, func(ctx context.Context, w *rollouts) error {
		var packages []ref.Ref
		for _, name := range files {
			pkg, err := w.packageRef(name)
			if err != nil {
				return err
			}
			if len(q.files) == 0 { // those of the config are from the root
				pkg = ref.Ref{Repo: w.Repo, Path: path.Clean(name)}
			}
			if pkg.Versioned {
				return errUsage("name the package alone: leave /@%s out", pkg.Release)
			}
			packages = append(packages, pkg)
		}
		in := rollout.NewRelease{Commit: l.project.Event.Commit, Tag: r.Decision.Tag, Force: q.force}
		r.Rollouts, err = w.carryOutAll(ctx, packages, in, q)
		return err
	})
	return concluded(r, err)
}

// packagesFor are the packages that are carried out for a release, or why there
// are none. Packages that are named count for any event; --class narrows it.
func packagesFor(named []string, class string, d release.Decision, cfg release.Config) (files []string, none string) {
	switch {
	case class != "" && d.Class != class:
		return nil, fmt.Sprintf("it is %s (%s), and only %s was asked for", orElse(d.Class, "of no class"), d.Reason, class)
	case len(named) > 0:
		return named, ""
	case len(cfg.Rollout) == 0:
		return nil, "the config names no release package (rollout:), and none was given"
	case d.Skip:
		return nil, d.Reason
	}
	if files = cfg.RolloutFor(d.Class); len(files) == 0 {
		none = fmt.Sprintf("no release package is carried out for %s releases (rollout: in the config)", d.Class)
	}
	return files, none
}

// concluded gives the Report its outcome.
func concluded(r release.Report, err error) (release.Report, error) {
	r.Outcome = release.Outcome(release.RolloutStatus(r.Rollouts))
	if err == nil && r.Outcome == "" {
		r.Outcome, r.Decision.Skip, r.Decision.Reason = release.Skipped, true, "no release waits"
	}
	return r, err
}

// carryOutAll begins, or goes on with, the releases of packages at a commit, and
// does their work. What is wrong with one does not stop the others.
func (r *rollouts) carryOutAll(ctx context.Context, packages []ref.Ref, in rollout.NewRelease, q rolloutRun) ([]release.ReportRollout, error) {
	all := make([]release.ReportRollout, len(packages))
	var errs []error
	var begun []ref.Ref
	for i, pkg := range packages {
		all[i] = release.ReportRollout{Package: pkg.Path, Commit: in.Commit, Status: string(release.Stopped)}
		in.Package = pkg
		b, err := r.Begin(ctx, in, rollout.Inputs(q.with))
		switch {
		case err != nil && ctx.Err() != nil:
			return all, ctx.Err()
		case err != nil:
			errs = append(errs, err)
			if all[i].Problems, err = problemsOf(err); err != nil {
				all[i].Problems = release.Problems{{Message: err.Error(), Hint: release.HintOf(err)}}
			}
		case b.Release == nil:
			all[i].Status, all[i].Registered = string(release.RolledOut), rollout.Names(b.Environments)
		default:
			r.noteBegun(pkg, b, q.with)
			all[i].Release = b.Release.Name()
			begun = append(begun, pkg.InRelease(b.Release.Name()))
		}
	}
	if len(begun) > 0 {
		if _, err := r.CarryOut(ctx, q.wait, begun...); err != nil {
			return all, err
		}
	}
	for i := range all {
		if all[i].Release == "" {
			continue
		}
		came, err := r.describe(ctx, packages[i], &all[i])
		if err != nil {
			return all, err
		}
		if came != nil {
			errs = append(errs, came)
		}
	}
	return all, together(errs)
}

// noteBegun tells how a package's release was begun.
func (r *rollouts) noteBegun(pkg ref.Ref, b rollout.Begun, with string) {
	switch {
	case !b.Found:
	case b.Release.Status == rollout.Complete:
		r.Progress.Note(fmt.Sprintf("%s of %s is complete already", b.Release.Name(), pkg.Path))
	case len(b.Again) > 0:
		r.Progress.Note(fmt.Sprintf("%s of %s: %s again, with the %s inputs", b.Release.Name(), pkg.Path, strings.Join(b.Again, ", "), with))
	default:
		r.Progress.Note(fmt.Sprintf("%s of %s goes on", b.Release.Name(), pkg.Path))
	}
}

// goOn does all outstanding work, and tells of the releases that it is about.
func (r *rollouts) goOn(ctx context.Context) ([]release.ReportRollout, error) {
	done, err := r.Continue(ctx, rollout.Scope{Intents: true})
	if err != nil {
		return nil, err
	}
	for _, t := range done.Done {
		r.Progress.Note(r.short(t.Ref) + ": " + t.Reason)
	}
	packages, err := r.Packages(ctx)
	if err != nil {
		return nil, err
	}
	var all []release.ReportRollout
	var errs []error
	for _, pkg := range packages {
		list, err := r.Releases(ctx, pkg)
		if err != nil {
			return all, err
		}
		for _, doc := range list {
			rel := pkg.InRelease(doc.Name())
			touched := slices.ContainsFunc(done.Done, func(t rollout.Task) bool { return t.Ref.Package() == pkg && t.Ref.Release == rel.Release })
			if pkg.Repo != r.Repo || !touched && (doc.Status == rollout.Complete || doc.Status == rollout.Failed) {
				continue
			}
			x := release.ReportRollout{Package: pkg.Path, Release: rel.Release}
			came, err := r.describe(ctx, pkg, &x)
			if err != nil {
				return all, err
			}
			all = append(all, x)
			if came != nil {
				errs = append(errs, came)
			}
		}
	}
	if len(errs) == 0 && len(done.Failed) > 0 {
		errs = append(errs, release.Failf("see `slipway work continue --dry-run`", "%s", strings.Join(done.Failed, "\n")))
	}
	return all, together(errs)
}

// describe tells how a release is. came is nil when it is complete, or says why
// not.
func (r *rollouts) describe(ctx context.Context, pkg ref.Ref, x *release.ReportRollout) (came, err error) {
	doc, _, err := r.FindRelease(ctx, pkg, x.Release)
	if err != nil {
		return nil, err
	}
	items, err := r.Items(ctx, pkg, doc)
	if err != nil {
		return nil, err
	}
	x.Commit, x.Waits = doc.Commit, doc.Waits
	switch doc.Status {
	case rollout.Complete:
		x.Status = string(release.RolledOut)
	case rollout.Failed:
		x.Status = string(release.Stopped)
	default:
		x.Status = string(release.Waits)
	}
	for _, ph := range doc.Phases {
		p := release.ReportPhase{Name: ph.Name, Items: []release.ReportItem{}}
		for range ph.Items {
			it := items[0]
			items = items[1:]
			p.Items = append(p.Items, reportItem(it))
			if it.Item.Status == rollout.Failed && it.Item.Error != nil {
				x.Problems = append(x.Problems, placed(it.Key, *it.Item.Error))
			}
		}
		x.Phases = append(x.Phases, p)
	}
	return r.came(ctx, pkg, doc), nil
}

func reportItem(it rollout.Shown) release.ReportItem {
	out := release.ReportItem{Name: it.Key, Status: string(it.Item.Status), Run: it.Item.Run, Note: itemNote(it.Item)}
	if it.Item.Started != nil && it.Item.Ended != nil {
		out.Duration = it.Item.Ended.Sub(*it.Item.Started)
	}
	if json.Unmarshal(it.Item.Output["url"], &out.URL) != nil || !strings.HasPrefix(out.URL, "https://") && !strings.HasPrefix(out.URL, "http://") {
		out.URL = ""
	}
	return out
}

var placeInPackage = regexp.MustCompile(`^([^:\n]+\.star):([0-9]{1,9}):([0-9]{1,9}): `)

// placed is why an item failed, at the place that the language gave it.
func placed(key string, f rollout.Failure) release.Problem {
	p := release.Problem{Message: key + ": " + f.Message, Hint: f.Hint}
	if m := placeInPackage.FindStringSubmatch(f.Message); m != nil {
		p.File, p.Message = m[1], key+": "+strings.TrimPrefix(f.Message, m[0])
		p.Line, _ = strconv.Atoi(m[2])
		p.Column, _ = strconv.Atoi(m[3])
	}
	return p
}

// together makes one error of those of several packages, of the gravest kind.
func together(errs []error) error {
	if len(errs) < 2 {
		return errors.Join(errs...)
	}
	kind, lines, hint := release.Waiting, []string(nil), ""
	rank := []release.Kind{release.Waiting, release.Refused, release.Invalid, release.Failed}
	for _, err := range errs {
		k := release.KindOf(err)
		if slices.Index(rank, k) > slices.Index(rank, kind) {
			kind, hint = k, ""
		}
		if k == kind && hint == "" {
			hint = release.HintOf(err)
		}
		lines = append(lines, err.Error())
	}
	return &release.Error{Kind: kind, Message: strings.Join(lines, "\n"), Hint: hint}
}
