package simforge

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// call is one request on its way through.
type call struct {
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	access memory.Access
	login  string // the account of the token, empty without a good one
	// app asks by itself, or by one of its installations.
	app          *App
	appFault     error // why it is not believed
	installation *Installation
	// prefix is the API's part of the path, "/api/v3" or "/api/v1".
	prefix string
	vars   map[string]string
	hosted hosted
	log    *Request
	// ended gives the request's place back to the rate limiter.
	ended func()
}

type handler func(*call) error

// route is a method and a path; ":name" is one segment, "*name" the rest.
type route struct {
	method string
	parts  []string
	handle handler
}

func on(method, path string, h handler) route {
	return route{method, strings.Split(strings.Trim(path, "/"), "/"), h}
}

// match compares segment by segment, so that an escaped slash stays inside one.
func (rt route) match(segments []string) (map[string]string, bool) {
	vars := map[string]string{}
	for i, part := range rt.parts {
		if name, ok := strings.CutPrefix(part, "*"); ok && i < len(segments) {
			vars[name] = strings.Join(segments[i:], "/")
			return vars, true
		}
		if i >= len(segments) {
			return nil, false
		}
		if name, ok := strings.CutPrefix(part, ":"); ok {
			vars[name] = segments[i]
		} else if part != segments[i] {
			return nil, false
		}
	}
	return vars, len(segments) == len(rt.parts)
}

// segments splits a path and unescapes each part.
func segments(u *url.URL) []string {
	var out []string
	for part := range strings.SplitSeq(strings.Trim(u.EscapedPath(), "/"), "/") {
		if p, err := url.PathUnescape(part); err == nil {
			part = p
		}
		out = append(out, part)
	}
	return out
}

// dispatch finds the route and its repository.
func (c *call) dispatch(segs []string) {
	known := false
	for _, rt := range c.s.routes {
		vars, ok := rt.match(segs)
		if !ok {
			continue
		}
		if rt.method != c.r.Method {
			known = true
			continue
		}
		c.vars = vars
		if vars["owner"] != "" {
			if c.hosted, ok = c.s.repo(vars["owner"], strings.TrimSuffix(vars["repo"], ".git")); !ok {
				c.wireRefuse(c.missing())
				return
			}
			c.within()
		}
		if err := rt.handle(c); err != nil {
			c.wireRefuse(err)
		}
		return
	}
	if known {
		c.s.wire.wrongMethod(c)
		return
	}
	c.wireRefuse(c.missing())
}

func (c *call) wireRefuse(err error) { c.s.wire.refuse(c, err) }

// missing is the 404 of what is not there; a bad token hears of itself first.
func (c *call) missing() error {
	repo := memory.New(memory.Options{Dialect: c.s.dialect, Missing: true})
	return repo.Allow(c.access, false)
}

func (c *call) repo() *memory.Repo { return c.hosted.repo }

// id reads a number in the path; one that is none names nothing.
func (c *call) id(name string) int64 {
	n, err := strconv.ParseInt(c.vars[name], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// base is the server's address as the client knows it.
func (c *call) base() string {
	if c.s.URL != "" {
		return c.s.URL
	}
	return "http://" + c.r.Host
}

// answer writes JSON, whole and with its length, so that a flush sends it all.
func (c *call) answer(status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(data) // a client that went away is no fault of the handler
	return nil
}

func (c *call) empty(status int) error {
	c.w.WriteHeader(status)
	return nil
}
