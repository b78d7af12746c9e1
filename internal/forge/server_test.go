package forge

import (
	"strings"
	"testing"
)

// Addresses are taken as people write them, and never with a password in them.
func TestParseServer(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"github.com": "https://github.com", "https://Git.Example/": "https://git.example",
		"http://127.0.0.1:3000": "http://127.0.0.1:3000", " git.example/gitea/ ": "https://git.example/gitea",
		"[::1]:3000": "https://[::1]:3000",
	} {
		got, err := ParseServer(in)
		if err != nil || got.String() != want {
			t.Errorf("ParseServer(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "ssh://x.example", "https://u:secret@x.example", "https://u:secret@[x", "https://", "x.example?q", "x.example#f"} {
		got, err := ParseServer(in)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseServer(%q) = %v, %v; want an error without the password", in, got, err)
		}
	}
}

func TestSplitRepository(t *testing.T) {
	t.Parallel()
	if owner, name, err := SplitRepository("acme/hello.go_1-2"); err != nil || owner != "acme" || name != "hello.go_1-2" {
		t.Errorf("got %q %q %v", owner, name, err)
	}
	for _, in := range []string{"", "a", "a/", "/b", "a/b/c", "a/..", "./b", "a b/c", "a/b?x", "a/%2e"} {
		if _, _, err := SplitRepository(in); err == nil {
			t.Errorf("SplitRepository(%q) was taken", in)
		}
	}
}

// Tag names are git's.
func TestValidTag(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"v1.0.0", "cli/v1.2.0", "2026-01-02", "größe", "a@b", "v1.0.0+x", "$(id)", "'", "a;b", "a{b"} {
		if !ValidTag(name) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{
		"", "@", "-v", "a..b", "a b", "a~", "a^", "a:b", "a?", "a*", "a[", `a\b`, "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a@{b", "a\nb", "a\x7f",
	} {
		if ValidTag(name) {
			t.Errorf("%q is taken", name)
		}
	}
}

// No input panics or gives what is unsafe in a path.
func FuzzServerAndRepository(f *testing.F) {
	f.Add("https://git.example/x", "acme/hello")
	f.Fuzz(func(t *testing.T, server, repository string) {
		if u, err := ParseServer(server); err == nil && (u.Host == "" || u.User != nil || strings.HasSuffix(u.Path, "/")) {
			t.Errorf("ParseServer(%q) = %#v", server, u)
		}
		if owner, name, err := SplitRepository(repository); err == nil && (strings.ContainsAny(owner+name, "/?#% ") || name == "..") {
			t.Errorf("SplitRepository(%q) = %q, %q", repository, owner, name)
		}
	})
}
