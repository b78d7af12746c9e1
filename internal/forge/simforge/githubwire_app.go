package simforge

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g githubWire) appRoutes() []route {
	return []route{
		on("GET", "/app", g.asApp(func(c *call) error { return c.answer(http.StatusOK, g.appJSON(c, c.app)) })),
		on("GET", "/app/installations", g.asApp(g.installations)),
		on("GET", "/app/installations/:id", g.asApp(func(c *call) error {
			in, ok := c.s.apps.find(c.app.ID, func(in *Installation) bool { return in.ID == c.id("id") })
			return g.foundInstallation(c, in, ok)
		})),
		on("POST", "/app/installations/:id/access_tokens", g.asApp(g.accessToken)),
		on("GET", githubRepo+"/installation", g.asApp(func(c *call) error {
			in, ok := c.s.apps.find(c.app.ID, func(in *Installation) bool { return in.covers(c.repo().FullName()) })
			return g.foundInstallation(c, in, ok)
		})),
		on("GET", "/installation/repositories", g.installationRepositories),
		on("GET", "/user/repos", g.userRepositories),
	}
}

// asApp lets only calls through that the app itself has signed.
func (g githubWire) asApp(h handler) handler {
	return func(c *call) error {
		switch {
		case c.appFault != nil:
			return c.appFault
		case c.app == nil || c.installation != nil:
			return &memory.Refusal{Status: http.StatusUnauthorized, Message: "A JSON web token could not be decoded"}
		}
		return h(c)
	}
}

// appOf finds the app whose account writes so.
func (s *Server) appOf(login string) *App {
	s.apps.mu.Lock()
	defer s.apps.mu.Unlock()
	for _, a := range s.apps.known {
		if strings.EqualFold(a.Slug+"[bot]", login) {
			return a
		}
	}
	return nil
}

// begun dates what has no date of its own.
const begun = "2025-01-01T00:00:00Z"

func (g githubWire) appJSON(c *call, a *App) map[string]any {
	return map[string]any{
		"id": a.ID, "slug": a.Slug, "client_id": fmt.Sprintf("Iv1.%016x", a.ID), "node_id": nodeID("App", a.ID), "owner": g.user(c, 1, "octo-org"),
		"name": a.Slug, "description": nil, "external_url": "https://example.org", "html_url": c.base() + "/apps/" + a.Slug,
		"created_at": begun, "updated_at": begun, "permissions": allRights, "events": []string{"push"},
	}
}

func (g githubWire) installationJSON(c *call, in Installation) map[string]any {
	self := fmt.Sprintf("%s/app/installations/%d", g.root(c), in.ID)
	out := map[string]any{
		"id": in.ID, "account": g.user(c, 1, in.Account), "access_tokens_url": self + "/access_tokens",
		"repositories_url": g.root(c) + "/installation/repositories", "html_url": fmt.Sprintf("%s/settings/installations/%d", c.base(), in.ID),
		"app_id": c.app.ID, "app_slug": c.app.Slug, "target_id": 1, "target_type": "User", "permissions": in.rights(), "events": []string{"push"},
		"single_file_name": nil, "repository_selection": "selected", "created_at": begun, "updated_at": begun,
		"suspended_by": nil, "suspended_at": nil,
	}
	if in.Suspended {
		out["suspended_at"] = begun
	}
	return out
}

func (g githubWire) installations(c *call) error {
	out := []any{}
	for _, in := range githubPage(c, c.s.apps.installations(c.app.ID)) {
		out = append(out, g.installationJSON(c, in))
	}
	return c.answer(http.StatusOK, out)
}

func (g githubWire) foundInstallation(c *call, in *Installation, ok bool) error {
	if !ok {
		return &memory.Refusal{Status: http.StatusNotFound, Message: "Not Found"}
	}
	return c.answer(http.StatusOK, g.installationJSON(c, *in))
}

// accessToken mints a token. What could narrow it is not asked for by anybody
// here, and refused.
func (g githubWire) accessToken(c *call) error {
	in, ok := c.s.apps.find(c.app.ID, func(in *Installation) bool { return in.ID == c.id("id") })
	switch {
	case !ok:
		return &memory.Refusal{Status: http.StatusNotFound, Message: "Not Found"}
	case in.Suspended:
		return &memory.Refusal{Status: http.StatusForbidden, Message: "This installation has been suspended"}
	}
	if data, err := io.ReadAll(io.LimitReader(c.r.Body, 1<<20)); err != nil || len(strings.TrimSpace(string(data))) > 0 && string(data) != "{}" {
		return invalidRequest("this server narrows no tokens")
	}
	token, ends := c.s.apps.mint(c.app, in, c.s.clock())
	return c.answer(http.StatusCreated, map[string]any{
		"token": token, "expires_at": ends.UTC().Format(time.RFC3339), "permissions": in.rights(), "repository_selection": "selected",
	})
}

// repositories lists those that fit, by their names.
func (g githubWire) repositories(c *call, fits func(*memory.Repo) bool) []hosted {
	var out []hosted
	c.s.each(func(h hosted) {
		if fits(h.repo) {
			out = append(out, h)
		}
	})
	slices.SortFunc(out, func(a, b hosted) int { return strings.Compare(a.repo.FullName(), b.repo.FullName()) })
	return out
}

func (g githubWire) repositoriesJSON(c *call, list []hosted) ([]any, error) {
	out := []any{}
	for _, c.hosted = range githubPage(c, list) {
		in, err := c.repo().Info(c.r.Context())
		if err != nil {
			return nil, err
		}
		repo := g.repoJSON(c, in)
		for _, k := range []string{"network_count", "subscribers_count"} { // the full answer's only
			delete(repo, k)
		}
		out = append(out, repo)
	}
	return out, nil
}

func (g githubWire) installationRepositories(c *call) error {
	if c.access == memory.BadToken || c.access == memory.Anonymous {
		return c.unauthorized()
	}
	if c.installation == nil {
		return &memory.Refusal{Status: http.StatusForbidden, Message: "You must authenticate with an installation access token in order to list repositories for an installation."}
	}
	list := g.repositories(c, func(r *memory.Repo) bool { return c.installation.covers(r.FullName()) })
	out, err := g.repositoriesJSON(c, list)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, map[string]any{"total_count": len(list), "repositories": out})
}

// userRepositories lists those in which the token's account has a part.
func (g githubWire) userRepositories(c *call) error {
	switch {
	case c.access == memory.BadToken, c.access == memory.Anonymous:
		return c.unauthorized()
	case c.installation != nil:
		return &memory.Refusal{Status: http.StatusForbidden, Message: "Resource not accessible by integration"}
	}
	out, err := g.repositoriesJSON(c, g.repositories(c, func(r *memory.Repo) bool { return r.HasPart(c.login) }))
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}
