package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// rolloutPackage deploys to staging, then to production; each deploy notes
// itself in a file, and waits for as long as gate exists. more goes before the
// phase of production.
func (w work) rolloutPackage(more string) string {
	return fmt.Sprintf(`slipway("1")
register_environment(environment("staging", {"type": "staging"}))
register_environment(environment("production", {"type": "prod"}))
def up(environment, version):
    host.shell("echo up {} {} >> %[1]s; while [ -e %[2]s.{} ]; do sleep 0.02; done; test ! -e %[2]s.fail".format(environment["name"], version, environment["name"]))
    return done()
def down(environment, version):
    host.shell("echo down {} >> %[1]s".format(environment["name"]))
    return done()
def to(kind):
    return [deploy(up=up, down=down, environment=e, inputs={"version": input(ref="./release#output/version")}) for e in environments() if e.attributes["type"] == kind]
phase("staging", work=to("staging"))
%[3]s
phase("production", work=to("prod"))
`, w.runs, w.gate, more)
}

// rolloutFiles are a project with a release package.
func (w work) rolloutFiles(more string) map[string]string {
	return map[string]string{
		"release.ocu.star": w.rolloutPackage(more),
		".slipway.yaml": `project: hello
rollout: [{package: release.ocu.star}]
builds: [{id: hello, builder: command, platforms: [linux/amd64], run: 'printf hello > {output}'}]
`,
	}
}

// deployed is what the deploys have noted.
func (w work) deployed(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(w.runs)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Join(strings.Split(strings.TrimSpace(string(data)), "\n"), ", ")
}

func (s *botHub) write(t *testing.T, files map[string]string, message string) string {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.git(t, "add", "--all")
	s.git(t, "commit", "--quiet", "--allow-empty", "--message", message)
	s.pushRefs(t, "HEAD:refs/heads/main")
	return s.git(t, "rev-parse", "HEAD")
}

// rollout is the state of a commit's slipway/rollout.
func (s *botHub) rollout(commit string) string {
	for _, st := range s.repo.Statuses(commit) {
		if st.Context == "slipway/rollout" {
			return st.State
		}
	}
	return ""
}

// Promise: a tag becomes a release, and the release is carried to its
// environments by the release package of its config, once; the forge shows each
// deploy, and the commit how the rollout went.
func TestBotRollsOutOnGitHub(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotHub(t, hubRig{})
	s.begin(t)
	commit := s.write(t, w.rolloutFiles(""), "feat: roll out")
	s.pushTags(t, "v1.0.0")
	s.settled(t, "rollout", "[rollout v1.0.0 done]")
	if got := w.deployed(t); got != "up staging 1.0.0, up production 1.0.0" {
		t.Errorf("deployed: %s", got)
	}
	eventually(t, "the status is success", func() bool { return s.rollout(commit) == "success" })
	deployments := func() string {
		var all []string
		for _, d := range s.repo.Deployments() {
			for _, st := range d.Statuses {
				all = append(all, d.Environment+" "+st.State)
			}
		}
		return strings.Join(all, ", ")
	}
	if got := deployments(); got != "staging in_progress, staging success, production in_progress, production success" {
		t.Errorf("deployments: %s", got)
	}
}

// rolledOut waits until the rollouts are these, and nothing more.
func (s *botGitea) rolledOut(t *testing.T, want string) {
	t.Helper()
	s.settled(t, "rollout", want)
}

// rolloutStatus waits for the commit's slipway/rollout to have a state.
func (s *botGitea) rolloutStatus(t *testing.T, commit, want string) {
	t.Helper()
	eventually(t, "the rollout's status is "+want, func() bool { return s.repo.Statuses(t, commit)["slipway/rollout"] == want })
}

// Promise: a rollout waits for an approval without keeping a worker; who may not
// approve is refused, by the forge's permission or by the package; with the
// approval it goes on by itself.
func TestBotApproves(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{bot: "workers: 1"})
	s.begin(t)
	commit := s.push(t, w.rolloutFiles(fmt.Sprintf("approval(by=[%q])", s.login)), "feat: roll out")
	s.pushTags(t, "v1.0.0")
	s.rolledOut(t, "[rollout v1.0.0 waiting]")
	s.rolloutStatus(t, commit, "pending")
	issue := s.repo.OpenIssue(t, "release")
	nils, token := s.repo.AddUser(t, "nils", "write")
	_, reader := s.repo.AddUser(t, "rosa", "read")
	for who, want := range map[string]string{token: nils + " may not approve", reader: "it needs write"} {
		before := len(s.answers(t, issue))
		s.repo.Comment(t, who, issue, "/approve")
		eventually(t, "it is answered", func() bool { return len(s.answers(t, issue)) > before })
		s.answer(t, issue, want)
	}
	s.ask(t, issue, "/approve v9", "there is no release v9")
	if got := w.deployed(t); got != "up staging 1.0.0" {
		t.Fatalf("deployed: %s", got)
	}
	s.ask(t, issue, "/status", "approval")
	s.ask(t, issue, "/approve", s.login+" approves r1 of release.ocu.star")
	s.rolledOut(t, "[rollout v1.0.0 done]")
	s.rolloutStatus(t, commit, "success")
	if got := w.deployed(t); got != "up staging 1.0.0, up production 1.0.0" {
		t.Errorf("deployed: %s", got)
	}
}

// Promise: what is frozen is not deployed to until then, or until it is lifted;
// then the rollout goes on by itself.
func TestBotFreezes(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{})
	s.begin(t)
	s.push(t, w.rolloutFiles(""), "feat: roll out")
	s.pushTags(t, "v1.0.0")
	s.rolledOut(t, "[rollout v1.0.0 done]")
	issue := s.repo.OpenIssue(t, "release")
	s.ask(t, issue, "/freeze nowhere", "there is no environment nowhere")
	s.ask(t, issue, "/freeze until 2020-01-01", "2020-01-01 is past")
	s.ask(t, issue, "/freeze production until tomorrow Europe/Paris because of the *fair*", `(of the \*fair\*)`)
	commit := s.push(t, nil, "feat: more")
	s.pushTags(t, "v1.1.0")
	s.rolledOut(t, "[rollout v1.0.0 done rollout v1.1.0 waiting]")
	s.rolloutStatus(t, commit, "pending")
	s.ask(t, issue, "/status", "production is frozen until")
	s.ask(t, issue, "/unfreeze staging", "Nothing was frozen")
	s.ask(t, issue, "/unfreeze production", "No longer frozen: production")
	s.rolledOut(t, "[rollout v1.0.0 done rollout v1.1.0 done]")
	s.ask(t, issue, "/freeze until 4s", "All environments are frozen until")
	s.push(t, nil, "feat: again")
	s.pushTags(t, "v1.2.0")
	s.rolledOut(t, "[rollout v1.0.0 done rollout v1.1.0 done rollout v1.2.0 done]")
	if got := s.log.count(`"kind":"rollout"`); got == 0 || !strings.Contains(w.deployed(t), "up production 1.2.0") {
		t.Errorf("deployed: %s", w.deployed(t))
	}
}

// Promise: a release is deployed to an environment, or an environment rolled
// back, on request; with the inputs that it had then.
func TestBotRollsBack(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{})
	s.begin(t)
	s.push(t, w.rolloutFiles(""), "feat: roll out")
	s.pushTags(t, "v1.0.0")
	s.rolledOut(t, "[rollout v1.0.0 done]")
	s.push(t, nil, "feat: more")
	s.pushTags(t, "v1.1.0")
	s.rolledOut(t, "[rollout v1.0.0 done rollout v1.1.0 done]")
	before := w.deployed(t)
	issue := s.repo.OpenIssue(t, "release")
	s.ask(t, issue, "/rollback nowhere", "there is no environment nowhere")
	s.ask(t, issue, "/rollback production", "production has r1 of release.ocu.star")
	s.ask(t, issue, "/deploy v1.1.0 to production", "production has r2 of release.ocu.star")
	s.ask(t, issue, "/promote v1.0.0 to staging", "staging has r1 of release.ocu.star")
	s.ask(t, issue, "/deploy v9 to staging", "there is no release v9")
	want := before + ", up production 1.0.0, up production 1.1.0, up staging 1.0.0"
	if got := w.deployed(t); got != want {
		t.Errorf("deployed: %s, want %s", got, want)
	}
	if got := s.ask(t, issue, "/status", "This runs"); !strings.Contains(got, "| `staging` | `release.ocu.star` | `r1 (rolled back)` |") {
		t.Errorf("the status is\n%s", got)
	}
}

// Promise: a bot that is killed in the middle of a rollout goes on with it: the
// same release, and nothing that was complete is run again. A failed deploy is
// tried again by /retry, and a rollout is ended by /cancel.
func TestBotGoesOnWithRollout(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{})
	s.begin(t)
	gate := w.gate + ".production"
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.push(t, w.rolloutFiles(""), "feat: roll out")
	s.pushTags(t, "v1.0.0")
	eventually(t, "production is deployed to", func() bool { return w.deployed(t) == "up staging 1.0.0, up production 1.0.0" })
	s.kill()
	s.start(t)
	eventually(t, "production is deployed to again", func() bool { return w.deployed(t) == "up staging 1.0.0, up production 1.0.0, up production 1.0.0" })
	issue := s.repo.OpenIssue(t, "release")
	s.ask(t, issue, "/cancel", "rolling out v1.0.0 with release.ocu.star is cancelled")
	s.rolledOut(t, "[rollout v1.0.0 cancelled]")
	if err := os.WriteFile(w.gate+".fail", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(gate); err != nil {
		t.Fatal(err)
	}
	s.ask(t, issue, "/retry", "rolling out v1.0.0 with release.ocu.star is tried again")
	s.rolledOut(t, "[rollout v1.0.0 failed]")
	if err := os.Remove(w.gate + ".fail"); err != nil {
		t.Fatal(err)
	}
	s.ask(t, issue, "/retry", "is tried again")
	s.rolledOut(t, "[rollout v1.0.0 done]")
	if got := w.deployed(t); strings.Count(got, "staging") != 1 || strings.Count(got, "production") != 4 {
		t.Errorf("deployed: %s", got)
	}
	if got := s.ask(t, issue, "/status", "This runs"); !strings.Contains(got, "`r1`") {
		t.Errorf("the status is\n%s", got)
	}
}

// Promise: a package that never ends, takes all memory, looks for the bot's
// secrets or reaches into its network does not hurt the bot, and says so.
func TestBotOutlivesPackages(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{bot: "rollout-memory: 64\nrollout-time: 60s"})
	s.env = append(s.env, "BOT_HIDDEN=a secret of the bot's")
	s.begin(t)
	files := newWork(t).rolloutFiles("")
	for i, tt := range []struct{ body, want string }{
		{"    x = 0\n    for i in range(1000000):\n        for j in range(1000000):\n            x += j", "an endless loop?"},
		{"    x = []\n    for i in range(1000000):\n        x.append('y' * 1000000)", "memory"},
		{"    fail('|' + str(sorted(host.env().keys())) + str(host.env().get('BOT_HIDDEN')) + host.shell('env').stdout)", "|[\"HOME\", \"PATH\""},
		{fmt.Sprintf("    http.get(%q)", s.repo.Server.URL), "it is no public address"},
		{"    host.shell('sleep 600')", "the rollout took longer than 1m0s"},
	} {
		files["release.ocu.star"] = "ocuroot(\"0.3.0\")\ndef run(ctx):\n" + tt.body + "\n    return done()\ncall(run, name=\"run\")\n"
		s.push(t, files, "feat: another")
		tag := fmt.Sprintf("v1.%d.0", i)
		s.pushTags(t, tag)
		eventually(t, tag+" has failed", func() bool { return strings.Contains(fmt.Sprint(s.operations(t, "rollout")), "rollout "+tag+" failed") })
		got := fmt.Sprint(s.list(t, "operations", "--limit", "1"))
		if !strings.Contains(got, tt.want) || strings.Contains(got, "a secret of the bot's") {
			t.Errorf("%s: it says %s, want %q", tt.body, got, tt.want)
		}
	}
	if s.get("/readyz") != 200 {
		t.Error("the bot is not ready")
	}
}

// Promise: scripts run in an image of the bot's config, with the commit's files,
// never plain on the bot's machine unless that is allowed; without an image they
// are refused, with the settings that would help.
func TestBotRollsOutInImages(t *testing.T) {
	t.Parallel()
	image := realtest.BaseImage(t, realtest.Registry(t))
	w := newWork(t)
	s := newBotGitea(t, rig{forge: "host-builds: refuse, rollout-env: [GIVEN]", bot: "builder: " + realtest.BuildKit(t)})
	s.env = append(s.env, "GIVEN=a key")
	s.begin(t)
	files := w.rolloutFiles("")
	files[".slipway.yaml"] = strings.Replace(files[".slipway.yaml"], "command, ", "command, image: "+image+", ", 1)
	files["deploy/release.ocu.star"] = fmt.Sprintf(`ocuroot("0.3.0")
def run(ctx):
    host.write_file("note", "kept")
    host.shell("test \"$(cat note)$(cat ../LICENSE)$GIVEN\" = 'keptfreea key' && ! test -e %s")
    return done()
call(run, name="run")
`, s.dir)
	files[".slipway.yaml"] = strings.Replace(files[".slipway.yaml"], "release.ocu.star", "deploy/release.ocu.star", 1)
	if err := os.Mkdir(filepath.Join(s.dir, "deploy"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.push(t, files, "feat: roll out")
	s.pushTags(t, "v1.0.0")
	s.rolledOut(t, "[rollout v1.0.0 failed]")
	if got := fmt.Sprint(s.list(t, "operations", "--state", "failed")); !strings.Contains(got, "may not run plain") {
		t.Errorf("it says %s", got)
	}
	s.stop(t)
	config := string(mustRead(t, s.config))
	if err := os.WriteFile(s.config, []byte(strings.Replace(config, "rollout-env:", "rollout-image: "+image+", rollout-env:", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	s.ask(t, s.repo.OpenIssue(t, "release"), "/retry", "is tried again")
	s.rolledOut(t, "[rollout v1.0.0 done]")
}

// Promise: where a workflow does the work, the bot tells how its rollout stands,
// by the state on the repository's branch; commands are written there, and the
// workflow that goes on is dispatched.
func TestBotLeavesRolloutsToWorkflows(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotHub(t, hubRig{forge: "work: workflow"})
	first, next := s.repo.AddWorkflow("slipway-release.yml", "release"), s.repo.AddWorkflow("slipway-rollout.yml", "rollout")
	s.begin(t)
	address := strings.Replace(s.server.CloneURL(hubName), "http://", "http://x:"+simforge.WriteToken+"@", 1)
	s.git(t, "remote", "add", "origin", address)
	commit := s.write(t, map[string]string{
		"release.ocu.star": strings.Replace(w.rolloutPackage(fmt.Sprintf("approval(by=[%q])", maria)), `input(ref="./release#output/version")`, `"1"`, 1),
		".slipway.yaml":    "project: hello\nrollout: [{package: release.ocu.star}]\nbuilds: [{id: hello, builder: command, run: 'printf hello > {output}'}]\n",
	}, "feat: roll out")
	slipway := func(code int, args ...string) {
		t.Helper()
		if out, got := tryRun(t, s.dir, s.env, append([]string{"slipway"}, args...)...); got != code {
			t.Fatalf("%v ended with %d:\n%s", args, got, out)
		}
	}
	s.pushTags(t, "v1.0.0")
	run := s.dispatched(t, first, 1)
	s.release(t, "v1.0.0")
	slipway(3, "release", "new", "release.ocu.star", "--tag", "v1.0.0", "--state", "git:origin") // as the run does
	if err := s.repo.EndRun(run.ID, "success"); err != nil {
		t.Fatal(err)
	}
	s.settled(t, "rollout", "[rollout v1.0.0 waiting]")
	s.comment(t, commit, "/approve")
	s.answer(t, commit, maria+" approves r1 of release.ocu.star")
	run = s.dispatched(t, next, 1)
	slipway(0, "work", "continue", "--state", "git:origin")
	if err := s.repo.EndRun(run.ID, "success"); err != nil {
		t.Fatal(err)
	}
	s.settled(t, "rollout", "[rollout v1.0.0 done]")
	eventually(t, "the status is success", func() bool { return s.rollout(commit) == "success" })
	s.comment(t, commit, "/deploy v1.0.0 to staging")
	run = s.dispatched(t, next, 2)
	slipway(0, "work", "continue", "--state", "git:origin")
	if err := s.repo.EndRun(run.ID, "success"); err != nil {
		t.Fatal(err)
	}
	s.answer(t, commit, "staging has r1 of release.ocu.star")
	if got := w.deployed(t); got != "up staging 1, up production 1, up staging 1" {
		t.Errorf("deployed: %s", got)
	}
}
