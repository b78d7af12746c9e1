package memory

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Issue is an issue, or a pull request when Pull is not nil.
type Issue struct {
	ID               int64
	Number           int
	Title, Body      string
	Author           User
	Created, Updated time.Time
	Closed           bool
	ClosedAt         time.Time
	Comments         int
	Pull             *Pull
}

// Comment is a comment on an issue, a pull request or (GitHub) a commit.
type Comment struct {
	ID               int64
	Place            forge.Place
	Author           User
	Body             string
	Created, Updated time.Time
	Reactions        []Reaction
}

// Edited is what a reader can tell of it: the two times differ. They are whole
// seconds, so that a change within the first one is not seen.
func (c Comment) Edited() bool { return !c.Updated.Equal(c.Created) }

// Reaction is somebody's sign on a comment.
type Reaction struct {
	ID      int64
	User    User
	Content string // eyes, rocket, confused, +1 …
	Created time.Time
}

// githubMaxComment is the most characters that GitHub takes in a comment.
const githubMaxComment = 65536

// reactionsTaken are the signs that both forges know.
var reactionsTaken = []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"}

// OpenIssue makes an issue.
func (r *Repo) OpenIssue(author, title, body string) Issue {
	u := r.people.Add(author)
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	is := r.newIssue(u, title, body)
	r.happened(Happening{Event: "issues", Action: "opened", Actor: u.Login, Issue: copyIssue(is)})
	return *copyIssue(is)
}

func (r *Repo) newIssue(author User, title, body string) *Issue {
	is := &Issue{
		ID: r.ids.nextOther(), Number: len(r.issues) + 1, Title: title, Body: body, Author: author,
		Created: r.now(), Updated: r.now(),
	}
	r.issues = append(r.issues, is)
	return is
}

// Issue reads an issue or pull request by its number.
func (r *Repo) Issue(number int) (Issue, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := r.issue(number)
	if is == nil {
		return Issue{}, notFound(r.dialect)
	}
	return *copyIssue(is), nil
}

// Issues lists all issues and pull requests by number.
func (r *Repo) Issues() []Issue {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []Issue{}
	for _, is := range r.issues {
		out = append(out, *copyIssue(is))
	}
	return out
}

func (r *Repo) issue(number int) *Issue {
	if number < 1 || number > len(r.issues) {
		return nil
	}
	return r.issues[number-1]
}

func copyIssue(is *Issue) *Issue {
	out := *is
	if is.Pull != nil {
		pull := *is.Pull
		out.Pull = &pull
	}
	return &out
}

// AddComment is a comment of somebody's. The place says the number of an issue
// or pull request, or the full hash of a commit.
func (r *Repo) AddComment(at forge.Place, author, body string) (Comment, error) {
	if err := r.checkComment(body); err != nil {
		return Comment{}, err
	}
	if at.Issue == 0 {
		if r.dialect == Gitea {
			return Comment{}, &Refusal{Status: http.StatusNotFound, Message: "there are no comments on commits", Kind: forge.ErrRejected}
		}
		if err := r.checkCommit(at.Commit); err != nil {
			return Comment{}, err
		}
	}
	u := r.people.Add(author)
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now() // once: two looks at the clock may differ, and that means edited
	c := &Comment{ID: r.ids.nextOther(), Place: at, Author: u, Body: body, Created: now, Updated: now}
	h := Happening{Event: "commit_comment", Action: "created", Actor: u.Login}
	if at.Issue != 0 {
		is := r.issue(at.Issue)
		if is == nil {
			return Comment{}, notFound(r.dialect)
		}
		is.Comments++
		is.Updated = r.now()
		c.Place = forge.Place{Issue: at.Issue, OnPullRequest: is.Pull != nil}
		h.Event, h.Issue = "issue_comment", copyIssue(is)
	}
	r.comments = append(r.comments, c)
	r.talked(c)
	h.Comment = copyComment(c)
	r.happened(h)
	return *copyComment(c), nil
}

func (r *Repo) checkComment(body string) error {
	switch {
	case r.dialect == GitHub && strings.TrimSpace(body) == "":
		return invalid(forge.ErrRejected, Detail{Resource: "IssueComment", Code: "missing_field", Field: "body"})
	case r.dialect == GitHub && utf8.RuneCountInString(body) > githubMaxComment:
		return invalid(forge.ErrRejected, Detail{Resource: "IssueComment", Code: "unprocessable", Field: "data",
			Message: "Body is too long (maximum is 65536 characters)"})
	case body == "":
		return &Refusal{Status: http.StatusUnprocessableEntity, Message: "[Body]: Required", Kind: forge.ErrRejected}
	}
	return nil
}

func copyComment(c *Comment) *Comment {
	out := *c
	out.Reactions = slices.Clone(c.Reactions)
	return &out
}

// Comment reads one.
func (r *Repo) Comment(id int64) (Comment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.comment(id); c != nil {
		return *copyComment(c), nil
	}
	return Comment{}, notFound(r.dialect)
}

func (r *Repo) comment(id int64) *Comment {
	for _, c := range r.comments {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// EditComment changes a comment's text, as its author or a maintainer may.
func (r *Repo) EditComment(id int64, editor, body string) (Comment, error) {
	if err := r.checkComment(body); err != nil {
		return Comment{}, err
	}
	r.people.Add(editor)
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.comment(id)
	if c == nil {
		return Comment{}, notFound(r.dialect)
	}
	old := c.Body
	if old == body {
		return *copyComment(c), nil
	}
	c.Body, c.Updated = body, r.now()
	r.talked(c)
	h := Happening{Event: "commit_comment", Action: "edited", Actor: editor, OldBody: old, Comment: copyComment(c)}
	if is := r.issue(c.Place.Issue); is != nil {
		h.Event, h.Issue = "issue_comment", copyIssue(is)
	}
	if h.Event == "issue_comment" { // GitHub tells nothing of an edited commit comment
		r.happened(h)
	}
	return *copyComment(c), nil
}

// DeleteComment takes a comment away.
func (r *Repo) DeleteComment(id int64, by string) error {
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.comment(id)
	if c == nil {
		return notFound(r.dialect)
	}
	r.comments = slices.DeleteFunc(r.comments, func(x *Comment) bool { return x == c })
	if is := r.issue(c.Place.Issue); is != nil {
		is.Comments--
		r.happened(Happening{Event: "issue_comment", Action: "deleted", Actor: by, Comment: copyComment(c), Issue: copyIssue(is)})
	}
	return nil
}

// Comments lists all comments that were made or changed at or after since, in
// whole seconds, oldest first.
func (r *Repo) Comments(since time.Time) []Comment {
	since = since.Truncate(time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.someComments(func(c *Comment) bool { return !c.Updated.Before(since) })
}

// CommentsAt lists the comments at one place, oldest first.
func (r *Repo) CommentsAt(at forge.Place) ([]Comment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Issue != 0 && r.issue(at.Issue) == nil {
		return nil, notFound(r.dialect)
	}
	return r.someComments(func(c *Comment) bool { return c.Place.Issue == at.Issue && c.Place.Commit == at.Commit }), nil
}

func (r *Repo) someComments(want func(*Comment) bool) []Comment {
	out := []Comment{}
	for _, c := range r.comments {
		if want(c) {
			out = append(out, *copyComment(c))
		}
	}
	slices.SortStableFunc(out, func(a, b Comment) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// React gives a comment somebody's sign; made is false when it was there.
func (r *Repo) React(id int64, login, content string) (sign Reaction, made bool, err error) {
	u := r.people.Add(login)
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.comment(id)
	switch {
	case c == nil:
		return Reaction{}, false, notFound(r.dialect)
	case !slices.Contains(reactionsTaken, content) && r.dialect == GitHub:
		return Reaction{}, false, invalid(forge.ErrRejected, Detail{Resource: "Reaction", Code: "invalid", Field: "content"})
	case !slices.Contains(reactionsTaken, content):
		return Reaction{}, false, &Refusal{Status: http.StatusForbidden, Kind: forge.ErrForbidden,
			Message: "'" + content + "' is not an allowed reaction"}
	}
	for _, have := range c.Reactions {
		if have.User.ID == u.ID && have.Content == content {
			return have, false, nil
		}
	}
	sign = Reaction{ID: r.ids.nextOther(), User: u, Content: content, Created: r.now()}
	c.Reactions = append(c.Reactions, sign)
	r.talked(c)
	return sign, true, nil
}

// Unreact takes somebody's sign off a comment; one that is not there is no
// error on Gitea. reaction is its id on GitHub; 0: by login and content.
func (r *Repo) Unreact(id, reaction int64, login, content string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.comment(id)
	if c == nil {
		return notFound(r.dialect)
	}
	n := len(c.Reactions)
	c.Reactions = slices.DeleteFunc(c.Reactions, func(x Reaction) bool {
		if reaction != 0 {
			return x.ID == reaction
		}
		return strings.EqualFold(x.User.Login, login) && x.Content == content
	})
	if len(c.Reactions) == n && reaction != 0 {
		return notFound(r.dialect)
	}
	if len(c.Reactions) != n {
		r.talked(c)
	}
	return nil
}

// talked shows a comment as it is now; the lock is held.
func (r *Repo) talked(c *Comment) {
	if r.onTalk != nil {
		r.onTalk(*copyComment(c))
	}
}
