package simforge

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g githubWire) deployRoutes() []route {
	const deployments = githubRepo + "/deployments"
	return []route{
		on("GET", deployments, g.deployments),
		on("POST", deployments, g.createDeployment),
		on("GET", deployments+"/:id/statuses", g.deploymentStatuses),
		on("POST", deployments+"/:id/statuses", g.createDeploymentStatus),
	}
}

func (g githubWire) deployments(c *call) error {
	if err := g.may(c, "deployments", false); err != nil {
		return err
	}
	var list []memory.Deployment // the newest first, as GitHub has it
	for _, d := range slices.Backward(c.repo().Deployments()) {
		if e := c.r.URL.Query().Get("environment"); e == "" || e == d.Environment {
			list = append(list, d)
		}
	}
	out := []any{}
	for _, d := range githubPage(c, list) {
		out = append(out, g.deploymentJSON(c, d))
	}
	return c.answer(http.StatusOK, out)
}

// createDeployment is strict where GitHub does more than it is asked for:
// without required_contexts it wants every check to be green, and without
// auto_merge it may merge.
func (g githubWire) createDeployment(c *call) error {
	if err := g.may(c, "deployments", true); err != nil {
		return err
	}
	f, err := g.body(c, "ref", "task", "auto_merge", "required_contexts", "payload", "environment", "description", "transient_environment", "production_environment")
	if err != nil {
		return err
	}
	ref := field[string](f, "ref", "a string", &err)
	merge := field[bool](f, "auto_merge", "a boolean", &err)
	contexts := field[[]string](f, "required_contexts", "an array", &err)
	d := forge.Deployment{
		Environment: deref(field[string](f, "environment", "a string", &err)),
		Description: deref(field[string](f, "description", "a string", &err)),
	}
	switch {
	case err != nil:
		return err
	case ref == nil:
		return invalidRequest(`"ref" wasn't supplied.`)
	case utf8.RuneCountInString(d.Description) > 140:
		return tooLong("Deployment")
	}
	d.Ref = *ref
	if merge == nil || *merge {
		return &memory.Refusal{Status: http.StatusConflict, Kind: forge.ErrConflict,
			Message: "Conflict merging " + deref(branchOf(c)) + " into " + d.Ref + "."}
	}
	if red := g.red(c, d.Ref, contexts); len(red) > 0 {
		return &memory.Refusal{Status: http.StatusConflict, Kind: forge.ErrConflict,
			Message: "Conflict: Commit status checks failed for " + d.Ref + ".",
			Details: []memory.Detail{{Resource: "Deployment", Field: "required_contexts", Code: "invalid"}}}
	}
	made, err := c.repo().CreateDeployment(c.r.Context(), c.login, d)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, g.deploymentJSON(c, made))
}

func branchOf(c *call) *string {
	in, err := c.repo().Info(c.r.Context())
	if err != nil {
		return nil
	}
	return &in.DefaultBranch
}

// red names the contexts that are not green of those that are wanted: nil
// wants all.
func (g githubWire) red(c *call, ref string, wanted *[]string) []string {
	at, err := g.resolve(c, ref)
	if err != nil {
		return nil
	}
	state := map[string]string{}
	for _, s := range c.repo().Statuses(at.Hash) {
		if state[s.Context] == "" {
			state[s.Context] = s.State
		}
	}
	var red []string
	if wanted == nil {
		for name, s := range state {
			if s != "success" {
				red = append(red, name)
			}
		}
		return red
	}
	for _, name := range *wanted {
		if state[name] != "success" {
			red = append(red, name)
		}
	}
	return red
}

func tooLong(resource string) error {
	return &memory.Refusal{Status: http.StatusUnprocessableEntity, Message: "Validation Failed", Kind: forge.ErrRejected,
		Details: []memory.Detail{{Resource: resource, Code: "custom", Field: "description", Message: "description is too long (maximum is 140 characters)"}}}
}

func (g githubWire) deploymentStatuses(c *call) error {
	if err := g.may(c, "deployments", false); err != nil {
		return err
	}
	d, ok := g.deployment(c)
	if !ok {
		return c.missing()
	}
	out := []any{}
	for _, s := range githubPage(c, d.Statuses) {
		out = append(out, g.deploymentStatusJSON(c, d, s))
	}
	return c.answer(http.StatusOK, out)
}

func (g githubWire) deployment(c *call) (memory.Deployment, bool) {
	for _, d := range c.repo().Deployments() {
		if d.ID == c.id("id") {
			return d, true
		}
	}
	return memory.Deployment{}, false
}

func (g githubWire) createDeploymentStatus(c *call) error {
	if err := g.may(c, "deployments", true); err != nil {
		return err
	}
	f, err := g.body(c, "state", "target_url", "log_url", "description", "environment", "environment_url", "auto_inactive")
	if err != nil {
		return err
	}
	state := field[string](f, "state", "a string", &err)
	address := field[string](f, "log_url", "a string", &err)
	site := field[string](f, "environment_url", "a string", &err)
	description := deref(field[string](f, "description", "a string", &err))
	switch {
	case err != nil:
		return err
	case state == nil:
		return invalidRequest(`"state" wasn't supplied.`)
	case utf8.RuneCountInString(description) > 140:
		return tooLong("DeploymentStatus")
	case address != nil && !strings.HasPrefix(*address, "http"), site != nil && !strings.HasPrefix(*site, "http"):
		return &memory.Refusal{Status: http.StatusUnprocessableEntity, Message: "Validation Failed", Kind: forge.ErrRejected,
			Details: []memory.Detail{{Resource: "DeploymentStatus", Code: "custom", Field: "target_url", Message: "target_url must use http(s) scheme"}}}
	}
	s, err := c.repo().SetDeploymentStatus(c.id("id"), forge.DeploymentStatus{State: *state, LogURL: deref(address), SiteURL: deref(site), Description: description})
	if err != nil {
		return err
	}
	d, _ := g.deployment(c)
	return c.answer(http.StatusCreated, g.deploymentStatusJSON(c, d, s))
}

// deploymentJSON is a deployment, as the API and webhooks show it.
func (g githubWire) deploymentJSON(c *call, d memory.Deployment) map[string]any {
	self := fmt.Sprintf("%s/deployments/%d", g.api(c), d.ID)
	return map[string]any{
		"url": self, "id": d.ID, "node_id": nodeID("Deployment", d.ID), "sha": d.Commit, "ref": d.Ref, "task": "deploy", "payload": map[string]any{},
		"original_environment": d.Environment, "environment": d.Environment, "description": orNull(d.Description), "creator": g.account(c, d.Creator),
		"created_at": stamp(d.Created), "updated_at": stamp(d.Updated), "statuses_url": self + "/statuses", "repository_url": g.api(c),
		"transient_environment": false, "production_environment": d.Environment == "production", "performed_via_github_app": nil,
	}
}

func (g githubWire) deploymentStatusJSON(c *call, d memory.Deployment, s memory.DeploymentStatus) map[string]any {
	self := fmt.Sprintf("%s/deployments/%d", g.api(c), d.ID)
	return map[string]any{
		"url": fmt.Sprintf("%s/statuses/%d", self, s.ID), "id": s.ID, "node_id": nodeID("DeploymentStatus", s.ID), "state": s.State,
		"creator": g.account(c, d.Creator), "description": s.Description, "environment": d.Environment, "target_url": s.URL, "log_url": s.URL,
		"created_at": stamp(s.Created), "updated_at": stamp(s.Created), "deployment_url": self, "repository_url": g.api(c),
		"environment_url": s.SiteURL, "performed_via_github_app": nil,
	}
}
