package gitea_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// The contracts of what the bot needs hold on a real Gitea.
func TestBotOnRealGitea(t *testing.T) {
	t.Parallel()
	server := realtest.Gitea(t)
	forgetest.RunBot(t, func(t *testing.T) forgetest.BotSubject { return realBotSubject(t, server) })
}

const workflow = "on:\n  workflow_dispatch:\n    inputs:\n      tag: {type: string}\njobs:\n  a:\n    runs-on: nowhere\n    steps: [{run: \"true\"}]\n"

// realPeople are the people on a repository of a real Gitea.
type realPeople struct {
	server *realtest.GiteaServer
	repo   *realtest.GiteaRepo
	heard  chan string // ids of webhooks
}

func realBotSubject(t *testing.T, server *realtest.GiteaServer) forgetest.BotSubject {
	t.Helper()
	s := realSubject(t, server)
	name := s.Repository.FullName
	owner, short, _ := strings.Cut(name, "/")
	p := realPeople{server, &realtest.GiteaRepo{Server: server, Owner: owner, Name: short, URL: server.URL + "/" + name}, make(chan string, 16)}
	words := map[forge.Permission]string{forge.NoAccess: "", forge.MayRead: "read", forge.MayWrite: "write", forge.MayAdmin: "admin"}
	return forgetest.BotSubject{
		Forge: s.Forge, ReadOnly: s.ReadOnly, BadToken: s.BadToken, Self: server.User, Repository: name, Tags: s.Tags, SetTag: s.SetTag,
		Traits: forgetest.GiteaBot,
		AddUser: func(t *testing.T, may forge.Permission) string {
			login, _ := p.repo.AddUser(t, "sailor", words[may])
			return login
		},
		AddTeam:      func(t *testing.T, members ...string) string { return server.AddTeam(t, members...) },
		OpenIssue:    func(t *testing.T) int { return p.repo.OpenIssue(t, "an issue") },
		OpenPull:     p.openPull,
		OpenForkPull: func(t *testing.T) (int, string) { return p.repo.OpenForkPull(t) },
		Merge:        func(t *testing.T, number int) string { return p.repo.Merge(t, number) },
		Comment: func(t *testing.T, at forge.Place, body string) string {
			return strconv.FormatInt(p.repo.Comment(t, "", at.Issue, body), 10)
		},
		EditComment: func(t *testing.T, _ forge.Place, id, body string) { p.repo.EditComment(t, "", digits(t, id), body) },
		Sign:        p.sign,
		Signs:       func(t *testing.T, _ forge.Place, id string) []string { return p.repo.Reactions(t, digits(t, id)) },
		SetStatus:   func(t *testing.T, commit, context, state string) { p.repo.SetStatus(t, commit, context, state) },
		AddWorkflow: p.addWorkflow, EndRun: p.endRun, AddHook: p.addHook, AwaitHook: p.awaitHook, GitLogin: p.gitLogin,
	}
}

func (p realPeople) openPull(t *testing.T) (int, string) {
	t.Helper()
	head := p.repo.CommitFile(t, "feature", "feature.txt", t.Name(), "feat: more")
	return p.repo.OpenPull(t, "feature"), head
}

func (p realPeople) sign(t *testing.T, _ forge.Place, id, sign string) string {
	t.Helper()
	login, token := p.repo.AddUser(t, "signer", "read")
	path := "/repos/" + p.repo.FullName() + "/issues/comments/" + id + "/reactions"
	if code := p.server.Call(t, token, http.MethodPost, path, map[string]string{"content": sign}, nil); code != http.StatusCreated {
		t.Fatalf("react: %d", code)
	}
	return login
}

func (p realPeople) addWorkflow(t *testing.T) (file, head string) {
	t.Helper()
	head = p.repo.CommitFile(t, "main", ".gitea/workflows/release.yml", workflow, "ci: release")
	call(t, p.server, http.MethodPost, "/repos/"+p.repo.FullName()+"/tags", map[string]any{"tag_name": "v2.0.0", "target": head})
	return "release.yml", head
}

// endRun presses the button: the API has none.
func (p realPeople) endRun(t *testing.T, id string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := http.Client{Jar: jar}
	for _, form := range []struct {
		address string
		values  url.Values
	}{
		{p.server.URL + "/user/login", url.Values{"user_name": {p.server.User}, "password": {p.server.Password}}},
		{p.repo.URL + "/actions/runs/" + id + "/cancel", nil},
	} {
		resp, err := browser.PostForm(form.address, form.values)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("POST %s: %s", form.address, resp.Status)
		}
	}
	return "cancelled"
}

// addHook makes a webhook to an address, or to a receiver of the test's own.
func (p realPeople) addHook(t *testing.T, address string) string {
	t.Helper()
	id := ""
	if address == "" {
		receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { p.heard <- id }))
		t.Cleanup(receiver.Close)
		address = receiver.URL
	}
	id = strconv.FormatInt(p.repo.AddHook(t, address, "a secret", "push"), 10)
	return id
}

func (p realPeople) awaitHook(t *testing.T, id string) {
	t.Helper()
	select {
	case got := <-p.heard:
		if got != id {
			t.Errorf("webhook %s was told, want %s", got, id)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing is delivered within ten seconds")
	}
}

func (p realPeople) gitLogin(t *testing.T, user, password string) error {
	t.Helper()
	u, err := url.Parse(p.repo.URL + ".git")
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	// Listing what a push could do needs the right to write.
	u.Path += "/info/refs"
	u.RawQuery = "service=git-receive-pack"
	resp, err := http.Get(u.String())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("git-receive-pack: %s", resp.Status)
	}
	u.Path, u.RawQuery = strings.TrimSuffix(u.Path, "/info/refs"), ""
	_, err = proc.Output(context.WithoutCancel(t.Context()), proc.Cmd{
		Args: []string{"git", "ls-remote", u.String(), "HEAD"}, Env: []string{"GIT_TERMINAL_PROMPT=0"},
	})
	return err
}

func digits(t *testing.T, id string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A tag of a tag names its commit, as far as the list of tags tells.
func TestTagOfTag(t *testing.T) {
	t.Parallel()
	repo, dir := realtest.Gitea(t).SampleRepo(t, "nested")
	local := gittest.At(t, dir)
	local.Git("tag", "-a", "inner", "-m", "inner")
	local.Git("tag", "-a", "outer", "-m", "outer", "inner")
	repo.Push(t, dir)
	f := connect(t, repo.Server, repo.Server.Admin, repo.FullName())
	tags, err := f.Tags(t.Context())
	head := local.Git("rev-parse", "HEAD")
	want := []forge.Tag{{Name: "inner", Commit: head}, {Name: "outer", Commit: head}}
	if d := cmp.Diff(want, tags); d != "" || err != nil {
		t.Errorf("Tags: %v (-want +got):\n%s", err, d)
	}
}

// The repositories that a token's user may write are found, those of others
// and those that they may only read are not.
func TestRealRepositories(t *testing.T) {
	t.Parallel()
	server := realtest.Gitea(t)
	mine, theirs := server.CreateRepo(t, "mine"), server.CreateRepo(t, "theirs")
	login, token := mine.AddUser(t, "sailor", "write")
	theirs.SetPermission(t, login, "read")
	server.CreateRepo(t, "nobodys")
	got, err := gitea.Repositories(t.Context(), gitea.Options{Server: server.URL, Token: token, UserAgent: "slipway/test"})
	if d := cmp.Diff([]string{mine.FullName()}, got); d != "" || err != nil {
		t.Errorf("Repositories: %v (-want +got):\n%s", err, d)
	}
}
