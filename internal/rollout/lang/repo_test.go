package lang_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
)

// repo.ocu.star: with functions or with variables, or not there at all.
func TestRepo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want lang.Repo
		err  string
	}{
		"functions": {"ocuroot(\"0.3.0\")\nrepo_alias(\"github.com/acme/app\")\nv = host.env()\nstore.set(store.git(v[\"STATE\"], branch=\"state\", create_branch=False, support_files={\"a/b\": \"c\"}), intent=store.fs(\".store/intent\"))\nremotes([\"https://a\", \"https://b\"])",
			lang.Repo{Alias: "github.com/acme/app", State: &lang.Store{Git: "https://git/state", Branch: "state", Files: map[string]string{"a/b": "c"}}, Intent: &lang.Store{Dir: ".store/intent"}, Remotes: []string{"https://a", "https://b"}}, ""},
		"variables": {"repo_alias = \"app\"\nstate_store = store.local(\"app_state\")\nintent_store = None\ndef t(commit):\n    pass\ntrigger(t)",
			lang.Repo{Alias: "app", State: &lang.Store{Local: "app_state"}, Trigger: lang.Function{Name: "t", File: "repo.ocu.star", Line: 4}}, ""},
		"in a function": {"def s():\n    store.set(store.fs(\"x\"))\ns()\nregister_environment(environment(\"e\"))", lang.Repo{State: &lang.Store{Dir: "x"}, Environments: []lang.Environment{{Name: "e", Attributes: map[string]string{}}}}, ""},
		"nothing":       {"", lang.Repo{}, ""},
		"alias":         {"repo_alias(\"a/-/b\")", lang.Repo{}, "repo.ocu.star:1:12: the alias \"a/-/b\" can't name a repository"},
		"alias, @":      {"repo_alias = \"a@b\"", lang.Repo{}, "repo.ocu.star:1:1: repo_alias \"a@b\" can't name a repository"},
		"no store":      {"store.set(\"x\")", lang.Repo{}, "repo.ocu.star:1:11: state is a string, not a store"},
		"no store, var": {"state_store = 3", lang.Repo{}, "repo.ocu.star:1:1: state_store is an int, not a store"},
		"option":        {"store.git(\"--upload-pack=x\")", lang.Repo{}, "repo.ocu.star:1:11: \"--upload-pack=x\" is no address of a repository"},
		"branch":        {"store.git(\"https://a\", branch=\"-x\")", lang.Repo{}, "repo.ocu.star:1:24: \"-x\" is no name of a branch"},
		"files":         {"store.git(\"https://a\", support_files={\"../x\": \"\"})", lang.Repo{}, "repo.ocu.star:1:24: support_files: \"../x\" is no path"},
		"trigger":       {"def t():\n    pass\ntrigger(t)", lang.Repo{}, "repo.ocu.star:3:9: the trigger is called with one argument, the commit, and t takes 0"},
		"trigger, two":  {"def t(a, b):\n    pass\ntrigger(t)", lang.Repo{}, "repo.ocu.star:3:9: the trigger is called with one argument"},
		"work":          {"def t(a):\n    pass\ncall(t, \"x\")", lang.Repo{}, "repo.ocu.star:3:1: call() belongs in a package file"},
		"syntax":        {"store.set(store.git(\"a\" \"b\"))", lang.Repo{}, "repo.ocu.star:1:24: a comma is missing after \"a\""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options("repo.ocu.star", test.text)
			o.Host = &machine{env: map[string]string{"STATE": "https://git/state"}}
			got, err := lang.LoadRepo(t.Context(), o)
			if test.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.err) || release.KindOf(err) != release.Invalid {
					t.Fatalf("got %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Repo); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The trigger gets the commit; what it returns says nothing.
func TestTrigger(t *testing.T) {
	t.Parallel()
	o := options("repo.ocu.star", "def t(commit):\n    if commit == \"bad\":\n        fail(\"no\")\n    host.shell(\"go \" + commit)\ntrigger(t)")
	m := &machine{}
	o.Host = m
	r, err := lang.LoadRepo(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.CallTrigger(t.Context(), "c0ffee", o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"go c0ffee"}, m.texts()); diff != "" {
		t.Error(diff)
	}
	if err := r.CallTrigger(t.Context(), "bad", o); err == nil || err.Error() != "repo.ocu.star:3:9: fail: no" || release.KindOf(err) != release.Failed {
		t.Errorf("got %v", err)
	}
	o.Root = files("x", "")
	r, err = lang.LoadRepo(t.Context(), o)
	if err != nil || r.State != nil || r.Alias != "" {
		t.Errorf("%+v %v", r, err)
	}
	if err := r.CallTrigger(t.Context(), "x", o); err == nil || !strings.Contains(err.Error(), "has no trigger") {
		t.Errorf("got %v", err)
	}
}
