package simforge

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

const giteaRepo = "/repos/:owner/:repo"

func (g giteaWire) talkRoutes() []route {
	const comment = giteaRepo + "/issues/comments/:id"
	return []route{
		on("GET", giteaRepo+"/collaborators/:user/permission", g.permission),
		on("GET", "/orgs/:org/teams/search", g.searchTeams),
		on("GET", "/teams/:team/members/:user", g.teamMember),
		on("GET", "/user/repos", g.myRepos),
		on("GET", giteaRepo+"/issues/comments", g.listComments),
		on("GET", giteaRepo+"/issues/:index", g.issue),
		on("GET", giteaRepo+"/issues/:index/comments", g.commentsAt),
		on("POST", giteaRepo+"/issues/:index/comments", g.createComment),
		on("GET", comment, g.oneComment),
		on("PATCH", comment, g.editComment),
		on("GET", comment+"/reactions", g.reactions),
		on("POST", comment+"/reactions", g.react),
		on("DELETE", comment+"/reactions", g.react),
	}
}

// allowTalk is Allow with the scope of issues in its words. Everybody who sees
// the repository may comment.
func (g giteaWire) allowTalk(c *call, write bool) error {
	err := c.repo().Allow(c.access, write)
	var no *memory.Refusal
	if errors.As(err, &no) {
		said := *no
		said.Message = strings.ReplaceAll(no.Message, ":repository", ":issue")
		return &said
	}
	return err
}

// named refuses those of whom the forge knows no account.
func (g giteaWire) named(c *call) error {
	if err := g.knows(c); err != nil {
		return err
	}
	if c.access == memory.Anonymous {
		return &memory.Refusal{Status: http.StatusUnauthorized, Message: "token is required"}
	}
	return nil
}

// permission is told of others to administrators of the repository only.
func (g giteaWire) permission(c *call) error {
	if err := errors.Join(g.named(c), c.repo().Allow(c.access, false)); err != nil {
		return err
	}
	login := c.vars["user"]
	if !strings.EqualFold(login, c.login) && c.repo().Permission(c.login) < forge.MayAdmin {
		return &memory.Refusal{Status: http.StatusForbidden, Message: "Only admins can query all permissions, repo admins can query all repo permissions, collaborators can query only their own"}
	}
	u, ok := c.s.people.Find(login)
	if !ok {
		return &memory.Refusal{Status: http.StatusNotFound, Message: "user does not exist [uid: 0, name: " + login + "]"}
	}
	word := map[forge.Permission]string{forge.NoAccess: "none", forge.MayRead: "read", forge.MayTriage: "read",
		forge.MayWrite: "write", forge.MayMaintain: "write", forge.MayAdmin: "admin"}[c.repo().Permission(login)]
	if strings.EqualFold(login, memory.Gitea.Self()) {
		word = "owner"
	}
	return c.answer(http.StatusOK, map[string]any{"permission": word, "role_name": word, "user": g.account(c, u)})
}

// searchTeams finds teams by a part of their name.
func (g giteaWire) searchTeams(c *call) error {
	if err := g.named(c); err != nil {
		return err
	}
	teams := c.s.people.Teams(c.vars["org"])
	if len(teams) == 0 {
		return c.missing()
	}
	found := []any{}
	for _, name := range teams {
		if strings.Contains(name, strings.ToLower(c.r.URL.Query().Get("q"))) {
			found = append(found, map[string]any{
				"id": repositoryID(c.vars["org"] + "/" + name), "name": name, "description": "", "organization": nil,
				"includes_all_repositories": false, "permission": "none", "units": []string{"repo.code"},
				"units_map": map[string]string{"repo.code": "write"}, "can_create_org_repo": false, "visibility": "private",
			})
		}
	}
	return c.answer(http.StatusOK, map[string]any{"ok": true, "data": giteaPage(c, found)})
}

func (g giteaWire) teamMember(c *call) error {
	if err := g.named(c); err != nil {
		return err
	}
	u, known := c.s.people.Find(c.vars["user"])
	for _, team := range c.s.people.AllTeams() {
		member, _ := c.s.people.InTeam(team, u.Login)
		if known && member && repositoryID(team) == c.id("team") {
			return c.answer(http.StatusOK, g.account(c, u))
		}
	}
	return c.missing()
}

func (g giteaWire) myRepos(c *call) error {
	if err := g.named(c); err != nil {
		return err
	}
	var mine []hosted
	c.s.each(func(h hosted) {
		if h.repo.HasPart(c.login) {
			mine = append(mine, h)
		}
	})
	slices.SortFunc(mine, func(a, b hosted) int { return cmp.Compare(a.repo.FullName(), b.repo.FullName()) })
	out := []any{}
	for _, h := range giteaPage(c, mine) {
		c.hosted = h
		in, err := h.repo.Info(c.r.Context())
		if err != nil {
			return err
		}
		repo := g.repoJSON(c, in)
		may := h.repo.Permission(c.login)
		repo["permissions"] = map[string]bool{"admin": may >= forge.MayAdmin, "push": may >= forge.MayWrite, "pull": true}
		out = append(out, repo)
	}
	return c.answer(http.StatusOK, out)
}

func (g giteaWire) issue(c *call) error {
	if err := g.allowTalk(c, false); err != nil {
		return err
	}
	is, err := c.repo().Issue(int(c.id("index")))
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, g.issueJSON(c, is))
}

// listComments tells no neighbours of a page, only the total.
func (g giteaWire) listComments(c *call) error {
	if err := g.allowTalk(c, false); err != nil {
		return err
	}
	since, before := time.Time{}, time.Time{}
	for name, at := range map[string]*time.Time{"since": &since, "before": &before} {
		text := c.r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return &memory.Refusal{Status: http.StatusUnprocessableEntity, Message: err.Error()}
		}
		*at = t
	}
	var list []memory.Comment
	for _, cm := range c.repo().Comments(since) {
		if before.IsZero() || !cm.Updated.After(before) {
			list = append(list, cm)
		}
	}
	part := giteaPage(c, list)
	c.w.Header().Del("Link")
	return g.answerComments(c, part)
}

func (g giteaWire) answerComments(c *call, list []memory.Comment) error {
	out := []any{}
	for _, cm := range list {
		out = append(out, g.commentJSON(c, cm))
	}
	return c.answer(http.StatusOK, out)
}

// noIssue is a failure of the server's, with the reason for administrators.
func (g giteaWire) noIssue(c *call) error {
	no := &memory.Refusal{Status: http.StatusInternalServerError}
	if c.repo().Permission(c.login) == forge.MayAdmin {
		no.Message = fmt.Sprintf("issue does not exist [id: 0, repo_id: 1, index: %s]", c.vars["index"])
	}
	return no
}

// commentsAt gives all comments at once.
func (g giteaWire) commentsAt(c *call) error {
	if err := g.allowTalk(c, false); err != nil {
		return err
	}
	at := forge.Place{Issue: int(c.id("index"))}
	if _, err := c.repo().Issue(at.Issue); err != nil {
		return g.noIssue(c)
	}
	list, err := c.repo().CommentsAt(at)
	if err != nil {
		return err
	}
	c.w.Header().Set("X-Total-Count", fmt.Sprint(len(list)))
	return g.answerComments(c, list)
}

func (g giteaWire) commentBody(c *call) (string, error) {
	var form struct{ Body string }
	if err := g.bind(c, &form); err != nil {
		return "", err
	}
	if form.Body == "" {
		return "", unbound("[Body]: Required")
	}
	return form.Body, nil
}

func (g giteaWire) createComment(c *call) error {
	if err := g.allowTalk(c, true); err != nil {
		return err
	}
	body, err := g.commentBody(c)
	if err != nil {
		return err
	}
	at := forge.Place{Issue: int(c.id("index"))}
	if _, err := c.repo().Issue(at.Issue); err != nil {
		return g.noIssue(c)
	}
	cm, err := c.repo().AddComment(at, c.login, body)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, g.commentJSON(c, cm))
}

func (g giteaWire) comment(c *call, write bool) (memory.Comment, error) {
	if err := g.allowTalk(c, write); err != nil {
		return memory.Comment{}, err
	}
	cm, err := c.repo().Comment(c.id("id"))
	if err != nil {
		return cm, &memory.Refusal{Status: http.StatusNotFound, Message: fmt.Sprintf("comment does not exist [id: %s, issue_id: 0]", c.vars["id"])}
	}
	return cm, nil
}

func (g giteaWire) oneComment(c *call) error {
	cm, err := g.comment(c, false)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, g.commentJSON(c, cm))
}

func (g giteaWire) editComment(c *call) error {
	cm, err := g.comment(c, true)
	if err != nil {
		return err
	}
	body, err := g.commentBody(c)
	if err != nil {
		return err
	}
	if !strings.EqualFold(cm.Author.Login, c.login) && c.repo().Permission(c.login) < forge.MayWrite {
		return c.empty(http.StatusForbidden)
	}
	if cm, err = c.repo().EditComment(cm.ID, c.login, body); err != nil {
		return err
	}
	return c.answer(http.StatusOK, g.commentJSON(c, cm))
}

func (g giteaWire) reactions(c *call) error {
	cm, err := g.comment(c, false)
	if err != nil {
		return err
	}
	out := []any{}
	for _, r := range cm.Reactions {
		out = append(out, g.reactionJSON(c, r))
	}
	return c.answer(http.StatusOK, out)
}

// react sets a sign or takes it off, by the method.
func (g giteaWire) react(c *call) error {
	cm, err := g.comment(c, true)
	if err != nil {
		return err
	}
	var form struct{ Content string }
	if err := g.bind(c, &form); err != nil {
		return err
	}
	if c.r.Method == http.MethodDelete {
		return g.deleted(c, c.repo().Unreact(cm.ID, 0, c.login, form.Content))
	}
	sign, made, err := c.repo().React(cm.ID, c.login, form.Content)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	return c.answer(status, g.reactionJSON(c, sign))
}

// TeamID is the number under which Gitea's API knows a team, "org/team".
func TeamID(team string) int64 { return repositoryID(team) }
