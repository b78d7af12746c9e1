package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// Promise: nothing is public until everything is staged. A reader polls the
// public list of a real Gitea all the while, from the push of the tag, which
// the server has not even taken note of when the release begins.
func TestReaderNeverSeesPart(t *testing.T) {
	t.Parallel()
	g := realtest.Gitea(t)
	for round := range 3 {
		dir := quickProject(t, "v1.0.0")
		repo := g.CreateRepo(t, "watched")
		repo.Push(t, dir, "refs/heads/main") // a first push is another matter
		s := subject{kind: "gitea", repo: repo.FullName(), token: g.Token(t, "write:repository", "read:user")}
		seen, stop := watch(t, g.URL, s)
		repo.PushNow(t, dir, "refs/tags/v1.0.0")
		mustRun(t, dir, tokenEnv(cleanEnv(t, t.TempDir()), s), releaseArgs(g.URL, s, "--tag", "v1.0.0")...)
		stop()
		// What a reader saw, each time that it changed: nothing, then all.
		if got := strings.Join(*seen, ", "); got != "none, 6 assets" {
			t.Errorf("round %d: a reader saw: %s", round, got)
		}
	}
}

// A release right after the first push to a new repository works.
func TestReleaseRightAfterTheFirstPush(t *testing.T) {
	t.Parallel()
	g := realtest.Gitea(t)
	dir := quickProject(t, "v1.0.0")
	repo := g.CreateRepo(t, "first")
	repo.PushNow(t, dir)
	s := subject{kind: "gitea", repo: repo.FullName(), token: g.Token(t, "write:repository", "read:user")}
	mustRun(t, dir, tokenEnv(cleanEnv(t, t.TempDir()), s), releaseArgs(g.URL, s)...)
	if got := public(t, g.URL, s); len(got) != 1 || len(got[0].Assets) != 6 {
		t.Errorf("published is %+v", got)
	}
}

// watch polls the public list until stop, and once more after it.
func watch(t *testing.T, server string, s subject) (seen *[]string, stop func()) {
	t.Helper()
	seen = &[]string{}
	look := func() {
		resp, err := http.Get(server + "/api/v1/repos/" + s.repo + "/releases")
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		var list []struct {
			Assets []struct{} `json:"assets"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
			t.Error(err)
			return
		}
		state := "none"
		if len(list) > 0 {
			state = fmt.Sprintf("%d assets", len(list[0].Assets))
		}
		if n := len(*seen); n == 0 || (*seen)[n-1] != state {
			*seen = append(*seen, state)
		}
	}
	look()
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				look()
				return
			default:
				look()
			}
		}
	}()
	return seen, func() { close(done); <-ended }
}
