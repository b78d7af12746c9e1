package github

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

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
func (f *Forge) SetDeploymentStatus(ctx context.Context, id string, s forge.DeploymentStatus) error {
	ctx, call := wire.Begin(ctx, "set the status of deployment "+id)
	call.Repeatable()
	if err := f.mayWrite(call); err != nil {
		return err
	}
	n, err := number(call, id)
	if err != nil {
		return err
	}
	// Several packages may share an environment: what replaces what is for the
	// caller to say.
	in := gh.DeploymentStatusRequest{State: &s.State, Description: gh.String(cut(s.Description, maxDescription)), AutoInactive: gh.Bool(false)}
	if s.LogURL != "" {
		in.LogURL = &s.LogURL
	}
	if s.SiteURL != "" {
		in.EnvironmentURL = &s.SiteURL
	}
	_, err = f.do(ctx, call, http.MethodPost, f.path("/deployments/%d/statuses", n), in, nil)
	return err
}

// DeploymentsTo lists the newest deployments to an environment.
func (f *Forge) DeploymentsTo(ctx context.Context, environment string, n int) ([]forge.Deployed, error) {
	ctx, call := wire.Begin(ctx, "list the deployments to "+environment)
	query := url.Values{"environment": {environment}, "per_page": {strconv.Itoa(min(max(n, 1), 100))}}
	var answer []*gh.Deployment
	if _, err := f.do(ctx, call, http.MethodGet, f.path("/deployments?%s", query.Encode()), nil, &answer); err != nil {
		return nil, err
	}
	out := make([]forge.Deployed, 0, len(answer))
	for _, d := range answer {
		out = append(out, forge.Deployed{ID: decimal(d.GetID()),
			Deployment: forge.Deployment{Ref: d.GetRef(), Environment: d.GetEnvironment(), Description: d.GetDescription()}})
	}
	return out, nil
}
