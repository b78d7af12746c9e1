package github

import (
	"context"
	"net/http"

	gh "github.com/google/go-github/v60/github"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// CreateDeployment makes a deployment.
func (f *Forge) CreateDeployment(ctx context.Context, d forge.Deployment) (string, error) {
	ctx, call := wire.Begin(ctx, "create a deployment to "+d.Environment)
	if err := f.mayWrite(call); err != nil {
		return "", err
	}
	// Left out, GitHub would merge the default branch into the ref first, and
	// refuse while any check is not green.
	in := gh.DeploymentRequest{
		Ref: &d.Ref, Environment: &d.Environment, Description: gh.String(cut(d.Description, maxDescription)),
		AutoMerge: gh.Bool(false), RequiredContexts: &[]string{},
	}
	var answer struct {
		ID int64 `json:"id"`
	}
	if _, err := f.do(ctx, call, http.MethodPost, f.path("/deployments"), in, &answer); err != nil {
		return "", err
	}
	if answer.ID == 0 {
		return "", call.NotForge("the answer has no deployment in it")
	}
	return decimal(answer.ID), nil
}

// SetDeploymentStatus says how far a deployment is.
func (f *Forge) SetDeploymentStatus(ctx context.Context, id, state, url, description string) error {
	ctx, call := wire.Begin(ctx, "set the status of deployment "+id)
	call.Repeatable()
	if err := f.mayWrite(call); err != nil {
		return err
	}
	n, err := number(call, id)
	if err != nil {
		return err
	}
	in := gh.DeploymentStatusRequest{State: &state, Description: gh.String(cut(description, maxDescription))}
	if url != "" {
		in.LogURL = &url
	}
	_, err = f.do(ctx, call, http.MethodPost, f.path("/deployments/%d/statuses", n), in, nil)
	return err
}
