package memory

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Deployment is a deployment (GitHub).
type Deployment struct {
	ID               int64
	Ref, Commit      string
	Environment      string
	Description      string
	Creator          User
	Created, Updated time.Time
	Statuses         []DeploymentStatus // oldest first
}

// DeploymentStatus is one of a deployment's statuses.
type DeploymentStatus struct {
	ID                               int64
	State, URL, SiteURL, Description string
	Created                          time.Time
}

var deploymentStates = []string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}

// CreateDeployment makes a deployment of a commit, branch or tag.
func (r *Repo) CreateDeployment(ctx context.Context, creator string, d forge.Deployment) (Deployment, error) {
	at, ok, err := r.refs.Commit(ctx, d.Ref)
	if err == nil && !ok {
		at, ok, err = r.refs.Peel(ctx, "refs/tags/"+d.Ref)
	}
	switch {
	case err != nil:
		return Deployment{}, err
	case r.dialect != GitHub:
		return Deployment{}, notFound(r.dialect)
	case !ok:
		return Deployment{}, &Refusal{Status: http.StatusUnprocessableEntity, Message: "No ref found for: " + d.Ref, Kind: forge.ErrRejected}
	}
	u := r.people.Add(creator)
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := Deployment{
		ID: r.ids.nextOther(), Ref: d.Ref, Commit: at.Hash, Environment: d.Environment, Description: d.Description,
		Creator: u, Created: r.now(), Updated: r.now(),
	}
	if out.Environment == "" {
		out.Environment = "production"
	}
	r.deployments = append(r.deployments, out)
	r.happened(Happening{Event: "deployment", Action: "created", Actor: u.Login, Deployed: &out})
	return out, nil
}

// SetDeploymentStatus adds a status to a deployment.
func (r *Repo) SetDeploymentStatus(id int64, in forge.DeploymentStatus) (DeploymentStatus, error) {
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.deployments {
		d := &r.deployments[i]
		if d.ID != id {
			continue
		}
		if !slices.Contains(deploymentStates, in.State) {
			return DeploymentStatus{}, invalid(forge.ErrRejected, Detail{Resource: "DeploymentStatus", Code: "custom", Field: "state",
				Message: "state is not included in the list"})
		}
		s := DeploymentStatus{ID: r.ids.nextOther(), State: in.State, URL: in.LogURL, SiteURL: in.SiteURL, Description: in.Description, Created: r.now()}
		d.Statuses = append(slices.Clone(d.Statuses), s)
		d.Updated = r.now()
		told := *d
		r.happened(Happening{Event: "deployment_status", Action: "created", Actor: d.Creator.Login, Deployed: &told})
		return s, nil
	}
	return DeploymentStatus{}, notFound(r.dialect)
}

// Deployments lists all, oldest first.
func (r *Repo) Deployments() []Deployment {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.deployments)
}
