package simforge

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"net/url"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// api is the repository's address in the API.
func (g githubWire) api(c *call) string {
	prefix := c.prefix
	if prefix == "/api/uploads" {
		prefix = "/api/v3"
	}
	return c.base() + prefix + "/repos/" + c.repo().FullName()
}

func (g githubWire) root(c *call) string {
	prefix := c.prefix
	if prefix == "/api/uploads" {
		prefix = "/api/v3"
	}
	return c.base() + prefix
}

// uploads is where its assets go.
func (g githubWire) uploads(c *call) string {
	prefix := ""
	if c.prefix != "" {
		prefix = "/api/uploads"
	}
	return c.base() + prefix + "/repos/" + c.repo().FullName()
}

func (g githubWire) page(c *call) string { return c.base() + "/" + c.repo().FullName() }

// pageTag is the tag in a release's page: a draft's is made up.
func (g githubWire) pageTag(rel memory.Release) string {
	if rel.Draft {
		return fmt.Sprintf("untagged-%020x", rel.ID)
	}
	return rel.Tag
}

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

func nodeID(kind string, id any) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s%v", kind, id))
}

// escapePath keeps slashes: tags have them.
func escapePath(s string) string {
	return strings.ReplaceAll(url.PathEscape(s), "%2F", "/")
}

func (g githubWire) releaseURL(c *call, rel memory.Release) string {
	return fmt.Sprintf("%s/releases/%d", g.api(c), rel.ID)
}

func (g githubWire) releaseJSON(c *call, rel memory.Release) map[string]any {
	self := g.releaseURL(c, rel)
	assets := []any{}
	for _, a := range rel.Assets {
		assets = append(assets, g.assetJSON(c, rel, a))
	}
	out := map[string]any{
		"url": self, "assets_url": self + "/assets",
		"upload_url":  fmt.Sprintf("%s/releases/%d/assets{?name,label}", g.uploads(c), rel.ID),
		"html_url":    g.page(c) + "/releases/tag/" + escapePath(g.pageTag(rel)),
		"tarball_url": nil, "zipball_url": nil,
		"id": rel.ID, "node_id": nodeID("Release", rel.ID), "author": g.user(c, 1000, "octocat"),
		"tag_name": rel.Tag, "target_commitish": rel.Target, "name": rel.Title, "body": rel.Body,
		"draft": rel.Draft, "prerelease": rel.Prerelease, "immutable": rel.Immutable,
		"created_at": stamp(rel.Created), "published_at": stamp(rel.Published), "updated_at": stamp(rel.Updated),
		"assets": assets,
	}
	if !rel.Draft {
		out["tarball_url"] = g.api(c) + "/tarball/" + escapePath(rel.Tag)
		out["zipball_url"] = g.api(c) + "/zipball/" + escapePath(rel.Tag)
	}
	return out
}

func (g githubWire) assetJSON(c *call, rel memory.Release, a memory.Asset) map[string]any {
	out := map[string]any{
		"url": fmt.Sprintf("%s/releases/assets/%d", g.api(c), a.ID),
		"id":  a.ID, "node_id": nodeID("ReleaseAsset", a.ID), "name": a.Name, "label": a.Label,
		"uploader": g.user(c, 1000, "octocat"), "content_type": a.ContentType, "state": "uploaded",
		"size": a.Size, "digest": "sha256:" + a.SHA256, "download_count": a.Downloads,
		"created_at": stamp(a.Created), "updated_at": stamp(a.Updated),
		"browser_download_url": g.page(c) + "/releases/download/" + escapePath(g.pageTag(rel)) + "/" + url.PathEscape(a.Name),
	}
	if a.Starter {
		out["state"] = "starter"
		out["digest"] = nil
	}
	return out
}

func (g githubWire) user(c *call, id int, login string) map[string]any {
	self := g.root(c) + "/users/" + login
	return map[string]any{
		"login": login, "id": id, "node_id": nodeID("User", id), "gravatar_id": "",
		"avatar_url": fmt.Sprintf("%s/avatars/u/%d", c.base(), id), "url": self, "html_url": c.base() + "/" + login,
		"followers_url": self + "/followers", "following_url": self + "/following{/other_user}",
		"gists_url": self + "/gists{/gist_id}", "starred_url": self + "/starred{/owner}{/repo}",
		"subscriptions_url": self + "/subscriptions", "organizations_url": self + "/orgs", "repos_url": self + "/repos",
		"events_url": self + "/events{/privacy}", "received_events_url": self + "/received_events",
		"type": "User", "user_view_type": "public", "site_admin": false,
	}
}

// githubRepoURLs are the links of a repository, below its own address.
var githubRepoURLs = map[string]string{
	"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
	"branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}", "comments_url": "/comments{/number}",
	"commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}", "contents_url": "/contents/{+path}",
	"contributors_url": "/contributors", "deployments_url": "/deployments", "downloads_url": "/downloads", "events_url": "/events",
	"forks_url": "/forks", "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}",
	"hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
	"issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}", "languages_url": "/languages",
	"merges_url": "/merges", "milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}",
	"pulls_url": "/pulls{/number}", "releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}",
	"subscribers_url": "/subscribers", "subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams", "trees_url": "/git/trees{/sha}",
}

// repositoryID is a number that a name always has.
func repositoryID(fullName string) int64 {
	return int64(crc32.ChecksumIEEE([]byte(strings.ToLower(fullName))))
}

func (g githubWire) repoJSON(c *call, in memory.Info) map[string]any {
	full := c.repo().FullName()
	owner, name, _ := strings.Cut(full, "/")
	writer, reader := c.access == memory.Writer, c.access != memory.Anonymous
	now := stamp(c.s.clock().Truncate(time.Second))
	host := strings.TrimPrefix(c.base(), "http://")
	out := map[string]any{
		"id": repositoryID(full), "node_id": nodeID("Repository", full), "name": name, "full_name": full, "private": in.Private,
		"owner": g.user(c, 1, owner), "html_url": g.page(c), "description": nil, "fork": false, "url": g.api(c),
		"created_at": now, "updated_at": now, "pushed_at": now,
		"git_url": "git://" + host + "/" + full + ".git", "ssh_url": "git@" + host + ":" + full + ".git",
		"clone_url": g.page(c) + ".git", "svn_url": g.page(c), "homepage": nil, "size": 0, "stargazers_count": 0,
		"watchers_count": 0, "language": nil, "has_issues": true, "has_projects": true, "has_downloads": true, "has_wiki": true,
		"has_pages": false, "has_discussions": false, "forks_count": 0, "mirror_url": nil, "archived": in.Archived, "disabled": false,
		"open_issues_count": 0, "license": nil, "allow_forking": true, "is_template": false, "web_commit_signoff_required": false,
		"topics": []string{}, "visibility": "public", "forks": 0, "open_issues": 0, "watchers": 0, "default_branch": in.DefaultBranch,
		"network_count": 0, "subscribers_count": 0,
	}
	for k, v := range githubRepoURLs {
		out[k] = g.api(c) + v
	}
	if in.Private {
		out["visibility"] = "private"
	}
	if reader {
		out["permissions"] = map[string]bool{"admin": false, "maintain": false, "push": writer, "triage": writer, "pull": true}
	}
	return out
}
