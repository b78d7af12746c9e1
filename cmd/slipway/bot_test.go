package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// botUnderTest is a slipway bot that runs as a process of its own.
type botUnderTest struct {
	config string // its file
	listen string // host:port
	log    *logFile
	cmd    *exec.Cmd
	env    []string
	folder string
}

// logFile keeps what a process writes.
type logFile struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logFile) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

const botSecret = "a secret of webhooks"

// freePort is an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// newBot writes the config of a bot; forges is YAML for the key of that name,
// more is for others.
func newBot(t *testing.T, forges, more string) *botUnderTest {
	t.Helper()
	dir := t.TempDir()
	b := &botUnderTest{config: filepath.Join(dir, "bot.yaml"), listen: freePort(t), log: &logFile{}, env: cleanEnv(t, t.TempDir()), folder: dir}
	text := fmt.Sprintf("listen: %s\nurl: http://%s\ndata: %s\n%s\nforges:\n%s", b.listen, b.listen, filepath.Join(dir, "data"), more, forges)
	if err := os.WriteFile(b.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// giteaForge is the config of a Gitea whose builds may run on this machine.
func giteaForge(g *realtest.GiteaServer, token string, repositories ...string) string {
	return fmt.Sprintf("  - {kind: gitea, server: %q, token: %q, secrets: [another one, %q], repositories: [%s], host-builds: allow}\n",
		g.URL, token, botSecret, strings.Join(repositories, ", "))
}

func (b *botUnderTest) hook() string { return "http://" + b.listen + "/webhook" }

// start runs the bot and waits until it is ready.
func (b *botUnderTest) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command("slipway", "bot", "--config", b.config)
	cmd.Env, cmd.Stderr = b.env, b.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.cmd = cmd
	t.Cleanup(func() {
		b.kill()
		if t.Failed() || os.Getenv("BOTLOG") != "" {
			t.Logf("the bot's log:\n%s", b.log)
		}
	})
	eventually(t, "the bot is ready", func() bool {
		resp, err := http.Get("http://" + b.listen + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop ends the bot as a service manager does, and gives its exit code.
func (b *botUnderTest) stop(t *testing.T) int {
	t.Helper()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = b.cmd.Wait() // its code is looked at
	code := b.cmd.ProcessState.ExitCode()
	b.cmd = nil
	return code
}

func (b *botUnderTest) kill() {
	if b.cmd != nil {
		_ = b.cmd.Process.Kill() // it may have ended
		_ = b.cmd.Wait()
		b.cmd = nil
	}
}

// list runs one of the bot's lists with --json and gives its lines.
func (b *botUnderTest) list(t *testing.T, args ...string) []map[string]any {
	t.Helper()
	cmd := exec.Command("slipway", append(append([]string{"bot"}, args...), "--json", "--config", b.config)...)
	cmd.Env = b.env
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bot %v: %v\n%s", args, err, &errs)
	}
	var rows []map[string]any
	for line := range strings.Lines(string(out)) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// eventually waits for something that another process does.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("within a minute it did not come to pass that %s", what)
		}
	}
}

// botGitea is a repository on a real Gitea with a webhook to a bot, and a
// maintainer who may write.
type botGitea struct {
	*botUnderTest
	repo       *realtest.GiteaRepo
	dir        string // a local clone
	maintainer string // token
	login      string
}

func newBotGitea(t *testing.T, more string) *botGitea {
	t.Helper()
	g := realtest.Gitea(t)
	repo := g.CreateRepo(t, "bot")
	dir := quickProject(t)
	repo.Push(t, dir)
	s := &botGitea{repo: repo, dir: dir, botUnderTest: newBot(t, giteaForge(g, g.Admin, repo.FullName()), more)}
	s.login, s.maintainer = repo.AddUser(t, "maria", "write")
	repo.AddHook(t, s.hook(), botSecret, "push", "create", "delete", "issue_comment", "pull_request_comment", "release")
	return s
}

func (s *botGitea) releases(t *testing.T) []seen {
	t.Helper()
	return public(t, s.repo.Server.URL, subject{kind: "gitea", repo: s.repo.FullName()})
}

// released waits for a release.
func (s *botGitea) released(t *testing.T, tag string) seen {
	t.Helper()
	var found seen
	eventually(t, tag+" is released", func() bool {
		for _, r := range s.releases(t) {
			if r.Tag == tag {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

func (s *botGitea) pushTag(t *testing.T, tag string) {
	t.Helper()
	mustRun(t, s.dir, nil, "git", "tag", tag)
	s.repo.PushNow(t, s.dir, "refs/tags/"+tag)
}

// installed waits until the bot has compared the repository for the first time.
func (s *botGitea) installed(t *testing.T) {
	t.Helper()
	eventually(t, "the repository is known", func() bool { return strings.Contains(s.log.String(), "was compared with the ledger") })
}

// answer waits for the last comment of the bot at a place to hold a text.
func (s *botGitea) answer(t *testing.T, issue int, want string) string {
	t.Helper()
	var body string
	eventually(t, "the bot's answer says "+want, func() bool {
		for _, c := range s.repo.Comments(t, issue) {
			if strings.HasPrefix(c.Body, "<!-- slipway") {
				body = c.Body
			}
		}
		return strings.Contains(body, want)
	})
	return body
}

// A pushed tag becomes a release, once, though Gitea tells of it by two events;
// the trail says who asked.
func TestBotReleasesPushedTag(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, "")
	s.start(t)
	s.installed(t)
	s.pushTag(t, "v1.0.0")
	r := s.released(t, "v1.0.0")
	if len(r.Assets) < 6 {
		t.Errorf("assets: %v", r.Assets)
	}
	commit := s.repo.Head(t, "main")
	eventually(t, "the status is success", func() bool { return s.repo.Statuses(t, commit)["slipway/release"] == "success" })
	if code := s.stop(t); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	var of []string
	for _, row := range s.list(t, "operations") {
		if row["kind"] == "release" {
			of = append(of, fmt.Sprint(row["ref"], " ", row["state"]))
		}
	}
	if fmt.Sprint(of) != "[refs/tags/v1.0.0 done]" {
		t.Errorf("releases: %v", of)
	}
	found := false
	for _, row := range s.list(t, "audit") {
		found = found || row["action"] == "release" && row["outcome"] == "done" && row["commit"] == commit && row["actor"] == s.repo.Server.User
	}
	if !found {
		t.Errorf("the audit trail: %v", s.list(t, "audit"))
	}
}

// /promote of a green merge commit ends in a release; of a red one in a refusal
// that names the failing check.
func TestBotPromotesPullRequest(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, "")
	s.start(t)
	s.installed(t)
	s.repo.CommitFile(t, "one", "one.txt", "1", "feat: one")
	pull := s.repo.OpenPull(t, "one")
	s.repo.Comment(t, s.maintainer, pull, "/promote")
	s.answer(t, pull, "is not merged")

	commit := s.repo.Merge(t, pull)
	s.repo.SetStatus(t, commit, "ci/test", "failure")
	red := s.repo.Comment(t, s.maintainer, pull, "Looks good!\r\n\r\n/promote\r\n")
	s.answer(t, pull, "ci/test did not pass (failure)")
	eventually(t, "the red one is confused", func() bool { return fmt.Sprint(s.repo.Reactions(t, red)) == "["+s.repo.Server.User+" confused]" })

	s.repo.SetStatus(t, commit, "ci/test", "success")
	green := s.repo.Comment(t, s.maintainer, pull, "/promote")
	s.answer(t, pull, "v0.1.0 is published")
	s.released(t, "v0.1.0")
	eventually(t, "the green one is a rocket", func() bool { return fmt.Sprint(s.repo.Reactions(t, green)) == "["+s.repo.Server.User+" rocket]" })
	if n := len(s.releases(t)); n != 1 {
		t.Errorf("%d releases", n)
	}
}

// Somebody who may not write is refused, and nothing is released.
func TestBotRefusesStranger(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, "")
	s.start(t)
	s.installed(t)
	_, stranger := s.repo.Server.Stranger(t)
	issue := s.repo.OpenIssue(t, "a question")
	s.repo.Comment(t, stranger, issue, "/promote v9.9.9")
	s.answer(t, issue, "it needs write")
	if n := len(s.releases(t)); n != 0 {
		t.Errorf("%d releases", n)
	}
}

// What happened while the bot was off is made up for: each tag is released and
// each command answered, once; what was there before it came is left alone.
func TestBotCatchesUp(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, "catch-up: 1h")
	s.pushTag(t, "v0.0.1")
	issue := s.repo.OpenIssue(t, "release")
	s.repo.Comment(t, s.maintainer, issue, "/status of before")
	s.start(t)
	s.installed(t)
	if code := s.stop(t); code != 0 {
		t.Fatalf("it ended with %d", code)
	}
	var tags []string
	for i := range 10 {
		tag := fmt.Sprintf("v1.0.%d", i)
		mustRun(t, s.dir, nil, "git", "tag", tag)
		tags = append(tags, "refs/tags/"+tag)
	}
	s.repo.PushNow(t, s.dir, tags...)
	for _, text := range []string{"/status", "/help", "/hold\n/unhold"} {
		s.repo.Comment(t, s.maintainer, issue, text)
	}
	s.start(t)
	for _, ref := range tags {
		s.released(t, strings.TrimPrefix(ref, "refs/tags/"))
	}
	answers := func() int {
		n := 0
		for _, c := range s.repo.Comments(t, issue) {
			if strings.HasPrefix(c.Body, "<!-- slipway") {
				n++
			}
		}
		return n
	}
	eventually(t, "three answers are there", func() bool { return answers() >= 3 })
	s.stop(t)
	s.start(t)
	time.Sleep(time.Second) // a second answer would come now
	if n := answers(); n != 3 {
		t.Errorf("%d answers", n)
	}
	if n := len(s.releases(t)); n != 10 {
		t.Errorf("%d releases", n)
	}
}
