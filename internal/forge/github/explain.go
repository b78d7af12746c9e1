package github

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// detail is an element of "errors": an object, or in places a mere string.
type detail struct {
	Resource, Field, Code, Message string
}

func (d *detail) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &d.Message) == nil {
		return nil
	}
	type plain detail
	return json.Unmarshal(data, (*plain)(d))
}

// explain finds what a refusal of GitHub's means, in its words and ours.
func explain(a wire.Answer) (error, string) {
	kind, message := wire.KindOf(a), a.Message
	var said struct {
		Errors []detail `json:"errors"`
	}
	if a.JSON {
		// Answers without details are usual; the message is enough then.
		_ = json.Unmarshal(a.Body, &said)
	}
	exists := false
	for _, d := range said.Errors {
		exists = exists || d.Code == "already_exists"
		message += "; " + d.String()
	}
	switch {
	case strings.Contains(message, "immutable release"):
		kind = forge.ErrImmutable
	case a.Status == http.StatusUnprocessableEntity && (exists || strings.HasPrefix(message, "Reference already exists")):
		kind = forge.ErrConflict
	case a.Status == http.StatusUnprocessableEntity && a.Method == http.MethodGet && strings.HasPrefix(message, "No commit found"):
		kind = forge.ErrNotFound
	case a.Status == http.StatusUnprocessableEntity && strings.Contains(message, "size must be less"):
		kind = forge.ErrTooLarge
	case a.Status == http.StatusUnauthorized && kind == forge.ErrUnauthorized:
		message += ": the token is wrong, revoked or out of date"
	case a.Status == http.StatusForbidden && a.Header.Get("X-GitHub-SSO") != "":
		message += signOn(a.Header.Get("X-GitHub-SSO"))
	case a.Status == http.StatusForbidden && strings.HasPrefix(message, "Resource not accessible by"):
		message += `: the token lacks the right "` + rights(a.Header.Get("X-Accepted-GitHub-Permissions")) + `"`
	case a.Status == http.StatusNotFound && a.Method != http.MethodGet && kind == forge.ErrNotFound:
		message += ": it is not there, or the token may not write to it"
	}
	return kind, message
}

// rights puts the rights of which a call needs one ("issues=write;
// pull_requests=write") in the words of GitHub's settings.
func rights(header string) string {
	if header == "" {
		return "contents: write"
	}
	return strings.NewReplacer("; ", `" or "`, ";", `" or "`, ",", " and ", "=", ": ").Replace(header)
}

// String says what is wrong in one clause.
func (d detail) String() string {
	if d.Message != "" {
		return d.Message
	}
	return strings.Join(strings.Fields(d.Resource+" "+d.Field+" "+d.Code), " ")
}

// signOn tells where a token is let in to an organisation with single sign-on.
// The address's query is left out: it belongs to one session.
func signOn(header string) string {
	_, address, _ := strings.Cut(header, "url=")
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host == "" {
		return ": authorize the token for the organization's single sign-on"
	}
	return ": authorize the token for the organization at " + u.Scheme + "://" + u.Host + u.Path
}
