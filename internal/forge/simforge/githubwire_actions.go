package simforge

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g githubWire) actionRoutes() []route {
	const workflow, run = githubRepo + "/actions/workflows/:workflow", githubRepo + "/actions/runs/:id"
	return []route{
		on("POST", workflow+"/dispatches", g.dispatch),
		on("GET", workflow+"/runs", g.runs),
		on("GET", run, func(c *call) error {
			if err := g.may(c, "actions", false); err != nil {
				return err
			}
			found, err := c.repo().Run(c.id("id"))
			if err != nil {
				return err
			}
			return g.answerRun(c, found)
		}),
		on("POST", run+"/cancel", func(c *call) error {
			if err := g.may(c, "actions", true); err != nil {
				return err
			}
			if err := c.repo().CancelRun(c.id("id")); err != nil {
				return err
			}
			return c.answer(http.StatusAccepted, map[string]any{})
		}),
	}
}

// maxInputs is how many inputs GitHub takes.
const maxInputs = 25

func (g githubWire) dispatch(c *call) error {
	if err := g.may(c, "actions", true); err != nil {
		return err
	}
	f, err := g.body(c, "ref", "inputs")
	if err != nil {
		return err
	}
	ref := field[string](f, "ref", "a string", &err)
	inputs := field[map[string]any](f, "inputs", "an object", &err)
	switch {
	case err != nil:
		return err
	case ref == nil:
		return invalidRequest(`"ref" wasn't supplied.`)
	case len(deref(inputs)) > maxInputs:
		return invalidRequest(fmt.Sprintf("you may only define up to %d `inputs` for a `workflow_dispatch` event", maxInputs))
	}
	given := map[string]string{}
	for k, v := range deref(inputs) {
		given[k] = fmt.Sprint(v)
	}
	if _, err := c.repo().Dispatch(c.r.Context(), c.login, c.vars["workflow"], *ref, given); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

// runs lists a workflow's runs, newest first, made in a time and of an event.
func (g githubWire) runs(c *call) error {
	if err := g.may(c, "actions", false); err != nil {
		return err
	}
	w, err := c.repo().Workflow(c.vars["workflow"])
	if err != nil {
		return err
	}
	q := c.r.URL.Query()
	since, err := createdSince(q.Get("created"))
	if err != nil {
		return err
	}
	var list []memory.Run
	for _, run := range c.repo().Runs(w.File) {
		if !run.Created.Before(since) && (q.Get("event") == "" || q.Get("event") == run.Event) {
			list = append(list, run)
		}
	}
	in, err := c.repo().Info(c.r.Context())
	if err != nil {
		return err
	}
	out := []any{}
	for _, run := range githubPage(c, list) {
		one, err := g.runJSON(c, in, run)
		if err != nil {
			return err
		}
		out = append(out, one)
	}
	return c.answer(http.StatusOK, map[string]any{"total_count": len(list), "workflow_runs": out})
}

// createdSince reads GitHub's search syntax for dates, as far as ">=" and a
// time.
func createdSince(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	from, ok := strings.CutPrefix(text, ">=")
	at, err := time.Parse(time.RFC3339, from)
	if !ok || err != nil {
		return at, invalidRequest("created is not of a form that this server knows: " + text)
	}
	return at, nil
}

func (g githubWire) answerRun(c *call, run memory.Run) error {
	in, err := c.repo().Info(c.r.Context())
	if err != nil {
		return err
	}
	out, err := g.runJSON(c, in, run)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}

// runJSON is a run, as the API shows it.
func (g githubWire) runJSON(c *call, in memory.Info, run memory.Run) (map[string]any, error) {
	at, _, err := c.repo().Refs().Commit(c.r.Context(), run.Commit)
	if err != nil {
		return nil, err
	}
	self := fmt.Sprintf("%s/actions/runs/%d", g.api(c), run.ID)
	who := map[string]any{"name": "A Maintainer", "email": "maintainer@example.org"}
	return map[string]any{
		"id": run.ID, "name": run.Workflow.Name, "node_id": nodeID("WorkflowRun", run.ID), "head_branch": run.Branch(), "head_sha": run.Commit,
		"path": ".github/workflows/" + run.Workflow.File, "display_title": run.Workflow.Name, "run_number": run.Number, "run_attempt": 1,
		"event": run.Event, "status": run.Status, "conclusion": orNull(run.Conclusion), "workflow_id": run.Workflow.ID,
		"check_suite_id": run.ID, "check_suite_node_id": nodeID("CheckSuite", run.ID), "url": self,
		"html_url": fmt.Sprintf("%s/actions/runs/%d", g.page(c), run.ID), "pull_requests": []any{}, "created_at": stamp(run.Created),
		"updated_at": stamp(run.Updated), "run_started_at": stamp(run.Created), "actor": g.account(c, run.Actor), "triggering_actor": g.account(c, run.Actor),
		"jobs_url": self + "/jobs", "logs_url": self + "/logs", "check_suite_url": fmt.Sprintf("%s/check-suites/%d", g.api(c), run.ID),
		"artifacts_url": self + "/artifacts", "cancel_url": self + "/cancel", "rerun_url": self + "/rerun", "previous_attempt_url": nil,
		"workflow_url": fmt.Sprintf("%s/actions/workflows/%d", g.api(c), run.Workflow.ID),
		"head_commit": map[string]any{
			"id": run.Commit, "tree_id": run.Commit, "message": at.Message, "timestamp": at.Time.UTC().Format(time.RFC3339), "author": who, "committer": who,
		},
		"repository": g.minimalRepoJSON(c, in), "head_repository": g.minimalRepoJSON(c, in), "referenced_workflows": []any{},
	}, nil
}
