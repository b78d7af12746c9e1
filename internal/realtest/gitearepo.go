package realtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/git/gittest"
)

// serial makes names that no other test of the process has.
var serial atomic.Int64

// GiteaRepo is a repository on a GiteaServer.
type GiteaRepo struct {
	Server   *GiteaServer
	Owner    string
	Name     string
	URL      string // of its page; what a git remote shows, without ".git"
	CloneURL string // with the administrator's credentials in it
}

// FullName is "owner/name".
func (r *GiteaRepo) FullName() string { return r.Owner + "/" + r.Name }

// Call sends a JSON request to the server's API as a witness that shares no
// code with Slipway, and returns the answer's status. path begins after
// "/api/v1". token "" is an anonymous reader. in and out may be nil; out is
// filled from an answer below 300 only.
func (s *GiteaServer) Call(t testing.TB, token, method, path string, in, out any) int {
	t.Helper()
	auth := s.asReader
	if token != "" {
		auth = func(req *http.Request) { req.Header.Set("Authorization", "token "+token) }
	}
	return s.send(t, method, s.URL+"/api/v1"+path, in, out, auth)
}

func (s *GiteaServer) send(t testing.TB, method, address string, in, out any, auth func(*http.Request)) int {
	t.Helper()
	var body io.Reader = http.NoBody
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	auth(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	if out != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(data, out); err != nil {
			t.Fatalf("%s %s: %v in %.200q", method, address, err, data)
		}
	}
	return resp.StatusCode
}

// must is a call whose status is known.
func (s *GiteaServer) must(t testing.TB, want int, method, path string, in, out any, auth func(*http.Request)) {
	t.Helper()
	if got := s.send(t, method, s.URL+"/api/v1"+path, in, out, auth); got != want {
		t.Fatalf("Gitea answers %d to %s %s, want %d", got, method, path, want)
	}
}

func (s *GiteaServer) asReader(*http.Request) {}

func (s *GiteaServer) asAdmin(req *http.Request) { req.Header.Set("Authorization", "token "+s.Admin) }

// Token returns a new token of the administrator that has the given scopes,
// such as "write:repository"; without any, all.
func (s *GiteaServer) Token(t testing.TB, scopes ...string) string {
	t.Helper()
	return s.tokenOf(t, s.User, s.Password, scopes)
}

// ReadOnlyToken returns a new token that may read all and write nothing.
func (s *GiteaServer) ReadOnlyToken(t testing.TB) string {
	t.Helper()
	return s.Token(t, "read:repository", "read:user", "read:organization", "read:issue", "read:misc")
}

// Stranger returns the name of a new user with no rights on anybody's
// repositories, and a token of theirs with all scopes.
func (s *GiteaServer) Stranger(t testing.TB) (user, token string) {
	t.Helper()
	user = fmt.Sprintf("stranger-%d", serial.Add(1))
	s.must(t, http.StatusCreated, http.MethodPost, "/admin/users", map[string]any{
		"username": user, "email": user + "@example.org", "password": s.Password, "must_change_password": false,
	}, nil, s.asAdmin)
	return user, s.tokenOf(t, user, s.Password, nil)
}

func (s *GiteaServer) tokenOf(t testing.TB, user, password string, scopes []string) string {
	t.Helper()
	if len(scopes) == 0 {
		scopes = []string{"all"}
	}
	var made struct {
		SHA1 string `json:"sha1"`
	}
	in := map[string]any{"name": fmt.Sprintf("token-%d", serial.Add(1)), "scopes": scopes}
	s.must(t, http.StatusCreated, http.MethodPost, "/users/"+user+"/tokens", in, &made,
		func(req *http.Request) { req.SetBasicAuth(user, password) })
	return made.SHA1
}

// CreateRepo makes an empty public repository of the administrator's, with
// the default branch main. Its name is the given one with a number that no
// other repository of the process has.
func (s *GiteaServer) CreateRepo(t testing.TB, name string) *GiteaRepo {
	t.Helper()
	r := &GiteaRepo{Server: s, Owner: s.User, Name: fmt.Sprintf("%s-%d", name, serial.Add(1))}
	s.must(t, http.StatusCreated, http.MethodPost, "/user/repos",
		map[string]any{"name": r.Name, "default_branch": "main"}, nil, s.asAdmin)
	r.URL = s.URL + "/" + r.FullName()
	u, err := url.Parse(r.URL + ".git")
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(s.User, s.Admin)
	r.CloneURL = u.String()
	return r
}

// Push pushes all branches and tags of the git repository in dir, or only the
// given refspecs, and waits until Gitea has taken note of them: it does so in
// the background, and until then it refuses releases of a first push, and
// makes a draft public when it comes to note the draft's tag. A tag that was
// moved is not waited for.
func (r *GiteaRepo) Push(t testing.TB, dir string, refspecs ...string) {
	t.Helper()
	r.PushNow(t, dir, refspecs...)
	for begun := time.Now(); !r.settled(t); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("Gitea has not taken note of a push to %s within a minute", r.URL)
		}
	}
}

// PushNow is Push that does not wait, as a person's `git push` doesn't.
func (r *GiteaRepo) PushNow(t testing.TB, dir string, refspecs ...string) {
	t.Helper()
	if len(refspecs) == 0 {
		refspecs = []string{"refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"}
	}
	gittest.At(t, dir).Git(append([]string{"push", "--quiet", r.CloneURL}, refspecs...)...)
}

// settled tells whether the tags that Gitea's database lists are those of its
// git repository.
func (r *GiteaRepo) settled(t testing.TB) bool {
	t.Helper()
	var meta struct{ Empty bool }
	r.Server.must(t, http.StatusOK, http.MethodGet, "/repos/"+r.FullName(), nil, &meta, r.Server.asAdmin)
	if meta.Empty {
		return false
	}
	var noted struct{ Results []string }
	if code := r.Server.send(t, http.MethodGet, r.URL+"/tags/list", nil, &noted, r.Server.asReader); code != http.StatusOK {
		t.Fatalf("Gitea answers %d to a look at the tags of %s", code, r.URL)
	}
	var there []string
	for line := range strings.Lines(gittest.At(t, t.TempDir()).Git("ls-remote", "--tags", "--refs", r.CloneURL)) {
		_, tag, _ := strings.Cut(strings.TrimSpace(line), "refs/tags/")
		there = append(there, tag)
	}
	slices.Sort(noted.Results)
	slices.Sort(there)
	return slices.Equal(noted.Results, there)
}

// SampleRepo makes a repository that has one commit, a small Go program, on
// main, with lightweight tags of the given names. It returns the local
// checkout too, whose remote "origin" is the repository.
func (s *GiteaServer) SampleRepo(t testing.TB, name string, tags ...string) (repo *GiteaRepo, dir string) {
	t.Helper()
	repo = s.CreateRepo(t, name)
	local := gittest.New(t)
	local.Write("go.mod", "module example.org/hello\n\ngo 1.26.0\n")
	local.Write("main.go", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n")
	local.Write("README.md", "# hello\n")
	local.Write("LICENSE", "Do what you like.\n")
	local.Commit("feat: say hello")
	for _, tag := range tags {
		local.Tag(tag)
	}
	local.Git("remote", "add", "origin", repo.CloneURL)
	repo.Push(t, local.Dir)
	return repo, local.Dir
}
