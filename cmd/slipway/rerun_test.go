package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/release"
)

// Promise: a rerun wastes nothing, even on another machine that has neither
// journal nor artifacts: what arrived whole is not sent again.
func TestRerunElsewhereSendsNothingAgain(t *testing.T) {
	t.Parallel()
	for name, open := range subjects() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			dir := quickProject(t, "v1.0.0")
			p := newTap(t)
			want := undisturbed(t, p, s, dir)
			// The last request publishes; before it all has arrived.
			p.begin(s.fresh(t, dir), p.requests()-1)
			if !p.killedOnce(t, s, dir) {
				t.Fatal("the run was not killed")
			}
			out := p.again(t, s, dir)
			if d := p.doubled(); len(d) > 0 || len(p.uploads) != 6 {
				t.Errorf("sent twice: %v of %v\n%s", d, p.uploads, out)
			}
			if diff := cmp.Diff(want, public(t, p.URL, s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// again releases from a clone that knows nothing of what went before.
func (p *tap) again(t *testing.T, s subject, dir string) string {
	clone := t.TempDir()
	mustRun(t, "", nil, "git", "clone", "--quiet", dir, clone)
	return mustRun(t, clone, tokenEnv(cleanEnv(t, t.TempDir()), s), releaseArgs(p.URL, s, "--tag", "v1.0.0")...)
}

// Two runs at once, on two machines, end in one whole release.
func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	for name, open := range subjects() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			dir := quickProject(t, "v1.0.0")
			server := s.fresh(t, dir)
			var wg sync.WaitGroup
			for range 2 {
				clone := t.TempDir()
				mustRun(t, "", nil, "git", "clone", "--quiet", dir, clone)
				env := tokenEnv(cleanEnv(t, t.TempDir()), s)
				wg.Go(func() {
					if out, code := tryRun(t, clone, env, releaseArgs(server, s, "--tag", "v1.0.0")...); code != 0 {
						t.Errorf("exit code %d\n%s", code, out)
					}
				})
			}
			wg.Wait()
			if got := public(t, server, s); len(got) != 1 || len(got[0].Assets) != 6 {
				t.Errorf("published is %+v", got)
			}
		})
	}
}

// Notes that are longer than GitHub takes are cut, with a link to the whole.
func TestLongNotesBecomeAnAsset(t *testing.T) {
	t.Parallel()
	s := subjects()["simforge github"](t)
	dir := filepath.Join(t.TempDir(), "hello")
	config := "project: hello\nbuilds: [{id: hello, builder: command, run: 'printf x > {output}'}]\n"
	err := gittest.Generate(t.Context(), dir, gittest.Spec{Commits: 6000, Files: map[string]string{".slipway.yaml": config}})
	if err != nil {
		t.Fatal(err)
	}
	mustRun(t, dir, nil, "git", "tag", "v99.0.0")
	server := s.fresh(t, dir)
	mustRun(t, dir, tokenEnv(cleanEnv(t, t.TempDir()), s), releaseArgs(server, s, "--tag", "v99.0.0")...)
	got := public(t, server, s)
	if len(got) != 1 || got[0].Assets[release.FullNotesName] == "" {
		t.Fatalf("published is %+v; want the full notes among the assets", got)
	}
	body := string(fetch(t, server+"/api/v3/repos/"+s.repo+"/releases"))
	link := fmt.Sprintf("%s/%s/releases/download/v99.0.0/%s", server, s.repo, release.FullNotesName)
	if !strings.Contains(body, link) {
		t.Errorf("the release does not link to %s", link)
	}
	full, err := os.ReadFile(filepath.Join(dir, "dist", release.FullNotesName))
	if err != nil || len(full) < 125_000 {
		t.Errorf("the full notes have %d bytes, %v", len(full), err)
	}
	if diff := cmp.Diff(full, fetch(t, link)); diff != "" {
		t.Error("the asset is not the full notes")
	}
}
