package memory

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Workflow is a workflow file.
type Workflow struct {
	ID   int64
	File string // release.yml
	Name string
}

// Run is a run of a workflow.
type Run struct {
	ID                 int64
	Number             int
	Workflow           Workflow
	Event              string
	Ref                string // full
	Commit             string
	Status, Conclusion string // queued, in_progress, completed; success, failure, cancelled …
	Inputs             map[string]string
	Actor              User
	Created, Updated   time.Time
}

// Branch is the ref's short name, a tag's too: GitHub calls both head_branch.
func (run Run) Branch() string {
	return strings.TrimPrefix(strings.TrimPrefix(run.Ref, "refs/heads/"), "refs/tags/")
}

// AddWorkflow puts a workflow that can be dispatched on every branch and tag.
func (r *Repo) AddWorkflow(file, name string) Workflow {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := Workflow{ID: r.ids.nextOther(), File: file, Name: name}
	r.workflows = append(r.workflows, w)
	return w
}

// Workflow finds one by its file's name or its number in digits.
func (r *Repo) Workflow(name string) (Workflow, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.workflows {
		if w.File == name || r.dialect == GitHub && fmt.Sprint(w.ID) == name {
			return w, nil
		}
	}
	return Workflow{}, notFound(r.dialect)
}

// Dispatch starts a workflow on a branch or tag, by full or short name.
func (r *Repo) Dispatch(ctx context.Context, actor, workflow, ref string, inputs map[string]string) (Run, error) {
	w, err := r.Workflow(workflow)
	if err != nil {
		return Run{}, err
	}
	full, at, err := r.dispatchedAt(ctx, ref)
	if err != nil {
		return Run{}, err
	}
	return r.addRun(Run{Workflow: w, Event: "workflow_dispatch", Ref: full, Commit: at.Hash, Inputs: maps.Clone(inputs)}, actor), nil
}

// dispatchedAt finds a ref: a short name is a branch's, or else a tag's.
func (r *Repo) dispatchedAt(ctx context.Context, ref string) (string, Commit, error) {
	for _, full := range []string{ref, "refs/heads/" + ref, "refs/tags/" + ref} {
		var at Commit
		var ok bool
		var err error
		if branch, is := strings.CutPrefix(full, "refs/heads/"); is && !isHash(branch) {
			at, ok, err = r.refs.Commit(ctx, branch)
		} else if strings.HasPrefix(full, "refs/tags/") {
			at, ok, err = r.refs.Peel(ctx, full)
		}
		if err != nil {
			return "", Commit{}, err
		}
		if ok {
			return full, at, nil
		}
	}
	if r.dialect == Gitea {
		return "", Commit{}, &Refusal{Status: http.StatusNotFound, Message: "ref not found: " + ref, Kind: forge.ErrNotFound}
	}
	return "", Commit{}, &Refusal{Status: http.StatusUnprocessableEntity, Message: "No ref found for: " + ref, Kind: forge.ErrRejected}
}

// AddRun is a run that a push or something else started.
func (r *Repo) AddRun(actor string, run Run) Run { return r.addRun(run, actor) }

func (r *Repo) addRun(run Run, actor string) Run {
	u := r.people.Add(actor)
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	run.ID, run.Number, run.Status, run.Conclusion = r.ids.nextOther(), len(r.runs)+1, "queued", ""
	run.Actor, run.Created, run.Updated = u, r.now(), r.now()
	r.runs = append(r.runs, &run)
	r.happened(Happening{Event: "workflow_run", Action: "requested", Actor: u.Login, Run: copyRun(&run)})
	return *copyRun(&run)
}

func copyRun(run *Run) *Run {
	out := *run
	out.Inputs = maps.Clone(run.Inputs)
	return &out
}

// Runs lists a workflow's runs, newest first; "" lists those of all workflows.
func (r *Repo) Runs(workflow string) []Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []Run{}
	for _, run := range slices.Backward(r.runs) {
		if workflow == "" || run.Workflow.File == workflow {
			out = append(out, *copyRun(run))
		}
	}
	return out
}

// Run reads one.
func (r *Repo) Run(id int64) (Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run := r.run(id); run != nil {
		return *copyRun(run), nil
	}
	return Run{}, notFound(r.dialect)
}

func (r *Repo) run(id int64) *Run {
	for _, run := range r.runs {
		if run.ID == id {
			return run
		}
	}
	return nil
}

// StartRun says that a runner has taken a run.
func (r *Repo) StartRun(id int64) error { return r.moveRun(id, "in_progress", "") }

// EndRun ends a run: success, failure, cancelled …
func (r *Repo) EndRun(id int64, conclusion string) error {
	return r.moveRun(id, "completed", conclusion)
}

func (r *Repo) moveRun(id int64, status, conclusion string) error {
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	run := r.run(id)
	if run == nil {
		return notFound(r.dialect)
	}
	run.Status, run.Conclusion, run.Updated = status, conclusion, r.now()
	r.happened(Happening{Event: "workflow_run", Action: status, Actor: run.Actor.Login, Run: copyRun(run)})
	return nil
}

// CancelRun ends a run at once; one that has ended is refused (GitHub, 409) or
// left as it is (Gitea).
func (r *Repo) CancelRun(id int64) error {
	run, err := r.Run(id)
	switch {
	case err != nil:
		return err
	case run.Status != "completed":
		return r.EndRun(id, "cancelled")
	case r.dialect == GitHub:
		return &Refusal{Status: http.StatusConflict, Message: "Cannot cancel a workflow run that is completed.", Kind: forge.ErrConflict}
	}
	return nil
}
