package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func promoteArgs(server string, s subject, from, to string, more ...string) []string {
	return append([]string{"slipway", "promote", from, to, "--forge", s.kind, "--server", server, "--repo", s.repo}, more...)
}

// byTag are the assets that a reader sees of each release.
func byTag(t *testing.T, server string, s subject) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for _, r := range public(t, server, s) {
		out[r.Tag] = r.Assets
	}
	return out
}

// Promise: the same bits are promoted, and a rerun is always safe and never
// wasteful. A promotion is killed after requests; its rerun ends in the same
// release, with the source's bytes, and nothing is sent twice.
func TestPromotionKilledAfterRequests(t *testing.T) {
	t.Parallel()
	// The engine's own test kills after each call; this one the process.
	for name, stride := range map[string]int{"simforge github": 3, "simforge gitea": 3, "real gitea": 5} {
		open := subjects()[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, dir, p := open(t), quickProject(t, "v1.0.0-rc1"), newTap(t)
			released := func() { // the source, anew
				p.begin(s.fresh(t, dir), 0)
				mustRun(t, clone(t, dir), tokenEnv(cleanEnv(t, t.TempDir()), s), releaseArgs(p.URL, s, "--tag", "v1.0.0-rc1")...)
			}
			released()
			args := promoteArgs(p.URL, s, "v1.0.0-rc1", "v1.0.0")
			p.arm(0)
			mustRun(t, clone(t, dir), tokenEnv(cleanEnv(t, t.TempDir()), s), args...)
			total, want := p.requests(), byTag(t, p.URL, s)
			if len(want) != 2 || len(want["v1.0.0"]) != 6 || want["v1.0.0"]["checksums.txt"] != want["v1.0.0-rc1"]["checksums.txt"] {
				t.Fatalf("an undisturbed promotion ends with %v", want)
			}
			for n := 1; n <= total; n += stride {
				released()
				p.arm(n)
				to, env := clone(t, dir), tokenEnv(cleanEnv(t, t.TempDir()), s)
				p.killedWith(t, to, env, args...)
				if got, ok := byTag(t, p.URL, s)["v1.0.0"]; ok {
					if diff := cmp.Diff(want["v1.0.0"], got); diff != "" {
						t.Errorf("what is public after the kill is not the whole release (-want +got):\n%s", diff)
					}
				}
				again := mustRun(t, to, env, args...)
				if diff := cmp.Diff(want, byTag(t, p.URL, s)); diff != "" {
					t.Errorf("the rerun ends elsewhere (-want +got):\n%s\n%s", diff, again)
				}
				if d := p.doubled(); len(d) > 0 {
					t.Errorf("sent twice although they had arrived whole: %s\n%s", strings.Join(d, ", "), again)
				}
				if t.Failed() {
					t.Fatalf("after request %d of %d", n, total)
				}
			}
			t.Logf("killed after every %d of %d requests", stride, total)
		})
	}
}

// Promise: the same bits are promoted, images too. On registries nothing is
// pushed: the new version's tags and the moving ones point at the source's
// digests, after kills as well; and when the forge does not publish, no tag has
// moved.
func TestPromotedImages(t *testing.T) {
	t.Parallel()
	for name, open := range imageSubjects() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			dir := s.project(t)
			mustRun(t, dir, nil, "git", "tag", "--delete", "v1.0.0")
			mustRun(t, dir, nil, "git", "tag", "v1.0.0-rc1")
			server, args := s.tap.URL, promoteArgs(s.tap.URL, s.subject, "v1.0.0-rc1", "v1.0.0")
			released := func() {
				s.tap.begin(s.fresh(t, dir), 0)
				mustRun(t, clone(t, dir), tokenEnv(cleanEnv(t, t.TempDir()), s.subject), releaseArgs(server, s.subject, "--tag", "v1.0.0-rc1")...)
			}
			released()
			s.tap.refusing(func(r *http.Request) int {
				if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/releases/") && !strings.HasSuffix(r.URL.Path, "/releases/0") {
					return http.StatusUnprocessableEntity
				}
				return 0
			})
			to, env := clone(t, dir), tokenEnv(cleanEnv(t, t.TempDir()), s.subject)
			if out, code := tryRun(t, to, env, args...); code == 0 || len(s.tags(t)) > 0 {
				t.Errorf("with a forge that does not publish: exit code %d, tags %v\n%s", code, s.tags(t), out)
			}
			s.tap.refusing(func(r *http.Request) int {
				if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/") {
					return http.StatusForbidden // nothing is pushed
				}
				return 0
			})
			s.tap.arm(0)
			mustRun(t, to, env, args...)
			total, want, tags := s.tap.requests(), byTag(t, server, s.subject), s.tags(t)
			if len(want["v1.0.0"]) != 7 || want["v1.0.0"]["digests.txt"] != want["v1.0.0-rc1"]["digests.txt"] || len(tags) != 8 {
				t.Fatalf("a promotion ends with %v and the tags %v; want 7 assets and 8 tags", want, tags)
			}
			for n := 2; n <= total; n += 6 {
				released()
				s.tap.arm(n)
				to, env := clone(t, dir), tokenEnv(cleanEnv(t, t.TempDir()), s.subject)
				s.tap.killedWith(t, to, env, args...)
				if len(byTag(t, server, s.subject)["v1.0.0"]) > 0 {
					if diff := cmp.Diff(tags, s.tags(t)); diff != "" {
						t.Errorf("the release is public without its tags (-want +got):\n%s", diff)
					}
				}
				again := mustRun(t, to, env, args...)
				if diff := cmp.Diff(want, byTag(t, server, s.subject)); diff != "" {
					t.Errorf("the rerun ends elsewhere (-want +got):\n%s\n%s", diff, again)
				}
				if diff := cmp.Diff(tags, s.tags(t)); diff != "" {
					t.Errorf("the rerun's tags are others (-want +got):\n%s", diff)
				}
				if t.Failed() {
					t.Fatalf("after request %d of %d", n, total)
				}
			}
			t.Logf("killed after every 6th of %d requests", total)
		})
	}
}
