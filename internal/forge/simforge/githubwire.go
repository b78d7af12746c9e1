package simforge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// githubWire is GitHub's REST API, version 2022-11-28.
type githubWire struct{ s *Server }

const githubDocs = "https://docs.github.com/rest"

// storagePath is where downloads are redirected to, as GitHub does to its
// object storage.
const storagePath = "_storage/"

func (g githubWire) routes() []route {
	// commits/:sha/… stands before commits/*ref, which takes all below it.
	return slices.Concat(g.appRoutes(), g.talkRoutes(), g.checkRoutes(), g.actionRoutes(), g.hookRoutes(), g.deployRoutes(),
		g.repoRoutes(), g.releaseRoutes(), g.assetRoutes())
}

// check refuses what GitHub refuses of any request, and counts it.
func (g githubWire) check(c *call) bool {
	if c.r.UserAgent() == "" {
		c.plain(http.StatusForbidden, "text/html; charset=utf-8",
			"Request forbidden by administrative rules. Please make sure your request has a User-Agent header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required). Check https://developer.github.com for other possible causes.\n")
		return false
	}
	if strings.HasPrefix(strings.TrimPrefix(c.r.URL.Path, "/"), storagePath) {
		return true // another host, for which no rules of the API hold
	}
	c.w.Header().Set("X-GitHub-Request-Id", "0000:00000:0000000:0000000:00000000")
	if v := c.r.Header.Get("X-GitHub-Api-Version"); v != "" && v != "2022-11-28" {
		g.say(c, http.StatusBadRequest, "The API version "+strconv.Quote(v)+" is not supported.", nil)
		return false
	}
	c.w.Header().Set("X-GitHub-Media-Type", "github.v3; format=json")
	v, done := g.s.rates.admit(c.caller(), c.log.Op)
	c.ended = done
	if c.log.Op != OpUpload { // the upload host tells no rates
		v.headers(c.w.Header())
	}
	switch {
	case v.primary:
		g.say(c, http.StatusForbidden, "API rate limit exceeded for user ID 1000.", nil)
		return false
	case v.secondary:
		g.secondary(c, v.retryAfter)
		return false
	}
	return g.checkAccept(c)
}

// caller is whose rate limit counts: an installation has one for all its
// tokens.
func (c *call) caller() string {
	switch {
	case c.installation != nil:
		return fmt.Sprintf("installation %d", c.installation.ID)
	case c.app != nil:
		return fmt.Sprintf("app %d", c.app.ID)
	}
	return c.r.Header.Get("Authorization")
}

// may refuses what the token may not do; right is the one that an app's
// installation needs for it.
func (g githubWire) may(c *call, right string, write bool) error {
	access := c.access
	if c.installation != nil {
		if access != memory.BadToken && c.installation.may(right, write) {
			access = memory.Writer
		} else if access != memory.BadToken {
			how := "read"
			if write {
				how = "write"
			}
			c.w.Header().Set("X-Accepted-GitHub-Permissions", right+"="+how)
			access = memory.ReadOnly
			if !write {
				return &memory.Refusal{Status: http.StatusForbidden, Message: "Resource not accessible by integration", Kind: forge.ErrForbidden}
			}
		}
	}
	return c.repo().Allow(access, write)
}

func (g githubWire) checkAccept(c *call) bool {
	accept := c.r.Header.Get("Accept")
	for _, ok := range []string{"", "*/*", "json", "octet-stream", "vnd.github"} {
		if ok == accept || ok != "" && strings.Contains(accept, ok) {
			return true
		}
	}
	g.say(c, http.StatusUnsupportedMediaType, "Unsupported 'Accept' header: '"+accept+"'. Must accept 'application/json'.", nil)
	return false
}

func (g githubWire) secondary(c *call, seconds int) {
	c.w.Header().Set("Retry-After", strconv.Itoa(seconds))
	g.answer(c, http.StatusForbidden, map[string]any{
		"message":           "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
		"documentation_url": "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits",
	})
}

func (g githubWire) wrongMethod(c *call) { c.wireRefuse(c.missing()) }

// refuse writes GitHub's error body.
func (g githubWire) refuse(c *call, err error) {
	var no *memory.Refusal
	if !errors.As(err, &no) {
		c.cutIfGone(err)
		no = &memory.Refusal{Status: http.StatusInternalServerError, Message: "Server Error"}
	}
	var list []map[string]any
	for _, d := range no.Details {
		e := map[string]any{"resource": d.Resource, "code": d.Code}
		if d.Field != "" {
			e["field"] = d.Field
		}
		if d.Message != "" {
			e["message"] = d.Message
		}
		list = append(list, e)
	}
	g.say(c, no.Status, no.Message, list)
}

func (g githubWire) say(c *call, status int, message string, list []map[string]any) {
	body := map[string]any{"message": message, "documentation_url": githubDocs}
	if list != nil {
		body["errors"] = list
	}
	if c.log.Op == OpUpload {
		body["request_id"] = "0000:00000:0000000:0000000:00000000"
	} else {
		body["status"] = strconv.Itoa(status)
	}
	g.answer(c, status, body)
}

func (g githubWire) answer(c *call, status int, v any) {
	if err := c.answer(status, v); err != nil {
		c.plain(http.StatusInternalServerError, "text/plain", err.Error())
	}
}

// limited answers as a rate limit does, for the faults of that name.
func (c *call) limited(k kind, seconds int) {
	g, github := c.s.wire.(githubWire)
	h := c.w.Header()
	switch {
	case !github:
		h.Set("Retry-After", strconv.Itoa(seconds))
		c.wireRefuse(&memory.Refusal{Status: http.StatusTooManyRequests, Message: "Too many requests"})
	case k == kindSecondary:
		g.secondary(c, seconds)
	case k == kindTooMany:
		h.Set("Retry-After", strconv.Itoa(seconds))
		g.say(c, http.StatusTooManyRequests, "Too many requests", nil)
	default:
		verdict{limit: 5000, used: 5000, reset: c.s.clock().Add(time.Duration(seconds) * time.Second)}.headers(h)
		g.say(c, http.StatusForbidden, "API rate limit exceeded for user ID 1000.", nil)
	}
}

// fields is a JSON object that came in, checked key by key as GitHub does.
type fields map[string]json.RawMessage

// body reads a JSON object with no keys but the permitted ones.
func (g githubWire) body(c *call, permitted ...string) (fields, error) {
	if t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, &memory.Refusal{Status: http.StatusUnsupportedMediaType, Message: "The request's content type must be application/json."}
	}
	data, err := io.ReadAll(io.LimitReader(c.r.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	var any any
	if err := json.Unmarshal(data, &any); err != nil {
		return nil, &memory.Refusal{Status: http.StatusBadRequest, Message: "Problems parsing JSON"}
	}
	f := fields{}
	if err := json.Unmarshal(data, &f); err != nil || f == nil {
		return nil, &memory.Refusal{Status: http.StatusBadRequest, Message: "Body should be a JSON object"}
	}
	for k := range f {
		if !slices.Contains(permitted, k) {
			return nil, invalidRequest(strconv.Quote(k) + " is not a permitted key.")
		}
	}
	return f, nil
}

func invalidRequest(why string) error {
	return &memory.Refusal{Status: http.StatusUnprocessableEntity, Message: "Invalid request.\n\n" + why}
}

// field reads one key; one that is absent or null is nil.
func field[T any](f fields, name, kind string, errp *error) *T {
	raw, ok := f[name]
	if !ok || string(raw) == "null" {
		return nil
	}
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		if *errp == nil {
			*errp = invalidRequest("For 'properties/" + name + "', " + string(raw) + " is not " + kind + ".")
		}
		return nil
	}
	return v
}
