package github

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// account is a login as GitHub has them: letters, digits, dashes, underscores
// (managed users), and "[bot]" behind an app's. Anything else is nobody's.
var account = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}(\[bot\])?$`)

// Self is who writes with this token. A workflow's own token may not ask, and
// is github-actions[bot].
func (f *Forge) Self(ctx context.Context) (string, error) {
	ctx, call := wire.Begin(ctx, "read whose token it is")
	return f.self.get(func() (string, error) {
		if f.app != nil {
			about, err := f.app.about(ctx, call)
			return about.Slug + "[bot]", err
		}
		if err := f.mayWrite(call); err != nil {
			return "", err
		}
		var user struct {
			Login string `json:"login"`
		}
		_, err := f.do(ctx, call, http.MethodGet, "user", nil, &user)
		switch {
		case errors.Is(err, forge.ErrForbidden) && strings.HasPrefix(f.token, "ghs_"):
			return "github-actions[bot]", nil
		case err == nil && user.Login == "":
			return "", call.NotForge("the answer names no user")
		}
		return user.Login, err
	})
}

// roles are GitHub's own; an organization's custom ones have other names.
var roles = map[string]forge.Permission{
	"none": forge.NoAccess, "read": forge.MayRead, "triage": forge.MayTriage,
	"write": forge.MayWrite, "maintain": forge.MayMaintain, "admin": forge.MayAdmin,
}

// Permission is what a user may do in the repository. Of a custom role counts
// the one of GitHub's that it is built on.
func (f *Forge) Permission(ctx context.Context, login string) (forge.Permission, error) {
	if !account.MatchString(login) {
		return forge.NoAccess, ctx.Err()
	}
	ctx, call := wire.Begin(ctx, "read what "+login+" may do")
	var answer struct {
		Permission string `json:"permission"`
		RoleName   string `json:"role_name"`
	}
	_, err := f.do(ctx, call, http.MethodGet, f.path("/collaborators/%s/permission", login), nil, &answer)
	if errors.Is(err, forge.ErrNotFound) { // the user, or the repository
		_, err := f.do(ctx, call, http.MethodGet, f.path(""), nil, nil)
		return forge.NoAccess, err
	}
	if err != nil {
		return forge.NoAccess, err
	}
	base, ok := roles[answer.Permission]
	if !ok {
		return forge.NoAccess, call.NotForge("the answer has no permission in it")
	}
	// The permission says write for maintain and read for triage.
	if role, ok := roles[answer.RoleName]; ok && role > base {
		return role, nil
	}
	return base, nil
}

// InTeam reports whether a user is in a team or in one below it. An app needs
// the right to read members.
func (f *Forge) InTeam(ctx context.Context, team, login string) (bool, error) {
	org, slug, err := forge.SplitRepository(team)
	if err != nil || !account.MatchString(login) {
		return false, ctx.Err()
	}
	ctx, call := wire.Begin(ctx, "read whether "+login+" is in the team "+team)
	var membership struct {
		State string `json:"state"`
	}
	_, err = f.do(ctx, call, http.MethodGet, "orgs/"+org+"/teams/"+slug+"/memberships/"+login, nil, &membership)
	if errors.Is(err, forge.ErrNotFound) || errors.Is(err, forge.ErrForbidden) {
		return false, nil
	}
	return membership.State == "active", err
}
