package simforge

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g giteaWire) assetRoutes() []route {
	const assets = "/repos/:owner/:repo/releases/:id/assets"
	return []route{
		on("GET", assets, g.listAssets),
		on("POST", assets, g.uploadAsset),
		on("GET", assets+"/:asset", func(c *call) error { return g.asset(c, http.StatusOK) }),
		on("PATCH", assets+"/:asset", g.editAsset),
		on("DELETE", assets+"/:asset", g.deleteAsset),
		on("GET", "/:owner/:repo/releases/download/:tag/:name", g.webDownload),
		on("GET", "/attachments/:uuid", g.attachment),
	}
}

func (g giteaWire) listAssets(c *call) error {
	rel, err := c.repo().Release(c.access, c.id("id"))
	if err != nil {
		return err
	}
	list, err := c.repo().Assets(c.access, rel.ID)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, g.assetsJSON(c, rel, list))
}

// assetsJSON gives each asset its address: by name, or all by uuid as soon as
// two of them share a name.
func (g giteaWire) assetsJSON(c *call, rel memory.Release, list []memory.Asset) []any {
	names := map[string]bool{}
	duplicate := false
	for _, a := range list {
		duplicate = duplicate || names[a.Name]
		names[a.Name] = true
	}
	out := []any{}
	for _, a := range list {
		u := c.base() + "/attachments/" + a.UUID
		if !duplicate {
			u = g.page(c) + "/releases/download/" + url.PathEscape(rel.Tag) + "/" + url.PathEscape(a.Name)
		}
		out = append(out, g.assetJSON(a, u))
	}
	return out
}

func (g giteaWire) assetJSON(a memory.Asset, download string) map[string]any {
	return map[string]any{
		"id": a.ID, "name": a.Name, "size": a.Size, "download_count": a.Downloads, "created_at": stamp(a.Created),
		"uuid": a.UUID, "browser_download_url": download,
	}
}

// found checks that an asset is one of the release in the path.
func (g giteaWire) found(c *call) (memory.Asset, error) {
	a, err := c.repo().Asset(c.access, c.id("asset"))
	if err == nil && a.ReleaseID != c.id("id") {
		err = c.missing()
	}
	return a, err
}

// asset answers with the address by uuid, as Gitea does for a single one.
func (g giteaWire) asset(c *call, status int) error {
	a, err := g.found(c)
	if err != nil {
		return err
	}
	return c.answer(status, g.assetJSON(a, c.base()+"/attachments/"+a.UUID))
}

func (g giteaWire) editAsset(c *call) error {
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	var form struct {
		Name string `json:"name"`
	}
	if err := g.bind(c, &form); err != nil {
		return err
	}
	if _, err := g.found(c); err != nil {
		return err
	}
	if _, err := c.repo().RenameAsset(c.access, c.id("asset"), form.Name, ""); err != nil {
		return err
	}
	return g.asset(c, http.StatusCreated)
}

func (g giteaWire) deleteAsset(c *call) error {
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	a, err := g.found(c)
	if err != nil {
		return err
	}
	return g.deleted(c, c.repo().DeleteAsset(c.access, a.ID))
}

// uploadAsset takes both forms: a multipart field called attachment, and the
// bare bytes of any other content type.
func (g giteaWire) uploadAsset(c *call) error {
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	if _, err := c.repo().Release(c.access, c.id("id")); err != nil {
		return err
	}
	u := memory.Upload{Name: c.r.URL.Query().Get("name"), Size: c.r.ContentLength, Body: c.r.Body}
	if t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err == nil && t == "multipart/form-data" {
		part, err := g.attachmentPart(c)
		if err != nil {
			return err
		}
		u.Size, u.Body = -1, part
		if u.Name == "" {
			u.Name = part.name
		}
	}
	c.s.rec.note(func() { c.log.Asset = u.Name })
	a, err := c.repo().Upload(c.r.Context(), c.access, c.id("id"), u)
	if err != nil {
		return err
	}
	c.s.rec.note(func() { c.log.Stored = true })
	return c.answer(http.StatusCreated, g.assetJSON(a, c.base()+"/attachments/"+a.UUID))
}

// formFile is a form's file, which must be followed by the form's end.
type formFile struct {
	io.Reader
	name string
}

func (g giteaWire) attachmentPart(c *call) (formFile, error) {
	form, err := c.r.MultipartReader()
	if err != nil {
		return formFile{}, &memory.Refusal{Status: http.StatusInternalServerError}
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return formFile{}, &memory.Refusal{Status: http.StatusInternalServerError} // http: no such file
		}
		if err != nil {
			return formFile{}, err
		}
		if part.FormName() != "attachment" {
			continue
		}
		name := part.FileName()
		// FileName takes the folder off; Gitea's own header does so as well.
		end := func() error {
			_, err := form.NextPart()
			if errors.Is(err, io.EOF) {
				return io.EOF
			}
			return io.ErrUnexpectedEOF
		}
		return formFile{io.MultiReader(part, endReader{end}), name}, nil
	}
}

// endReader turns a form that breaks off after the file into an error.
type endReader struct{ end func() error }

func (e endReader) Read([]byte) (int, error) { return 0, e.end() }

// webDownload is browser_download_url; the tag latest is the latest release,
// unless there is a release of that tag.
func (g giteaWire) webDownload(c *call) error {
	tag := c.vars["tag"]
	rel, err := c.repo().ReleaseByTag(c.access, tag)
	if err != nil && tag == "latest" {
		rel, err = c.repo().Latest(c.access)
	}
	if err != nil {
		return err
	}
	for _, a := range rel.Assets {
		if a.Name == c.vars["name"] {
			return c.serveAsset(a)
		}
	}
	return c.missing()
}

func (g giteaWire) attachment(c *call) error {
	uuid := strings.ToLower(c.vars["uuid"])
	var found *hosted
	c.s.each(func(h hosted) {
		if _, err := h.repo.AssetByUUID(c.access, uuid); err == nil {
			found = &h
		}
	})
	if found == nil {
		return c.missing()
	}
	c.hosted = *found
	a, err := c.repo().AssetByUUID(c.access, uuid)
	if err != nil {
		return err
	}
	return c.serveAsset(a)
}
