package git_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/releasenotes"
)

func logOf(t testing.TB, r *git.Repo, from, to string, paths ...string) []releasenotes.Commit {
	t.Helper()
	var log []releasenotes.Commit
	err := r.Log(t.Context(), from, to, paths, func(c releasenotes.Commit) error {
		log = append(log, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func subjects(log []releasenotes.Commit) []string {
	var s []string
	for _, c := range log {
		s = append(s, c.Subject)
	}
	return s
}

// A commit comes whole: parents, author, date, subject and body.
func TestLogCommit(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	first := src.Commit("feat: one")
	second := src.CommitBy("Zoë", "zoe@example.org", "\n\nfix(api): two\nsecond line\n\nbody\n\nReviewed-by: x\n\n")
	got := logOf(t, open(t, src.Dir), "", "HEAD")
	want := []releasenotes.Commit{
		{Hash: second, Parents: []string{first}, Name: "Zoë", Email: "zoe@example.org", Time: time.Date(2024, 1, 1, 0, 2, 0, 0, time.UTC),
			Subject: "fix(api): two", Body: "second line\n\nbody\n\nReviewed-by: x"},
		{Hash: first, Parents: []string{}, Name: "Ada Lovelace", Email: "ada@example.org", Time: time.Date(2024, 1, 1, 0, 1, 0, 0, time.UTC), Subject: "feat: one"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Ranges over merges and from a commit that is no ancestor are git's ranges.
func TestLogRange(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.WriteCommit("a", "", "a")
	src.Tag("v1")
	src.Branch("side")
	src.WriteCommit("s", "", "s")
	src.Tag("side1")
	src.Switch("main")
	src.WriteCommit("b", "", "b")
	src.Merge("side", "m")
	src.WriteCommit("c", "", "c")
	src.Branch("other")
	src.WriteCommit("o", "", "o")
	r := open(t, src.Dir)
	for _, c := range []struct{ from, to, want string }{
		{"", "main", "c m s b a"},
		{"v1", "main", "c m s b"},
		{"side1", "main", "c m b"},
		{"other", "v1", ""},
		{"main", "main", ""},
		{"side", "other", "o c m b"},
		{"main", "side1", ""},
	} {
		if got := strings.Join(subjects(logOf(t, r, c.from, c.to)), " "); got != c.want {
			t.Errorf("%s..%s is %q, want %q", c.from, c.to, got, c.want)
		}
	}
	if got := subjects(logOf(t, open(t, src.Remote()), "v1", "main")); len(got) != 4 {
		t.Errorf("in a bare repository: %q", got)
	}
}

// Log keeps lines of history together, children before parents, even when
// clocks were wrong.
func TestLogIsTopological(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	for i, name := range []string{"a", "b", "c"} {
		date := fmt.Sprintf("GIT_COMMITTER_DATE=%d +0000", 2_000_000_000-i*1000) // backwards
		src.GitEnv([]string{date}, "commit", "-q", "--allow-empty", "-m", name)
	}
	var got []string
	err := open(t, src.Dir).Log(t.Context(), "", "HEAD", nil, func(c releasenotes.Commit) error {
		got = append(got, c.Subject)
		return nil
	})
	if err != nil || !cmp.Equal(got, []string{"c", "b", "a"}) {
		t.Errorf("%q, %v", got, err)
	}
}

// A monorepo's part sees only the commits that touch it.
func TestLogPaths(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.WriteCommit("cli/main.go", "1", "cli")
	src.Tag("cli/v1")
	src.WriteCommit("lib/a/x.go", "1", "lib")
	src.WriteCommit("lib/b/y.txt", "1", "text")
	src.WriteCommit("cli/main.go", "2", "cli again")
	r := open(t, filepath.Join(src.Dir, "lib"))
	for paths, want := range map[string]string{
		"cli":         "cli again,cli",
		"cli/":        "cli again,cli",
		"lib/**/*.go": "lib",
		"*.go":        "",
		"cli lib/b":   "cli again,text,cli",
		".":           "cli again,text,lib,cli",
		"nowhere":     "",
		":!cli":       "text,lib",
		"--all":       "",
	} {
		if got := strings.Join(subjects(logOf(t, r, "", "main", strings.Fields(paths)...)), ","); got != want {
			t.Errorf("%s: %q, want %q", paths, got, want)
		}
	}
	err := r.Log(t.Context(), "", "main", []string{"../x"}, func(releasenotes.Commit) error { return nil })
	wantInvalid(t, err, "lead out of the repository", "../x")
}

// Any encoding comes out as UTF-8, declared or not, and lengths are bounded.
func TestLogEncodings(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.GitEnv(nil, "-c", "i18n.commitEncoding=ISO-8859-15", "commit", "-q", "--allow-empty", "-m", "10 \xa4 caf\xe9")
	src.Commit("雪 ünï \U0001F680")
	raw := filepath.Join(t.TempDir(), "raw")
	object := fmt.Sprintf("tree %s\nauthor A\xe9 <a@b> 1 +0000\ncommitter C <c@d> 99999999999999999999 +0000\n\n\x80 caf\xe9\x00after\nbody", src.Git("write-tree"))
	if err := os.WriteFile(raw, []byte(object), 0o644); err != nil {
		t.Fatal(err)
	}
	odd := src.Git("hash-object", "-t", "commit", "-w", "--literally", raw)
	r := open(t, src.Dir)
	if got, want := subjects(logOf(t, r, "", "HEAD")), []string{"雪 ünï \U0001F680", "10 € café"}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	got := logOf(t, r, "", odd)
	if len(got) != 1 || got[0].Name != "Aé" || got[0].Subject != "€ café" {
		t.Errorf("undeclared bytes and a NUL gave %+v", got)
	}
	big := src.Git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-F", bigFile(t, 3<<20))
	got = logOf(t, r, "HEAD", big)
	if len(got) != 1 || len(got[0].Subject) != 1<<20 {
		t.Errorf("a message of 3 MiB gave %d commits, %d bytes", len(got), len(got[0].Subject))
	}
}

func bigFile(t *testing.T, size int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(name, []byte(strings.Repeat("x", size)), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// The .mailmap of the commit that is asked for counts, not the working tree's.
func TestLogMailmap(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.CommitBy("ada", "old@example.org", "one")
	src.WriteCommit(".mailmap", "Ada L <ada@new.org> <old@example.org>\n", "two")
	src.Write(".mailmap", "Wrong <wrong@new.org> <old@example.org>\n")
	for _, dir := range []string{src.Dir, src.Remote()} {
		log := logOf(t, open(t, dir), "", "main")
		if got := log[1]; got.Name != "Ada L" || got.Email != "ada@new.org" {
			t.Errorf("author is %s <%s>", got.Name, got.Email)
		}
		if got := logOf(t, open(t, dir), "", "main~1")[0]; got.Email != "old@example.org" {
			t.Errorf("before the .mailmap, the author is %s", got.Email)
		}
	}
}

func TestLogStopsAndFails(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	r := open(t, src.Dir)
	nothing := func(releasenotes.Commit) error { return nil }
	wantInvalid(t, r.Log(t.Context(), "", "HEAD", nil, nothing), "there is no commit")
	src.Commit("a")
	src.Commit("b")
	n, boom := 0, errors.New("boom")
	if err := r.Log(t.Context(), "", "HEAD", nil, func(releasenotes.Commit) error { n++; return fs.SkipAll }); err != nil || n != 1 {
		t.Errorf("SkipAll stopped after %d, %v", n, err)
	}
	if err := r.Log(t.Context(), "", "HEAD", nil, func(releasenotes.Commit) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("yield's error became %v", err)
	}
	wantInvalid(t, r.Log(t.Context(), "", strings.Repeat("1", 40), nil, nothing), "there is no commit \"1111")
	wantInvalid(t, r.Log(t.Context(), "v0.9", "HEAD", nil, nothing), "there is no commit \"v0.9\"")
	wantInvalid(t, r.Log(t.Context(), "--all", "HEAD", nil, nothing), "starts with -")
}
