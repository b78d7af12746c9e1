package simforge

import (
	"net/http"
	"slices"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g githubWire) releaseRoutes() []route {
	const releases = "/repos/:owner/:repo/releases"
	return []route{
		on("GET", releases, g.listReleases),
		on("POST", releases, g.createRelease),
		on("GET", releases+"/latest", func(c *call) error {
			rel, err := c.repo().Latest(c.access)
			return g.release(c, rel, err)
		}),
		on("GET", releases+"/tags/*tag", func(c *call) error {
			rel, err := c.repo().ReleaseByTag(c.access, c.vars["tag"])
			return g.release(c, rel, err)
		}),
		on("GET", releases+"/:id", func(c *call) error {
			rel, err := c.repo().Release(c.access, c.id("id"))
			return g.release(c, rel, err)
		}),
		on("PATCH", releases+"/:id", g.editRelease),
		on("DELETE", releases+"/:id", func(c *call) error {
			if err := c.repo().Delete(c.access, c.id("id")); err != nil {
				return err
			}
			return c.empty(http.StatusNoContent)
		}),
	}
}

func (g githubWire) release(c *call, rel memory.Release, err error) error {
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, g.releaseJSON(c, rel))
}

func (g githubWire) listReleases(c *call) error {
	list, err := c.repo().Releases(c.access)
	if err != nil {
		return err
	}
	out := []any{}
	for _, rel := range githubPage(c, list) {
		out = append(out, g.releaseJSON(c, rel))
	}
	return c.answer(http.StatusOK, out)
}

func (g githubWire) createRelease(c *call) error {
	// Who may not write learns nothing of what is wrong with the body.
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	f, err := g.body(c, "tag_name", "target_commitish", "name", "body", "draft", "prerelease",
		"discussion_category_name", "generate_release_notes", "make_latest")
	if err != nil {
		return err
	}
	tag := field[string](f, "tag_name", "a string", &err)
	n := memory.NewRelease{
		Target:     deref(field[string](f, "target_commitish", "a string", &err)),
		Title:      deref(field[string](f, "name", "a string", &err)),
		Body:       deref(field[string](f, "body", "a string", &err)),
		Draft:      deref(field[bool](f, "draft", "a boolean", &err)),
		Prerelease: deref(field[bool](f, "prerelease", "a boolean", &err)),
		Latest:     makeLatest(f, &err),
	}
	if err != nil {
		return err
	}
	if tag == nil {
		return invalidRequest(`"tag_name" wasn't supplied.`)
	}
	n.Tag = *tag
	rel, err := c.repo().Create(c.r.Context(), c.access, n)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", g.releaseURL(c, rel))
	return c.answer(http.StatusCreated, g.releaseJSON(c, rel))
}

func (g githubWire) editRelease(c *call) error {
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	f, err := g.body(c, "tag_name", "target_commitish", "name", "body", "draft", "prerelease",
		"discussion_category_name", "make_latest")
	if err != nil {
		return err
	}
	e := memory.Edit{
		Tag:        field[string](f, "tag_name", "a string", &err),
		Target:     field[string](f, "target_commitish", "a string", &err),
		Title:      field[string](f, "name", "a string", &err),
		Body:       field[string](f, "body", "a string", &err),
		Draft:      field[bool](f, "draft", "a boolean", &err),
		Prerelease: field[bool](f, "prerelease", "a boolean", &err),
		Latest:     makeLatest(f, &err),
	}
	if err != nil {
		return err
	}
	rel, err := c.repo().Edit(c.r.Context(), c.access, c.id("id"), e)
	return g.release(c, rel, err)
}

// makeLatest is a string, not a boolean.
func makeLatest(f fields, errp *error) string {
	v := deref(field[string](f, "make_latest", "a string", errp))
	if v != "" && !slices.Contains([]string{"true", "false", "legacy"}, v) && *errp == nil {
		*errp = invalidRequest("For 'properties/make_latest', \"" + v + "\" is not a member of [\"true\", \"false\", \"legacy\"].")
	}
	return v
}

func deref[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}
