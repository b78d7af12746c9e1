package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

var (
	_ forge.Talk        = (*Forge)(nil)
	_ forge.Commits     = (*Forge)(nil)
	_ forge.Workflows   = (*Forge)(nil)
	_ forge.Hooks       = (*Forge)(nil)
	_ forge.Credentials = (*Forge)(nil)
)

// Self is the login of the token's user.
func (f *Forge) Self(ctx context.Context) (string, error) {
	client, call, err := f.beginWrite(ctx, "read the token's user")
	if err != nil {
		return "", err
	}
	user, _, err := client.GetMyUserInfo()
	switch err := call.Err(err); {
	case errors.Is(err, forge.ErrForbidden):
		return "", call.Fail(forge.ErrForbidden, "the token lacks the scope read:user")
	case err != nil:
		return "", err
	case user.UserName == "":
		return "", call.NotForge("the answer names no user")
	}
	return user.UserName, nil
}

// permissions are the server's words for them.
var permissions = map[string]forge.Permission{
	"none": forge.NoAccess, "read": forge.MayRead, "write": forge.MayWrite, "admin": forge.MayAdmin, "owner": forge.MayAdmin,
}

// Permission is what a user may do. The server tells it of others to
// administrators of the repository only.
func (f *Forge) Permission(ctx context.Context, login string) (forge.Permission, error) {
	client, call, err := f.beginWrite(ctx, "read the permission of "+login)
	if err != nil {
		return forge.NoAccess, err
	}
	if !segment(login) {
		return forge.NoAccess, nil
	}
	r, _, err := client.CollaboratorPermission(f.owner, f.name, login)
	err = call.Err(err)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		return forge.NoAccess, f.seen(client, call)
	case errors.Is(err, forge.ErrForbidden) && strings.Contains(err.Error(), "Only admins"):
		return forge.NoAccess, call.Fail(forge.ErrForbidden, fmt.Sprintf(
			"%s tells what others may do to administrators only: make the token's user an administrator of %s/%s", f.dialect, f.owner, f.name))
	case err != nil:
		return forge.NoAccess, err
	}
	p, ok := permissions[string(r.Permission)]
	if !ok {
		return forge.NoAccess, call.NotForge("the answer has no permission in it that is known")
	}
	return p, nil
}

// seen tells a user who does not exist from a repository that does not.
func (f *Forge) seen(client *sdk.Client, call *wire.Call) error {
	_, _, err := client.GetRepo(f.owner, f.name)
	return call.Err(err)
}

// segment says whether a name can be one of the server's: one part of a path.
func segment(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\\%?#\x00")
}

// InTeam looks the team up by its name, in any case. The token's user must be a
// member of the organisation to see its teams.
func (f *Forge) InTeam(ctx context.Context, team, login string) (bool, error) {
	client, call, err := f.beginWrite(ctx, fmt.Sprintf("look for %s in the team %s", login, team))
	if err != nil {
		return false, err
	}
	org, name, ok := strings.Cut(team, "/")
	if !ok || !segment(org) || !segment(login) || name == "" {
		return false, nil
	}
	id := int64(0)
	err = pages(call, func(t *sdk.Team) int64 { return t.ID },
		func(n int) ([]*sdk.Team, *sdk.Response, error) {
			return client.SearchOrgTeams(url.PathEscape(org), &sdk.SearchTeamsOptions{ListOptions: page(n), Query: name})
		},
		func(t *sdk.Team) bool {
			if strings.EqualFold(t.Name, name) {
				id = t.ID
			}
			return id == 0
		})
	if err == nil && id != 0 {
		_, _, err = client.GetTeamMember(id, login)
		if err = call.Err(err); err == nil {
			return true, nil
		}
	}
	return false, unseen(err)
}

// unseen forgives what is hidden, but not a token without the scope to look.
func unseen(err error) error {
	hidden := errors.Is(err, forge.ErrNotFound) || errors.Is(err, forge.ErrForbidden) && !strings.Contains(err.Error(), "scope")
	if hidden {
		return nil
	}
	return err
}

// Login is the login for git: the server takes a token as the password of any
// user's name.
func (f *Forge) Login(ctx context.Context) (user, password string, err error) {
	_, call := wire.Begin(ctx, "read the login for git")
	if err := ctx.Err(); err != nil {
		return "", "", call.Err(err)
	}
	if err := f.mayWrite(call); err != nil {
		return "", "", err
	}
	return "oauth2", f.token, nil
}

// Repositories lists all repositories that the token's user may write, as
// owner/name, sorted; those in the archive are left out. Options.Repository is
// not looked at.
func Repositories(ctx context.Context, o Options) ([]string, error) {
	o.Repository = "any/any"
	f, err := New(o)
	if err != nil {
		return nil, err
	}
	client, call, err := f.beginWrite(ctx, "list the token's repositories")
	if err != nil {
		return nil, err
	}
	var out []string
	err = pages(call, func(r *sdk.Repository) int64 { return r.ID },
		func(n int) ([]*sdk.Repository, *sdk.Response, error) {
			return client.ListMyRepos(sdk.ListReposOptions{ListOptions: page(n)})
		},
		func(r *sdk.Repository) bool {
			if r.Permissions != nil && r.Permissions.Push && !r.Archived {
				out = append(out, r.FullName)
			}
			return true
		})
	if err != nil {
		return nil, err
	}
	sortNames(out)
	return out, nil
}
