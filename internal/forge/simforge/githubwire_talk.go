package simforge

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

const githubRepo = "/repos/:owner/:repo"

func (g githubWire) talkRoutes() []route {
	const onIssue, onCommit = githubRepo + "/issues/comments/:id", githubRepo + "/comments/:id"
	routes := []route{
		on("GET", githubRepo+"/collaborators/:login/permission", g.permission),
		on("GET", "/orgs/:org/teams/:team/memberships/:login", g.membership),
		on("GET", githubRepo+"/issues/comments", g.issueComments),
		on("GET", githubRepo+"/issues/:number/comments", g.commentsAt),
		on("POST", githubRepo+"/issues/:number/comments", g.createComment),
		on("GET", githubRepo+"/comments", g.commitComments),
		on("GET", githubRepo+"/commits/:sha/comments", g.commentsAt),
		on("POST", githubRepo+"/commits/:sha/comments", g.createComment),
	}
	for _, at := range []string{onIssue, onCommit} {
		onACommit := at == onCommit
		routes = append(routes,
			on("GET", at, func(c *call) error { return g.oneComment(c, onACommit, http.MethodGet) }),
			on("PATCH", at, func(c *call) error { return g.oneComment(c, onACommit, http.MethodPatch) }),
			on("DELETE", at, func(c *call) error { return g.oneComment(c, onACommit, http.MethodDelete) }),
			on("GET", at+"/reactions", func(c *call) error { return g.reactions(c, onACommit) }),
			on("POST", at+"/reactions", func(c *call) error { return g.react(c, onACommit) }),
			on("DELETE", at+"/reactions/:reaction", func(c *call) error { return g.unreact(c, onACommit) }),
		)
	}
	return routes
}

// account is a user as GitHub shows one in other documents.
func (g githubWire) account(c *call, u memory.User) map[string]any {
	out := g.user(c, int(u.ID), u.Login)
	if u.Bot {
		out["type"] = "Bot"
	}
	return out
}

// permissionNames are GitHub's words, and the older ones that know only four.
var permissionNames = map[forge.Permission][2]string{
	forge.NoAccess: {"none", "none"}, forge.MayRead: {"read", "read"}, forge.MayTriage: {"triage", "read"},
	forge.MayWrite: {"write", "write"}, forge.MayMaintain: {"maintain", "write"}, forge.MayAdmin: {"admin", "admin"},
}

func (g githubWire) permission(c *call) error {
	write := c.installation == nil // a person must be able to push to ask
	if err := g.may(c, "metadata", write); err != nil {
		return err
	}
	u, known := c.s.people.Find(c.vars["login"])
	if !known {
		return c.missing()
	}
	p := c.repo().Permission(u.Login)
	names := permissionNames[p]
	user := g.account(c, u)
	user["role_name"] = names[0]
	user["permissions"] = map[string]bool{
		"pull": p >= forge.MayRead, "triage": p >= forge.MayTriage, "push": p >= forge.MayWrite,
		"maintain": p >= forge.MayMaintain, "admin": p >= forge.MayAdmin,
	}
	return c.answer(http.StatusOK, map[string]any{"permission": names[1], "role_name": names[0], "user": user})
}

// membership: a team is hidden from an app that may not read members.
func (g githubWire) membership(c *call) error {
	switch {
	case c.access == memory.BadToken, c.access == memory.Anonymous:
		return c.unauthorized()
	case c.installation != nil && !c.installation.may("members", false):
		c.w.Header().Set("X-Accepted-GitHub-Permissions", "members=read")
		return &memory.Refusal{Status: http.StatusForbidden, Message: "Resource not accessible by integration"}
	}
	if member, _ := c.s.people.InTeam(c.vars["org"]+"/"+c.vars["team"], c.vars["login"]); !member {
		return c.missing()
	}
	return c.answer(http.StatusOK, map[string]any{
		"url":  fmt.Sprintf("%s/orgs/%s/teams/%s/memberships/%s", g.root(c), c.vars["org"], c.vars["team"], c.vars["login"]),
		"role": "member", "state": "active",
	})
}

// unauthorized is the refusal of a call that needs a login of any kind.
func (c *call) unauthorized() error {
	message := "Requires authentication"
	if c.access == memory.BadToken {
		message = "Bad credentials"
	}
	if c.appFault != nil {
		return c.appFault
	}
	return &memory.Refusal{Status: http.StatusUnauthorized, Message: message, Kind: forge.ErrUnauthorized}
}

func (g githubWire) comments(c *call, list []memory.Comment) error {
	out := []any{}
	for _, cm := range githubPage(c, list) {
		out = append(out, g.commentJSON(c, cm))
	}
	return c.answer(http.StatusOK, out)
}

// issueComments lists those of all issues: changed since a time, in an order.
func (g githubWire) issueComments(c *call) error {
	if err := g.may(c, "issues", false); err != nil {
		return err
	}
	q := c.r.URL.Query()
	var since time.Time
	if text := q.Get("since"); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			return &memory.Refusal{Status: http.StatusUnprocessableEntity, Message: "Validation Failed",
				Details: []memory.Detail{{Resource: "IssueComment", Code: "invalid", Field: "since"}}}
		}
	}
	list := slices.DeleteFunc(c.repo().Comments(since), func(cm memory.Comment) bool { return cm.Place.Issue == 0 })
	if q.Get("sort") == "updated" {
		slices.SortStableFunc(list, func(a, b memory.Comment) int { return a.Updated.Compare(b.Updated) })
	}
	// The direction counts only beside a sort; by updated time the newest is first.
	if q.Get("sort") != "" && (q.Get("direction") == "desc" || q.Get("direction") == "" && q.Get("sort") == "updated") {
		slices.Reverse(list)
	}
	return g.comments(c, list)
}

// commitComments lists those of all commits in the order of their making.
func (g githubWire) commitComments(c *call) error {
	if err := g.may(c, "contents", false); err != nil {
		return err
	}
	list := c.repo().Comments(time.Time{})
	return g.comments(c, slices.DeleteFunc(list, func(cm memory.Comment) bool { return cm.Place.Issue != 0 }))
}

// place is where a call's comments are, and the right that they need.
func (g githubWire) place(c *call) (forge.Place, string) {
	if sha := c.vars["sha"]; sha != "" {
		return forge.Place{Commit: sha}, "contents"
	}
	return forge.Place{Issue: int(c.id("number"))}, "issues"
}

func (g githubWire) commentsAt(c *call) error {
	at, right := g.place(c)
	if err := g.may(c, right, false); err != nil {
		return err
	}
	list, err := c.repo().CommentsAt(at)
	if err != nil {
		return err
	}
	if text := c.r.URL.Query().Get("since"); text != "" {
		since, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return invalidRequest("since is no time")
		}
		list = slices.DeleteFunc(list, func(cm memory.Comment) bool { return cm.Updated.Before(since) })
	}
	return g.comments(c, list)
}

// commentBody reads what is to be said.
func (g githubWire) commentBody(c *call, more ...string) (string, error) {
	f, err := g.body(c, append(more, "body")...)
	if err != nil {
		return "", err
	}
	body := field[string](f, "body", "a string", &err)
	if err == nil && body == nil {
		err = invalidRequest(`"body" wasn't supplied.`)
	}
	return deref(body), err
}

func (g githubWire) createComment(c *call) error {
	at, right := g.place(c)
	if err := g.may(c, right, true); err != nil {
		return err
	}
	body, err := g.commentBody(c, "path", "position", "line")
	if err != nil {
		return err
	}
	cm, err := c.repo().AddComment(at, c.login, body)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", g.commentURL(c, cm))
	return c.answer(http.StatusCreated, g.commentJSON(c, cm))
}

// comment finds one of the kind that the path names.
func (g githubWire) comment(c *call, onCommit, write bool) (memory.Comment, error) {
	right := "issues"
	if onCommit {
		right = "contents"
	}
	if err := g.may(c, right, write); err != nil {
		return memory.Comment{}, err
	}
	cm, err := c.repo().Comment(c.id("id"))
	if err == nil && onCommit != (cm.Place.Issue == 0) {
		err = c.missing()
	}
	return cm, err
}

func (g githubWire) oneComment(c *call, onCommit bool, method string) error {
	cm, err := g.comment(c, onCommit, method != http.MethodGet)
	if err != nil {
		return err
	}
	switch method {
	case http.MethodDelete:
		if err := c.repo().DeleteComment(cm.ID, c.login); err != nil {
			return err
		}
		return c.empty(http.StatusNoContent)
	case http.MethodPatch:
		body, err := g.commentBody(c)
		if err != nil {
			return err
		}
		if cm, err = c.repo().EditComment(cm.ID, c.login, body); err != nil {
			return err
		}
	}
	return c.answer(http.StatusOK, g.commentJSON(c, cm))
}

func (g githubWire) reactions(c *call, onCommit bool) error {
	cm, err := g.comment(c, onCommit, false)
	if err != nil {
		return err
	}
	out := []any{}
	for _, r := range githubPage(c, cm.Reactions) {
		out = append(out, g.reactionJSON(c, r))
	}
	return c.answer(http.StatusOK, out)
}

// react answers 201 for a new reaction and 200 for one that is there.
func (g githubWire) react(c *call, onCommit bool) error {
	cm, err := g.comment(c, onCommit, true)
	if err != nil {
		return err
	}
	f, err := g.body(c, "content")
	if err != nil {
		return err
	}
	content := field[string](f, "content", "a string", &err)
	if err == nil && content == nil {
		err = invalidRequest(`"content" wasn't supplied.`)
	}
	if err != nil {
		return err
	}
	r, made, err := c.repo().React(cm.ID, c.login, *content)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	return c.answer(status, g.reactionJSON(c, r))
}

// unreact takes back a reaction, of one's own only.
func (g githubWire) unreact(c *call, onCommit bool) error {
	cm, err := g.comment(c, onCommit, true)
	if err != nil {
		return err
	}
	id := c.id("reaction")
	for _, r := range cm.Reactions {
		if r.ID != id {
			continue
		}
		if r.User.Login != c.login {
			return &memory.Refusal{Status: http.StatusForbidden, Message: "Resource not accessible by integration"}
		}
		if err := c.repo().Unreact(cm.ID, id, "", ""); err != nil {
			return err
		}
		return c.empty(http.StatusNoContent)
	}
	return c.missing()
}
