package realtest

import (
	"bufio"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/git/gittest"
)

// The shared server is one, knows who may write, and takes a push.
func TestGitea(t *testing.T) {
	t.Parallel()
	s := Gitea(t)
	if again := Gitea(t); again != s {
		t.Errorf("a second call started a second server: %s and %s", s.URL, again.URL)
	}
	var version struct{ Version string }
	if code := s.Call(t, "", http.MethodGet, "/version", nil, &version); code != http.StatusOK || version.Version != giteaVersion {
		t.Errorf("version %q with status %d, want %s", version.Version, code, giteaVersion)
	}

	repo, dir := s.SampleRepo(t, "sample", "v1.0.0")
	head := gittest.At(t, dir).Git("rev-parse", "HEAD")
	var tags []struct {
		Name   string
		Commit struct{ SHA string }
	}
	s.Call(t, "", http.MethodGet, "/repos/"+repo.FullName()+"/tags", nil, &tags)
	if len(tags) != 1 || tags[0].Name != "v1.0.0" || tags[0].Commit.SHA != head {
		t.Errorf("tags are %+v, want v1.0.0 at %s", tags, head)
	}
}

// A token has the rights that its name says: each is tried on a release.
func TestGiteaTokens(t *testing.T) {
	t.Parallel()
	s := Gitea(t)
	repo, _ := s.SampleRepo(t, "tokens", "v1.0.0", "v1.0.1")
	_, stranger := s.Stranger(t)
	for _, tt := range []struct {
		name, token, tag string
		want             int
	}{
		{"anonymous", "", "v1.0.0", http.StatusUnauthorized},
		{"read-only", s.ReadOnlyToken(t), "v1.0.0", http.StatusForbidden},
		{"stranger", stranger, "v1.0.0", http.StatusForbidden},
		{"writer", s.Token(t, "write:repository"), "v1.0.0", http.StatusCreated},
		{"all", s.Token(t), "v1.0.1", http.StatusCreated},
	} {
		got := s.Call(t, tt.token, http.MethodPost, "/repos/"+repo.FullName()+"/releases",
			map[string]any{"tag_name": tt.tag, "name": tt.tag}, nil)
		if got != tt.want {
			t.Errorf("%s: status %d, want %d", tt.name, got, tt.want)
		}
	}
}

// Settings reach the server's app.ini.
func TestGiteaWith(t *testing.T) {
	t.Parallel()
	s := GiteaWith(t, map[string]map[string]string{"api": {"DEFAULT_PAGING_NUM": "7"}})
	var got struct {
		N int `json:"default_paging_num"`
	}
	s.Call(t, "", http.MethodGet, "/settings/api", nil, &got)
	if got.N != 7 {
		t.Errorf("default_paging_num is %d, want 7", got.N)
	}
}

// A server that can't start says why, from its log.
func TestGiteaThatEnds(t *testing.T) {
	t.Parallel()
	_, err := startGitea(need(t, giteaPart()), map[string]map[string]string{"server": {"APP_DATA_PATH": "/dev/null/papyrus"}})
	if !errors.Is(err, errExited) || !strings.Contains(err.Error(), "papyrus") {
		t.Errorf("got %v, want that it ended, and why", err)
	}
}

// A test process that is killed leaves neither a server nor its directory.
func TestNothingOutlivesTheTestProcess(t *testing.T) {
	if os.Getenv("SLIPWAY_REALTEST_CHILD") != "" {
		s := Gitea(t)
		_, _ = os.Stdout.WriteString("AT " + s.URL + " " + s.dir + "\n")
		select {}
	}
	t.Parallel()
	need(t, giteaPart())
	child := exec.Command(os.Args[0], "-test.run=^TestNothingOutlivesTheTestProcess$")
	child.Env = append(os.Environ(), "SLIPWAY_REALTEST_CHILD=1", "CI=true")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var url, dir string
	for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "AT" {
			url, dir = f[1], f[2]
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if url == "" {
		t.Fatal("the child started no server")
	}
	for range 100 {
		_, err := os.Stat(dir)
		resp, httpErr := http.Get(url)
		if httpErr == nil {
			_ = resp.Body.Close()
		}
		if httpErr != nil && errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("%s or %s is still there 10 s after the kill", url, dir)
}
