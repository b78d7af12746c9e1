package git_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/git/gittest"
)

func known(t *testing.T, r *git.Repo, before string, names ...string) string {
	t.Helper()
	var emails []string
	for _, n := range names {
		emails = append(emails, n+"@example.org")
	}
	got := must[map[string]bool](t)(r.KnownAuthors(t.Context(), before, emails))
	var found []string
	for i, e := range emails {
		if got[e] {
			found = append(found, names[i])
		}
	}
	return strings.Join(found, " ")
}

// First-timers are told from known authors; the cache that makes it quick is
// believed only when it is whole and belongs to this history.
func TestKnownAuthors(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.CommitBy("Ada", "ada@example.org", "one")
	src.CommitBy("Bob", "Bob@Example.org", "two")
	src.Tag("v1")
	src.CommitBy("Cyd", "cyd@example.org", "three")
	src.Tag("v2")
	src.CommitBy("Dan", "dan@example.org", "four")
	r := open(t, src.Dir)
	cache := filepath.Join(r.CommonDir(), "slipway", "authors")
	check := func(before, want string) {
		t.Helper()
		if got := known(t, r, before, "ada", "bob", "cyd", "dan"); got != want {
			t.Errorf("before %s: %q, want %q", before, got, want)
		}
	}
	if got := known(t, r, "v1", "ada", "bob"); got != "ada bob" {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(cache); err == nil {
		t.Error("authors are kept though not all of the history was read")
	}
	check("v1", "ada bob") // keeps v1's authors
	check("v1", "ada bob")
	check("v2", "ada bob cyd") // goes on from v1's
	check("v1", "ada bob")     // v2's cache is of no use for v1
	check("", "")
	good := must[[]byte](t)(os.ReadFile(cache))
	for name, content := range map[string]string{
		"cut":           string(good[:len(good)-5]),
		"added to":      string(good) + "\ncyd@example.org",
		"garbage":       "\x00\xff\n\n\n\n\n",
		"empty":         "",
		"another's tip": strings.Replace(string(good), src.Git("rev-parse", "v1"), src.Git("rev-parse", "v2"), 1),
	} {
		if err := os.WriteFile(cache, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		check("v1", "ada bob")
		if got := must[[]byte](t)(os.ReadFile(cache)); string(got) != string(good) {
			t.Errorf("a cache that was %s is not mended:\n%s", name, got)
		}
	}
	// A new .mailmap changes who is who.
	src.CommitBy("Dan", "dan@example.org", "five")
	src.WriteCommit(".mailmap", "Eve <eve@example.org> <ada@example.org>\n", "six")
	if got := known(t, r, "HEAD", "ada", "bob", "eve", "zoe"); got != "bob eve" {
		t.Errorf("after a new .mailmap: %q", got)
	}
	if got := known(t, r, "v1", "eve"); got != "" {
		t.Errorf("before the .mailmap, %q is known", got)
	}
}

// A repository that can't be written to still answers.
func TestKnownAuthorsWithoutCache(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.Commit("one")
	src.Write(".git/slipway", "in the way")
	if got := known(t, open(t, src.Dir), "HEAD", "ada", "zoe"); got != "ada" {
		t.Errorf("%q", got)
	}
}

// What a shallow clone knows of authors is not kept for the deepened one.
func TestKnownAuthorsShallow(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	src.CommitBy("Bob", "bob@example.org", "one")
	src.Commit("two")
	r := open(t, src.Clone("--depth=1").Dir)
	if got := known(t, r, "HEAD", "ada", "bob"); got != "ada" {
		t.Errorf("shallow: %q", got)
	}
	if err := r.Deepen(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if got := known(t, r, "HEAD", "ada", "bob"); got != "ada bob" {
		t.Errorf("deepened: %q", got)
	}
}
