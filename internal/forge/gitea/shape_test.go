package gitea_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// The simulated Gitea answers what the bot asks in the shape of the real one:
// the same status, the same keys at every depth, the same headers of pages.
func TestShapeOfAnswers(t *testing.T) {
	t.Parallel()
	realAPI, simAPI := realShape(t), simShape(t)
	for _, name := range slices.Sorted(maps.Keys(simAPI.paths)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, got := realAPI.get(t, name), simAPI.get(t, name)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-real +simulated):\n%s", simAPI.paths[name], d)
			}
		})
	}
}

// shaped is a server with one of each thing on it.
type shaped struct {
	base, token string
	paths       map[string]string // by what is there
}

func (s shaped) get(t *testing.T, name string) []string {
	t.Helper()
	path := s.paths[name]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+s.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{resp.Status, "type " + strings.ReplaceAll(resp.Header.Get("Content-Type"), " ", ""), "total " + resp.Header.Get("X-Total-Count")}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%s: %v in %.200q", path, err, data)
	}
	found := map[string]bool{}
	keysOf("", v, found)
	return append(out, slices.Sorted(maps.Keys(found))...)
}

// keysOf leaves out what a thing may have or not: files of a commit, and the
// branch of a team's organisation.
func keysOf(at string, v any, found map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			keysOf(at+"."+k, x, found)
		}
	case []any:
		for _, x := range v {
			keysOf(at+"[]", x, found)
		}
	}
	if !strings.Contains(at, "units") && !strings.Contains(at, ".labels") && !strings.Contains(at, "verification") {
		found[at] = true
	}
}

func shapePaths(repo, org, team, user, commit string, issue, pull int, comment, run int64) map[string]string {
	r := "/repos/" + repo
	return map[string]string{
		"user": "/user", "repository": r, "permission": r + "/collaborators/" + user + "/permission",
		"permission of nobody": r + "/collaborators/nobody-has-this-name/permission",
		"teams":                "/orgs/" + org + "/teams/search?q=cap", "no teams": "/orgs/no-such-org/teams/search",
		"team member": "/teams/" + team + "/members/" + user, "no team member": "/teams/" + team + "/members/nobody-has-this-name",
		"comments": r + "/issues/comments?limit=50", "comment": fmt.Sprintf("%s/issues/comments/%d", r, comment),
		"comments of an issue": fmt.Sprintf("%s/issues/%d/comments", r, issue), "comments of no issue": r + "/issues/999/comments",
		"no comment": r + "/issues/comments/987654321", "bad time": r + "/issues/comments?since=yesterday",
		"reactions": fmt.Sprintf("%s/issues/comments/%d/reactions", r, comment),
		"issue":     fmt.Sprintf("%s/issues/%d", r, issue), "pull request as an issue": fmt.Sprintf("%s/issues/%d", r, pull), "no issue": r + "/issues/999",
		"pull request": fmt.Sprintf("%s/pulls/%d", r, pull), "no pull request": fmt.Sprintf("%s/pulls/%d", r, issue),
		"statuses": r + "/commits/" + commit + "/statuses", "branch": r + "/branches/main", "no branch": r + "/branches/no/such",
		"runs": r + "/actions/workflows/release.yml/runs", "runs of no workflow": r + "/actions/workflows/no.yml/runs",
		"run": fmt.Sprintf("%s/actions/runs/%d", r, run), "no run": r + "/actions/runs/987654321", "jobs": fmt.Sprintf("%s/actions/runs/%d/jobs", r, run),
		"hooks": r + "/hooks",
	}
}

func realShape(t *testing.T) shaped {
	t.Helper()
	server := realtest.Gitea(t)
	repo, _ := server.SampleRepo(t, "shape")
	p := realPeople{server, repo, nil}
	user, _ := repo.AddUser(t, "sailor", "write")
	org, _, _ := strings.Cut(server.AddTeam(t, user), "/")
	var teams []struct{ ID int64 }
	server.Call(t, server.Admin, http.MethodGet, "/orgs/"+org+"/teams", nil, &teams)
	issue, commit := repo.OpenIssue(t, "an issue"), repo.Head(t, "main")
	comment := repo.Comment(t, "", issue, "hello")
	p.sign(t, forge.Place{}, strconv.FormatInt(comment, 10), "eyes")
	pull, _ := p.openPull(t)
	repo.SetStatus(t, commit, "ci", "success")
	repo.AddHook(t, "http://127.0.0.1:1/webhook", "secret", "push")
	file, _ := p.addWorkflow(t)
	call(t, server, http.MethodPost, "/repos/"+repo.FullName()+"/actions/workflows/"+file+"/dispatches", map[string]string{"ref": "main"})
	var runs struct {
		List []struct{ ID int64 } `json:"workflow_runs"`
	}
	server.Call(t, server.Admin, http.MethodGet, "/repos/"+repo.FullName()+"/actions/runs", nil, &runs)
	last := teams[len(teams)-1].ID
	if teams[0].ID > last {
		last = teams[0].ID
	}
	return shaped{server.URL + "/api/v1", server.Admin, shapePaths(repo.FullName(), org, strconv.FormatInt(last, 10), user, commit, issue, pull, comment, runs.List[0].ID)}
}

func simShape(t *testing.T) shaped {
	t.Helper()
	sim := simtest.Start(t, simforge.Options{Dialect: memory.Gitea})
	repo, commit := sim.Repo, sim.Tags["v1.1.0"]
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	repo.SetPermission("sailor", forge.MayWrite)
	repo.People().AddTeam("crew/captains", "sailor")
	issue := repo.OpenIssue(repo.Self(), "an issue", "").Number
	comment, err := repo.AddComment(forge.Place{Issue: issue}, repo.Self(), "hello")
	must(err)
	_, _, err = repo.React(comment.ID, "signer", "eyes")
	must(err)
	sim.Refs.SetBranch("feature", memory.Hash("feature"))
	pull, err := repo.OpenPull(t.Context(), memory.NewPull{Author: repo.Self(), Title: "more", HeadBranch: "feature"})
	must(err)
	_, err = repo.AddStatus(repo.Self(), memory.Status{Commit: commit, Context: "ci", State: "success"})
	must(err)
	repo.AddHook(memory.Hook{URL: "http://127.0.0.1:1/webhook", Events: []string{"push"}})
	repo.AddWorkflow("release.yml", "Release")
	run, err := repo.Dispatch(t.Context(), repo.Self(), "release.yml", "refs/heads/main", nil)
	must(err)
	s := shaped{base: sim.Server.URL + "/api/v1", token: simforge.WriteToken}
	s.paths = shapePaths(simtest.Repository, "crew", strconv.FormatInt(simforge.TeamID("crew/captains"), 10), "sailor", commit, issue, pull.Number, comment.ID, run.ID)
	return s
}
