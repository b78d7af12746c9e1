package git_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/git/gittest"
)

func TestParseRemote(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://github.com/acme/hello.git":               "https://github.com acme hello",
		"https://github.com/acme/hello":                   "https://github.com acme hello",
		"https://github.com/acme/hello/":                  "https://github.com acme hello",
		"https://github.com/acme/hello.git/":              "https://github.com acme hello",
		"HTTPS://GitHub.com/Acme/Hello.git":               "https://github.com Acme Hello",
		"https://user:s3cr3t@github.com/acme/hello.git":   "https://github.com acme hello",
		"https://x-access-token:t@h.example:8443/a/b":     "https://h.example:8443 a b",
		"http://127.0.0.1:3000/acme/hello.git":            "http://127.0.0.1:3000 acme hello",
		"http://[::1]:3000/acme/hello":                    "http://[::1]:3000 acme hello",
		"ssh://git@gitea.example:2222/acme/hello.git":     "https://gitea.example acme hello",
		"ssh://git@ssh.github.com:443/acme/hello.git":     "https://github.com acme hello",
		"git+ssh://git@host.example/acme/hello":           "https://host.example acme hello",
		"git://host.example/acme/hello.git":               "https://host.example acme hello",
		"git@github.com:acme/hello.git":                   "https://github.com acme hello",
		"github.com:acme/hello":                           "https://github.com acme hello",
		"git@host.example:/acme/hello.git":                "https://host.example acme hello",
		"git@[::1]:acme/hello.git":                        "https://[::1] acme hello",
		"https://gitlab.example/group/sub/team/hello.git": "https://gitlab.example group/sub/team hello",
		"git@gitlab.example:group/sub/hello.git":          "https://gitlab.example group/sub hello",
		"https://github.com/acme/hello.github.io":         "https://github.com acme hello.github.io",
		"https://github.com/acme/.github":                 "https://github.com acme .github",
	} {
		server, owner, name, ok := git.ParseRemote(address)
		if got := strings.Join([]string{server, owner, name}, " "); !ok || got != want {
			t.Errorf("%s is %q (%v), want %q", address, got, ok, want)
		}
	}
	for _, address := range []string{
		"", "/srv/git/hello.git", "../hello", "file:///srv/git/acme/hello.git", `C:\git\acme\hello`, "C:/git/acme/hello", "https://github.com/hello",
		"https://github.com/", "https:///acme/hello", "git@host.example:hello.git", "https://host.example/../hello", "https://host.example/a//b",
		"https://host.example/a/b?x=1", "https://host.example/a/b#x", "https://host.example/a/$(id)", "https://host.example/a b/c", "https://ho st/a/b",
		"ext::sh -c id%/a/b", "https://host.example/a/.git", "https://host.example:port/a/b", "git@-oProxyCommand=x:a/b", "https://host.example/%2e%2e/b", "https://host.example/~/b",
	} {
		if server, owner, name, ok := git.ParseRemote(address); ok {
			t.Errorf("%q passes for %s %s/%s", address, server, owner, name)
		}
	}
}

// Whatever comes in, what comes out can be joined to a URL again and holds no
// credentials.
func FuzzParseRemote(f *testing.F) {
	for _, s := range []string{"https://u:p@h/a/b.git", "git@h:a/b", "ssh://h:22/a/b/c", "http://[::1]:1/a/b", "C:\\x", "h:..", "https://h/%2f/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		server, owner, name, ok := git.ParseRemote(address)
		if !ok {
			if server+owner+name != "" {
				t.Errorf("not ok, and yet %q %q %q", server, owner, name)
			}
			return
		}
		s2, o2, n2, ok := git.ParseRemote(server + "/" + owner + "/" + name + ".git")
		if !ok || s2 != server || o2 != owner || n2 != name {
			t.Errorf("%q gave %q %q %q, which gave %q %q %q", address, server, owner, name, s2, o2, n2)
		}
		if strings.Contains(server, "@") || strings.Contains(owner+name, "..") && strings.Contains(owner+"/"+name+"/", "/../") {
			t.Errorf("%q gave %q %q %q", address, server, owner, name)
		}
	})
}

// Remotes are read as git uses them, without user names and passwords.
func TestRemotes(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	r := open(t, src.Dir)
	if got := must[map[string]string](t)(r.Remotes(t.Context())); len(got) != 0 {
		t.Errorf("an empty repository has remotes %v", got)
	}
	src.Git("config", "url.https://github.com/.insteadOf", "gh:")
	src.Git("remote", "add", "origin", "https://user:s3cr3t@host.example:3000/acme/hello.git")
	src.Git("remote", "add", "up/stream", "gh:acme/hello")
	src.Git("remote", "add", "ssh", "ssh://git:s3cr3t@host.example/acme/hello")
	src.Git("remote", "add", "scp", "git@host.example:acme/hello")
	src.Git("remote", "set-url", "--push", "origin", "https://push.example/x/y")
	want := map[string]string{
		"origin":    "https://host.example:3000/acme/hello.git",
		"up/stream": "https://github.com/acme/hello",
		"ssh":       "ssh://git@host.example/acme/hello",
		"scp":       "git@host.example:acme/hello",
	}
	if d := cmp.Diff(want, must[map[string]string](t)(r.Remotes(t.Context()))); d != "" {
		t.Error(d)
	}
}
