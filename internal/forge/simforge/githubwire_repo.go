package simforge

import (
	"net/http"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g githubWire) repoRoutes() []route {
	return []route{
		on("GET", "/rate_limit", g.rateLimit),
		on("GET", "/meta", func(c *call) error {
			return c.answer(http.StatusOK, map[string]any{"verifiable_password_authentication": false})
		}),
		on("GET", "/user", g.whoami),
		on("GET", "/repos/:owner/:repo", g.repository),
		on("GET", "/repos/:owner/:repo/immutable-releases", g.immutableReleases),
		on("GET", "/repos/:owner/:repo/git/ref/*ref", g.ref),
		on("GET", "/repos/:owner/:repo/git/matching-refs/*ref", g.matchingRefs),
		on("GET", "/repos/:owner/:repo/git/tags/:sha", g.tagObject),
		on("GET", "/repos/:owner/:repo/commits/*ref", g.commit),
		on("GET", "/repos/:owner/:repo/tags", g.tags),
	}
}

func (g githubWire) rateLimit(c *call) error {
	if c.access == memory.BadToken {
		return &memory.Refusal{Status: http.StatusUnauthorized, Message: "Bad credentials"}
	}
	v := g.s.rates.peek(c.r.Header.Get("Authorization"))
	core := map[string]any{"limit": v.limit, "remaining": v.remaining, "used": v.used, "reset": v.reset.Unix()}
	search := map[string]any{"limit": 30, "remaining": 30, "used": 0, "reset": v.reset.Unix()}
	return c.answer(http.StatusOK, map[string]any{"resources": map[string]any{"core": core, "search": search}, "rate": core})
}

// whoami answers personal tokens; an installation's has no user.
func (g githubWire) whoami(c *call) error {
	switch c.access {
	case memory.BadToken:
		return &memory.Refusal{Status: http.StatusUnauthorized, Message: "Bad credentials"}
	case memory.Anonymous:
		return &memory.Refusal{Status: http.StatusUnauthorized, Message: "Requires authentication"}
	}
	if c.installation != nil {
		return &memory.Refusal{Status: http.StatusForbidden, Message: "Resource not accessible by integration"}
	}
	out := g.account(c, c.s.people.Add(c.login))
	for _, k := range []string{"name", "company", "location", "email", "hireable", "bio", "twitter_username"} {
		out[k] = nil
	}
	for _, k := range []string{"public_repos", "public_gists", "followers", "following"} {
		out[k] = 0
	}
	out["blog"] = ""
	out["created_at"], out["updated_at"] = "2011-01-25T18:44:36Z", "2011-01-25T18:44:36Z"
	return c.answer(http.StatusOK, out)
}

func (g githubWire) repository(c *call) error {
	in, err := g.info(c)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, g.repoJSON(c, in))
}

func (g githubWire) info(c *call) (memory.Info, error) {
	if err := c.repo().Allow(c.access, false); err != nil {
		return memory.Info{}, err
	}
	return c.repo().Info(c.r.Context())
}

// immutableReleases answers 404 where the setting is off.
func (g githubWire) immutableReleases(c *call) error {
	in, err := g.info(c)
	if err != nil {
		return err
	}
	if !in.Immutable || c.access != memory.Writer {
		return c.missing()
	}
	return c.answer(http.StatusOK, map[string]any{"enabled": true, "enforced_by_owner": false})
}

// nonEmpty refuses git reads of a repository without commits.
func (g githubWire) nonEmpty(c *call) error {
	in, err := g.info(c)
	if err == nil && in.Empty {
		err = &memory.Refusal{Status: http.StatusConflict, Message: "Git Repository is empty."}
	}
	return err
}

func (g githubWire) ref(c *call) error {
	if err := g.nonEmpty(c); err != nil {
		return err
	}
	name := "refs/" + c.vars["ref"]
	refs, err := c.repo().Refs().Matching(c.r.Context(), name)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if ref.Name == name {
			return c.answer(http.StatusOK, g.refJSON(c, ref))
		}
	}
	return c.missing()
}

// matchingRefs lists every ref that begins so: v1.0 finds v1.0.0 too.
func (g githubWire) matchingRefs(c *call) error {
	if err := g.nonEmpty(c); err != nil {
		return err
	}
	refs, err := c.repo().Refs().Matching(c.r.Context(), "refs/"+c.vars["ref"])
	if err != nil {
		return err
	}
	out := []any{}
	for _, ref := range githubPage(c, refs) {
		out = append(out, g.refJSON(c, ref))
	}
	return c.answer(http.StatusOK, out)
}

func (g githubWire) refJSON(c *call, ref memory.Ref) map[string]any {
	return map[string]any{
		"ref": ref.Name, "node_id": nodeID("Ref", ref.Name), "url": g.api(c) + "/git/" + escapePath(ref.Name),
		"object": map[string]any{"type": ref.Type, "sha": ref.Object, "url": g.api(c) + "/git/" + ref.Type + "s/" + ref.Object},
	}
}

func (g githubWire) tagObject(c *call) error {
	if err := g.nonEmpty(c); err != nil {
		return err
	}
	t, ok, err := c.repo().Refs().TagObject(c.r.Context(), c.vars["sha"])
	if err != nil {
		return err
	}
	if !ok {
		return c.missing()
	}
	return c.answer(http.StatusOK, map[string]any{
		"node_id": nodeID("Tag", t.Hash), "tag": t.Name, "sha": t.Hash, "url": g.api(c) + "/git/tags/" + t.Hash, "message": t.Message,
		"tagger":       map[string]any{"name": t.Tagger, "email": t.Email, "date": t.Date.UTC().Format("2006-01-02T15:04:05Z")},
		"object":       map[string]any{"type": t.TargetType, "sha": t.Target, "url": g.api(c) + "/git/" + t.TargetType + "s/" + t.Target},
		"verification": unsigned(),
	})
}

func unsigned() map[string]any {
	return map[string]any{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil}
}

// commit resolves a hash, a branch or a tag, an annotated one too.
func (g githubWire) commit(c *call) error {
	if err := g.nonEmpty(c); err != nil {
		return err
	}
	ctx, refs, name := c.r.Context(), c.repo().Refs(), c.vars["ref"]
	at, ok, err := refs.Commit(ctx, strings.TrimPrefix(name, "heads/"))
	if err == nil && !ok {
		at, ok, err = refs.Peel(ctx, "refs/tags/"+strings.TrimPrefix(name, "tags/"))
	}
	if err != nil {
		return err
	}
	if !ok {
		return &memory.Refusal{Status: http.StatusUnprocessableEntity, Message: "No commit found for SHA: " + name}
	}
	if strings.Contains(c.r.Header.Get("Accept"), "application/vnd.github.sha") {
		c.plain(http.StatusOK, "application/vnd.github.sha; charset=utf-8", at.Hash)
		return nil
	}
	return c.answer(http.StatusOK, g.commitJSON(c, at))
}

func (g githubWire) commitJSON(c *call, at memory.Commit) map[string]any {
	self := g.api(c) + "/commits/" + at.Hash
	who := map[string]any{"name": "A Maintainer", "email": "maintainer@example.org", "date": at.Time.UTC().Format("2006-01-02T15:04:05Z")}
	return map[string]any{
		"sha": at.Hash, "node_id": nodeID("Commit", at.Hash), "url": self, "html_url": g.page(c) + "/commit/" + at.Hash,
		"comments_url": self + "/comments", "author": g.user(c, 1000, "octocat"), "committer": g.user(c, 1000, "octocat"), "parents": []any{},
		"commit": map[string]any{
			"url": g.api(c) + "/git/commits/" + at.Hash, "author": who, "committer": who, "message": at.Message, "comment_count": 0,
			"tree":         map[string]any{"sha": at.Hash, "url": g.api(c) + "/git/trees/" + at.Hash},
			"verification": unsigned(),
		},
	}
}

func (g githubWire) tags(c *call) error {
	if _, err := g.info(c); err != nil {
		return err
	}
	refs, err := c.repo().Refs().Matching(c.r.Context(), "refs/tags/")
	if err != nil {
		return err
	}
	out := []any{}
	for _, ref := range githubPage(c, refs) {
		at, _, err := c.repo().Refs().Peel(c.r.Context(), ref.Name)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(ref.Name, "refs/tags/")
		out = append(out, map[string]any{
			"name": name, "node_id": nodeID("Ref", ref.Name), "commit": map[string]any{"sha": at.Hash, "url": g.api(c) + "/commits/" + at.Hash},
			"zipball_url": g.api(c) + "/zipball/" + escapePath(ref.Name), "tarball_url": g.api(c) + "/tarball/" + escapePath(ref.Name),
		})
	}
	return c.answer(http.StatusOK, out)
}
