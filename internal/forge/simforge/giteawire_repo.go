package simforge

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g giteaWire) repoRoutes() []route {
	const repo = "/repos/:owner/:repo"
	return []route{
		on("GET", "/version", func(c *call) error {
			if err := g.knows(c); err != nil {
				return err
			}
			return c.answer(http.StatusOK, map[string]string{"version": giteaVersion})
		}),
		on("GET", "/user", g.whoami),
		on("GET", "/settings/api", func(c *call) error {
			return c.answer(http.StatusOK, map[string]int{
				"max_response_items": giteaMaxPageSize, "default_paging_num": giteaPageSize,
				"default_git_trees_per_page": 1000, "default_max_blob_size": 10 << 20, "default_max_response_size": 100 << 20,
			})
		}),
		on("GET", "/settings/attachment", func(c *call) error {
			return c.answer(http.StatusOK, map[string]any{"enabled": true, "allowed_types": "", "max_files": 5, "max_size": 2048})
		}),
		on("GET", repo, g.repository),
		on("GET", repo+"/tags", g.listTags),
		on("GET", repo+"/tags/*tag", g.tag),
		on("DELETE", repo+"/tags/*tag", g.deleteTag),
		on("GET", "/:owner/:repo/tags/list", g.tagNames), // a page, as its picker of tags asks for it
		on("GET", repo+"/git/refs", g.refs),
		on("GET", repo+"/git/refs/*ref", g.refs),
		on("GET", repo+"/git/tags/:sha", g.tagObject),
		on("GET", repo+"/git/commits/*sha", g.commit),
	}
}

// knows refuses a bad token, which Gitea does for every path of its API.
func (g giteaWire) knows(c *call) error {
	if c.access == memory.BadToken {
		return &memory.Refusal{Status: http.StatusUnauthorized, Message: "invalid username, password or token"}
	}
	return nil
}

func (g giteaWire) whoami(c *call) error {
	if err := g.named(c); err != nil {
		return err
	}
	u, _ := c.s.people.Find(c.login)
	return c.answer(http.StatusOK, g.account(c, u))
}

func (g giteaWire) info(c *call) (memory.Info, error) {
	if err := c.repo().Allow(c.access, false); err != nil {
		return memory.Info{}, err
	}
	return c.repo().Info(c.r.Context())
}

func (g giteaWire) repository(c *call) error {
	in, err := g.info(c)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, g.repoJSON(c, in))
}

func (g giteaWire) listTags(c *call) error {
	if _, err := g.info(c); err != nil {
		return err
	}
	refs, err := c.repo().Refs().Matching(c.r.Context(), "refs/tags/")
	if err != nil {
		return err
	}
	out := []any{}
	for _, ref := range giteaPage(c, refs) {
		tag, err := g.tagJSON(c, ref)
		if err != nil {
			return err
		}
		out = append(out, tag)
	}
	return c.answer(http.StatusOK, out)
}

func (g giteaWire) tagNames(c *call) error {
	refs, err := c.repo().Refs().Matching(c.r.Context(), "refs/tags/")
	if err != nil {
		return err
	}
	names := []string{}
	for _, ref := range refs {
		names = append(names, strings.TrimPrefix(ref.Name, "refs/tags/"))
	}
	return c.answer(http.StatusOK, map[string]any{"results": names})
}

func (g giteaWire) tag(c *call) error {
	ref, err := g.findTag(c)
	if err != nil {
		return err
	}
	out, err := g.tagJSON(c, ref)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}

func (g giteaWire) findTag(c *call) (memory.Ref, error) {
	if _, err := g.info(c); err != nil {
		return memory.Ref{}, err
	}
	full := "refs/tags/" + c.vars["tag"]
	refs, err := c.repo().Refs().Matching(c.r.Context(), full)
	if err != nil {
		return memory.Ref{}, err
	}
	for _, ref := range refs {
		if ref.Name == full {
			return ref, nil
		}
	}
	return memory.Ref{}, &memory.Refusal{Status: http.StatusNotFound, Message: "tag doesn't exist: " + c.vars["tag"]}
}

// tagJSON has the commit's hash; id is the tag object's for an annotated tag.
func (g giteaWire) tagJSON(c *call, ref memory.Ref) (map[string]any, error) {
	at, _, err := c.repo().Refs().Peel(c.r.Context(), ref.Name)
	if err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(ref.Name, "refs/tags/")
	message := at.Message
	if t, ok, err := c.repo().Refs().TagObject(c.r.Context(), ref.Object); err == nil && ok {
		message = t.Message
	}
	return map[string]any{
		"name": name, "message": message, "id": ref.Object,
		"commit": map[string]any{
			"url": g.api(c) + "/git/commits/" + at.Hash, "sha": at.Hash, "created": at.Time.UTC().Format("2006-01-02T15:04:05Z"),
		},
		"zipball_url": g.page(c) + "/archive/" + url.PathEscape(name+".zip"),
		"tarball_url": g.page(c) + "/archive/" + url.PathEscape(name+".tar.gz"),
	}, nil
}

// deleteTag refuses a tag that has a release, even a draft.
func (g giteaWire) deleteTag(c *call) error {
	if err := c.repo().Allow(c.access, true); err != nil {
		return err
	}
	ref, err := g.findTag(c)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(ref.Name, "refs/tags/")
	if _, err := c.repo().ReleaseByTag(memory.Writer, name); err == nil {
		return &memory.Refusal{Status: http.StatusConflict, Message: "a tag attached to a release cannot be deleted directly"}
	}
	return g.deleted(c, c.repo().DeleteTag(c.r.Context(), name))
}

// refs lists the refs of one name or folder, always as a list.
func (g giteaWire) refs(c *call) error {
	if _, err := g.info(c); err != nil {
		return err
	}
	full := strings.TrimSuffix("refs/"+c.vars["ref"], "/")
	refs, err := c.repo().Refs().Matching(c.r.Context(), full)
	if err != nil {
		return err
	}
	out := []any{}
	for _, ref := range refs {
		if ref.Name != full && !strings.HasPrefix(ref.Name, full+"/") {
			continue
		}
		out = append(out, map[string]any{
			"ref": ref.Name, "url": g.api(c) + "/git/" + escapeSegments(ref.Name),
			"object": map[string]any{"type": ref.Type, "sha": ref.Object, "url": g.api(c) + "/git/" + ref.Type + "s/" + ref.Object},
		})
	}
	if len(out) == 0 {
		return c.missing()
	}
	return c.answer(http.StatusOK, out)
}

func (g giteaWire) tagObject(c *call) error {
	if _, err := g.info(c); err != nil {
		return err
	}
	t, ok, err := c.repo().Refs().TagObject(c.r.Context(), c.vars["sha"])
	if err != nil {
		return err
	}
	if !ok {
		return &memory.Refusal{Status: http.StatusBadRequest, Message: "object does not exist [id: " + c.vars["sha"] + ", rel_path: ]"}
	}
	return c.answer(http.StatusOK, map[string]any{
		"tag": t.Name, "sha": t.Hash, "url": g.api(c) + "/git/tags/" + t.Hash, "message": t.Message,
		"tagger": map[string]any{"name": t.Tagger, "email": t.Email, "date": t.Date.UTC().Format("2006-01-02T15:04:05Z")},
		"object": map[string]any{"type": t.TargetType, "sha": t.Target, "url": g.api(c) + "/git/commits/" + t.Target},
	})
}

// commit takes a hash or a name.
func (g giteaWire) commit(c *call) error {
	if _, err := g.info(c); err != nil {
		return err
	}
	ctx, refs, name := c.r.Context(), c.repo().Refs(), c.vars["sha"]
	at, ok, err := refs.Commit(ctx, name)
	if err == nil && !ok {
		at, ok, err = refs.Peel(ctx, "refs/tags/"+name)
	}
	if err != nil {
		return err
	}
	if !ok {
		return &memory.Refusal{Status: http.StatusNotFound, Message: "commit doesn't exist: " + name}
	}
	self := g.api(c) + "/git/commits/" + at.Hash
	when := at.Time.UTC().Format("2006-01-02T15:04:05Z")
	who := map[string]any{"name": "A Maintainer", "email": "maintainer@example.org", "date": when}
	return c.answer(http.StatusOK, map[string]any{
		"url": self, "sha": at.Hash, "created": when, "html_url": g.page(c) + "/commit/" + at.Hash,
		"commit":  map[string]any{"url": self, "author": who, "committer": who, "message": at.Message},
		"parents": []any{},
	})
}
