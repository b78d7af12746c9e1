package simforge

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g giteaWire) releaseRoutes() []route {
	const releases = "/repos/:owner/:repo/releases"
	return []route{
		on("GET", releases, g.listReleases),
		on("POST", releases, g.createRelease),
		on("GET", releases+"/latest", func(c *call) error {
			rel, err := c.repo().Latest(c.access)
			return g.release(c, http.StatusOK, rel, err)
		}),
		on("GET", releases+"/tags/:tag", func(c *call) error {
			rel, err := c.repo().ReleaseByTag(c.access, c.vars["tag"])
			return g.release(c, http.StatusOK, rel, err)
		}),
		on("DELETE", releases+"/tags/:tag", func(c *call) error {
			rel, err := c.repo().ReleaseByTag(c.access, c.vars["tag"])
			if err != nil {
				return err
			}
			return g.deleted(c, c.repo().Delete(c.access, rel.ID))
		}),
		on("GET", releases+"/:id", func(c *call) error {
			rel, err := c.repo().Release(c.access, c.id("id"))
			return g.release(c, http.StatusOK, rel, err)
		}),
		on("PATCH", releases+"/:id", g.editRelease),
		on("DELETE", releases+"/:id", func(c *call) error {
			return g.deleted(c, c.repo().Delete(c.access, c.id("id")))
		}),
	}
}

func (g giteaWire) deleted(c *call, err error) error {
	if err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (g giteaWire) release(c *call, status int, rel memory.Release, err error) error {
	if err != nil {
		return err
	}
	list, err := c.repo().Assets(memory.Writer, rel.ID)
	if err != nil {
		return err
	}
	return c.answer(status, g.releaseJSON(c, rel, list))
}

func (g giteaWire) listReleases(c *call) error {
	list, err := c.repo().Releases(c.access)
	if err != nil {
		return err
	}
	q := c.r.URL.Query()
	var kept []memory.Release
	for _, rel := range list {
		if wants(q, "draft", rel.Draft) && wants(q, "pre-release", rel.Prerelease) {
			kept = append(kept, rel)
		}
	}
	out := []any{}
	for _, rel := range giteaPage(c, kept) {
		assets, err := c.repo().Assets(memory.Writer, rel.ID)
		if err != nil {
			return err
		}
		out = append(out, g.releaseJSON(c, rel, assets))
	}
	return c.answer(http.StatusOK, out)
}

// wants is a filter that may be left out.
func wants(q url.Values, name string, is bool) bool {
	want, err := strconv.ParseBool(q.Get(name))
	return err != nil || want == is
}

func (g giteaWire) createRelease(c *call) error {
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	var form struct {
		TagName    string `json:"tag_name"`
		Target     string `json:"target_commitish"`
		Name       string `json:"name"`
		Body       string `json:"body"`
		Draft      bool   `json:"draft"`
		Prerelease bool   `json:"prerelease"`
	}
	if err := g.bind(c, &form); err != nil {
		return err
	}
	if form.TagName == "" {
		return unbound("[TagName]: Required")
	}
	rel, err := c.repo().Create(c.r.Context(), c.access, memory.NewRelease{
		Tag: form.TagName, Target: form.Target, Title: form.Name, Body: form.Body, Draft: form.Draft, Prerelease: form.Prerelease,
	})
	return g.release(c, http.StatusCreated, rel, err)
}

// editRelease leaves what is empty as it is: Gitea cannot clear a text.
func (g giteaWire) editRelease(c *call) error {
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	var form struct {
		TagName    string `json:"tag_name"`
		Target     string `json:"target_commitish"`
		Name       string `json:"name"`
		Body       string `json:"body"`
		Draft      *bool  `json:"draft"`
		Prerelease *bool  `json:"prerelease"`
	}
	if err := g.bind(c, &form); err != nil {
		return err
	}
	given := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	rel, err := c.repo().Edit(c.r.Context(), c.access, c.id("id"), memory.Edit{
		Tag: given(form.TagName), Target: given(form.Target), Title: given(form.Name), Body: given(form.Body),
		Draft: form.Draft, Prerelease: form.Prerelease,
	})
	return g.release(c, http.StatusOK, rel, err)
}

func (g giteaWire) releaseJSON(c *call, rel memory.Release, assets []memory.Asset) map[string]any {
	self := g.api(c) + "/releases/" + strconv.FormatInt(rel.ID, 10)
	tag := escapeSegments(rel.Tag)
	return map[string]any{
		"id": rel.ID, "tag_name": rel.Tag, "target_commitish": rel.Target, "name": rel.Title, "body": rel.Body,
		"url": self, "html_url": g.page(c) + "/releases/tag/" + tag,
		"tarball_url": g.page(c) + "/archive/" + tag + ".tar.gz", "zipball_url": g.page(c) + "/archive/" + tag + ".zip",
		"upload_url": self + "/assets", "draft": rel.Draft, "prerelease": rel.Prerelease,
		"created_at": stamp(rel.Created), "published_at": stamp(rel.Created),
		"author": g.self(c), "assets": g.assetsJSON(c, rel, assets),
	}
}
