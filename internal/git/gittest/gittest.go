// Package gittest makes real git repositories for tests and benchmarks: small
// ones step by step with the git command, large ones with git fast-import.
// They depend on no setting of the user's, and their hashes are the same on
// every machine.
package gittest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// TB is what this package needs of a *testing.T or *testing.B.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	TempDir() string
}

// Repo is a repository made for one test. Its methods end the test when git
// fails, and are for one goroutine.
type Repo struct {
	Dir string

	t   TB
	now time.Time // date of the last commit or tag
}

// start is the date of a repository's first commit, one minute off; each
// commit and annotated tag is a minute later than the one before.
var start = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// Env is the environment that keeps git away from the user's settings and
// gives it a fixed identity. Submodules may be cloned from local folders.
func Env() []string {
	return []string{
		"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_ATTR_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ada Lovelace", "GIT_AUTHOR_EMAIL=ada@example.org",
		"GIT_COMMITTER_NAME=Ada Lovelace", "GIT_COMMITTER_EMAIL=ada@example.org",
		"GIT_TERMINAL_PROMPT=0", "LC_ALL=C", "TZ=UTC",
		"GIT_ALLOW_PROTOCOL=file:http:https:ssh:git",
	}
}

// unset are the variables of a git that may be running this test, as a hook
// does.
var unset = []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY",
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"}

// Isolate puts Env into this process, for a TestMain whose tests run code that
// runs git itself.
func Isolate() error {
	for _, k := range unset {
		if err := os.Unsetenv(k); err != nil {
			return err
		}
	}
	for _, kv := range Env() {
		k, v, _ := strings.Cut(kv, "=")
		if err := os.Setenv(k, v); err != nil {
			return err
		}
	}
	return nil
}

// New makes an empty repository with the branch main in a temporary folder.
func New(t TB) *Repo {
	t.Helper()
	r := &Repo{Dir: filepath.Join(t.TempDir(), "repo"), t: t, now: start}
	r.run(".", nil, "init", "--quiet", "--initial-branch=main", "--template=", r.Dir)
	return r
}

// At gives the helpers for a repository that exists already, such as a clone.
func At(t TB, dir string) *Repo { return &Repo{Dir: dir, t: t, now: start} }

// Git runs git in the repository and gives its output without the final newline.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	return r.run(r.Dir, nil, args...)
}

// GitEnv is Git with further environment variables (KEY=VALUE).
func (r *Repo) GitEnv(env []string, args ...string) string {
	r.t.Helper()
	return r.run(r.Dir, env, args...)
}

func (r *Repo) run(dir string, env []string, args ...string) string {
	r.t.Helper()
	date := fmt.Sprintf("%d +0000", r.now.Unix())
	env = append(append(Env(), "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date), env...)
	out, err := proc.Output(context.Background(), proc.Cmd{Args: append([]string{"git"}, args...), Dir: dir, Env: env, Unset: unset})
	if err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// Write writes a file of the working tree, making its folders.
func (r *Repo) Write(name, content string) {
	r.t.Helper()
	path := filepath.Join(r.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatalf("write %s: %v", name, err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		r.t.Fatalf("write %s: %v", name, err)
	}
}

// Commit commits everything in the working tree, changed or not, with a
// message in any encoding, and gives the commit's hash.
func (r *Repo) Commit(message string) string {
	r.t.Helper()
	return r.commit(nil, message)
}

// CommitBy is Commit by another author.
func (r *Repo) CommitBy(name, email, message string) string {
	r.t.Helper()
	return r.commit([]string{"GIT_AUTHOR_NAME=" + name, "GIT_AUTHOR_EMAIL=" + email}, message)
}

func (r *Repo) commit(env []string, message string) string {
	r.t.Helper()
	r.now = r.now.Add(time.Minute)
	r.Git("add", "--all")
	r.GitEnv(env, "commit", "--quiet", "--allow-empty", "--allow-empty-message", "--cleanup=verbatim", "--message="+message)
	return r.Git("rev-parse", "HEAD")
}

// WriteCommit writes one file and commits it.
func (r *Repo) WriteCommit(name, content, message string) string {
	r.t.Helper()
	r.Write(name, content)
	return r.Commit(message)
}

// Tag makes a lightweight tag of HEAD.
func (r *Repo) Tag(name string) {
	r.t.Helper()
	r.Git("tag", "--", name)
}

// Annotate makes an annotated tag of HEAD, or of another object (which may be
// a tag).
func (r *Repo) Annotate(name, message string, object ...string) {
	r.t.Helper()
	r.now = r.now.Add(time.Minute)
	r.Git(append([]string{"tag", "--annotate", "--message=" + message, "--", name}, object...)...)
}

// Branch makes a branch at HEAD and switches to it.
func (r *Repo) Branch(name string) {
	r.t.Helper()
	r.Git("switch", "--quiet", "--create", name)
}

// Switch switches to a branch.
func (r *Repo) Switch(name string) {
	r.t.Helper()
	r.Git("switch", "--quiet", name)
}

// Merge merges a branch into the current one with a merge commit and gives its
// hash.
func (r *Repo) Merge(branch, message string) string {
	r.t.Helper()
	r.now = r.now.Add(time.Minute)
	r.Git("merge", "--quiet", "--no-ff", "--message="+message, branch)
	return r.Git("rev-parse", "HEAD")
}

// Remote makes a bare repository, adds it as the remote origin, pushes all
// branches and tags to it, and gives its folder.
func (r *Repo) Remote() string {
	r.t.Helper()
	dir := filepath.Join(r.t.TempDir(), "remote.git")
	r.run(".", nil, "init", "--quiet", "--bare", "--initial-branch=main", "--template=", dir)
	r.Git("remote", "add", "origin", dir)
	r.Push()
	return dir
}

// Push pushes all branches and tags to origin.
func (r *Repo) Push() {
	r.t.Helper()
	r.Git("push", "--quiet", "--force", "origin", "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*")
}

// Clone clones the repository into a new
// temporary folder, through the file protocol, so that --depth works.
func (r *Repo) Clone(options ...string) *Repo {
	r.t.Helper()
	clone := &Repo{Dir: filepath.Join(r.t.TempDir(), "clone"), t: r.t, now: r.now}
	r.run(".", nil, append(append([]string{"clone", "--quiet"}, options...), "--", "file://"+r.Dir, clone.Dir)...)
	return clone
}
