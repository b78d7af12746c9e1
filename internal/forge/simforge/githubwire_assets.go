package simforge

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g githubWire) assetRoutes() []route {
	const releases = "/repos/:owner/:repo/releases"
	return []route{
		on("GET", releases+"/assets/:id", g.getAsset),
		on("PATCH", releases+"/assets/:id", g.editAsset),
		on("DELETE", releases+"/assets/:id", func(c *call) error {
			if err := c.repo().DeleteAsset(c.access, c.id("id")); err != nil {
				return err
			}
			return c.empty(http.StatusNoContent)
		}),
		on("GET", releases+"/:id/assets", g.listAssets),
		on("POST", releases+"/:id/assets", g.uploadAsset),
		on("GET", "/:owner/:repo/releases/download/*path", g.webDownload),
		on("GET", "/_storage/:owner/:repo/:uuid", g.storage),
	}
}

func (g githubWire) listAssets(c *call) error {
	id := c.id("id")
	list, err := c.repo().Assets(c.access, id)
	if err != nil {
		return err
	}
	rel, err := c.repo().Release(c.access, id)
	if err != nil {
		return err
	}
	out := []any{}
	for _, a := range githubPage(c, list) {
		out = append(out, g.assetJSON(c, rel, a))
	}
	return c.answer(http.StatusOK, out)
}

// asset finds an asset and its release.
func (g githubWire) asset(c *call) (memory.Asset, memory.Release, error) {
	a, err := c.repo().Asset(c.access, c.id("id"))
	if err != nil {
		return a, memory.Release{}, err
	}
	rel, err := c.repo().Release(c.access, a.ReleaseID)
	return a, rel, err
}

// getAsset gives the description, or with Accept: application/octet-stream
// sends to the content.
func (g githubWire) getAsset(c *call) error {
	a, rel, err := g.asset(c)
	if err != nil {
		return err
	}
	if !strings.Contains(c.r.Header.Get("Accept"), "octet-stream") {
		return c.answer(http.StatusOK, g.assetJSON(c, rel, a))
	}
	if a.Starter {
		return c.missing()
	}
	return g.redirect(c, a)
}

func (g githubWire) redirect(c *call, a memory.Asset) error {
	c.w.Header().Set("Location", c.base()+"/"+storagePath+c.repo().FullName()+"/"+a.UUID)
	return c.empty(http.StatusFound)
}

// webDownload is browser_download_url: the last part of the path is the name,
// the rest the tag.
func (g githubWire) webDownload(c *call) error {
	tag, name, ok := cutLast(c.vars["path"])
	list, err := c.repo().Releases(c.access)
	if err != nil {
		return err
	}
	for _, rel := range list {
		if !ok || g.pageTag(rel) != tag {
			continue
		}
		for _, a := range rel.Assets {
			if a.Name == name {
				return g.redirect(c, a)
			}
		}
	}
	return c.missing()
}

func cutLast(path string) (dir, name string, ok bool) {
	i := strings.LastIndex(path, "/")
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// storage serves contents by an address that nobody can guess.
func (g githubWire) storage(c *call) error {
	a, err := c.repo().AssetByUUID(memory.Writer, c.vars["uuid"])
	if err != nil {
		return err
	}
	return c.serveAsset(a)
}

// serveAsset streams an asset's content.
func (c *call) serveAsset(a memory.Asset) error {
	body, err := c.repo().Open(memory.Writer, a.ID)
	if err != nil {
		return err
	}
	defer body.Close()
	c.w.Header().Set("Content-Type", "application/octet-stream")
	c.w.Header().Set("Content-Length", strconv.FormatInt(a.Size, 10))
	c.w.WriteHeader(http.StatusOK)
	_, _ = io.Copy(c.w, body) // a client that went away is no fault of the handler
	return nil
}

func (g githubWire) uploadAsset(c *call) error {
	q := c.r.URL.Query()
	c.s.rec.note(func() { c.log.Asset = q.Get("name") })
	kind := c.r.Header.Get("Content-Type")
	if kind == "" {
		return &memory.Refusal{Status: http.StatusBadRequest, Message: "Content-Type header is required"}
	}
	a, err := c.repo().Upload(c.r.Context(), c.access, c.id("id"), memory.Upload{
		Name: q.Get("name"), Label: q.Get("label"), ContentType: kind, Size: c.r.ContentLength, Body: c.r.Body,
	})
	if err != nil {
		return err
	}
	c.s.rec.note(func() { c.log.Stored = true })
	rel, err := c.repo().Release(c.access, a.ReleaseID)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, g.assetJSON(c, rel, a))
}

func (g githubWire) editAsset(c *call) error {
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	f, err := g.body(c, "name", "label", "state")
	if err != nil {
		return err
	}
	name := deref(field[string](f, "name", "a string", &err))
	label := deref(field[string](f, "label", "a string", &err))
	if err != nil {
		return err
	}
	if _, err := c.repo().RenameAsset(c.access, c.id("id"), name, label); err != nil {
		return err
	}
	a, rel, err := g.asset(c)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, g.assetJSON(c, rel, a))
}
