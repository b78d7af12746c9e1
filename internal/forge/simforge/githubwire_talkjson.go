package simforge

import (
	"fmt"
	"strconv"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g githubWire) reactionJSON(c *call, r memory.Reaction) map[string]any {
	return map[string]any{
		"id": r.ID, "node_id": nodeID("Reaction", r.ID), "user": g.account(c, r.User), "content": r.Content, "created_at": stamp(r.Created),
	}
}

func (g githubWire) commentURL(c *call, cm memory.Comment) string {
	at := "/issues/comments/"
	if cm.Place.Issue == 0 {
		at = "/comments/"
	}
	return g.api(c) + at + strconv.FormatInt(cm.ID, 10)
}

// commentJSON is a comment on an issue or on a commit, as the API and
// webhooks show it.
func (g githubWire) commentJSON(c *call, cm memory.Comment) map[string]any {
	self := g.commentURL(c, cm)
	out := map[string]any{
		"id": cm.ID, "node_id": nodeID("Comment", cm.ID), "url": self, "html_url": c.repo().CommentURL(cm),
		"body": cm.Body, "user": g.account(c, cm.Author), "created_at": stamp(cm.Created), "updated_at": stamp(cm.Updated),
		"author_association": g.association(c, cm.Author), "reactions": g.rollup(self, cm.Reactions),
	}
	if cm.Place.Issue == 0 {
		out["commit_id"] = cm.Place.Commit
		out["path"], out["position"], out["line"] = nil, nil, nil
		return out
	}
	out["issue_url"] = fmt.Sprintf("%s/issues/%d", g.api(c), cm.Place.Issue)
	out["performed_via_github_app"] = nil
	if cm.Author.Bot {
		if app := c.s.appOf(cm.Author.Login); app != nil {
			out["performed_via_github_app"] = g.appJSON(c, app)
		}
	}
	return out
}

func (g githubWire) association(c *call, u memory.User) string {
	switch p := c.repo().Permission(u.Login); {
	case u.Login == c.s.dialect.Self():
		return "OWNER"
	case p >= forge.MayTriage:
		return "COLLABORATOR"
	}
	return "NONE"
}

// rollup counts reactions by their sign.
func (g githubWire) rollup(self string, list []memory.Reaction) map[string]any {
	out := map[string]any{"url": self + "/reactions", "total_count": len(list)}
	for _, sign := range []string{"+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"} {
		n := 0
		for _, r := range list {
			if r.Content == sign {
				n++
			}
		}
		out[sign] = n
	}
	return out
}
