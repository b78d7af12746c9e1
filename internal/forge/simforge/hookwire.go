package simforge

import (
	"net/http"
	"strconv"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// hookHeader is what GitHub sends with a delivery. Without a secret it signs
// nothing. The signature is over the body as it is sent.
func (g githubWire) hookHeader(hook memory.Hook, m message, guid string, body []byte) http.Header {
	h := http.Header{}
	h.Set("User-Agent", "GitHub-Hookshot/0000000")
	h.Set("Accept", "*/*")
	h.Set("X-GitHub-Delivery", guid)
	h.Set("X-GitHub-Event", m.event)
	h.Set("X-GitHub-Hook-ID", strconv.FormatInt(hook.ID, 10))
	h.Set("X-GitHub-Hook-Installation-Target-ID", "1")
	h.Set("X-GitHub-Hook-Installation-Target-Type", "repository")
	if g.s.apps.installationOf(hook.ID) != nil {
		h.Set("X-GitHub-Hook-Installation-Target-Type", "integration")
	}
	if hook.Secret != "" {
		h.Set("X-Hub-Signature", "sha1="+sha1Of(hook.Secret, body))
		h.Set("X-Hub-Signature-256", "sha256="+sha256Of(hook.Secret, body))
	}
	return h
}

func (g githubWire) wants(hook memory.Hook, m message) bool {
	return len(hook.Events) == 0 || listed(hook, "*", m.event)
}

// hookHeader is what Gitea sends with a delivery: under its own name and those
// of two others. The signature is over the JSON, also of a form; without a
// secret it is there and empty.
func (g giteaWire) hookHeader(hook memory.Hook, m message, guid string, _ []byte) http.Header {
	sum1, sum256 := "", ""
	if hook.Secret != "" {
		sum1, sum256 = sha1Of(hook.Secret, m.body), sha256Of(hook.Secret, m.body)
	}
	h := http.Header{}
	h.Set("User-Agent", "Go-http-client/1.1")
	for _, name := range []string{"Gitea", "GitHub", "Gogs"} {
		h.Set("X-"+name+"-Delivery", guid)
		h.Set("X-"+name+"-Event", m.event)
		h.Set("X-"+name+"-Event-Type", m.kind)
	}
	for _, name := range []string{"Gitea", "GitHub"} {
		h.Set("X-"+name+"-Hook-Installation-Target-Type", "repository")
	}
	h.Set("X-Gitea-Signature", sum256)
	h.Set("X-Gogs-Signature", sum256)
	h.Set("X-Hub-Signature", "sha1="+sum1)
	h.Set("X-Hub-Signature-256", "sha256="+sum256)
	return h
}

// wants: a comment on a pull request is subscribed to by its type, not by the
// header's word; "issues" and "pull_request" bring all that is below them.
func (g giteaWire) wants(hook memory.Hook, m message) bool {
	words := []string{m.kind}
	switch m.kind {
	case "issues", "pull_request":
		words = append(words, m.kind+"_only")
	case "issue_comment":
		words = append(words, "issues")
	case "pull_request_comment", "pull_request_sync":
		words = append(words, "pull_request")
	}
	return len(hook.Events) == 0 || listed(hook, words...)
}
