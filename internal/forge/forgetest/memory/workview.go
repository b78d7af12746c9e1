package memory

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

func (v view) Dispatch(ctx context.Context, workflow, ref string, inputs map[string]string) error {
	op := "dispatch " + workflow
	if err := v.may(ctx, true); err != nil {
		return failed(op, err)
	}
	if _, err := v.repo.Dispatch(ctx, v.login, workflow, ref, inputs); err != nil {
		return failed(op, err)
	}
	return nil
}

func (v view) Runs(ctx context.Context, workflow string, since time.Time) ([]forge.WorkflowRun, error) {
	op := "list the runs of " + workflow
	if err := v.may(ctx, false); err != nil {
		return nil, failed(op, err)
	}
	if _, err := v.repo.Workflow(workflow); err != nil {
		return nil, failed(op, err)
	}
	since = since.Truncate(time.Second)
	out := []forge.WorkflowRun{}
	for _, run := range slices.Backward(v.repo.Runs(workflow)) {
		if !run.Created.Before(since) {
			out = append(out, v.repo.domainRun(run))
		}
	}
	return out, nil
}

func (v view) Run(ctx context.Context, id string) (forge.WorkflowRun, error) {
	op := "read run " + id
	if err := v.may(ctx, false); err != nil {
		return forge.WorkflowRun{}, failed(op, err)
	}
	n, err := number(id)
	if err != nil {
		return forge.WorkflowRun{}, failed(op, err)
	}
	run, err := v.repo.Run(n)
	if err != nil {
		return forge.WorkflowRun{}, failed(op, err)
	}
	return v.repo.domainRun(run), nil
}

func (r *Repo) domainRun(run Run) forge.WorkflowRun {
	out := forge.WorkflowRun{
		ID: strconv.FormatInt(run.ID, 10), Name: run.Workflow.Name, Event: run.Event, Commit: run.Commit,
		Conclusion: run.Conclusion, URL: r.url + "/actions/runs/" + strconv.FormatInt(run.ID, 10),
	}
	if r.dialect == Gitea {
		out.Name = run.Workflow.File
	}
	tag, isTag := strings.CutPrefix(run.Ref, "refs/tags/")
	switch {
	case !isTag || r.dialect == GitHub:
		out.Branch = run.Branch()
	default:
		out.Tag = tag
	}
	return out
}

func (v view) CancelRun(ctx context.Context, id string) error {
	op := "cancel run " + id
	if err := v.may(ctx, true); err != nil {
		return failed(op, err)
	}
	n, err := number(id)
	if err == nil && v.repo.dialect == Gitea {
		if run, readErr := v.repo.Run(n); readErr != nil || run.Status != "completed" {
			no := &Refusal{Status: http.StatusNotFound, Message: "people cancel runs, in the browser", Kind: forge.ErrRejected}
			return failed(op, cmp.Or[error](readErr, no))
		}
	}
	if err == nil {
		err = v.repo.CancelRun(n)
	}
	if err != nil && !errors.Is(err, forge.ErrConflict) {
		return failed(op, err)
	}
	return nil
}

func (v view) Hooks(ctx context.Context) ([]forge.Hook, error) {
	if err := v.may(ctx, true); err != nil {
		return nil, failed("list webhooks", err)
	}
	out := []forge.Hook{}
	for _, h := range v.repo.Hooks() {
		out = append(out, forge.Hook{
			ID: strconv.FormatInt(h.ID, 10), URL: h.URL, Active: !h.Inactive, Events: h.Events, ContentType: h.ContentType,
		})
	}
	return out, nil
}

func (v view) TestHook(ctx context.Context, id string) error {
	op := "test webhook " + id
	if err := v.may(ctx, true); err != nil {
		return failed(op, err)
	}
	n, err := number(id)
	if err == nil {
		err = v.repo.TestHook(n, v.login)
	}
	if err != nil {
		return failed(op, err)
	}
	return nil
}

func (v githubView) FailedDeliveries(ctx context.Context, hook string, since time.Time) ([]forge.FailedDelivery, error) {
	op := "list the deliveries of webhook " + hook
	if err := v.may(ctx, true); err != nil {
		return nil, failed(op, err)
	}
	n, err := number(hook)
	if err == nil {
		_, err = v.repo.Hook(n)
	}
	if err != nil {
		return nil, failed(op, err)
	}
	out, arrived := []forge.FailedDelivery{}, map[string]bool{}
	list := v.repo.Deliveries(n)
	for _, d := range list {
		arrived[d.GUID] = arrived[d.GUID] || d.OK()
	}
	for _, d := range slices.Backward(list) {
		if !arrived[d.GUID] && !d.At.Before(since) {
			arrived[d.GUID] = true // once
			out = append(out, forge.FailedDelivery{ID: strconv.FormatInt(d.ID, 10), GUID: d.GUID, Event: d.Event, At: d.At})
		}
	}
	return out, nil
}

func (v githubView) DeliveryBody(ctx context.Context, hook, id string) ([]byte, error) {
	op := "read delivery " + id
	if err := v.may(ctx, true); err != nil {
		return nil, failed(op, err)
	}
	n, err := number(hook)
	if err != nil {
		return nil, failed(op, err)
	}
	for _, d := range v.repo.Deliveries(n) {
		if strconv.FormatInt(d.ID, 10) == id {
			return slices.Clone(d.Body), nil
		}
	}
	return nil, failed(op, notFound(v.repo.dialect))
}

func (v githubView) CreateDeployment(ctx context.Context, d forge.Deployment) (string, error) {
	op := "deploy to " + d.Environment
	if err := v.may(ctx, true); err != nil {
		return "", failed(op, err)
	}
	made, err := v.repo.CreateDeployment(ctx, v.login, d)
	if err != nil {
		return "", failed(op, err)
	}
	return strconv.FormatInt(made.ID, 10), nil
}

func (v githubView) SetDeploymentStatus(ctx context.Context, id string, s forge.DeploymentStatus) error {
	op := "set the status of deployment " + id
	if err := v.may(ctx, true); err != nil {
		return failed(op, err)
	}
	n, err := number(id)
	if err == nil {
		_, err = v.repo.SetDeploymentStatus(n, s)
	}
	if err != nil {
		return failed(op, err)
	}
	return nil
}

func (v githubView) DeploymentsTo(ctx context.Context, environment string, n int) ([]forge.Deployed, error) {
	if err := v.may(ctx, false); err != nil {
		return nil, failed("list the deployments to "+environment, err)
	}
	var out []forge.Deployed
	for _, d := range slices.Backward(v.repo.Deployments()) {
		if d.Environment == environment && len(out) < n {
			out = append(out, forge.Deployed{ID: strconv.FormatInt(d.ID, 10),
				Deployment: forge.Deployment{Ref: d.Ref, Environment: d.Environment, Description: d.Description}})
		}
	}
	return out, nil
}
