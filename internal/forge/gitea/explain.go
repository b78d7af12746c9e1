package gitea

import (
	"net/http"
	"path"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// explain finds what a refusal means. The server's codes are odd in places: a
// bad tag name and an archived repository are 500, a second release for a tag
// is "Release is has no Tag".
func (f *Forge) explain(a wire.Answer) (error, string) {
	kind, message := wire.KindOf(a), a.Message
	has := func(words string) bool { return strings.Contains(message, words) }
	switch a.Status {
	case http.StatusBadRequest:
		if has("forbidden file extension or type") {
			return forge.ErrRejected, f.forbiddenType(a.Op)
		}
	case http.StatusUnauthorized:
		if kind == forge.ErrUnauthorized {
			message += ": the token is wrong, revoked or out of date"
		}
	case http.StatusNotFound:
		if has("attachment is not enabled") {
			return forge.ErrRejected, string(f.dialect) + " takes no files: [attachment] ENABLED is false in its app.ini"
		}
		if kind == forge.ErrNotFound && a.Method != http.MethodGet && has("not found") && !has("target") {
			message += ": it is not there, or the token may not write to it"
		}
	case http.StatusConflict:
		if has("Release is has no Tag") || has("release tag already exist") {
			return forge.ErrConflict, "there is a release or draft for the tag already (upper and lower case count as one)"
		}
	case http.StatusRequestEntityTooLarge:
		return forge.ErrTooLarge, f.tooLarge(a)
	case http.StatusUnprocessableEntity:
		return f.unprocessable(message)
	case http.StatusInternalServerError:
		return f.internal(a)
	}
	return kind, message
}

func (f *Forge) forbiddenType(op string) string {
	message := string(f.dialect) + " does not take this type of file"
	if ext := path.Ext(op); ext != "" {
		message = string(f.dialect) + ` does not take files that end in "` + ext + `"`
	}
	return message + ": its setting [repository.release] ALLOWED_TYPES leaves it out, and compares the last extension only"
}

func (f *Forge) tooLarge(a wire.Answer) string {
	if a.JSON {
		return a.Message + ": the server's setting [repository.release] FILE_MAX_SIZE (in MB) is smaller than the file"
	}
	return "the web server in front of " + string(f.dialect) + " takes no body of this size (nginx: client_max_body_size)"
}

func (f *Forge) unprocessable(message string) (error, string) {
	switch {
	case strings.Contains(message, "repo is empty"):
		return forge.ErrRejected, "the repository is empty: push a commit first"
	case strings.Contains(message, "protected"):
		return forge.ErrForbidden, message + ": a protected tag that this token's user may not make or delete"
	case message == "":
		return forge.ErrRejected, string(f.dialect) + " gives no reason"
	}
	return forge.ErrRejected, message
}

// internal finds the refusals among the answers 500. Only administrators are
// told the reason.
func (f *Forge) internal(a wire.Answer) (error, string) {
	switch has := func(words string) bool { return strings.Contains(a.Message, words) }; {
	case has("tag name is not valid"):
		return forge.ErrRejected, "git takes no tag of this name"
	case has("archived"):
		return forge.ErrForbidden, "the repository is archived: nothing can be changed in it"
	case has("object does not exist"):
		return forge.ErrRejected, "the release's commit is not in the repository: push it first"
	case a.JSON && a.Message == "":
		message := string(f.dialect) + " failed and tells the reason to administrators and in its log only"
		if strings.HasPrefix(a.Op, publishing) {
			message += " (usual ones: the tag is protected, the commit is not in the repository)"
		}
		return forge.ErrUnavailable, message
	}
	return forge.ErrUnavailable, a.Message
}
