package simforge

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g giteaWire) commitRoutes() []route {
	return []route{
		on("GET", giteaRepo+"/statuses/:sha", g.statuses),
		on("POST", giteaRepo+"/statuses/:sha", g.createStatus),
		on("GET", giteaRepo+"/commits/:sha/statuses", g.statuses),
		on("GET", giteaRepo+"/pulls/:index", g.pull),
		on("GET", giteaRepo+"/branches/*branch", g.branch),
		on("POST", giteaRepo+"/tags", g.createTag),
	}
}

// statuses sorts by whole seconds, newest first; within one the oldest comes
// first. An unknown commit has none.
func (g giteaWire) statuses(c *call) error {
	if err := c.repo().Allow(c.access, false); err != nil {
		return err
	}
	list := c.repo().Statuses(c.vars["sha"])
	slices.SortStableFunc(list, func(a, b memory.Status) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	out := []any{}
	for _, s := range giteaPage(c, list) {
		out = append(out, g.statusJSON(c, s))
	}
	return c.answer(http.StatusOK, out)
}

func (g giteaWire) createStatus(c *call) error {
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	var form struct {
		State       string `json:"state"`
		TargetURL   string `json:"target_url"`
		Description string `json:"description"`
		Context     string `json:"context"`
	}
	if err := g.bind(c, &form); err != nil {
		return err
	}
	s, err := c.repo().AddStatus(c.login, memory.Status{
		Commit: c.vars["sha"], Context: form.Context, State: form.State, URL: form.TargetURL, Description: form.Description,
	})
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, g.statusJSON(c, s))
}

func (g giteaWire) pull(c *call) error {
	in, err := g.info(c)
	if err != nil {
		return err
	}
	is, err := c.repo().Issue(int(c.id("index")))
	if err != nil || is.Pull == nil {
		return c.missing()
	}
	return c.answer(http.StatusOK, g.pullJSON(c, in, is))
}

func (g giteaWire) branch(c *call) error {
	if _, err := g.info(c); err != nil {
		return err
	}
	name := c.vars["branch"]
	at, ok, err := c.repo().Refs().Commit(c.r.Context(), name)
	if err != nil {
		return err
	}
	if !ok || at.Hash == name { // a hash is no branch
		return c.missing()
	}
	commit := g.payloadCommit(c, at)
	for _, k := range []string{"added", "removed", "modified"} {
		commit[k] = nil
	}
	return c.answer(http.StatusOK, map[string]any{
		"name": name, "commit": commit, "protected": false, "required_approvals": 0, "enable_status_check": false,
		"status_check_contexts": []string{}, "user_can_push": c.access == memory.Writer, "user_can_merge": c.access == memory.Writer,
		"effective_branch_protection_name": "",
	})
}

func (g giteaWire) createTag(c *call) error {
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	var form struct {
		TagName string `json:"tag_name"`
		Target  string `json:"target"`
		Message string `json:"message"`
	}
	if err := g.bind(c, &form); err != nil {
		return err
	}
	ctx, repo := c.r.Context(), c.repo()
	at, ok, err := repo.Refs().Commit(ctx, form.Target)
	switch {
	case err != nil:
		return err
	case form.TagName == "":
		return unbound("[TagName]: Required")
	case !ok:
		return &memory.Refusal{Status: http.StatusNotFound, Message: "target not found: object does not exist [id: " + form.Target + ", rel_path: ]"}
	case form.Message != "":
		return &memory.Refusal{Status: http.StatusInternalServerError, Message: "simforge makes lightweight tags only"}
	}
	tags, err := repo.Refs().Matching(ctx, "refs/tags/")
	if err != nil {
		return err
	}
	for _, ref := range tags {
		if strings.EqualFold(ref.Name, "refs/tags/"+form.TagName) {
			return &memory.Refusal{Status: http.StatusConflict, Message: "tag already exists [name: " + form.TagName + "]", Kind: forge.ErrConflict}
		}
	}
	if err := repo.CreateTag(ctx, form.TagName, at.Hash, c.login); err != nil {
		return err
	}
	tag, err := g.tagJSON(c, memory.Ref{Name: "refs/tags/" + form.TagName, Object: at.Hash, Type: "commit"})
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, tag)
}
