// Package simforge puts the in-memory forge behind GitHub's and Gitea's HTTP
// wire, with the faults that a release must survive. `slipway rehearse` and the
// tests of the adapters, the engine and the binary talk to it.
package simforge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// Tokens that a server knows unless Options.Tokens says otherwise.
const (
	WriteToken = "sim-write-token"
	ReadToken  = "sim-read-token"
)

// Options make a server. The zero value speaks GitHub's wire, without faults,
// within GitHub's documented rate limits.
type Options struct {
	Dialect memory.Dialect
	// Tokens say what each token may do; nil knows WriteToken and ReadToken.
	Tokens map[string]memory.Access
	// Logins say whose a token is; one that is not here is the dialect's own
	// account's (memory.Dialect.Self).
	Logins map[string]string
	// Clock dates releases and drives the rate limits; nil is the machine's.
	Clock func() time.Time
	// Rates are GitHub's rate limits; nil are the documented ones. Gitea has none.
	Rates *Rates
	// Faults are what goes wrong, from ParseFault.
	Faults []Fault
	// HookDeadline is how long a webhook's receiver may take; 0 is 10 s on GitHub
	// and 5 s on Gitea.
	HookDeadline time.Duration
	// Later leaves out what is asked before Begin: no request is counted or
	// meets a fault. What is the state of things (read-only, archived, immutable)
	// is so from the start.
	Later bool
	// OnKill is called by the faults kill-after and kill-before, to end the client.
	OnKill func()
}

// Server is a forge with any number of repositories. It is an http.Handler.
type Server struct {
	// URL is its address once started, without a slash at the end.
	URL string

	dialect memory.Dialect
	clock   func() time.Time
	tokens  map[string]memory.Access
	logins  map[string]string
	people  *memory.People
	hooks   *sender
	apps    apps
	routes  []route
	wire    wire
	rec     *Recorder
	faults  *injector
	rates   *limiter
	ids     *memory.Sequence
	server  *http.Server
	done    chan struct{}

	mu    sync.Mutex
	repos map[string]hosted // by lower-case owner/name
}

// hosted is a repository with the git directory behind it, if there is one.
type hosted struct {
	repo   *memory.Repo
	gitDir string
	pushes *sync.Mutex // one at a time
}

// wire is what differs between the dialects' HTTP.
type wire interface {
	routes() []route
	// check looks at a request before anything else; false: it was answered.
	check(c *call) bool
	// refuse writes an error's answer.
	refuse(c *call, err error)
	// wrongMethod answers a path that exists with another method.
	wrongMethod(c *call)

	// messages are what a webhook hears of what happened.
	messages(c *call, hook memory.Hook, what memory.Happening) []message
	// wants says whether a webhook is subscribed to a message.
	wants(hook memory.Hook, m message) bool
	// hookHeader is what a delivery has in its head; body is what is sent.
	hookHeader(hook memory.Hook, m message, guid string, body []byte) http.Header
}

// New makes a server without a listener; Start is the usual way.
func New(o Options) (*Server, error) {
	if o.Dialect == "" {
		o.Dialect = memory.GitHub
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Tokens == nil {
		o.Tokens = map[string]memory.Access{WriteToken: memory.Writer, ReadToken: memory.ReadOnly}
	}
	for _, f := range o.Faults {
		if err := f.check(o); err != nil {
			return nil, err
		}
	}
	rec := &Recorder{resting: o.Later}
	s := &Server{
		dialect: o.Dialect, clock: o.Clock, tokens: o.Tokens, logins: o.Logins, people: memory.NewPeople(o.Dialect), rec: rec, ids: &memory.Sequence{},
		faults: newInjector(o.Faults, o.OnKill), repos: map[string]hosted{}, done: make(chan struct{}),
	}
	if o.Dialect == memory.GitHub {
		rates := Documented
		if o.Rates != nil {
			rates = *o.Rates
		}
		s.rates = &limiter{rates: rates, clock: o.Clock, users: map[string]*usage{}}
		s.wire = githubWire{s}
	} else {
		s.wire = giteaWire{s}
	}
	s.routes = s.wire.routes()
	s.hooks = newSender(s, o.HookDeadline)
	return s, nil
}

// Start makes a server that listens on 127.0.0.1.
func Start(o Options) (*Server, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.URL = "http://" + l.Addr().String()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(l) // ends with ErrServerClosed
	}()
	return s, nil
}

// Close stops the server; requests under way are given a second.
func (s *Server) Close() error {
	s.hooks.stop()
	if s.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close()
	}
	<-s.done
	return err
}

// AddRepo hosts a repository. Dialect, Clock, IDs and PublicURL are the
// server's.
func (s *Server) AddRepo(o memory.Options) *memory.Repo { return s.host(o, "") }

// AddGitRepo hosts a repository whose refs are those of the bare git
// repository in dir; git can clone it and push to it over HTTP, with a token
// as the password.
func (s *Server) AddGitRepo(o memory.Options, dir string) *memory.Repo {
	o.Refs = memory.GitRefs(dir)
	return s.host(o, dir)
}

func (s *Server) host(o memory.Options, gitDir string) *memory.Repo {
	if o.FullName == "" {
		o.FullName = "acme/hello"
	}
	o.Dialect, o.Clock, o.IDs, o.People = s.dialect, s.clock, s.ids, s.people
	if s.URL != "" {
		o.PublicURL = s.URL + "/" + o.FullName
	}
	if s.faults.standing(kindImmutable) != nil {
		o.Immutable = true
	}
	if s.faults.standing(kindArchived) != nil {
		o.Archived = true
	}
	var h hosted
	o.OnEvent = func(what memory.Happening) { s.hooks.happened(h, what) }
	repo := memory.New(o)
	h = hosted{repo, gitDir, &sync.Mutex{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repos[strings.ToLower(o.FullName)] = h
	return repo
}

func (s *Server) repo(owner, name string) (hosted, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.repos[strings.ToLower(owner+"/"+name)]
	return h, ok
}

// Repo finds a repository ("owner/name"): what its methods do is told to
// webhooks, too.
func (s *Server) Repo(fullName string) (*memory.Repo, bool) {
	owner, name, _ := strings.Cut(fullName, "/")
	h, ok := s.repo(owner, name)
	return h.repo, ok
}

// each calls f for every repository.
func (s *Server) each(f func(hosted)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.repos {
		f(h)
	}
}

// Begin begins to count requests, and to let faults happen, after Options.Later.
func (s *Server) Begin() { s.rec.note(func() { s.rec.resting = false }) }

// Recorder has what was asked and answered.
func (s *Server) Recorder() *Recorder { return s.rec }

// Unhit names the faults that no request has met: a test that asks for a fault
// and never meets it tests nothing.
func (s *Server) Unhit() []string { return s.faults.unhit() }

// CloneURL is where git finds a repository.
func (s *Server) CloneURL(fullName string) string { return s.URL + "/" + fullName + ".git" }
