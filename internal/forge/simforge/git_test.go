package simforge_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/proc"
)

func git(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	out, err := proc.Output(t.Context(), proc.Cmd{
		Args: append([]string{"git", "-c", "protocol.version=2"}, args...), Dir: dir,
		Env: []string{
			"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
			"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.org",
			"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z",
		},
	})
	return strings.TrimSpace(string(out)), err
}

func mustGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := git(t, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A real git pushes to it and clones from it with the token as password; what
// it pushed is what the API and the releases see.
func TestGit(t *testing.T) {
	t.Parallel()
	for _, dialect := range []memory.Dialect{memory.GitHub, memory.Gitea} {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			bare := filepath.Join(t.TempDir(), "hello.git")
			mustGit(t, "", "init", "-q", "--bare", "-b", "main", bare)
			s, err := simforge.Start(simforge.Options{Dialect: dialect})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			repo := s.AddGitRepo(memory.Options{}, bare)
			if in, err := repo.Info(t.Context()); err != nil || !in.Empty {
				t.Fatalf("Info of the empty repository: %+v, %v", in, err)
			}
			work := t.TempDir()
			mustGit(t, work, "init", "-q", "-b", "main")
			if err := os.WriteFile(filepath.Join(work, "big"), make([]byte, 3<<20), 0o644); err != nil {
				t.Fatal(err)
			}
			mustGit(t, work, "add", ".")
			mustGit(t, work, "commit", "-qm", "first\n\nbody")
			mustGit(t, work, "tag", "v1.0.0")
			mustGit(t, work, "tag", "-a", "cli/v1.1.0", "-m", "annotated")
			head := mustGit(t, work, "rev-parse", "HEAD")
			with := func(token string) string {
				return strings.Replace(s.CloneURL("acme/hello"), "http://", "http://x:"+token+"@", 1)
			}
			for _, token := range []string{"nonsense", simforge.ReadToken} {
				if _, err := git(t, work, "push", "-q", with(token), "main"); err == nil {
					t.Errorf("a push with %s was taken", token)
				}
			}
			mustGit(t, work, "-c", "http.postBuffer=1000", "push", "-q", with(simforge.WriteToken), "main", "--tags")
			if got := mustGit(t, "", "ls-remote", s.CloneURL("acme/hello"), "refs/tags/v1.0.0"); !strings.HasPrefix(got, head) {
				t.Errorf("ls-remote: %s, want %s", got, head)
			}
			mustGit(t, t.TempDir(), "clone", "-q", s.CloneURL("acme/hello"), ".")
			f := repo.Forge(memory.Writer)
			for _, tag := range []string{"v1.0.0", "cli/v1.1.0"} {
				if got, err := f.Tag(t.Context(), tag); err != nil || got.Commit != head {
					t.Errorf("Tag(%s) = %+v, %v; want %s", tag, got, err, head)
				}
			}
			checkTagGone(t, repo, work, with(simforge.WriteToken))
			if s.Recorder().Count() != 0 {
				t.Error("git's requests are counted")
			}
		})
	}
}

// A release whose tag is deleted by a push is a draft again.
func checkTagGone(t *testing.T, repo *memory.Repo, work, remote string) {
	t.Helper()
	rel, err := repo.Create(t.Context(), memory.Writer, memory.NewRelease{Tag: "v1.0.0"})
	if err != nil || rel.Draft {
		t.Fatalf("Create: %+v, %v", rel, err)
	}
	made, err := repo.Create(t.Context(), memory.Writer, memory.NewRelease{Tag: "v2.0.0", Target: "main"})
	if err != nil {
		t.Fatal(err)
	}
	mustGit(t, work, "push", "-q", remote, ":refs/tags/v1.0.0")
	public := repo.PublicReleases()
	if len(public) != 1 || public[0].Tag != made.Tag {
		t.Errorf("the public sees %+v, want v2.0.0 alone", public)
	}
}
