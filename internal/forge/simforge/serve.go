package simforge

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// ServeHTTP records a request, lets it meet its fault, and answers it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, r: r, ended: func() {}, log: &Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery}}
	c.w = &statusWriter{w, c}
	r.Body = counted{r.Body, c}
	segs := c.strip(segments(r.URL))
	isGit := gitService(segs) != ""
	var named bool
	c.access, c.login, named = s.authenticate(r)
	if c.access == memory.BadToken {
		c.authenticateApp(tokenOf(r))
	}
	c.log.Access = c.access.String()
	c.log.Op = OpGit
	if !isGit {
		c.log.Op = c.classify(segs)
	}
	s.rec.begin(c.log, named && !isGit)
	defer func() { c.ended() }()
	if isGit {
		if h, ok := s.repo(segs[0], strings.TrimSuffix(segs[1], ".git")); ok {
			c.hosted = h
			c.within()
		}
		c.serveGit(segs)
		return
	}
	c.standing()
	fault := s.faults.pick(c.log.Op, c.log.N)
	if fault == nil {
		c.serve(segs)
		return
	}
	s.rec.note(func() { c.log.Fault = fault.text })
	c.meet(fault, segs)
}

// serve answers without a fault.
func (c *call) serve(segs []string) {
	if c.s.wire.check(c) {
		c.dispatch(segs)
	}
}

// standing applies the faults of the state of things.
func (c *call) standing() {
	if c.access == memory.Writer && c.s.faults.standing(kindReadOnly) != nil {
		c.access = memory.ReadOnly
		name := c.s.faults.meet(kindReadOnly)
		c.s.rec.note(func() { c.log.Fault = name })
	}
	if c.log.N > 0 {
		c.s.faults.meet(kindArchived)
	}
	if c.log.Op == OpPublish {
		c.s.faults.meet(kindImmutable)
	}
}

// strip takes the API's prefix off a path.
func (c *call) strip(segs []string) []string {
	prefixes := []string{"v3", "uploads"}
	if c.s.dialect == memory.Gitea {
		prefixes = []string{"v1"}
	}
	if len(segs) >= 2 && segs[0] == "api" {
		for _, p := range prefixes {
			if segs[1] == p {
				c.prefix = "/api/" + p
				return segs[2:]
			}
		}
	}
	return segs
}

// classify says what a request is about.
func (c *call) classify(segs []string) Op {
	rest := []string{}
	if len(segs) > 3 && segs[0] == "repos" && segs[3] == "releases" {
		rest = segs[4:]
	}
	path := strings.Join(segs, "/")
	switch c.r.Method {
	case http.MethodPost:
		switch {
		case len(segs) == 4 && segs[3] == "releases":
			return OpCreate
		case len(rest) == 2 && rest[1] == "assets":
			return OpUpload
		case len(segs) == 6 && segs[0] == "repos" && segs[5] == "comments":
			return OpComment
		}
	case http.MethodPatch:
		if len(rest) == 1 {
			if c.publishes() {
				return OpPublish
			}
			return OpUpdate
		}
	case http.MethodDelete:
		return OpDelete
	case http.MethodGet, http.MethodHead:
		if strings.Contains(path, "/releases/download/") || strings.HasPrefix(path, "attachments/") || strings.HasPrefix(path, storagePath) ||
			len(rest) == 2 && rest[0] == "assets" && strings.Contains(c.r.Header.Get("Accept"), "octet-stream") {
			return OpDownload
		}
		return OpRead
	}
	return OpOther
}

// publishes peeks into a PATCH's body.
func (c *call) publishes() bool {
	data, err := io.ReadAll(io.LimitReader(c.r.Body, 4<<20))
	c.r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(data), c.r.Body), c.r.Body}
	var body struct{ Draft *bool }
	return err == nil && json.Unmarshal(data, &body) == nil && body.Draft != nil && !*body.Draft
}

// tokenOf reads the token of a request, empty without one that can be read.
func tokenOf(r *http.Request) string {
	if user, pass, ok := r.BasicAuth(); ok {
		if pass == "" || pass == "x-oauth-basic" {
			return user
		}
		return pass
	}
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "token") && !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(rest)
}

// authenticate finds what the token of a request may do, and whose it is;
// named is false for a request without one.
func (s *Server) authenticate(r *http.Request) (access memory.Access, login string, named bool) {
	if r.Header.Get("Authorization") == "" {
		return memory.Anonymous, "", false
	}
	token := tokenOf(r)
	a, ok := s.tokens[token]
	if !ok || token == "" {
		return memory.BadToken, "", true
	}
	if login = s.logins[token]; login == "" {
		login = s.dialect.Self()
	}
	return a, s.people.Add(login).Login, true
}

// statusWriter notes the status before the client can see it.
type statusWriter struct {
	http.ResponseWriter
	c *call
}

func (w *statusWriter) WriteHeader(status int) {
	w.note(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	w.note(http.StatusOK)
	return w.ResponseWriter.Write(p)
}

func (w *statusWriter) note(status int) {
	w.c.s.rec.note(func() {
		if w.c.log.Status == 0 {
			w.c.log.Status = status
		}
	})
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
