package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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

// cable leads to a server and can be cut.
type cable struct {
	to string

	mu    sync.Mutex
	addr  string
	ln    net.Listener
	conns []net.Conn
}

func newCable(t *testing.T, server string) *cable {
	t.Helper()
	c := &cable{to: strings.TrimPrefix(server, "http://"), addr: "127.0.0.1:0"}
	c.mend(t)
	t.Cleanup(c.cut)
	return c
}

// mend opens the cable, at the same address each time.
func (c *cable) mend(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ln, c.addr = ln, ln.Addr().String()
	go c.serve(ln)
}

func (c *cable) serve(ln net.Listener) {
	for {
		in, err := ln.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", c.to)
		if err != nil {
			in.Close()
			continue
		}
		c.mu.Lock()
		c.conns = append(c.conns, in, out)
		c.mu.Unlock()
		for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
			go func() {
				_, _ = io.Copy(way[0], way[1]) // until either end closes, or it is cut
				way[0].Close()
				way[1].Close()
			}()
		}
	}
}

// cut ends all connections and refuses new ones.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ln.Close()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// A forge that goes away while releases run is waited for: they end whole, once,
// and nothing is built again.
func TestBotForgeAway(t *testing.T) {
	t.Parallel()
	w, c := newWork(t), newCable(t, realtest.Gitea(t).URL)
	s := newBotGitea(t, rig{project: w.project("promote: {require: []}"), server: "http://" + c.addr})
	s.begin(t)
	issue := s.repo.OpenIssue(t, "release")
	w.shut(t)
	s.pushTags(t, "v1.0.0")
	w.begun(t, 1)
	c.cut() // in the middle
	w.open(t)
	s.repo.Comment(t, s.maintainer, issue, "/promote v1.1.0")
	second := s.push(t, nil, "feat: two") // its tag is heard of when the forge is away
	s.pushTags(t, "v2.0.0")
	eventually(t, "all three wait", func() bool { return s.log.count(`"state":"waiting"`) >= 3 })
	if got := s.tags(t); got != "[]" {
		t.Errorf("released: %s", got)
	}
	c.mend(t)
	first := s.released(t, "v1.0.0")
	s.released(t, "v2.0.0")
	s.answer(t, issue, "v1.1.0 is published")
	s.status(t, second, "success")
	if got := w.versions(t); fmt.Sprint(got) != "[1.0.0 2.0.0 1.1.0]" && fmt.Sprint(got) != "[1.0.0 1.1.0 2.0.0]" && fmt.Sprint(got) != "[1.0.0 2.0.0]" {
		t.Errorf("built: %v", got)
	}
	if len(first.Assets) != 3 || len(s.releases(t)) != 3 || len(s.answers(t, issue)) != 1 {
		t.Errorf("releases %s, %d answers", s.tags(t), len(s.answers(t, issue)))
	}
}

// A bot that is killed in the middle of a release goes on with it when it is
// started again: it is released whole, once.
func TestBotKilled(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("promote: {require: []}")})
	s.begin(t)
	issue := s.repo.OpenIssue(t, "release")
	w.shut(t)
	s.repo.Comment(t, s.maintainer, issue, "/promote v1.0.0")
	w.begun(t, 1)
	s.kill()
	w.open(t)
	s.start(t)
	r := s.released(t, "v1.0.0")
	s.answer(t, issue, "v1.0.0 is published")
	s.settled(t, "promote", "[promote v1.0.0 done]")
	if len(r.Assets) != 3 || s.tags(t) != "[v1.0.0]" || len(s.answers(t, issue)) != 1 {
		t.Errorf("%v, releases %s, %d answers", r.Assets, s.tags(t), len(s.answers(t, issue)))
	}
}

// SIGTERM lets a release that runs end within the config's time; one that does
// not is cut off there, and the next start goes on with it.
func TestBotDrains(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project(""), bot: "drain: 2s"})
	s.begin(t)
	w.shut(t)
	s.pushTags(t, "v1.0.0")
	w.begun(t, 1)
	begun := time.Now()
	if code := s.stop(t); code != 0 || time.Since(begun) > 30*time.Second {
		t.Errorf("it ended with %d after %s", code, time.Since(begun))
	}
	if got := s.tags(t); got != "[]" {
		t.Errorf("released: %s", got)
	}
	s.settled(t, "release", "[release v1.0.0 queued]")
	w.open(t)
	s.start(t)
	s.released(t, "v1.0.0")
	s.settled(t, "release", "[release v1.0.0 done]")
	s.status(t, s.head(t), "success")
}

func TestBotDrainsPatiently(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("")})
	s.begin(t)
	w.shut(t)
	s.pushTags(t, "v1.0.0")
	w.begun(t, 1)
	s.terminate(t)
	eventually(t, "it drains", func() bool { return s.log.count("the bot drains") > 0 })
	w.open(t)
	if code := s.ended(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	if got := s.tags(t); got != "[v1.0.0]" {
		t.Errorf("released: %s", got)
	}
	s.status(t, s.head(t), "success")
}

// Two bots on one database share the work: a tag that both hear of is released
// once, a comment is answered once; when one is killed, the other goes on with
// what it had begun.
func TestBotReplicas(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	db := "database: " + realtest.PostgreSQL(t)
	s := newBotGitea(t, rig{project: w.project("promote: {require: []}"), bot: db})
	other := newBot(t, giteaForge(s.repo.Server.URL, s.repo.Server.Admin, ", host-builds: allow", s.repo.FullName()), db)
	s.repo.AddHook(t, other.hook(), botSecret, hookEvents...)
	s.begin(t)
	other.start(t)
	issue := s.repo.OpenIssue(t, "release")
	s.pushTags(t, "v1.0.0")
	s.released(t, "v1.0.0")
	s.ask(t, issue, "/promote v2.0.0-rc1", "v2.0.0-rc1 is published")

	w.shut(t)
	s.push(t, nil, "feat: two")
	s.pushTags(t, "v2.0.0")
	w.begun(t, 2)
	worker := s.botUnderTest
	if buildsOf(other, "v2.0.0") {
		worker = other
	}
	worker.kill()
	w.open(t)
	s.released(t, "v2.0.0")
	s.status(t, s.head(t), "success")
	s.settled(t, "release", "[release v1.0.0 done release v2.0.0 done]")
	if n := s.successes(t, s.head(t)); n != 1 {
		t.Errorf("%d times success", n)
	}
	if n := len(s.answers(t, issue)); n != 1 || s.tags(t) != "[v2.0.0 v2.0.0-rc1 v1.0.0]" {
		t.Errorf("%d answers, releases %s", n, s.tags(t))
	}
}

// successes is how often a commit's slipway/release was set to success.
func (s *botGitea) successes(t *testing.T, commit string) (n int) {
	t.Helper()
	var all []struct{ Context, Status string }
	s.repo.Server.Call(t, s.repo.Server.Admin, http.MethodGet, "/repos/"+s.repo.FullName()+"/commits/"+commit+"/statuses?limit=50", nil, &all)
	for _, st := range all {
		if st.Context == "slipway/release" && st.Status == "success" {
			n++
		}
	}
	return n
}

// buildsOf reports whether a bot has begun to build a tag.
func buildsOf(b *botUnderTest, tag string) bool {
	for line := range strings.Lines(b.log.String()) {
		if strings.Contains(line, `"ref":"refs/tags/`+tag+`"`) && strings.Contains(line, `"stage":"build"`) {
			return true
		}
	}
	return false
}

// A bot and a workflow of the repository that release the same tag at the same
// time come to one release, whole, and both end well.
func TestBotBesideWorkflow(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("")})
	s.begin(t)
	w.shut(t)
	s.pushTags(t, "v1.0.0")
	w.begun(t, 1)
	sub := subject{kind: "gitea", repo: s.repo.FullName(), token: s.repo.Server.Admin}
	type end struct {
		out  string
		code int
	}
	ended := make(chan end, 1)
	to, env := clone(t, s.dir), tokenEnv(cleanEnv(t, t.TempDir()), sub)
	go func() {
		cmd := exec.Command("slipway", releaseArgs(s.repo.Server.URL, sub, "--tag", "v1.0.0")[1:]...)
		cmd.Dir, cmd.Env = to, env
		out, _ := cmd.CombinedOutput() // its code is looked at
		ended <- end{string(out), cmd.ProcessState.ExitCode()}
	}()
	w.begun(t, 2)
	w.open(t)
	if e := <-ended; e.code != 0 {
		t.Errorf("the workflow's own run ended with %d\n%s", e.code, e.out)
	}
	s.settled(t, "release", "[release v1.0.0 done]")
	if r := s.released(t, "v1.0.0"); len(r.Assets) != 3 || s.tags(t) != "[v1.0.0]" {
		t.Errorf("%v, releases %s", r.Assets, s.tags(t))
	}
	s.status(t, s.head(t), "success")
}

// A database that goes away is told of: deliveries are refused, so that nothing
// is lost unseen. When it is back, the bot goes on by itself, and makes up for
// what it has missed.
func TestBotDatabaseAway(t *testing.T) {
	t.Parallel()
	pg := realtest.PostgreSQLServer(t)
	s := newBotGitea(t, rig{bot: "catch-up: 2s\ndatabase: " + pg.Database(t)})
	s.begin(t)
	time.Sleep(500 * time.Millisecond) // between two looks at the forge, of which one that is cut off waits for its lease
	pg.Stop(t)
	s.pushTags(t, "v1.0.0", "v1.0.1")
	eventually(t, "deliveries are refused", func() bool { return s.metric(t, "slipway_deliveries_total", `outcome="unavailable"`) >= 4 })
	if code := s.get("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d", code)
	}
	if code := s.get("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz answers %d", code)
	}
	pg.Start(t)
	s.released(t, "v1.0.0")
	s.released(t, "v1.0.1")
	s.settled(t, "release", "[release v1.0.0 done release v1.0.1 done]")
	eventually(t, "it is ready again", func() bool { return s.get("/readyz") == http.StatusOK })
}

// A full disk is told of by 503 and by the log; the bot lives, and takes
// deliveries again when there is room.
func TestBotDiskFull(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{})
	if err := os.Mkdir(s.data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", s.data, "tmpfs", 0, "size=8m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small file system: %v", err)
		}
		t.Skipf("only root can mount a small file system: %v", err)
	}
	t.Cleanup(func() { s.kill(); _ = syscall.Unmount(s.data, 0) })
	s.begin(t)
	filler := filepath.Join(s.data, "filler")
	fill := func() {
		f, err := os.OpenFile(filler, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return // no room even for that
		}
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	noise := make([]byte, 60<<10)
	_, _ = rand.Read(noise) // it never fails
	body := bytes.Replace(s.pushOf("v0.0.1", strings.Repeat("1", 40)), []byte(`{"ref"`), fmt.Appendf(nil, `{"noise":"%s","ref"`, hex.EncodeToString(noise)), 1)
	send := func() int {
		resp, err := http.DefaultClient.Do(signed(t, s.hook(), "push", botSecret, body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	var got int
	for range 50 {
		fill()
		if got = send(); got != http.StatusAccepted {
			break
		}
	}
	if got != http.StatusServiceUnavailable {
		t.Errorf("on a full disk it answers %d", got)
	}
	if code := s.get("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz answers %d", code)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it takes deliveries again", func() bool { return send() == http.StatusAccepted })
	s.pushTags(t, "v1.0.0")
	s.released(t, "v1.0.0")
	if !strings.Contains(s.log.String(), "full") {
		t.Error("the log does not say that the disk is full")
	}
}
