package simforge

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// actionRoutes leave out what Gitea 1.27 has no call for: to cancel a run.
func (g giteaWire) actionRoutes() []route {
	const runs = giteaRepo + "/actions/runs"
	return []route{
		on("POST", giteaRepo+"/actions/workflows/:workflow/dispatches", g.dispatch),
		on("GET", giteaRepo+"/actions/workflows/:workflow/runs", g.runs),
		on("GET", runs+"/:run", g.run),
		on("GET", runs+"/:run/jobs", g.jobs),
		on("GET", giteaRepo+"/hooks", g.listHooks),
		on("POST", giteaRepo+"/hooks", g.createHook),
		on("POST", giteaRepo+"/hooks/:id/tests", g.testHook),
	}
}

func noWorkflow(name, end string) error {
	return &memory.Refusal{Status: http.StatusNotFound, Message: fmt.Sprintf("workflow %q %s", name, end)}
}

func (g giteaWire) dispatch(c *call) error {
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	var form struct {
		Ref    string            `json:"ref"`
		Inputs map[string]string `json:"inputs"`
	}
	if err := g.bind(c, &form); err != nil {
		return err
	}
	if form.Ref == "" {
		return unbound("ref is required parameter")
	}
	name := c.vars["workflow"]
	if _, err := c.repo().Workflow(name); err != nil {
		return noWorkflow(name, "doesn't exist")
	}
	ref := form.Ref
	if !strings.HasPrefix(ref, "refs/") {
		ref = "refs/heads/" + ref // never a tag
	}
	if _, err := c.repo().Dispatch(c.r.Context(), c.login, name, ref, form.Inputs); err != nil {
		return &memory.Refusal{Status: http.StatusNotFound, Message: fmt.Sprintf("ref %q doesn't exist", form.Ref)}
	}
	return c.empty(http.StatusNoContent)
}

func (g giteaWire) runs(c *call) error {
	in, err := g.info(c)
	if err != nil {
		return err
	}
	if err := g.named(c); err != nil {
		return err
	}
	name := c.vars["workflow"]
	if _, err := c.repo().Workflow(name); err != nil {
		return noWorkflow(name, "not found")
	}
	list := c.repo().Runs(name)
	out := []any{}
	for _, run := range giteaPage(c, list) {
		out = append(out, g.runJSON(c, in, run))
	}
	return c.answer(http.StatusOK, map[string]any{"workflow_runs": out, "total_count": len(list)})
}

func (g giteaWire) findRun(c *call) (memory.Run, memory.Info, error) {
	in, err := g.info(c)
	if err != nil {
		return memory.Run{}, in, err
	}
	run, err := c.repo().Run(c.id("run"))
	if err != nil {
		err = &memory.Refusal{Status: http.StatusNotFound, Message: fmt.Sprintf("run with id %s: resource does not exist", c.vars["run"])}
	}
	return run, in, err
}

func (g giteaWire) run(c *call) error {
	run, in, err := g.findRun(c)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, g.runJSON(c, in, run))
}

// jobs tell when a run was made, which the run does not.
func (g giteaWire) jobs(c *call) error {
	run, in, err := g.findRun(c)
	if err != nil {
		return err
	}
	doc := g.runJSON(c, in, run)
	job := map[string]any{
		"id": run.ID, "url": fmt.Sprintf("%s/actions/jobs/%d", g.api(c), run.ID), "html_url": fmt.Sprintf("%s/jobs/%d", doc["html_url"], run.ID),
		"run_id": run.ID, "run_url": doc["url"], "name": "release", "labels": []string{"ubuntu-latest"}, "run_attempt": 1,
		"head_sha": run.Commit, "status": run.Status, "steps": []any{}, "created_at": stamp(run.Created),
		"started_at": doc["started_at"], "completed_at": doc["completed_at"],
	}
	if branch, ok := doc["head_branch"]; ok {
		job["head_branch"] = branch
	}
	return c.answer(http.StatusOK, map[string]any{"jobs": giteaPage(c, []any{job}), "total_count": 1})
}

// mayHooks keeps webhooks to administrators of the repository.
func (g giteaWire) mayHooks(c *call, write bool) error {
	if err := g.named(c); err != nil {
		return err
	}
	if err := c.repo().Allow(c.access, write); err != nil {
		return err
	}
	if c.repo().Permission(c.login) < forge.MayAdmin {
		return &memory.Refusal{Status: http.StatusForbidden, Message: "user should be an owner or a collaborator with admin write of a repository"}
	}
	return nil
}

func (g giteaWire) listHooks(c *call) error {
	if err := g.mayHooks(c, false); err != nil {
		return err
	}
	out := []any{}
	for _, h := range giteaPage(c, c.repo().Hooks()) {
		out = append(out, g.hookJSON(h))
	}
	return c.answer(http.StatusOK, out)
}

func (g giteaWire) createHook(c *call) error {
	if err := g.mayHooks(c, true); err != nil {
		return err
	}
	var form struct {
		Type   string            `json:"type"`
		Active bool              `json:"active"`
		Events []string          `json:"events"`
		Config map[string]string `json:"config"`
	}
	if err := g.bind(c, &form); err != nil {
		return err
	}
	kind := form.Config["content_type"]
	switch {
	case form.Config["url"] == "" || kind != "json" && kind != "form":
		return unbound("Missing config option: url or content_type")
	case form.Type != "gitea":
		return unbound("Invalid hook type: " + form.Type)
	case len(form.Events) == 0:
		form.Events = []string{"push"}
	}
	slices.Sort(form.Events)
	h := c.repo().AddHook(memory.Hook{
		URL: form.Config["url"], Secret: form.Config["secret"], Inactive: !form.Active, Events: form.Events, ContentType: kind,
	})
	return c.answer(http.StatusCreated, g.hookJSON(h))
}

func (g giteaWire) testHook(c *call) error {
	if err := g.mayHooks(c, true); err != nil {
		return err
	}
	return g.deleted(c, c.repo().TestHook(c.id("id"), c.login))
}
