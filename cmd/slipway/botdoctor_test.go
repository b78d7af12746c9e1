package main

import (
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// doctor finds what is wrong between a bot and a real Gitea, and says what to
// do; where all is well it says so.
func TestBotDoctor(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{deaf: true})
	said := func(want int, texts ...string) {
		t.Helper()
		out, code := s.run(t, "doctor")
		if code != want {
			t.Errorf("exit code %d, want %d\n%s", code, want, out)
		}
		for _, text := range texts {
			if !strings.Contains(out, text) {
				t.Errorf("%q is not in\n%s", text, out)
			}
		}
	}
	s.begin(t)
	said(1, "webhook of "+s.repo.FullName()+": there is none to "+s.hook(), "issue_comment")

	wrong := s.repo.AddHook(t, s.hook(), "a guess", hookEvents...)
	said(1, "signed with another secret")
	s.repo.RemoveHook(t, wrong)

	unsigned := s.repo.AddHook(t, s.hook(), "", hookEvents...)
	said(1, "without a signature")
	s.repo.RemoveHook(t, unsigned)

	few := s.repo.AddHook(t, s.hook(), botSecret, "push", "issue_comment")
	said(0, "it sends no ", "pull_request_comment")
	s.repo.RemoveHook(t, few)

	s.repo.AddHook(t, s.hook(), botSecret, hookEvents...)
	said(0, "it arrived, and its signature is right", "database: it answers", "it may write", "they agree", "with all events")
	s.stop(t)
	said(0, "none answers at")
}

// A token without the rights is found out by doctor.
func TestBotDoctorOnTokens(t *testing.T) {
	t.Parallel()
	g := realtest.Gitea(t)
	for token, want := range map[string]string{g.ReadOnlyToken(t): "may not write", "0123456789012345678901234567890123456789": "does not accept it"} {
		s := newBotGitea(t, rig{deaf: true, token: token})
		s.start(t)
		if out, code := s.run(t, "doctor"); code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, want 1 and %q\n%s", code, want, out)
		}
		s.kill()
	}
}

// A Gitea that sends nothing to private addresses is found out: its setting is
// named.
func TestBotDoctorOnAllowedHosts(t *testing.T) {
	t.Parallel()
	g := realtest.GiteaWith(t, map[string]map[string]string{"security": {"ALLOWED_HOST_LIST": "external"}})
	repo := g.CreateRepo(t, "bot")
	repo.Push(t, quickProject(t))
	b := newBot(t, giteaForge(g.URL, g.Admin, ", host-builds: allow", repo.FullName()), "")
	repo.AddHook(t, b.hook(), botSecret, hookEvents...)
	b.start(t)
	if out, code := b.run(t, "doctor"); code != 1 || !strings.Contains(out, "ALLOWED_HOST_LIST") || !strings.Contains(out, "did not arrive") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
