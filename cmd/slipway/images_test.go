package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// imageSubject is a forge and two registries behind one tap, and how images
// are made.
type imageSubject struct {
	subject
	tap        *tap
	registries []string // as slipway knows them
	upstream   string   // the real one behind them
	builder    string   // empty: in process
	platforms  string   // of the image
	stride     int      // every how many requests the process is killed
}

func imageSubjects() map[string]func(t *testing.T) imageSubject {
	return map[string]func(t *testing.T) imageSubject{
		"simforge, in process": func(t *testing.T) imageSubject {
			s := newImageSubject(t, simSubject(t, memory.GitHub), "")
			s.platforms = "linux/arm64" // each platform has the same requests
			return s
		},
		"real gitea, BuildKit": func(t *testing.T) imageSubject {
			s := newImageSubject(t, giteaSubject(t), realtest.BuildKit(t))
			s.stride = 5
			return s
		},
	}
}

func newImageSubject(t *testing.T, s subject, builder string) imageSubject {
	p, real := newTap(t), realtest.Registry(t)
	return imageSubject{subject: s, tap: p, upstream: real, builder: builder, stride: 1,
		platforms:  "linux/amd64, linux/386, linux/arm64, linux/arm/v6",
		registries: []string{p.registry(t, real), p.registry(t, real)}}
}

// project is quickProject with an image that goes to both registries; the second
// has a name of its own there, as both are one behind the tap.
func (s imageSubject) project(t *testing.T) string {
	t.Helper()
	dir := quickProject(t)
	f, err := os.OpenFile(filepath.Join(dir, ".slipway.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, "images:\n  - id: hello\n    repository: [%s/acme/hello, %s/mirror/hello]\n    platforms: [%s]\n",
		s.registries[0], s.registries[1], s.platforms)
	if s.builder != "" {
		fmt.Fprintf(f, "builder: %s\n", s.builder)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	mustRun(t, dir, nil, "git", "commit", "--quiet", "--all", "--message", "feat: an image")
	mustRun(t, dir, nil, "git", "tag", "v1.0.0")
	return dir
}

// tags reads, past the tap, what the tags of this run point at.
func (s imageSubject) tags(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"acme/hello", "mirror/hello"} {
		for _, tag := range []string{"1.0.0", "1.0", "1", "latest"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+s.upstream+"/v2/"+s.tap.space+"/"+name+"/manifests/"+tag, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "application/vnd.oci.image.index.v1+json")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				out[name+":"+tag] = resp.Header.Get("Docker-Content-Digest")
			}
		}
	}
	return out
}

// Promise: one release carries the images beside the binaries, and a rerun ends
// where an undisturbed run ends. The process is killed after requests to the
// forge and to the registries; the rerun ends with the same assets, and the same
// digests under the same tags.
func TestImagesKilledAfterRequests(t *testing.T) {
	t.Parallel()
	for name, open := range imageSubjects() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			dir := s.project(t)
			s.tap.begin(s.fresh(t, dir), 0)
			mustRun(t, clone(t, dir), tokenEnv(cleanEnv(t, t.TempDir()), s.subject), releaseArgs(s.tap.URL, s.subject, "--tag", "v1.0.0")...)
			want, tags := public(t, s.tap.URL, s.subject), s.tags(t)
			if len(want) != 1 || len(want[0].Assets) != 7 || len(tags) != 8 {
				t.Fatalf("an undisturbed release is %+v with the tags %v; want 7 assets and 8 tags", want, tags)
			}
			total := s.tap.requests()
			for n := 1; n <= total; n += s.stride {
				s.killedAfter(t, dir, n, want, tags)
				if t.Failed() {
					t.Fatalf("after request %d of %d", n, total)
				}
			}
			t.Logf("killed after every %d of %d requests", s.stride, total)
		})
	}
}

func clone(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	mustRun(t, "", nil, "git", "clone", "--quiet", dir, to)
	return to
}

func (s imageSubject) killedAfter(t *testing.T, dir string, n int, want []seen, tags map[string]string) {
	t.Helper()
	s.tap.begin(s.fresh(t, dir), n)
	to, env := clone(t, dir), tokenEnv(cleanEnv(t, t.TempDir()), s.subject)
	if s.tap.killedIn(t, s.subject, to, env) {
		if got := public(t, s.tap.URL, s.subject); len(got) > 0 {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what is public after the kill is not the whole release (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tags, s.tags(t)); diff != "" {
				t.Errorf("the release is public without its tags (-want +got):\n%s", diff)
			}
		}
	}
	again := mustRun(t, to, env, releaseArgs(s.tap.URL, s.subject, "--tag", "v1.0.0")...)
	if diff := cmp.Diff(want, public(t, s.tap.URL, s.subject)); diff != "" {
		t.Errorf("the rerun ends elsewhere (-want +got):\n%s\n%s", diff, again)
	}
	if diff := cmp.Diff(tags, s.tags(t)); diff != "" {
		t.Errorf("the rerun's tags are others (-want +got):\n%s\n%s", diff, again)
	}
}

// Promise: if the forge or one registry fails for good, no tag has moved anywhere
// and no release is visible.
func TestImagesNothingMovesWhenOneFails(t *testing.T) {
	t.Parallel()
	forbidden := func(match func(*http.Request) bool, status int) func(*http.Request) int {
		return func(r *http.Request) int {
			if match(r) {
				return status
			}
			return 0
		}
	}
	tagPut := func(name string) func(*http.Request) bool {
		return func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.Contains(r.URL.Path, name+"/manifests/") && !strings.Contains(r.URL.Path, "sha256:")
		}
	}
	faults := map[string]func(*http.Request) int{
		"the forge does not publish": forbidden(func(r *http.Request) bool {
			return r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/releases/") && !strings.HasSuffix(r.URL.Path, "/releases/0")
		}, http.StatusUnprocessableEntity),
		"the second registry takes no blobs": forbidden(func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "mirror/hello/blobs")
		}, http.StatusForbidden),
		"the second registry protects tags": forbidden(tagPut("mirror/hello"), http.StatusForbidden),
		"the second registry protects latest": forbidden(func(r *http.Request) bool {
			return tagPut("mirror/hello")(r) && strings.HasSuffix(r.URL.Path, "latest")
		}, http.StatusPreconditionFailed),
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newImageSubject(t, simSubject(t, memory.GitHub), "")
			dir := s.project(t)
			s.tap.begin(s.fresh(t, dir), 0)
			s.tap.refusing(fault)
			to, env := clone(t, dir), tokenEnv(cleanEnv(t, t.TempDir()), s.subject)
			out, code := tryRun(t, to, env, releaseArgs(s.tap.URL, s.subject, "--tag", "v1.0.0")...)
			if code == 0 || !strings.Contains(out, "error:") {
				t.Errorf("the release went through, with exit code %d\n%s", code, out)
			}
			if got := public(t, s.tap.URL, s.subject); len(got) > 0 {
				t.Errorf("a release is visible: %+v\n%s", got, out)
			}
			if got := s.tags(t); len(got) > 0 {
				t.Errorf("tags have moved: %v\n%s", got, out)
			}
			s.tap.refusing(nil)
			mustRun(t, to, env, releaseArgs(s.tap.URL, s.subject, "--tag", "v1.0.0")...)
			if got := s.tags(t); len(got) != 8 || len(public(t, s.tap.URL, s.subject)) != 1 {
				t.Errorf("the rerun left the tags %v", got)
			}
		})
	}
}
