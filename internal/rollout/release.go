package rollout

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

// opened is a release with its package, as its commit has it.
type opened struct {
	self    ref.Ref // the package and the release
	doc     Release
	pkg     *lang.Package
	options lang.Options // Log is each run's own
	phases  [][]*entry
	// Who worked on the package before its items were read.
	claims        claims
	claimsVersion string
	// foreign says that another process was seen to work on the package.
	foreign bool
}

// NewRelease is what New is asked for.
type NewRelease struct {
	Package ref.Ref
	Commit  string
	Tag     string // of the forge's release that it carries out, or empty
	Force   bool   // though there is one of this commit
	// Shipped is what the release consists of, for references to "./release"; nil
	// when it is not known.
	Shipped []byte
}

// New makes the next release of a package at a commit. The package is evaluated
// first: nothing is written for one that is wrong. A file that only registers
// environments makes no release; then the answer is nil.
func (r *Runner) New(ctx context.Context, in NewRelease) (*Release, []lang.Environment, error) {
	pkg := in.Package.Package()
	if !in.Force {
		if p, _, found, err := read[pointer](ctx, r.Store, packageDoc(pkg)+"/commit/"+in.Commit); err != nil {
			return nil, nil, err
		} else if found {
			hint := "go on with it: slipway release retry " + pkg.Path + "; or make another one with --force"
			if doc, _, _, err := read[Release](ctx, r.Store, releaseDoc(pkg, p.Release)); err == nil && doc.Status == Complete {
				hint = "it is complete; make another one with --force"
			}
			return nil, nil, release.Refuse(hint, "commit %s has release %s of %s already", release.ShortCommit(in.Commit), p.Release, pkg.Path)
		}
	}
	if err := r.register(ctx, r.Declared); err != nil {
		return nil, nil, err
	}
	for {
		newest, version, _, err := read[latest](ctx, r.Store, packageDoc(pkg))
		if err != nil {
			return nil, nil, err
		}
		name := releaseName(newest.Number + 1)
		o := &opened{self: pkg.InRelease(name), doc: Release{Number: newest.Number + 1, Commit: in.Commit, Tag: in.Tag, By: r.By, Status: Pending}}
		o.doc.Release = o.self.String()
		if err := r.load(ctx, o); err != nil {
			return nil, nil, err
		}
		if envs := o.pkg.Environments; len(envs) > 0 {
			if err := r.register(ctx, envs); err != nil {
				return nil, nil, err
			}
			if len(o.pkg.Phases) == 0 {
				return nil, envs, nil
			}
			if err := r.load(ctx, o); err != nil {
				return nil, nil, err
			}
		}
		if len(o.pkg.Phases) == 0 {
			return nil, nil, release.Invalidf("add a call, a deploy or a phase", "%s names no work", pkg.Path)
		}
		err = r.create(ctx, o, in, version)
		if errors.Is(err, state.ErrConflict) {
			continue // another process took this number
		}
		return &o.doc, nil, err
	}
}

// create writes a new release's documents, all or none.
func (r *Runner) create(ctx context.Context, o *opened, in NewRelease, version string) error {
	now := r.now()
	name := releaseName(o.doc.Number)
	o.doc.Created, o.doc.Updated = now, now
	commit := packageDoc(o.self) + "/commit/" + in.Commit
	_, commitVersion, _, err := read[pointer](ctx, r.Store, commit)
	if err != nil {
		return err
	}
	changes := []state.Change{
		change(packageDoc(o.self), latest{Number: o.doc.Number, Updated: now}, version),
		change(releaseDoc(o.self, name), o.doc, ""),
		change(releaseDoc(o.self, name)+"/commit/"+in.Commit, pointer{Release: name}, ""),
		change(commit, pointer{Release: name}, commitVersion),
	}
	if in.Shipped != nil {
		changes = append(changes, state.Change{Ref: releaseDoc(o.self, name) + "/" + string(ref.Release), Value: in.Shipped})
	}
	_, err = r.Store.Apply(ctx, fmt.Sprintf("%s: release %s of %s", o.self.Path, name, release.ShortCommit(in.Commit)), changes...)
	return err
}

// register writes environments that are new or have changed.
func (r *Runner) register(ctx context.Context, envs []lang.Environment) error {
	for _, e := range envs {
		if err := r.setDocument(ctx, environmentDoc(e.Name), e, "environment "+e.Name+" is registered"); err != nil {
			return err
		}
	}
	return nil
}

// setDocument writes a document whatever it was before.
func (r *Runner) setDocument(ctx context.Context, doc string, v any, message string) error {
	for {
		old, err := r.Store.Get(ctx, doc)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		c := change(doc, v, old.Version)
		if old.Version != "" && string(old.Value) == string(c.Value) {
			return nil
		}
		if _, err = r.Store.Apply(ctx, message, c); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

// open reads a release and evaluates its package as its commit has it.
func (r *Runner) open(ctx context.Context, pkg ref.Ref, name string) (*opened, error) {
	doc, _, err := r.FindRelease(ctx, pkg, name)
	if err != nil {
		return nil, err
	}
	o := &opened{self: pkg.Package().InRelease(releaseName(doc.Number)), doc: doc}
	if err := r.load(ctx, o); err != nil {
		return nil, err
	}
	if o.claims, o.claimsVersion, err = r.readClaims(ctx, o.self); err != nil {
		return nil, err
	}
	o.phases, err = r.items(ctx, o.self, o.self.Release, o.pkg)
	return o, err
}

// load evaluates a release's package.
func (r *Runner) load(ctx context.Context, o *opened) error {
	at, err := r.Source.At(ctx, o.doc.Commit)
	if err != nil {
		return err
	}
	envs, err := r.Environments(ctx)
	if err != nil {
		return err
	}
	o.options = lang.Options{Root: at.Root, Self: o.self, Environments: envs, Host: at.Host(path.Dir(o.self.Path)), HTTP: r.HTTP, Limits: r.Limits}
	loading := o.options
	loading.Log = newLog(r.now, progress.Discard.Stage("").Task("", 0), &r.masks)
	if _, err := fs.Stat(at.Root, o.self.Path); errors.Is(err, fs.ErrNotExist) {
		return release.Invalidf("commit it, or give the right path", "there is no %s in commit %s", o.self.Path, release.ShortCommit(o.doc.Commit))
	}
	if o.pkg, err = lang.Load(ctx, loading); err != nil {
		return r.masks.in(err)
	}
	for _, w := range o.pkg.Warnings {
		r.note(w.Error())
	}
	o.doc.Sources, o.doc.Phases, o.doc.Environments = o.pkg.Sources, nil, hashOf(envs)
	for _, ph := range o.pkg.Phases {
		p := Phase{Name: ph.Name, Items: []string{}}
		for _, it := range ph.Items {
			p.Items = append(p.Items, keyOf(it))
		}
		o.doc.Phases = append(o.doc.Phases, p)
	}
	return nil
}

// hashOf tells sets of environments apart.
func hashOf(envs []lang.Environment) string {
	sum := sha256.Sum256(change("", envs, "").Value)
	return hex.EncodeToString(sum[:8])
}

// Advance does what can be done of a release: all of it, until it is complete,
// or an item fails, or nothing can go on. What other processes do of it is
// waited for. The error is nil whatever the release came to.
func (r *Runner) Advance(ctx context.Context, pkg ref.Ref, name string) (Release, error) {
	o, err := r.open(ctx, pkg, name)
	if err != nil {
		return Release{}, err
	}
	since := o.doc.Created
	for i := range o.phases {
		ended, err := r.phase(ctx, o, i, since)
		if err != nil {
			err = errors.Join(err, r.settle(context.WithoutCancel(ctx), o))
			return o.doc, err
		}
		if !ended {
			break
		}
		for _, e := range o.phases[i] {
			if e.doc.Ended != nil && e.doc.Ended.After(since) {
				since = *e.doc.Ended
			}
		}
	}
	err = r.settle(ctx, o)
	return o.doc, err
}

// settle writes down how far a release is, where that is news.
func (r *Runner) settle(ctx context.Context, o *opened) error {
	o.doc.Status, o.doc.Waits = standing(o.phases)
	name := releaseDoc(o.self, o.self.Release)
	for {
		stored, version, _, err := read[Release](ctx, r.Store, name)
		if err != nil {
			return err
		}
		o.doc.Tags = stored.Tags // its functions gave them, in whichever process
		if same(stored, o.doc) {
			return nil
		}
		o.doc.Updated = r.now()
		_, err = r.Store.Apply(ctx, fmt.Sprintf("%s: release %s is %s", o.self.Path, o.self.Release, o.doc.Status), change(name, o.doc, version))
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

func same(a, b Release) bool {
	a.Updated, b.Updated = time.Time{}, time.Time{}
	return string(change("", a, "").Value) == string(change("", b, "").Value)
}

// standing is how far a release is by its items: the first phase that has not
// ended tells it.
func standing(phases [][]*entry) (Status, []string) {
	for _, entries := range phases {
		status, waits := Complete, []string(nil)
		for _, e := range entries {
			s := e.doc.Status
			switch {
			case s.ended():
			case s == Failed || status == Failed:
				status = Failed
			case s == Running || status == Running:
				status = Running
			case len(e.doc.Waits) > 0 || status == Waiting:
				status = Waiting
			default:
				status = Pending
			}
			for _, w := range e.doc.Waits {
				waits = append(waits, e.key+": "+w.String())
			}
		}
		if status != Complete {
			return status, waits
		}
	}
	return Complete, nil
}

// String tells what is waited for.
func (w Wait) String() string {
	var b strings.Builder
	if w.Ref != "" {
		b.WriteString(w.Ref + ": ")
	}
	b.WriteString(w.Reason)
	return b.String()
}

// Lint evaluates a package as a commit has it, and does nothing of its work.
func (r *Runner) Lint(ctx context.Context, pkg ref.Ref, commit string) (*lang.Package, error) {
	newest, _, _, err := read[latest](ctx, r.Store, packageDoc(pkg))
	if err != nil {
		return nil, err
	}
	o := &opened{self: pkg.Package().InRelease(releaseName(newest.Number + 1)), doc: Release{Commit: commit}}
	err = r.load(ctx, o)
	return o.pkg, err
}
