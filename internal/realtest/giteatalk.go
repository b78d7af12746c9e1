package realtest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// OpenIssue opens an issue of the administrator's and gives its number.
func (r *GiteaRepo) OpenIssue(t testing.TB, title string) int {
	t.Helper()
	var made struct{ Number int }
	r.post(t, "/issues", map[string]string{"title": title}, &made)
	return made.Number
}

// CommitFile writes a file onto a branch, which is made of main when it is
// new, and gives the commit.
func (r *GiteaRepo) CommitFile(t testing.TB, branch, path, content, message string) (commit string) {
	t.Helper()
	in := map[string]string{
		"content": base64.StdEncoding.EncodeToString([]byte(content)), "message": message, "branch": branch,
	}
	if r.Server.send(t, http.MethodGet, r.Server.URL+"/api/v1/repos/"+r.FullName()+"/branches/"+branch, nil, nil, r.Server.asAdmin) == http.StatusNotFound {
		in["branch"], in["new_branch"] = "main", branch
	}
	var made struct{ Commit struct{ SHA string } }
	r.post(t, "/contents/"+path, in, &made)
	return made.Commit.SHA
}

// Head is the commit of a branch.
func (r *GiteaRepo) Head(t testing.TB, branch string) string {
	t.Helper()
	var b struct{ Commit struct{ ID string } }
	r.get(t, "/branches/"+branch, &b)
	return b.Commit.ID
}

// OpenPull opens a pull request of a branch to main and gives its number.
func (r *GiteaRepo) OpenPull(t testing.TB, branch string) int {
	t.Helper()
	return r.openPull(t, branch, r.Server.Admin)
}

func (r *GiteaRepo) openPull(t testing.TB, head, token string) int {
	t.Helper()
	var made struct{ Number int }
	in := map[string]string{"title": "Merge " + head, "head": head, "base": "main"}
	r.Server.must(t, http.StatusCreated, http.MethodPost, "/repos/"+r.FullName()+"/pulls", in, &made, as(token))
	return made.Number
}

// OpenForkPull lets a new user fork the repository, commit to the fork, and
// open a pull request of that.
func (r *GiteaRepo) OpenForkPull(t testing.TB) (number int, head string) {
	t.Helper()
	login, token := r.Server.addUser(t, "forker")
	s := r.Server
	s.must(t, http.StatusAccepted, http.MethodPost, "/repos/"+r.FullName()+"/forks", map[string]string{}, nil, as(token))
	var made struct{ Commit struct{ SHA string } }
	in := map[string]string{
		"content": base64.StdEncoding.EncodeToString([]byte("theirs")), "message": "feat: theirs", "branch": "main", "new_branch": "theirs",
	}
	s.must(t, http.StatusCreated, http.MethodPost, "/repos/"+login+"/"+r.Name+"/contents/theirs.txt", in, &made, as(token))
	return r.openPull(t, login+":theirs", token), made.Commit.SHA
}

// Merge merges a pull request with a merge commit and gives that. Gitea finds
// out in the background whether one can be merged.
func (r *GiteaRepo) Merge(t testing.TB, pull int) (commit string) {
	t.Helper()
	path := fmt.Sprintf("/pulls/%d", pull)
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		code := r.Server.send(t, http.MethodPost, r.Server.URL+"/api/v1/repos/"+r.FullName()+path+"/merge",
			map[string]string{"Do": "merge"}, nil, r.Server.asAdmin)
		if code == http.StatusOK {
			break
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("Gitea answers %d to the merge of %s#%d for a minute", code, r.FullName(), pull)
		}
	}
	var p struct {
		Commit string `json:"merge_commit_sha"`
	}
	r.get(t, path, &p)
	return p.Commit
}

// Comment comments on an issue or pull request with somebody's token ("" is
// the administrator's) and gives the comment's id.
func (r *GiteaRepo) Comment(t testing.TB, token string, issue int, body string) int64 {
	t.Helper()
	var made struct{ ID int64 }
	r.Server.must(t, http.StatusCreated, http.MethodPost, fmt.Sprintf("/repos/%s/issues/%d/comments", r.FullName(), issue),
		map[string]string{"body": body}, &made, r.Server.asSomebody(token))
	return made.ID
}

// EditComment changes a comment's text with somebody's token.
func (r *GiteaRepo) EditComment(t testing.TB, token string, id int64, body string) {
	t.Helper()
	r.Server.must(t, http.StatusOK, http.MethodPatch, fmt.Sprintf("/repos/%s/issues/comments/%d", r.FullName(), id),
		map[string]string{"body": body}, nil, r.Server.asSomebody(token))
}

// GiteaComment is a comment as Gitea shows it.
type GiteaComment struct {
	ID   int64
	User struct{ Login string }
	Body string
}

// Comments lists the comments on an issue or pull request, oldest first.
func (r *GiteaRepo) Comments(t testing.TB, issue int) []GiteaComment {
	t.Helper()
	var list []GiteaComment
	r.get(t, fmt.Sprintf("/issues/%d/comments", issue), &list)
	return list
}

// Reactions lists the signs on a comment as "login sign", sorted.
func (r *GiteaRepo) Reactions(t testing.TB, comment int64) []string {
	t.Helper()
	var list []struct {
		User    struct{ Login string }
		Content string
	}
	r.get(t, fmt.Sprintf("/issues/comments/%d/reactions", comment), &list)
	out := []string{}
	for _, x := range list {
		out = append(out, x.User.Login+" "+x.Content)
	}
	slices.Sort(out)
	return out
}

// SetStatus gives a commit a status.
func (r *GiteaRepo) SetStatus(t testing.TB, commit, context, state string) {
	t.Helper()
	r.post(t, "/statuses/"+commit, map[string]string{"context": context, "state": state}, nil)
}

// Statuses are the states of a commit by context, the newest of each.
func (r *GiteaRepo) Statuses(t testing.TB, commit string) map[string]string {
	t.Helper()
	var combined struct {
		Statuses []struct{ Context, Status string }
	}
	r.get(t, "/commits/"+commit+"/status", &combined)
	out := map[string]string{}
	for _, s := range combined.Statuses {
		out[s.Context] = s.Status
	}
	return out
}

// AddHook gives the repository a webhook for the given events, in Gitea's
// words, and gives its id. Mind that comments on pull requests are the event
// pull_request_comment.
func (r *GiteaRepo) AddHook(t testing.TB, address, secret string, events ...string) int64 {
	t.Helper()
	var made struct{ ID int64 }
	r.post(t, "/hooks", map[string]any{
		"type": "gitea", "active": true, "events": events,
		"config": map[string]string{"url": address, "content_type": "json", "secret": secret},
	}, &made)
	return made.ID
}

// RemoveHook takes a webhook away.
func (r *GiteaRepo) RemoveHook(t testing.TB, id int64) {
	t.Helper()
	r.Server.must(t, http.StatusNoContent, http.MethodDelete, fmt.Sprintf("/repos/%s/hooks/%d", r.FullName(), id), nil, nil, r.Server.asAdmin)
}

func (r *GiteaRepo) post(t testing.TB, path string, in, out any) {
	t.Helper()
	r.Server.must(t, http.StatusCreated, http.MethodPost, "/repos/"+r.FullName()+path, in, out, r.Server.asAdmin)
}

func (r *GiteaRepo) get(t testing.TB, path string, out any) {
	t.Helper()
	r.Server.must(t, http.StatusOK, http.MethodGet, "/repos/"+r.FullName()+path, nil, out, r.Server.asAdmin)
}

func as(token string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Set("Authorization", "token "+token) }
}

// asSomebody is a token's user, or the administrator.
func (s *GiteaServer) asSomebody(token string) func(*http.Request) {
	if token == "" {
		return s.asAdmin
	}
	return as(token)
}
