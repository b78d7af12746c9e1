package simforge_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

const specRepo = "/repos/{owner}/{repo}"

// bot goes through what the companion bot asks.
func (s *spec) bot(sim *simforge.Server, repo *memory.Repo) {
	s.people(repo)
	s.comments(repo)
	s.commits(repo)
	s.actions(repo)
	s.hooks(sim, repo)
	s.deployments(repo)
	s.app(sim, repo)
}

// made reads the id of what an answer shows.
func (s *spec) made(a answer) string {
	s.t.Helper()
	var v struct{ ID int64 }
	a.json(s.t, &v)
	return fmt.Sprint(v.ID)
}

// as tries with another token.
func (s *spec) as(token string, f func()) {
	asked := s.c
	s.c.token = token
	f()
	s.c = asked
}

func (s *spec) people(repo *memory.Repo) {
	const path = specRepo + "/collaborators/{username}/permission"
	repo.SetPermission("maggie", forge.MayMaintain)
	repo.People().AddTeam("acme/releasers", "maggie")
	s.try(200, "GET", path, params{"username": "maggie"}, "", nil)
	s.try(404, "GET", path, params{"username": "nobody"}, "", nil)
	s.as(simforge.ReadToken, func() { s.try(403, "GET", path, params{"username": "maggie"}, "", nil) })
	const member = "/orgs/{org}/teams/{team_slug}/memberships/{username}"
	s.try(200, "GET", member, params{"org": "acme", "team_slug": "releasers", "username": "maggie"}, "", nil)
	s.try(404, "GET", member, params{"org": "acme", "team_slug": "releasers", "username": "octocat"}, "", nil)
	s.as("", func() {
		s.try(401, "GET", member, params{"org": "acme", "team_slug": "releasers", "username": "octocat"}, "", nil)
	})
	s.try(200, "GET", "/user/repos", nil, "?per_page=100&page=1", nil)
	s.as("", func() { s.try(401, "GET", "/user/repos", nil, "", nil) })
	s.try(403, "GET", "/installation/repositories", nil, "", nil)
}

func (s *spec) comments(repo *memory.Repo) {
	is := repo.OpenIssue("maggie", "A bug", "It breaks.")
	issue, commit := params{"issue_number": fmt.Sprint(is.Number)}, params{"commit_sha": memory.Hash("first")}
	body := map[string]any{"body": "/promote"}
	for thread, p := range map[string]params{specRepo + "/issues/{issue_number}/comments": issue, specRepo + "/commits/{commit_sha}/comments": commit} {
		one, list := specRepo+"/issues/comments/{comment_id}", specRepo+"/issues/comments"
		if p["commit_sha"] != "" {
			one, list = specRepo+"/comments/{comment_id}", specRepo+"/comments"
		}
		at := params{"comment_id": s.made(s.try(201, "POST", thread, p, "", body))}
		s.try(422, "POST", thread, p, "", map[string]any{"body": " "})
		s.try(422, "POST", thread, p, "", map[string]any{"body": strings.Repeat("x", 65537)})
		s.as(simforge.ReadToken, func() { s.try(403, "POST", thread, p, "", body) })
		s.try(200, "GET", thread, p, "?per_page=100&page=1", nil)
		s.try(200, "GET", list, nil, "?per_page=100&page=1", nil)
		s.try(200, "GET", one, at, "", nil)
		s.try(404, "GET", one, params{"comment_id": "7"}, "", nil)
		s.try(200, "PATCH", one, at, "", map[string]any{"body": "done"})
		sign := params{"comment_id": at["comment_id"]}
		sign["reaction_id"] = s.made(s.try(201, "POST", one+"/reactions", at, "", map[string]any{"content": "eyes"}))
		s.try(200, "POST", one+"/reactions", at, "", map[string]any{"content": "eyes"})
		s.try(422, "POST", one+"/reactions", at, "", map[string]any{"content": "sigh"})
		s.try(200, "GET", one+"/reactions", at, "", nil)
		s.try(200, "GET", one, at, "", nil)
		s.try(204, "DELETE", one+"/reactions/{reaction_id}", sign, "", nil)
		s.try(404, "DELETE", one+"/reactions/{reaction_id}", sign, "", nil)
		s.try(204, "DELETE", one, at, "", nil)
		s.try(404, "PATCH", one, at, "", map[string]any{"body": "gone"})
	}
	s.try(200, "GET", specRepo+"/issues/comments", nil, "?sort=created&direction=asc&since=2025-01-01T00:00:00Z", nil)
	s.try(422, "GET", specRepo+"/issues/comments", nil, "?since=yesterday", nil)
	s.try(404, "POST", specRepo+"/issues/{issue_number}/comments", params{"issue_number": "77"}, "", body)
	s.try(422, "POST", specRepo+"/commits/{commit_sha}/comments", params{"commit_sha": memory.Hash("none")}, "", body)
}

func (s *spec) commits(repo *memory.Repo) {
	t, first := s.t, memory.Hash("first")
	sha, ref := params{"sha": first}, params{"ref": first}
	s.try(200, "GET", specRepo+"/commits/{ref}/status", ref, "", nil)
	s.try(201, "POST", specRepo+"/statuses/{sha}", sha, "", map[string]any{"state": "pending", "context": "ci", "description": "runs", "target_url": "https://ci.example/1"})
	s.try(201, "POST", specRepo+"/statuses/{sha}", sha, "", map[string]any{"state": "success", "context": "ci"})
	s.try(422, "POST", specRepo+"/statuses/{sha}", sha, "", map[string]any{"state": "green"})
	s.try(422, "POST", specRepo+"/statuses/{sha}", sha, "", map[string]any{"state": "success", "description": strings.Repeat("x", 141)})
	s.try(422, "POST", specRepo+"/statuses/{sha}", params{"sha": memory.Hash("none")}, "", map[string]any{"state": "success"})
	s.try(200, "GET", specRepo+"/commits/{ref}/status", ref, "?per_page=100&page=1", nil)
	s.try(404, "GET", specRepo+"/commits/{ref}/status", params{"ref": memory.Hash("none")}, "", nil)
	for _, c := range []string{"", "failure", "neutral", "timed_out"} {
		status := "completed"
		if c == "" {
			status = "in_progress"
		}
		if _, err := repo.SetCheckRun(first, "test "+c, status, c); err != nil {
			t.Fatal(err)
		}
	}
	s.try(200, "GET", specRepo+"/commits/{ref}/check-runs", ref, "?filter=latest&per_page=100&page=1", nil)
	s.try(422, "GET", specRepo+"/commits/{ref}/check-runs", params{"ref": memory.Hash("none")}, "", nil)
	mine, err := repo.OpenPull(t.Context(), memory.NewPull{Author: "maggie", Title: "Mine", HeadBranch: "main", Draft: true})
	if err != nil {
		t.Fatal(err)
	}
	forked, err := repo.OpenPull(t.Context(), memory.NewPull{Author: "eve", Title: "Theirs", HeadRepository: "eve/hello", HeadBranch: "x", HeadCommit: first})
	if err != nil {
		t.Fatal(err)
	}
	s.try(200, "GET", specRepo+"/pulls/{pull_number}", params{"pull_number": fmt.Sprint(forked.Number)}, "", nil)
	if _, err := repo.MergePull(t.Context(), mine.Number, "maggie"); err != nil {
		t.Fatal(err)
	}
	s.try(200, "GET", specRepo+"/pulls/{pull_number}", params{"pull_number": fmt.Sprint(mine.Number)}, "", nil)
	s.try(404, "GET", specRepo+"/pulls/{pull_number}", params{"pull_number": "1"}, "", nil) // an issue
	tag := map[string]any{"ref": "refs/tags/v9.0.0", "sha": first}
	s.try(201, "POST", specRepo+"/git/refs", nil, "", tag)
	for says, body := range map[string]map[string]any{
		"Reference already exists": tag,
		"Object does not exist":    {"ref": "refs/tags/v9.0.1", "sha": memory.Hash("none")},
		"is not a valid ref name":  {"ref": "refs/tags/a..b", "sha": first},
		"exactly 40 characters":    {"ref": "refs/tags/v9.0.1", "sha": "main"},
	} {
		if a := s.try(422, "POST", specRepo+"/git/refs", nil, "", body); !strings.Contains(string(a.body), says) {
			t.Errorf("%v: %s", body, a.body)
		}
	}
}

func (s *spec) actions(repo *memory.Repo) {
	const workflows = specRepo + "/actions/workflows/{workflow_id}"
	repo.AddWorkflow("release.yml", "Release")
	p := params{"workflow_id": "release.yml"}
	s.try(204, "POST", workflows+"/dispatches", p, "", map[string]any{"ref": "refs/tags/v1.0.0", "inputs": map[string]any{"class": "release"}})
	s.try(404, "POST", workflows+"/dispatches", params{"workflow_id": "none.yml"}, "", map[string]any{"ref": "main"})
	s.try(422, "POST", workflows+"/dispatches", p, "", map[string]any{"ref": "nowhere"})
	var list struct {
		Runs []struct {
			ID     int64
			Branch string `json:"head_branch"`
		} `json:"workflow_runs"`
	}
	s.try(200, "GET", workflows+"/runs", p, "?per_page=100&page=1", nil)
	// The description calls it a date; the words beside it say that it is a search.
	s.c.do(200, "GET", "/repos/acme/hello/actions/workflows/release.yml/runs?created=%3E%3D2025-01-01T00:00:00Z", nil).json(s.t, &list)
	if len(list.Runs) != 1 || list.Runs[0].Branch != "v1.0.0" {
		s.t.Fatalf("runs %+v", list)
	}
	run := params{"run_id": fmt.Sprint(list.Runs[0].ID)}
	s.try(200, "GET", specRepo+"/actions/runs/{run_id}", run, "", nil)
	s.try(202, "POST", specRepo+"/actions/runs/{run_id}/cancel", run, "", nil)
	s.try(409, "POST", specRepo+"/actions/runs/{run_id}/cancel", run, "", nil)
	s.try(200, "GET", specRepo+"/actions/runs/{run_id}", run, "", nil)
	s.try(404, "GET", specRepo+"/actions/runs/{run_id}", params{"run_id": "7"}, "", nil)
}

func (s *spec) hooks(sim *simforge.Server, repo *memory.Repo) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	s.t.Cleanup(receiver.Close)
	hook, err := sim.AddHook(repo.FullName(), simforge.Hook{URL: receiver.URL, Secret: "s3cr3t"})
	if err != nil {
		s.t.Fatal(err)
	}
	p := params{"hook_id": fmt.Sprint(hook.ID)}
	const at = specRepo + "/hooks/{hook_id}"
	s.try(200, "GET", specRepo+"/hooks", nil, "?per_page=100&page=1", nil)
	s.as(simforge.ReadToken, func() { s.try(404, "GET", specRepo+"/hooks", nil, "", nil) })
	s.try(204, "POST", at+"/pings", p, "", nil)
	s.try(404, "POST", at+"/pings", params{"hook_id": "7"}, "", nil)
	if err := sim.AwaitHooks(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	for range 3 {
		repo.RecordDelivery(memory.HookDelivery{Hook: hook.ID, GUID: "0b989ba4-242f-11e5-81e1-c7b6966d2516", Event: "push", Header: http.Header{"X-Github-Event": {"push"}},
			Body: []byte(`{"ref":"refs/tags/v1.0.0"}`), StatusText: "failed to connect to host"})
	}
	list := s.try(200, "GET", at+"/deliveries", p, "?per_page=2", nil)
	if !strings.Contains(list.header.Get("Link"), "cursor=") {
		s.t.Errorf("the list's Link is %q", list.header.Get("Link"))
	}
	var deliveries []struct{ ID int64 }
	list.json(s.t, &deliveries)
	p["delivery_id"] = fmt.Sprint(deliveries[0].ID)
	s.try(200, "GET", at+"/deliveries/{delivery_id}", p, "", nil)
	s.try(202, "POST", at+"/deliveries/{delivery_id}/attempts", p, "", nil)
	s.try(404, "GET", at+"/deliveries/{delivery_id}", params{"hook_id": p["hook_id"], "delivery_id": "7"}, "", nil)
	if err := sim.AwaitHooks(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if got := repo.Deliveries(hook.ID)[0]; !got.Redelivery || got.Status != http.StatusAccepted || got.GUID != "0b989ba4-242f-11e5-81e1-c7b6966d2516" {
		s.t.Errorf("redelivered as %s, %d, again %v", got.GUID, got.Status, got.Redelivery)
	}
}

func (s *spec) deployments(*memory.Repo) {
	const path = specRepo + "/deployments"
	in := map[string]any{"ref": "v1.0.0", "environment": "production", "description": "1.0.0", "auto_merge": false, "required_contexts": []string{}}
	id := params{"deployment_id": s.made(s.try(201, "POST", path, nil, "", in))}
	s.try(422, "POST", path, nil, "", map[string]any{"ref": "nowhere", "auto_merge": false, "required_contexts": []string{}})
	s.try(409, "POST", path, nil, "", map[string]any{"ref": "v1.0.0"})
	s.try(409, "POST", path, nil, "", map[string]any{"ref": "v1.0.0", "auto_merge": false, "required_contexts": []string{"deploy"}})
	s.try(200, "GET", path, nil, "", nil)
	s.try(201, "POST", path+"/{deployment_id}/statuses", id, "", map[string]any{"state": "success", "log_url": "https://ci.example/1", "description": "done"})
	s.try(422, "POST", path+"/{deployment_id}/statuses", id, "", map[string]any{"state": "perhaps"})
	s.try(404, "POST", path+"/{deployment_id}/statuses", params{"deployment_id": "7"}, "", map[string]any{"state": "success"})
	s.try(200, "GET", path+"/{deployment_id}/statuses", id, "", nil)
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t *testing.T, key any, method jwt.SigningMethod, issuer string, issued, ends time.Duration) string {
	t.Helper()
	now := time.Now()
	token, err := jwt.NewWithClaims(method, jwt.RegisteredClaims{
		Issuer: issuer, IssuedAt: jwt.NewNumericDate(now.Add(issued)), ExpiresAt: jwt.NewNumericDate(now.Add(ends)),
	}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// app goes through a GitHub App's login, and what it is refused.
func (s *spec) app(sim *simforge.Server, repo *memory.Repo) {
	t, key := s.t, newKey(s.t)
	sim.AddApp(simforge.App{ID: 77, Slug: "slipway", Keys: []*rsa.PublicKey{&newKey(t).PublicKey, &key.PublicKey}, Installations: []simforge.Installation{
		{ID: 701, Account: "acme", Repositories: []string{repo.FullName()}}, {ID: 702, Account: "other", Suspended: true},
	}})
	if err := sim.HookApp(77, simforge.Hook{URL: "http://127.0.0.1:1/nobody"}); err != nil {
		t.Fatal(err)
	}
	hooks := repo.Hooks()
	repo.RecordDelivery(memory.HookDelivery{Hook: hooks[len(hooks)-1].ID, GUID: "guid", Event: "push", Body: []byte(`{}`), StatusText: "timed out"})
	// The description wants an account to be a user and an enterprise at once.
	account := s.doc.Paths.Value("/app/installations").Get.Responses.Status(200).Value.Content.Get("application/json").Schema.Value.Items.Value.Properties["account"].Value
	account.AllOf, account.AnyOf = nil, account.AllOf
	good := signed(t, key, jwt.SigningMethodRS256, "77", -time.Minute, 5*time.Minute)
	for says, token := range map[string]string{
		"could not be decoded":                   signed(t, newKey(t), jwt.SigningMethodRS256, "77", -time.Minute, time.Minute),
		"too far in the future":                  signed(t, key, jwt.SigningMethodRS256, "77", -time.Minute, 11*time.Minute),
		"the time that the assertion was issued": signed(t, key, jwt.SigningMethodRS256, "77", time.Minute, 2*time.Minute),
		"at which the assertion expires":         signed(t, key, jwt.SigningMethodRS256, "77", -2*time.Minute, -time.Minute),
		"token could not be decoded":             signed(t, []byte("secret"), jwt.SigningMethodHS256, "77", -time.Minute, time.Minute),
		"web token could not be decoded":         simforge.WriteToken,
	} {
		s.as(token, func() {
			if a := s.try(401, "GET", "/app", nil, "", nil); !strings.Contains(string(a.body), says) {
				t.Errorf("want %q: %s", says, a.body)
			}
		})
	}
	s.as(signed(t, key, jwt.SigningMethodRS256, "78", -time.Minute, time.Minute), func() { s.try(404, "GET", "/app", nil, "", nil) })
	one, none, held := params{"installation_id": "701"}, params{"installation_id": "7"}, params{"installation_id": "702"}
	var minted struct{ Token string }
	s.as(good, func() {
		for _, path := range []string{"/app", "/app/installations", specRepo + "/installation", "/app/hook/deliveries"} {
			s.try(200, "GET", path, nil, "", nil)
		}
		s.try(200, "GET", "/app/installations/{installation_id}", one, "", nil)
		s.try(404, "GET", "/app/installations/{installation_id}", none, "", nil)
		s.try(201, "POST", "/app/installations/{installation_id}/access_tokens", one, "", nil).json(t, &minted)
		s.try(404, "POST", "/app/installations/{installation_id}/access_tokens", none, "", nil)
		s.try(403, "POST", "/app/installations/{installation_id}/access_tokens", held, "", nil)
		var list []struct{ ID int64 }
		s.try(200, "GET", "/app/hook/deliveries", nil, "?per_page=1", nil).json(t, &list)
		s.try(200, "GET", "/app/hook/deliveries/{delivery_id}", params{"delivery_id": fmt.Sprint(list[0].ID)}, "", nil)
		s.try(401, "GET", specRepo, nil, "", nil)
	})
	s.as(minted.Token, func() {
		s.try(200, "GET", "/installation/repositories", nil, "?per_page=100&page=1", nil)
		s.try(200, "GET", specRepo, nil, "", nil)
		s.try(403, "GET", "/user/repos", nil, "", nil)
		s.try(401, "GET", "/app", nil, "", nil)
	})
	// A right that it lacks is named.
	sim.Install(77, simforge.Installation{ID: 703, Account: "acme", Repositories: []string{repo.FullName()}, Rights: map[string]string{"contents": "write"}})
	s.as(good, func() {
		s.try(201, "POST", "/app/installations/{installation_id}/access_tokens", params{"installation_id": "703"}, "", nil).json(t, &minted)
	})
	s.as(minted.Token, func() {
		a := s.try(403, "POST", specRepo+"/issues/{issue_number}/comments", params{"issue_number": "1"}, "", map[string]any{"body": "x"})
		if a.header.Get("X-Accepted-GitHub-Permissions") != "issues=write" {
			t.Errorf("the right is named as %q", a.header.Get("X-Accepted-GitHub-Permissions"))
		}
	})
	sim.RevokeTokens()
	s.as(minted.Token, func() { s.try(401, "GET", specRepo, nil, "", nil) })
}
