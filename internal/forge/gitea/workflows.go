package gitea

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// Dispatch starts a workflow, from Gitea 1.25. Its file must be there at the
// ref, on a tag too.
func (f *Forge) Dispatch(ctx context.Context, workflow, ref string, inputs map[string]string) error {
	client, call, err := f.beginWrite(ctx, "start the workflow "+workflow)
	if err != nil {
		return err
	}
	if !segment(workflow) || ref == "" {
		return call.Fail(forge.ErrNotFound, "there can be no such workflow or ref")
	}
	_, _, err = client.DispatchRepoActionWorkflow(f.owner, f.name, workflow, sdk.CreateActionWorkflowDispatchOption{Ref: ref, Inputs: inputs}, false)
	err = call.Err(err)
	if errors.Is(err, forge.ErrNotFound) && strings.Contains(err.Error(), "workflow") {
		return call.Fail(forge.ErrNotFound, "there is no .gitea/workflows/"+workflow+" (or .github/…) at "+ref)
	}
	return err
}

// Runs lists a workflow's runs, from Gitea 1.27. The server says when a run was
// made by its first job only, so that is asked for as well, for the runs that
// have not begun before since.
func (f *Forge) Runs(ctx context.Context, workflow string, since time.Time) ([]forge.WorkflowRun, error) {
	ctx, call := wire.Begin(ctx, "list the runs of "+workflow)
	client, err := f.api(ctx)
	if err != nil {
		return nil, call.Err(err)
	}
	if !segment(workflow) {
		return nil, call.Fail(forge.ErrNotFound, "there can be no such workflow")
	}
	since = since.Truncate(time.Second) // the server's times are whole seconds
	out := []forge.WorkflowRun{}
	var stop error
	err = pages(call, func(r *sdk.ActionWorkflowRun) int64 { return r.ID },
		func(n int) ([]*sdk.ActionWorkflowRun, *sdk.Response, error) {
			return f.runsPage(ctx, workflow, n)
		},
		func(r *sdk.ActionWorkflowRun) bool {
			old := false
			if old, stop = f.madeBefore(client, call, r, since); stop == nil && !old {
				out = append(out, workflowRun(r))
			}
			return stop == nil && !old // newest first
		})
	if err = errors.Join(err, stop); err != nil {
		return nil, call.Err(err)
	}
	slices.Reverse(out)
	return out, nil
}

// runsPage is a call that the SDK does not have.
func (f *Forge) runsPage(ctx context.Context, workflow string, n int) ([]*sdk.ActionWorkflowRun, *sdk.Response, error) {
	path := f.server.JoinPath("api/v1/repos", f.owner, f.name, "actions/workflows", url.PathEscape(workflow), "runs")
	path.RawQuery = url.Values{"page": {strconv.Itoa(n)}, "limit": {strconv.Itoa(pageSize)}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, path.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	var list sdk.ActionWorkflowRunsResponse
	err = json.NewDecoder(resp.Body).Decode(&list)
	return list.WorkflowRuns, &sdk.Response{Response: resp}, err
}

func (f *Forge) madeBefore(client *sdk.Client, call *wire.Call, r *sdk.ActionWorkflowRun, since time.Time) (bool, error) {
	began := r.StartedAt.Unix() > 0
	switch {
	case since.Unix() <= 0:
		return false, nil
	case began && r.StartedAt.Before(since):
		return true, nil
	}
	jobs, _, err := client.ListRepoActionRunJobs(f.owner, f.name, r.ID, sdk.ListRepoActionJobsOptions{ListOptions: sdk.ListOptions{Page: 1, PageSize: 1}})
	if err := call.Err(err); err != nil {
		return false, err
	}
	return len(jobs.Jobs) > 0 && jobs.Jobs[0].CreatedAt.Before(since), nil
}

// Run reads one run.
func (f *Forge) Run(ctx context.Context, id string) (forge.WorkflowRun, error) {
	client, call, err := f.begin(ctx, "read the run "+id)
	if err != nil {
		return forge.WorkflowRun{}, err
	}
	n, err := f.number(call, id)
	if err != nil {
		return forge.WorkflowRun{}, err
	}
	r, _, err := client.GetRepoActionRun(f.owner, f.name, n)
	if err := call.Err(err); err != nil {
		return forge.WorkflowRun{}, err
	}
	if r.ID != n {
		return forge.WorkflowRun{}, call.NotForge("the answer has no run in it")
	}
	return workflowRun(r), nil
}

// workflowRun: a run knows its workflow by the file, "release.yml@refs/tags/v1".
func workflowRun(r *sdk.ActionWorkflowRun) forge.WorkflowRun {
	file, ref, _ := strings.Cut(r.Path, "@")
	out := forge.WorkflowRun{
		ID: strconv.FormatInt(r.ID, 10), Name: file, Event: r.Event, Branch: r.HeadBranch, Commit: r.HeadSha, URL: r.HTMLURL,
		Fork: strings.HasPrefix(r.Event, "pull_request"), // where its commit is from the server does not say
	}
	if tag, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		out.Tag = tag
	}
	if r.Status == "completed" {
		out.Conclusion = r.Conclusion
	}
	return out
}

// CancelRun finds out whether the run has ended; to end it the server has a
// button and no call.
func (f *Forge) CancelRun(ctx context.Context, id string) error {
	_, call, err := f.beginWrite(ctx, "cancel the run "+id)
	if err != nil {
		return err
	}
	run, err := f.Run(ctx, id)
	if err != nil || run.Conclusion != "" {
		return err
	}
	return call.Fail(forge.ErrRejected, string(f.dialect)+" lets nobody cancel a run but people in the browser: "+run.URL)
}
