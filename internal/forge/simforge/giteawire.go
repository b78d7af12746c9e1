package simforge

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// giteaWire is Gitea's API v1 as version 1.27.3 answers it.
type giteaWire struct{ s *Server }

const giteaVersion = "1.27.3"

// giteaAPI are the first parts of the API's paths.
var giteaAPI = []string{"repos", "version", "user", "settings", "orgs", "teams"}

func (g giteaWire) routes() []route {
	return slices.Concat(g.repoRoutes(), g.releaseRoutes(), g.assetRoutes(), g.talkRoutes(), g.commitRoutes(), g.actionRoutes())
}

// check keeps the API below /api/v1, and the pages outside it.
func (g giteaWire) check(c *call) bool {
	segs := segments(c.r.URL)
	api := c.prefix != ""
	if api {
		segs = segs[2:]
	} else if c.access == memory.BadToken {
		c.access = memory.Anonymous // pages take no notice of a bad token
	}
	first := ""
	if len(segs) > 0 {
		first = segs[0]
	}
	if slices.Contains(giteaAPI, first) != api {
		c.plain(http.StatusNotFound, "text/plain; charset=utf-8", "Not found.\n")
		return false
	}
	return true
}

func (g giteaWire) wrongMethod(c *call) { c.w.WriteHeader(http.StatusMethodNotAllowed) }

// refuse writes Gitea's error body.
func (g giteaWire) refuse(c *call, err error) {
	var no *memory.Refusal
	if !errors.As(err, &no) {
		c.cutIfGone(err)
		no = &memory.Refusal{Status: http.StatusInternalServerError}
	}
	if c.prefix == "" {
		c.plain(no.Status, "text/plain; charset=utf-8", http.StatusText(no.Status)+"\n")
		return
	}
	body := map[string]string{"message": no.Message, "url": c.base() + "/api/swagger"}
	if err := c.answer(no.Status, body); err != nil {
		c.plain(http.StatusInternalServerError, "text/plain", err.Error())
	}
}

// bind reads a JSON body into a struct; unknown keys are left out, as Gitea
// does.
func (g giteaWire) bind(c *call, into any) error {
	t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || t != "application/json" {
		return unbound("[]: Unsupported Content-Type")
	}
	data, err := io.ReadAll(io.LimitReader(c.r.Body, 4<<20))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return unbound("[]: " + err.Error())
	}
	return nil
}

func unbound(why string) error {
	return &memory.Refusal{Status: http.StatusUnprocessableEntity, Message: why}
}

func (g giteaWire) page(c *call) string { return c.base() + "/" + c.repo().FullName() }
func (g giteaWire) api(c *call) string  { return c.base() + "/api/v1/repos/" + c.repo().FullName() }

// escapeSegments is Gitea's util.PathEscapeSegments.
func escapeSegments(s string) string { return strings.ReplaceAll(escapePath(s), "+", "%2B") }
