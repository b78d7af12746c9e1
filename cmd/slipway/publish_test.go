package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/publish/publishtest"
	"github.com/slipway-dev/slipway/internal/publish/s3"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// bucketOf is a bucket of the test's own on a real S3 server: its name, the
// variables with its keys, and a second way to look into it.
func bucketOf(t *testing.T) (server realtest.S3Server, bucket string, env []string, store publish.Store) {
	t.Helper()
	server = realtest.S3(t)
	bucket = server.Bucket(t)
	store, err := s3.New(s3.Options{Endpoint: server.Endpoint, Region: server.Region, Bucket: bucket, AccessKey: server.AccessKey, SecretKey: server.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	return server, bucket, []string{"AWS_ACCESS_KEY_ID=" + server.AccessKey, "AWS_SECRET_ACCESS_KEY=" + server.SecretKey}, store
}

// s3Project is a repository whose releases go to a bucket.
func s3Project(t *testing.T, endpoint, bucket, more string, tags ...string) string {
	t.Helper()
	dir := quickProject(t)
	config, err := os.ReadFile(filepath.Join(dir, ".slipway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(config) + more + "publish:\n  s3: {endpoint: '" + endpoint + "', bucket: " + bucket + ", url: 'https://hello.example'}\n"
	if err := os.WriteFile(filepath.Join(dir, ".slipway.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	mustRun(t, dir, nil, "git", "commit", "--quiet", "--all", "--message", "feat: publish")
	for _, tag := range tags {
		mustRun(t, dir, nil, "git", "tag", tag)
	}
	return dir
}

// listed is what an installer reads of the list: platform → URL of the newest
// stable release, and the names of all.
func listed(t *testing.T, store publish.Store) (newest map[string]string, names []string) {
	t.Helper()
	from, _, err := store.Open(t.Context(), "_releases.json")
	if errors.Is(err, publish.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	var groups []struct {
		Name   string
		Builds []struct {
			Version string
			Builds  []struct{ Platform, URL, Path string }
		}
	}
	if err := json.NewDecoder(from).Decode(&groups); err != nil {
		t.Fatal(err)
	}
	newest = map[string]string{}
	for _, g := range groups {
		for i, v := range g.Builds {
			names = append(names, g.Name+" "+v.Version)
			for _, b := range v.Builds {
				if _, err := store.Stat(t.Context(), b.Path); err != nil {
					t.Errorf("the list names %s: %v", b.Path, err)
				}
				if g.Name == "Release" && i == 0 {
					newest[b.Platform] = b.URL
				}
			}
		}
	}
	return newest, names
}

func keys(t *testing.T, store publish.Store) []string {
	t.Helper()
	var out []string
	for o, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o.Key)
	}
	return out
}

// Promise: killed after any request to S3, a rerun ends where an undisturbed run
// ends, and at no moment the list names what is not there.
func TestS3KilledAfterEveryRequest(t *testing.T) {
	t.Parallel()
	s := simSubject(t, memory.Gitea)
	server, _, keysEnv, _ := bucketOf(t)
	proxy := publishtest.NewProxy(t, server.Endpoint, nil)
	var want []string
	for n := 0; ; n++ {
		bucket := server.Bucket(t)
		store, err := s3.New(s3.Options{Endpoint: server.Endpoint, Region: server.Region, Bucket: bucket, AccessKey: server.AccessKey, SecretKey: server.SecretKey})
		if err != nil {
			t.Fatal(err)
		}
		dir := s3Project(t, proxy.URL, bucket, "    platforms: [linux/amd64, linux/arm/v6]\narchives: []\n", "v1.0.0")
		forge := s.fresh(t, dir)
		env := append(tokenEnv(cleanEnv(t, t.TempDir()), s), keysEnv...)
		cmd := exec.Command("slipway", releaseArgs(forge, s, "--tag", "v1.0.0")[1:]...)
		cmd.Dir, cmd.Env = dir, env
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		started := make(chan struct{})
		proxy.Requests() // it counts from here
		proxy.Break(func(r publishtest.Request) publishtest.Fault {
			if r.N != n {
				return publishtest.Fault{}
			}
			return publishtest.Fault{After: true, Cut: true, Do: func() { <-started; _ = cmd.Process.Kill() }}
		})
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		close(started)
		err = cmd.Wait()
		killed := cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled()
		if !killed && err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		proxy.Break(nil)
		listed(t, store)
		if n == 0 {
			want = keys(t, store)
			continue
		}
		again := mustRun(t, dir, env, releaseArgs(forge, s, "--tag", "v1.0.0")...)
		newest, names := listed(t, store)
		if len(newest) != 2 || !slices.Equal(names, []string{"Release v1.0.0"}) {
			t.Errorf("killed after request %d, the list names %v %v\n%s", n, names, newest, again)
		}
		if got := keys(t, store); !slices.Equal(got, want) {
			t.Errorf("killed after request %d, there are %q, want %q\n%s", n, got, want, again)
		}
		if t.Failed() || !killed {
			t.Logf("killed after each of %d requests", n-1)
			if n < 20 {
				t.Errorf("a release takes more than %d requests", n-1)
			}
			return
		}
	}
}

// The way of a release through a bucket on real servers: the forge and the list
// tell of it, its steps by hand find nothing to do, what is deleted is gone from
// the list after a refresh, and a withdrawn one is no installer's newest.
func TestPublishS3(t *testing.T) {
	t.Parallel()
	s := giteaSubject(t)
	server, bucket, keysEnv, store := bucketOf(t)
	dir := s3Project(t, server.Endpoint, bucket, "packages: [{formats: [deb, rpm]}]\n", "v1.9.0", "v1.10.0")
	forge := s.fresh(t, dir)
	env := append(tokenEnv(cleanEnv(t, t.TempDir()), s), keysEnv...)
	in := func(args ...string) string {
		t.Helper()
		return mustRun(t, dir, env, append(args, "--forge", s.kind, "--server", forge, "--repo", s.repo)...)
	}
	in("slipway", "release", "--tag", "v1.9.0")
	out := in("slipway", "release", "--tag", "v1.10.0")
	if !strings.Contains(out, "https://hello.example/_releases.json") {
		t.Errorf("the report does not say where the list is:\n%s", out)
	}
	const url = "https://hello.example/_releases/v1.10.0/x86_64-unknown-linux-musl/hello"
	newest, names := listed(t, store)
	if newest["x86_64-unknown-linux-musl"] != url || len(newest) != 4 || !slices.Equal(names, []string{"Release v1.10.0", "Release v1.9.0"}) {
		t.Errorf("the list names %v, and %v as the newest", names, newest)
	}
	for _, key := range []string{"_releases.html", "_releases.atom", "_releases/v1.10.0/hello_1.10.0_linux_armv6.deb", "_releases/v1.10.0/checksums.txt", "_releases/v1.10.0/slipway.json"} {
		if _, err := store.Stat(t.Context(), key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if out := in("slipway", "publish", "s3", "--tag", "v1.10.0", "--platform", "linux/amd64"); strings.Contains(out, "put\n") || !strings.Contains(out, "kept") {
		t.Errorf("published by hand again:\n%s", out)
	}
	if err := store.Delete(t.Context(), strings.TrimPrefix(url, "https://hello.example/")); err != nil {
		t.Fatal(err)
	}
	if out := in("slipway", "index", "refresh"); !strings.Contains(out, "gone: _releases/v1.10.0/x86_64-unknown-linux-musl/hello") {
		t.Errorf("the refresh says\n%s", out)
	}
	if newest, _ := listed(t, store); newest["x86_64-unknown-linux-musl"] != "" || len(newest) != 3 {
		t.Errorf("after the refresh the newest is %v", newest)
	}
	// From the forge's archive it comes back, byte for byte.
	in("slipway", "publish", "s3", "--tag", "v1.10.0")
	in("slipway", "index", "refresh")
	if newest, _ := listed(t, store); newest["x86_64-unknown-linux-musl"] != url {
		t.Errorf("brought back, the newest is %v", newest)
	}
	out = in("slipway", "withdraw", "v1.10.0", "--reason", "it eats `data`")
	if !strings.Contains(out, "the newest release that is left is v1.9.0") {
		t.Errorf("withdraw says\n%s", out)
	}
	if newest, names := listed(t, store); !strings.Contains(newest["x86_64-unknown-linux-musl"], "/v1.9.0/") || !slices.Equal(names, []string{"Release v1.9.0", "Withdrawn v1.10.0"}) {
		t.Errorf("after the withdrawal the list names %v", names)
	}
	var latest struct {
		Tag string `json:"tag_name"`
	}
	res, err := http.Get(forge + "/api/v1/repos/" + s.repo + "/releases/latest")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&latest); err != nil || latest.Tag != "v1.9.0" {
		t.Errorf("the forge's latest release is %q, %v", latest.Tag, err)
	}
	if out := in("slipway", "withdraw", "v1.10.0", "--reason", "it eats `data`"); !strings.Contains(out, "nothing to do") {
		t.Errorf("withdrawn again:\n%s", out)
	}
	if out := in("slipway", "release", "--tag", "v1.10.0"); !strings.Contains(out, "withdrawn") {
		t.Errorf("released again:\n%s", out)
	}
	if _, names := listed(t, store); !slices.Contains(names, "Withdrawn v1.10.0") {
		t.Errorf("after a rerun of its release the list names %v", names)
	}
}

// Without a forge, a folder gets what a bucket would; a platform at a time.
func TestPublishFolder(t *testing.T) {
	t.Parallel()
	www := t.TempDir()
	dir := quickProject(t)
	config, err := os.ReadFile(filepath.Join(dir, ".slipway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(config) + "publish:\n  folder: {path: " + www + ", url: 'https://hello.example/downloads/'}\n"
	if err := os.WriteFile(filepath.Join(dir, ".slipway.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	mustRun(t, dir, nil, "git", "commit", "--quiet", "--all", "--message", "feat: publish")
	mustRun(t, dir, nil, "git", "tag", "v1.0.0")
	env := cleanEnv(t, t.TempDir())
	mustRun(t, dir, env, "slipway", "publish", "folder", "--tag", "v1.0.0", "--platform", "linux/amd64")
	if _, err := os.Stat(filepath.Join(www, "_releases.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a list is there before anybody asked for it: %v", err)
	}
	if out, code := tryRun(t, dir, env, "slipway", "publish", "index", "--tag", "v9.9.9"); code != 2 || !strings.Contains(out, "v9.9.9") {
		t.Errorf("a release that is not there: %d\n%s", code, out)
	}
	platforms := func() (out []string) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(www, "_releases.json"))
		if err != nil {
			t.Fatal(err)
		}
		var groups []struct {
			Builds []struct {
				Builds []struct{ Platform, URL string }
			}
		}
		if err := json.Unmarshal(b, &groups); err != nil {
			t.Fatal(err)
		}
		for _, b := range groups[0].Builds[0].Builds {
			out = append(out, b.Platform)
			if !strings.HasPrefix(b.URL, "https://hello.example/downloads/_releases/v1.0.0/") {
				t.Errorf("URL %s", b.URL)
			}
		}
		return out
	}
	mustRun(t, dir, env, "slipway", "publish", "index", "--tag", "v1.0.0")
	if got := platforms(); !slices.Equal(got, []string{"x86_64-unknown-linux-musl"}) {
		t.Errorf("the list has %v", got)
	}
	mustRun(t, dir, env, "slipway", "publish", "folder", "--tag", "v1.0.0", "--platform", "linux/arm64")
	mustRun(t, dir, env, "slipway", "index", "refresh")
	if got := platforms(); len(got) != 2 {
		t.Errorf("with a second platform the list has %v", got)
	}
}

// Where keys or the bucket are wrong, nothing is built, and the error says what to do.
func TestPublishS3Refused(t *testing.T) {
	t.Parallel()
	s := simSubject(t, memory.GitHub)
	server, bucket, keysEnv, _ := bucketOf(t)
	for name, c := range map[string]struct {
		endpoint, bucket string
		env              []string
		says             string
	}{
		"no keys":      {server.Endpoint, bucket, nil, "SLIPWAY_S3_ACCESS_KEY_ID"},
		"wrong secret": {server.Endpoint, bucket, []string{keysEnv[0], "AWS_SECRET_ACCESS_KEY=not-the-secret"}, bucket},
		"wrong key":    {server.Endpoint, bucket, []string{"AWS_ACCESS_KEY_ID=nobody", keysEnv[1]}, bucket},
		"no bucket":    {server.Endpoint, "no-such-bucket-here", keysEnv, "no-such-bucket-here"},
		"no server":    {"http://127.0.0.1:1", bucket, keysEnv, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := s3Project(t, c.endpoint, c.bucket, "", "v1.0.0")
			forge := s.fresh(t, dir)
			out, code := tryRun(t, dir, append(tokenEnv(cleanEnv(t, t.TempDir()), s), c.env...), releaseArgs(forge, s, "--tag", "v1.0.0")...)
			if code == 0 || !strings.Contains(out, c.says) || strings.Contains(out, "✓ build") || strings.Contains(out, "not-the-secret") {
				t.Errorf("exited with %d\n%s", code, out)
			}
			if got := public(t, forge, s); len(got) > 0 {
				t.Errorf("something was released: %v", got)
			}
		})
	}
}
