package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// workflowFile is a file directly below .github/workflows.
var workflowFile = regexp.MustCompile(`(?i)^[^/\\?#%\s]{1,200}\.ya?ml$`)

// workflow is the address of a workflow.
func (f *Forge) workflow(call *wire.Call, file string) (string, error) {
	if !workflowFile.MatchString(file) {
		return "", call.Fail(forge.ErrNotFound, fmt.Sprintf("%q is not the name of a workflow's file, such as release.yml", file))
	}
	return f.path("/actions/workflows/%s", url.PathEscape(file)), nil
}

func noWorkflow(call *wire.Call, err error, file string) error {
	return notFoundIs(call, err, fmt.Sprintf(
		`there is no workflow .github/workflows/%s on the default branch, or the token lacks the right "actions: write"`, file))
}

// Dispatch starts a workflow.
func (f *Forge) Dispatch(ctx context.Context, workflow, ref string, inputs map[string]string) error {
	ctx, call := wire.Begin(ctx, "dispatch workflow "+workflow)
	if err := f.mayWrite(call); err != nil {
		return err
	}
	at, err := f.workflow(call, workflow)
	if err != nil {
		return err
	}
	in := map[string]any{"ref": ref}
	if len(inputs) > 0 {
		in["inputs"] = inputs
	}
	_, err = f.do(ctx, call, http.MethodPost, at+"/dispatches", in, nil)
	return noWorkflow(call, err, workflow)
}

// Runs lists the runs of a workflow. GitHub tells a thousand of a search.
func (f *Forge) Runs(ctx context.Context, workflow string, since time.Time) ([]forge.WorkflowRun, error) {
	ctx, call := wire.Begin(ctx, "list runs of "+workflow)
	at, err := f.workflow(call, workflow)
	if err != nil {
		return nil, err
	}
	since = since.UTC().Truncate(time.Second)
	at += "/runs"
	if !since.IsZero() {
		at += "?created=" + url.QueryEscape(">="+since.Format(time.RFC3339))
	}
	list, err := pagesOf(ctx, f.api, call, at,
		func(r gh.WorkflowRuns) []*gh.WorkflowRun { return r.WorkflowRuns }, (*gh.WorkflowRun).GetID)
	if err != nil {
		return nil, noWorkflow(call, err, workflow)
	}
	out := []forge.WorkflowRun{}
	for _, r := range list {
		if !r.GetCreatedAt().Before(since) {
			out = append(out, f.run(r))
		}
	}
	return out, nil
}

func (f *Forge) run(r *gh.WorkflowRun) forge.WorkflowRun {
	base := r.GetRepository()
	if base == nil {
		base = &gh.Repository{FullName: gh.String(f.owner + "/" + f.name)}
	}
	return *workflowRun(r, base)
}

// Run reads one run.
func (f *Forge) Run(ctx context.Context, id string) (forge.WorkflowRun, error) {
	ctx, call := wire.Begin(ctx, "read workflow run "+id)
	n, err := number(call, id)
	if err != nil {
		return forge.WorkflowRun{}, err
	}
	var r gh.WorkflowRun
	if _, err := f.do(ctx, call, http.MethodGet, f.path("/actions/runs/%d", n), nil, &r); err != nil {
		return forge.WorkflowRun{}, err
	}
	if r.GetID() == 0 {
		return forge.WorkflowRun{}, call.NotForge("the answer has no run in it")
	}
	return f.run(&r), nil
}

// CancelRun asks that a run end.
func (f *Forge) CancelRun(ctx context.Context, id string) error {
	ctx, call := wire.Begin(ctx, "cancel workflow run "+id)
	call.Repeatable()
	if err := f.mayWrite(call); err != nil {
		return err
	}
	n, err := number(call, id)
	if err != nil {
		return err
	}
	_, err = f.do(ctx, call, http.MethodPost, f.path("/actions/runs/%d/cancel", n), nil, nil)
	if errors.Is(err, forge.ErrConflict) { // "Cannot cancel a workflow run that is completed."
		return nil
	}
	return err
}
