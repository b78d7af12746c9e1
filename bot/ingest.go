package bot

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/semaphore"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/ledger"
)

// WebhookPath is where all forges deliver to.
const WebhookPath = "/webhook"

// Bounds of a delivery. No forge sends more than 25 MB (GitHub's own limit), and
// waits longer than ten seconds (GitHub) or five (Gitea) for the answer.
const (
	maxDelivery   = 25 << 20
	freeDelivery  = 1 << 20  // bodies up to this need no share of the memory for large ones
	largeMemory   = 64 << 20 // that all large bodies together may take
	acceptTimeout = 4 * time.Second
)

// accepter keeps deliveries; the ledger is one.
type accepter interface {
	Accept(ctx context.Context, d ledger.Delivery) (int64, error)
}

// ingest takes deliveries: it tells the forges apart, checks the signature, and
// answers once the ledger has the delivery and its job on disk.
type ingest struct {
	config  Config
	ledger  accepter
	metrics *metrics
	log     *slog.Logger
	large   *semaphore.Weighted
	clock   func() time.Time
}

func newIngest(c Config, l accepter, m *metrics, log *slog.Logger) *ingest {
	return &ingest{config: c, ledger: l, metrics: m, log: log, large: semaphore.NewWeighted(largeMemory), clock: time.Now}
}

// refusal is an answer that takes nothing.
type refusal struct {
	status  int
	outcome string // for the metrics
	reason  string
}

func (r *refusal) Error() string { return r.reason }

func refuse(status int, outcome, format string, args ...any) error {
	return &refusal{status, outcome, fmt.Sprintf(format, args...)}
}

func (in *ingest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := in.clock()
	d, err := in.take(w, r)
	label := labelOf(in.config, d)
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), acceptTimeout)
		defer cancel()
		if d.ID, err = in.ledger.Accept(ctx, d); err != nil {
			in.log.Error("a delivery was not taken", "forge", d.Forge, "event", d.Event, "guid", d.GUID, "repository", d.Repository, "error", err.Error())
			err = refuse(http.StatusServiceUnavailable, "unavailable", "the bot can't keep the delivery now; it will catch up by itself")
			w.Header().Set("Retry-After", "60")
		}
	}
	in.metrics.answered.Observe(in.clock().Sub(begun).Seconds())
	if err != nil {
		var no *refusal
		if !errors.As(err, &no) {
			no = &refusal{http.StatusBadRequest, "unreadable", err.Error()}
		}
		in.metrics.deliveries.WithLabelValues(label, knownEvent(d.Event), no.outcome).Inc()
		if no.status >= 400 {
			in.log.Warn("a delivery was refused", "status", no.status, "reason", no.reason, "forge", label, "event", knownEvent(d.Event), "guid", d.GUID, "from", r.RemoteAddr)
		}
		answer(w, no.status, map[string]string{"outcome": no.outcome, "reason": no.reason})
		return
	}
	in.metrics.deliveries.WithLabelValues(label, knownEvent(d.Event), "accepted").Inc()
	in.log.Debug("a delivery was accepted", "delivery", d.ID, "forge", d.Forge, "event", d.Event, "guid", d.GUID, "repository", d.Repository)
	answer(w, http.StatusAccepted, map[string]string{"outcome": "accepted", "delivery": strconv.FormatInt(d.ID, 10)})
}

func answer(w http.ResponseWriter, status int, body any) {
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	data, _ := json.Marshal(body) // strings only
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a forge that went away tries no more
}

// take reads and checks a request. What it gives back besides an error is for
// the log and the metrics only.
func (in *ingest) take(w http.ResponseWriter, r *http.Request) (ledger.Delivery, error) {
	d := ledger.Delivery{Received: in.clock()}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return d, refuse(http.StatusMethodNotAllowed, "method", "this is where forges deliver webhooks, by POST")
	}
	s, err := senderOf(r.Header)
	if err != nil {
		return d, err
	}
	d.Event, d.GUID = s.event, clip(s.guid, 100)
	body, release, err := in.read(w, r)
	if err != nil {
		return d, err
	}
	defer release()
	f, payload, err := in.verify(s, r.Header.Get("Content-Type"), body)
	if err != nil {
		return d, err
	}
	d.Forge, d.Body = f.Name, payload
	switch {
	case s.event == "ping":
		return d, refuse(http.StatusOK, "ping", "pong: forge %s, the signature is right", f.Name)
	case !handled[s.event]:
		return d, refuse(http.StatusNoContent, "unknown", "the event asks for nothing")
	case !gjson.ValidBytes(payload):
		return d, refuse(http.StatusBadRequest, "invalid", "the body is not JSON")
	}
	if err := whole(s.event, payload); err != nil {
		return d, err
	}
	d.Repository = strings.ToLower(gjson.GetBytes(payload, "repository.full_name").String())
	if _, _, err := forge.SplitRepository(d.Repository); err != nil {
		return d, refuse(http.StatusBadRequest, "invalid", "the body names no repository (repository.full_name)")
	}
	if !f.Serves(d.Repository) {
		return d, refuse(http.StatusOK, "unserved", "%s is not among the repositories of forge %s in the bot's config", d.Repository, f.Name)
	}
	return d, nil
}

// sender is what a delivery's headers say.
type sender struct {
	kinds     []string // of the forges that send such headers
	event     string
	guid      string
	signature string // hex
}

// senderOf tells the forges apart: Gitea and Forgejo send GitHub's headers
// beside their own, so theirs are looked for first.
func senderOf(h http.Header) (sender, error) {
	var s sender
	switch {
	case h.Get("X-Forgejo-Event") != "":
		s = sender{kinds: []string{"forgejo", "gitea"}, event: h.Get("X-Forgejo-Event"), guid: h.Get("X-Forgejo-Delivery"), signature: h.Get("X-Forgejo-Signature")}
	case h.Get("X-Gitea-Event") != "":
		s = sender{kinds: []string{"gitea", "forgejo"}, event: h.Get("X-Gitea-Event"), guid: h.Get("X-Gitea-Delivery"), signature: h.Get("X-Gitea-Signature")}
	case h.Get("X-GitHub-Event") != "":
		s = sender{kinds: []string{"github"}, event: h.Get("X-GitHub-Event"), guid: h.Get("X-GitHub-Delivery")}
	default:
		return s, refuse(http.StatusBadRequest, "headers", "there is no X-GitHub-Event, X-Gitea-Event or X-Forgejo-Event header: this is no webhook of a forge")
	}
	if s.signature == "" {
		s.signature = strings.TrimPrefix(h.Get("X-Hub-Signature-256"), "sha256=")
	}
	if s.signature == "" {
		return s, refuse(http.StatusUnauthorized, "unsigned", "the delivery is not signed: set a secret in the webhook's settings, the same as in the bot's config")
	}
	return s, nil
}

// read reads the body within its limits. release gives its memory back.
func (in *ingest) read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	release = func() {}
	tooLarge := refuse(http.StatusRequestEntityTooLarge, "too-large", "the body is larger than 25 MB")
	if r.ContentLength > maxDelivery {
		return nil, release, tooLarge
	}
	limited := http.MaxBytesReader(w, r.Body, maxDelivery)
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(min(r.ContentLength, freeDelivery)) + bytes.MinRead)
	}
	if _, err = io.CopyN(&buf, limited, freeDelivery); err == nil {
		// It is a large one: the rest waits for its share of memory.
		if err = in.large.Acquire(r.Context(), maxDelivery); err != nil {
			return nil, release, refuse(http.StatusServiceUnavailable, "unavailable", "too many large deliveries at once")
		}
		release = func() { in.large.Release(maxDelivery) }
		_, err = buf.ReadFrom(limited)
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		err = tooLarge
	} else if err != nil {
		err = refuse(http.StatusBadRequest, "cut", "the body did not arrive whole")
	}
	if err != nil {
		release()
		return nil, func() {}, err
	}
	return buf.Bytes(), release, nil
}

// verify finds the forge whose secret signed the delivery, and the JSON in it.
// GitHub signs the body as it is sent, Gitea the JSON even when that is sent as
// a form's field.
func (in *ingest) verify(s sender, contentType string, body []byte) (ForgeConfig, []byte, error) {
	payload := body
	if kind, _, err := mime.ParseMediaType(contentType); err == nil && kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return ForgeConfig{}, nil, refuse(http.StatusBadRequest, "invalid", "the body is not a form")
		}
		payload = []byte(form.Get("payload"))
		if s.kinds[0] != "github" {
			body = payload
		}
	}
	given, err := hex.DecodeString(s.signature)
	if err != nil || len(given) != sha256.Size {
		return ForgeConfig{}, nil, refuse(http.StatusUnauthorized, "unsigned", "the signature is not an HMAC-SHA256 in hex")
	}
	var signed []ForgeConfig
	for _, kind := range s.kinds {
		for _, f := range in.config.Forges {
			if f.Kind == kind && signedBy(f.Secrets, body, given) {
				signed = append(signed, f)
			}
		}
	}
	switch len(signed) {
	case 0:
		return ForgeConfig{}, nil, refuse(http.StatusUnauthorized, "forged", "the signature is not made with a secret of the bot's config")
	case 1:
		return signed[0], payload, nil
	}
	// Several forges share the secret: the repository's address tells which.
	page := gjson.GetBytes(payload, "repository.html_url").String()
	for _, f := range signed {
		if strings.HasPrefix(page, f.Server+"/") && f.Serves(gjson.GetBytes(payload, "repository.full_name").String()) {
			return f, payload, nil
		}
	}
	return signed[0], payload, nil
}

// signedBy compares in constant time, and with every secret.
func signedBy(secrets []string, body, given []byte) bool {
	ok := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), given) {
			ok = true
		}
	}
	return ok
}

// handled are the events that may ask for something, in the forges' words.
var handled = map[string]bool{
	"push": true, "create": true, "delete": true, "release": true, "workflow_run": true,
	"issue_comment": true, "pull_request_comment": true, "commit_comment": true,
}

// required are the fields without which an event says nothing; a body that was
// cut somewhere on its way lacks them.
var required = map[string][]string{
	"push": {"ref", "before", "after"}, "create": {"ref", "ref_type"}, "delete": {"ref", "ref_type"},
	"release": {"action", "release"}, "workflow_run": {"action", "workflow_run"},
	"issue_comment": {"action", "comment.id", "issue.number"}, "pull_request_comment": {"action"}, "commit_comment": {"action", "comment.id"},
}

func whole(event string, payload []byte) error {
	for i, v := range gjson.GetManyBytes(payload, required[event]...) {
		if !v.Exists() || v.Type == gjson.Null {
			return refuse(http.StatusBadRequest, "invalid", "the %s event has no %s", event, required[event][i])
		}
	}
	return nil
}

func knownEvent(event string) string {
	if handled[event] || event == "ping" {
		return event
	}
	return "other"
}

// labelOf is the forge's name for the metrics: one of the config's, so that
// nobody can make up new ones.
func labelOf(c Config, d ledger.Delivery) string {
	if _, ok := c.Forge(d.Forge); ok {
		return d.Forge
	}
	return "unknown"
}

// clip keeps what others wrote short.
func clip(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.ToValidUTF8(s, "")
}
