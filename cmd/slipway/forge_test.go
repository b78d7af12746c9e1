package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// subject is a forge that the binary is tested against.
type subject struct {
	kind  string // github or gitea
	token string
	repo  string // owner/name
	// fresh makes the repository anew with everything of dir pushed to it, and
	// returns the address of the forge.
	fresh func(t *testing.T, dir string) (server string)
}

// subjects are simforge in both dialects and a real Gitea.
func subjects() map[string]func(t *testing.T) subject {
	return map[string]func(t *testing.T) subject{
		"simforge github": func(t *testing.T) subject { return simSubject(t, memory.GitHub) },
		"simforge gitea":  func(t *testing.T) subject { return simSubject(t, memory.Gitea) },
		"real gitea":      giteaSubject,
	}
}

func simSubject(_ *testing.T, d memory.Dialect) subject {
	const name = "acme/hello"
	return subject{kind: string(d), token: simforge.WriteToken, repo: name, fresh: func(t *testing.T, dir string) string {
		bare := filepath.Join(t.TempDir(), "bare.git")
		mustRun(t, "", nil, "git", "clone", "--quiet", "--bare", dir, bare)
		// Tests make more requests than a person does: no rate limits.
		s, err := simforge.Start(simforge.Options{Dialect: d, Rates: &simforge.Rates{}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		s.AddGitRepo(memory.Options{FullName: name}, bare)
		return s.URL
	}}
}

func giteaSubject(t *testing.T) subject {
	g := realtest.Gitea(t)
	name := "hello" + strings.ToLower(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, t.Name()))
	token := g.Token(t, "write:repository", "read:user")
	return subject{kind: "gitea", token: token, repo: g.User + "/" + name, fresh: func(t *testing.T, dir string) string {
		// One name for all, so that all plans are equal.
		g.Call(t, g.Admin, http.MethodDelete, "/repos/"+g.User+"/"+name, nil, nil)
		repo := g.CreateRepo(t, name)
		if code := g.Call(t, g.Admin, http.MethodPatch, "/repos/"+repo.FullName(), map[string]any{"name": name}, nil); code != http.StatusOK {
			t.Fatalf("rename %s: %d", repo.FullName(), code)
		}
		repo.URL = strings.Replace(repo.URL, repo.Name, name, 1)
		repo.CloneURL = strings.Replace(repo.CloneURL, repo.Name, name, 1)
		repo.Name = name
		repo.Push(t, dir)
		return g.URL
	}}
}

// mustRun runs a command and returns what it printed; it must succeed.
func mustRun(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	out, code := tryRun(t, dir, env, args...)
	if code != 0 {
		t.Fatalf("%s exited with %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// tryRun runs a command and returns what it printed and its exit code.
func tryRun(t *testing.T, dir string, env []string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	if cmd.Env = env; env == nil {
		cmd.Env = cleanEnv(t, t.TempDir())
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// quickProject makes a repository whose builds are quick: files that say what they
// are for, on four platforms.
func quickProject(t *testing.T, tags ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	files := map[string]string{
		"LICENSE": "free\n",
		".slipway.yaml": `project: hello
builds:
  - id: hello
    builder: command
    run: printf '%s' "hello {version} {os} {arch}{variant}" > {output}
`,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(t, dir, nil, "git", "init", "--quiet", "--initial-branch=main", ".")
	mustRun(t, dir, nil, "git", "add", "--all")
	mustRun(t, dir, nil, "git", "commit", "--quiet", "--message", "feat: begin")
	for _, tag := range tags {
		mustRun(t, dir, nil, "git", "tag", tag)
	}
	return dir
}

// seen is a release as anybody sees it, and the digests of what they download.
type seen struct {
	Tag    string
	Draft  bool
	Assets map[string]string // name → sha256
}

// public reads what a reader without a token sees of a repository, by plain
// HTTP: a witness that shares no code with the adapters.
func public(t *testing.T, server string, s subject) []seen {
	t.Helper()
	path := "/api/v1/repos/" + s.repo + "/releases?limit=50"
	if s.kind == "github" {
		path = "/api/v3/repos/" + s.repo + "/releases?per_page=100"
	}
	var releases []struct {
		Tag    string `json:"tag_name"`
		Draft  bool   `json:"draft"`
		Assets []struct {
			Name string `json:"name"`
			URL  string `json:"browser_download_url"`
		} `json:"assets"`
	}
	if err := json.Unmarshal(fetch(t, server+path), &releases); err != nil {
		t.Fatal(err)
	}
	var out []seen
	for _, r := range releases {
		x := seen{Tag: r.Tag, Draft: r.Draft, Assets: map[string]string{}}
		for _, a := range r.Assets {
			if x.Assets[a.Name] != "" {
				t.Errorf("release %s has two assets %s", r.Tag, a.Name)
			}
			sum := sha256.Sum256(fetch(t, a.URL))
			x.Assets[a.Name] = hex.EncodeToString(sum[:])
		}
		out = append(out, x)
	}
	return out
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "witness")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v\n%s", url, resp.Status, err, b)
	}
	return b
}

func releaseArgs(server string, s subject, more ...string) []string {
	return append([]string{"slipway", "release", "--forge", s.kind, "--server", server, "--repo", s.repo}, more...)
}

func tokenEnv(env []string, s subject) []string {
	return append(env[:len(env):len(env)], fmt.Sprintf("SLIPWAY_TOKEN=%s", s.token))
}
