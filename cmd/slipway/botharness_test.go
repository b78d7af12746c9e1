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
	"regexp"
	"strconv"
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
	data   string // its folder
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

// count is how often a text is in the log.
func (l *logFile) count(text string) int { return strings.Count(l.String(), text) }

// brief is the log for a person who looks for what went wrong.
func (l *logFile) brief() string {
	var b strings.Builder
	for line := range strings.Lines(l.String()) {
		var all map[string]any
		if json.Unmarshal([]byte(line), &all) != nil {
			b.WriteString(line)
			continue
		}
		at, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprint(all["time"]), "2006-01-02T"), "Z")
		fmt.Fprintf(&b, "%.12s %s %s", at[max(0, strings.IndexByte(at, 'T')+1):], all["level"], all["msg"])
		for _, key := range []string{"delivery", "operation", "kind", "ref", "attempt", "stage", "event", "outcome", "state", "status", "ms", "actor", "cause", "reason", "summary", "call", "error"} {
			if v, ok := all[key]; ok {
				fmt.Fprintf(&b, " %s=%v", key, v)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
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
	b := &botUnderTest{config: filepath.Join(dir, "bot.yaml"), listen: freePort(t), log: &logFile{}, env: cleanEnv(t, t.TempDir()), data: filepath.Join(dir, "data")}
	text := fmt.Sprintf("listen: %s\nurl: http://%s\ndata: %s\n%s\nforges:\n%s", b.listen, b.listen, b.data, more, forges)
	if err := os.WriteFile(b.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *botUnderTest) hook() string { return "http://" + b.listen + "/webhook" }

// start runs the bot and waits until it is ready.
func (b *botUnderTest) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command("slipway", "bot", "--config", b.config)
	cmd.Env, cmd.Stderr = b.env, b.log
	cmd.WaitDelay = time.Second // what it started may hold its stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if b.cmd == nil {
		t.Cleanup(func() {
			b.kill()
			for _, bad := range []string{"DATA RACE", "panic: "} {
				if n := b.log.count(bad); n > 0 {
					t.Errorf("the bot's log has %q %d times", bad, n)
				}
			}
			if t.Failed() || os.Getenv("BOTLOG") != "" {
				t.Logf("the bot's log:\n%s", b.log.brief())
			}
			b.log = &logFile{} // once is enough
		})
	}
	b.cmd = cmd
	eventually(t, "the bot is ready", func() bool { return b.get("/readyz") == http.StatusOK })
}

// get is the status of an answer of the bot, 0 without one.
func (b *botUnderTest) get(path string) int {
	resp, err := http.Get("http://" + b.listen + path)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// stop ends the bot as a service manager does, and gives its exit code.
func (b *botUnderTest) stop(t *testing.T) int {
	t.Helper()
	b.terminate(t)
	return b.ended()
}

func (b *botUnderTest) terminate(t *testing.T) {
	t.Helper()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// ended waits for the bot's end and gives its exit code.
func (b *botUnderTest) ended() int {
	_ = b.cmd.Wait() // its code is looked at
	return b.cmd.ProcessState.ExitCode()
}

func (b *botUnderTest) kill() {
	if b.cmd != nil {
		_ = b.cmd.Process.Kill() // it may have ended
		_ = b.cmd.Wait()
	}
}

// run runs one of the bot's commands and gives what it printed, and its code.
func (b *botUnderTest) run(t *testing.T, args ...string) (string, int) {
	t.Helper()
	return tryRun(t, "", b.env, append(append([]string{"slipway", "bot"}, args...), "--config", b.config)...)
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

// operations are those of the bot as "kind ref state", the oldest first; kinds
// that are not named are left out.
func (b *botUnderTest) operations(t *testing.T, kinds ...string) (out []string) {
	t.Helper()
	for _, row := range b.list(t, "operations", "--limit", "500") {
		for _, kind := range kinds {
			if row["kind"] == kind {
				ref, _ := row["ref"].(string)
				ref = strings.TrimPrefix(strings.TrimPrefix(ref, "refs/tags/"), "refs/heads/")
				out = append([]string{strings.TrimSpace(fmt.Sprint(kind, " ", ref, " ", row["state"]))}, out...)
			}
		}
	}
	return out
}

// settled waits for the operations of a kind to be these, as operations gives
// them.
func (b *botUnderTest) settled(t *testing.T, kind, want string) {
	t.Helper()
	for end := time.Now().Add(4 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		got := fmt.Sprint(b.operations(t, kind))
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the operations are %s after a minute, want %s", got, want)
		}
	}
}

// metric is the sum of a metric's values, of those lines that have all the
// given labels ("outcome=\"forged\"").
func (b *botUnderTest) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	sum := 0.0
lines:
	for line := range strings.Lines(string(fetch(t, "http://"+b.listen+"/metrics"))) {
		m := metricLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || m[1] != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(m[2], l) {
				continue lines
			}
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	return sum
}

var metricLine = regexp.MustCompile(`^([a-z_]+)(\{.*\})? (\S+)$`)

// eventually waits for something that another process does.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(4 * time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in four minutes it did not come to pass that %s", what)
		}
	}
}

// giteaForge is the config of a Gitea whose builds may run on this machine.
func giteaForge(server, token, more string, repositories ...string) string {
	return fmt.Sprintf("  - {kind: gitea, server: %q, token: %q, secrets: [another one, %q], repositories: [%s]%s}\n",
		server, token, botSecret, strings.Join(repositories, ", "), more)
}

// rig says how a bot on a real Gitea differs from the usual one. The zero value
// is the usual one: quickProject, whose builds may run on this machine.
type rig struct {
	bot     string // more keys of bot.yaml
	forge   string // more keys of its forge, instead of host-builds: allow
	project string // .slipway.yaml
	server  string // where the bot reaches Gitea
	token   string // the bot's account's, instead of the administrator's
	deaf    bool   // without a webhook
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

var hookEvents = []string{"push", "create", "delete", "issue_comment", "pull_request_comment", "release"}

func newBotGitea(t *testing.T, r rig) *botGitea {
	t.Helper()
	g := realtest.Gitea(t)
	s := &botGitea{repo: g.CreateRepo(t, "bot"), dir: quickProject(t)}
	if r.project != "" {
		s.write(t, map[string]string{".slipway.yaml": r.project})
		mustRun(t, s.dir, nil, "git", "commit", "--quiet", "--amend", "--all", "--no-edit")
	}
	s.repo.Push(t, s.dir)
	if r.server == "" {
		r.server = g.URL
	}
	if r.token == "" {
		r.token = g.Admin
	}
	if r.forge == "" {
		r.forge = "host-builds: allow"
	}
	s.botUnderTest = newBot(t, giteaForge(r.server, r.token, ", "+r.forge, s.repo.FullName()), r.bot)
	s.login, s.maintainer = s.repo.AddUser(t, "maria", "write")
	if !r.deaf {
		s.repo.AddHook(t, s.hook(), botSecret, hookEvents...)
	}
	return s
}

// begin starts the bot and waits until it knows the repository.
func (s *botGitea) begin(t *testing.T) {
	t.Helper()
	s.start(t)
	s.installed(t)
}

func (s *botGitea) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// push commits files to main, pushes that, and gives the commit.
func (s *botGitea) push(t *testing.T, files map[string]string, message string) string {
	t.Helper()
	s.write(t, files)
	mustRun(t, s.dir, nil, "git", "add", "--all")
	mustRun(t, s.dir, nil, "git", "commit", "--quiet", "--allow-empty", "--message", message)
	s.repo.PushNow(t, s.dir, "refs/heads/main")
	return s.head(t)
}

func (s *botGitea) head(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(mustRun(t, s.dir, nil, "git", "rev-parse", "HEAD"))
}

func (s *botGitea) releases(t *testing.T) []seen {
	t.Helper()
	return public(t, s.repo.Server.URL, subject{kind: "gitea", repo: s.repo.FullName()})
}

// tags are those of the releases, the newest first.
func (s *botGitea) tags(t *testing.T) string {
	t.Helper()
	tags := []string{}
	for _, r := range s.releases(t) {
		tags = append(tags, r.Tag)
	}
	return fmt.Sprint(tags)
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

// pushTags tags the local head and pushes that, all with one push.
func (s *botGitea) pushTags(t *testing.T, tags ...string) {
	t.Helper()
	var refs []string
	for _, tag := range tags {
		mustRun(t, s.dir, nil, "git", "tag", "--force", tag)
		refs = append(refs, "+refs/tags/"+tag)
	}
	s.repo.PushNow(t, s.dir, refs...)
}

func (s *botGitea) deleteTag(t *testing.T, tag string) {
	t.Helper()
	s.repo.PushNow(t, s.dir, ":refs/tags/"+tag)
}

// installed waits until the bot has compared the repository for the first time.
func (s *botGitea) installed(t *testing.T) {
	t.Helper()
	eventually(t, "the repository is known", func() bool { return strings.Contains(s.log.String(), "was compared with the ledger") })
}

// answers are the comments of the bot at a place, the oldest first.
func (s *botGitea) answers(t *testing.T, issue int) (out []string) {
	t.Helper()
	for _, c := range s.repo.Comments(t, issue) {
		if strings.HasPrefix(c.Body, "<!-- slipway") {
			out = append(out, c.Body)
		}
	}
	return out
}

// answer waits for the last comment of the bot at a place to hold a text.
func (s *botGitea) answer(t *testing.T, issue int, want string) string {
	t.Helper()
	var all []string
	end := time.Now().Add(4 * time.Minute)
	for {
		all = s.answers(t, issue)
		if n := len(all); n > 0 && strings.Contains(all[n-1], want) {
			return all[n-1]
		}
		if time.Now().After(end) {
			t.Fatalf("within a minute no answer says %q, but:\n%s", want, strings.Join(all, "\n"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// ask writes a comment of the maintainer's and waits for the answer to it.
func (s *botGitea) ask(t *testing.T, issue int, text, want string) string {
	t.Helper()
	before := len(s.answers(t, issue))
	s.repo.Comment(t, s.maintainer, issue, text)
	eventually(t, text+" is answered", func() bool { return len(s.answers(t, issue)) > before })
	return s.answer(t, issue, want)
}

// status waits for the commit's slipway/release to have a state.
func (s *botGitea) status(t *testing.T, commit, want string) {
	t.Helper()
	var got string
	end := time.Now().Add(4 * time.Minute)
	for got != want {
		if got = s.repo.Statuses(t, commit)["slipway/release"]; time.Now().After(end) {
			t.Fatalf("the status is %q after a minute, want %q", got, want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// work is a build that a test can watch: it notes each run in a file, and
// waits for as long as another file exists.
type work struct{ runs, gate string }

func newWork(t *testing.T) work {
	dir := t.TempDir()
	return work{filepath.Join(dir, "runs"), filepath.Join(dir, "gate")}
}

// project is a config with that build, and more keys.
func (w work) project(more string) string {
	return fmt.Sprintf(`project: hello
%s
builds:
  - id: hello
    builder: command
    platforms: [linux/amd64]
    run: 'echo "$SLIPWAY_VERSION" >> %s; while [ -e %s ]; do sleep 0.02; done; printf "hello %%s" "$SLIPWAY_VERSION" > {output}'
`, more, w.runs, w.gate)
}

// shut lets builds wait; open lets them go on.
func (w work) shut(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(w.gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (w work) open(t *testing.T) {
	t.Helper()
	if err := os.Remove(w.gate); err != nil {
		t.Fatal(err)
	}
}

// versions are those that were built, one a run.
func (w work) versions(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(w.runs)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Fields(string(data))
}

// begun waits until a number of builds have begun.
func (w work) begun(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d builds have begun", n), func() bool { return len(w.versions(t)) >= n })
}
