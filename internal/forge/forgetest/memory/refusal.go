package memory

import (
	"net/http"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Refusal is a forge's "no", with what each wire needs to say it.
type Refusal struct {
	Status  int
	Message string // the forge's own words
	Kind    error  // one of forge.Err…, nil where the forge gives no reason
	Details []Detail
}

// Detail is one entry of GitHub's errors list.
type Detail struct {
	Resource, Code, Field, Message string
}

func (r *Refusal) Error() string {
	s := r.Message
	for _, d := range r.Details {
		switch {
		case d.Message != "":
			s += "; " + d.Message
		default:
			s += "; " + d.Field + " " + d.Code
		}
	}
	return s
}

func (r *Refusal) Unwrap() error { return r.Kind }

func notFound(d Dialect) *Refusal {
	msg := "Not Found"
	if d == Gitea {
		msg = "not found"
	}
	return &Refusal{Status: http.StatusNotFound, Message: msg, Kind: forge.ErrNotFound}
}

// invalid is GitHub's 422 with its list of errors.
func invalid(kind error, details ...Detail) *Refusal {
	return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Validation Failed", Kind: kind, Details: details}
}

// internal is Gitea's answer to what it did not foresee: 500 with the bare
// error for an administrator, with an empty message for everybody else.
func internal() *Refusal {
	return &Refusal{Status: http.StatusInternalServerError}
}

// Allow refuses what a token may not do, in the dialect's words.
func (r *Repo) Allow(a Access, write bool) error {
	gitea := r.dialect == Gitea
	switch {
	case a == BadToken && gitea:
		return &Refusal{Status: 401, Message: "invalid username, password or token", Kind: forge.ErrUnauthorized}
	case a == BadToken:
		return &Refusal{Status: 401, Message: "Bad credentials", Kind: forge.ErrUnauthorized}
	case r.missing, r.private && a == Anonymous:
		return notFound(r.dialect)
	case write && a == Anonymous && gitea:
		return &Refusal{Status: 401, Message: "token is required", Kind: forge.ErrUnauthorized}
	case write && a == Anonymous:
		return &Refusal{Status: 401, Message: "Requires authentication", Kind: forge.ErrUnauthorized}
	case write && a == ReadOnly && gitea:
		return &Refusal{Status: 403, Kind: forge.ErrForbidden,
			Message: "token does not have at least one of required scope(s), required=[write:repository], token scope=read:repository"}
	case write && a == ReadOnly:
		return &Refusal{Status: 403, Message: "Resource not accessible by integration", Kind: forge.ErrForbidden}
	case write && !gitea && r.archivedNow():
		return &Refusal{Status: 403, Message: "Repository was archived so is read-only.", Kind: forge.ErrForbidden}
	}
	return nil
}
