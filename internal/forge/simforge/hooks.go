package simforge

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// How long a receiver may take to answer.
const (
	githubHookDeadline = 10 * time.Second
	giteaHookDeadline  = 5 * time.Second
)

// Hook is a webhook for AddHook.
type Hook struct {
	URL    string
	Secret string
	Events []string // in the forge's words; none are all
	Form   bool     // as a form, the JSON in its field "payload"
}

// sender delivers webhooks: Gitea one after another for the whole server,
// GitHub side by side. Each is tried once.
type sender struct {
	s        *Server
	client   *http.Client
	deadline time.Duration
	queue    chan func() // of Gitea
	quit     chan struct{}
	started  sync.Once
	stopped  sync.Once

	mu     sync.Mutex
	under  int           // deliveries that are on their way
	idle   chan struct{} // closed when none is
	lose   bool
	copies int
}

func newSender(s *Server, deadline time.Duration) *sender {
	h := &sender{
		s: s, client: &http.Client{}, deadline: deadline, quit: make(chan struct{}), queue: make(chan func(), 1<<14), idle: make(chan struct{}),
	}
	close(h.idle)
	switch {
	case deadline > 0:
	case s.dialect == memory.Gitea:
		h.deadline = giteaHookDeadline
	default:
		h.deadline = githubHookDeadline
	}
	return h
}

// stop gives up what is on its way.
func (h *sender) stop() { h.stopped.Do(func() { close(h.quit) }) }

func (h *sender) drain() {
	for {
		select {
		case <-h.quit:
			return
		case send := <-h.queue:
			send()
		}
	}
}

// AddHook gives a repository ("owner/name") a webhook.
func (s *Server) AddHook(repository string, h Hook) (memory.Hook, error) {
	owner, name, _ := strings.Cut(repository, "/")
	hosted, ok := s.repo(owner, name)
	if !ok {
		return memory.Hook{}, fmt.Errorf("there is no repository %s", repository)
	}
	kind := "json"
	if h.Form {
		kind = "form"
	}
	return hosted.repo.AddHook(memory.Hook{URL: h.URL, Secret: h.Secret, Events: h.Events, ContentType: kind}), nil
}

// LoseHooks lets webhooks be lost from now on, or no more: GitHub notes that
// they did not arrive, Gitea forgets them.
func (s *Server) LoseHooks(on bool) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	s.hooks.lose = on
}

// RepeatHooks sends each webhook n more times from now on.
func (s *Server) RepeatHooks(n int) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	s.hooks.copies = n
}

// AwaitHooks waits until every webhook so far has been tried.
func (s *Server) AwaitHooks(ctx context.Context) error {
	for {
		s.hooks.mu.Lock()
		idle, under := s.hooks.idle, s.hooks.under
		s.hooks.mu.Unlock()
		if under == 0 {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return fmt.Errorf("%d webhooks are still on their way: %w", under, ctx.Err())
		}
	}
}

// happened delivers what happened in a repository to its webhooks.
func (h *sender) happened(hosted hosted, what memory.Happening) {
	for _, hook := range hosted.repo.Hooks() {
		if what.Hook != 0 && what.Hook != hook.ID || hook.Inactive {
			continue
		}
		for _, m := range h.s.wire.messages(h.s.ownCall(hosted), hook, what) {
			if what.Hook == 0 && !h.s.wire.wants(hook, m) {
				continue
			}
			h.post(hosted, hook, m, newGUID(), false)
		}
	}
}

// message is an event as one wire words it.
type message struct {
	event  string // the header's word
	kind   string // Gitea's finer one (X-Gitea-Event-Type)
	action string
	body   []byte
}

// post sends a delivery on its way, and its copies.
func (h *sender) post(hosted hosted, hook memory.Hook, m message, guid string, again bool) {
	h.mu.Lock()
	lose, copies := h.lose, h.copies
	if again {
		lose, copies = false, 0
	}
	if h.under == 0 {
		h.idle = make(chan struct{})
	}
	h.under += 1 + copies
	h.mu.Unlock()
	for i := range 1 + copies {
		id := guid
		if i > 0 && h.s.dialect == memory.Gitea {
			id = newGUID() // a replay has a new one
		}
		send := func() {
			h.send(hosted, hook, m, id, again || i > 0, lose)
			h.sent()
		}
		if h.s.dialect == memory.Gitea {
			h.started.Do(func() { go h.drain() })
			h.queue <- send
		} else {
			go send()
		}
	}
}

func (h *sender) sent() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.under--; h.under == 0 {
		close(h.idle)
	}
}

// send tries a delivery once and notes what came of it.
func (h *sender) send(hosted hosted, hook memory.Hook, m message, guid string, again, lose bool) {
	kind, body := "application/json", m.body
	if hook.ContentType == "form" {
		kind, body = "application/x-www-form-urlencoded", []byte(url.Values{"payload": {string(m.body)}}.Encode())
	}
	header := h.s.wire.hookHeader(hook, m, guid, body)
	header.Set("Content-Type", kind)
	d := memory.HookDelivery{
		Hook: hook.ID, GUID: guid, Event: m.event, Action: m.action, Header: header, Body: m.body,
		At: h.s.clock().UTC(), Redelivery: again, StatusText: "failed to connect to host",
	}
	began := time.Now()
	if !lose {
		d.Status, d.StatusText = h.try(hook.URL, header, body)
	}
	d.Took = time.Since(began)
	if !lose || h.s.dialect == memory.GitHub {
		hosted.repo.RecordDelivery(d)
	}
}

func (h *sender) try(address string, header http.Header, body []byte) (int, string) {
	ctx, cancel := context.WithTimeout(context.Background(), h.deadline)
	defer cancel()
	go func() {
		select {
		case <-h.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, "invalid address"
	}
	req.Header = header.Clone()
	resp, err := h.client.Do(req)
	var slow net.Error
	switch {
	case errors.As(err, &slow) && slow.Timeout():
		return 0, "timed out"
	case err != nil:
		return 0, "failed to connect to host"
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, http.StatusText(resp.StatusCode)
}

// Redeliver sends a delivery again: on GitHub with its GUID, on Gitea with a
// new one.
func (s *Server) Redeliver(repository string, delivery int64) error {
	owner, name, _ := strings.Cut(repository, "/")
	hosted, ok := s.repo(owner, name)
	if !ok {
		return fmt.Errorf("there is no repository %s", repository)
	}
	for _, d := range hosted.repo.Deliveries(0) {
		if d.ID == delivery {
			return s.redeliver(hosted, d)
		}
	}
	return fmt.Errorf("there is no delivery %d", delivery)
}

func (s *Server) redeliver(hosted hosted, d memory.HookDelivery) error {
	hook, err := hosted.repo.Hook(d.Hook)
	if err != nil {
		return err
	}
	guid := d.GUID
	if s.dialect == memory.Gitea {
		guid = newGUID()
	}
	m := message{event: d.Event, kind: d.Header.Get("X-Gitea-Event-Type"), action: d.Action, body: d.Body}
	s.hooks.post(hosted, hook, m, guid, true)
	return nil
}

// ownCall is a call that nobody made: the wire's documents need one.
func (s *Server) ownCall(h hosted) *call {
	prefix := "/api/v3"
	if s.dialect == memory.Gitea {
		prefix = "/api/v1"
	}
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{}, Header: http.Header{}}
	return &call{s: s, r: r, hosted: h, access: memory.Writer, login: s.dialect.Self(), prefix: prefix, log: &Request{}}
}

func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// sign is the HMAC of a body in hex.
func sign(h func() hash.Hash, secret string, body []byte) string {
	mac := hmac.New(h, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func sha256Of(secret string, body []byte) string { return sign(sha256.New, secret, body) }
func sha1Of(secret string, body []byte) string   { return sign(sha1.New, secret, body) }

// listed says whether a webhook's events have one of the words in them.
func listed(hook memory.Hook, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(hook.Events, w) })
}
