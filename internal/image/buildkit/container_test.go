package buildkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// pushing lets one test at a time push the base image.
var pushing sync.Mutex

func baseImage(t testing.TB) string {
	t.Helper()
	pushing.Lock()
	defer pushing.Unlock()
	return realtest.BaseImage(t, realtest.Registry(t))
}

// box makes a container of the base image.
func box(t testing.TB, b *Builder, folder string) *Container {
	t.Helper()
	c, err := b.Container(t.Context(), ContainerOptions{Name: "staging", Image: baseImage(t), Setting: "rollout.image", Folder: folder})
	if err != nil {
		t.Fatalf("%v (%s)", err, release.HintOf(err))
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ran is what a script did.
type ran struct {
	Code     int
	Out, Err string
}

func sh(t testing.TB, c *Container, script string, env ...string) ran {
	t.Helper()
	var out, errs bytes.Buffer
	code, err := c.Exec(within(t, time.Minute), Process{Args: []string{"sh", "-c", script}, Dir: ContainerDir, Env: env, Stdout: &out, Stderr: &errs})
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return ran{code, out.String(), errs.String()}
}

// Programs run one after another in one container: what one writes is there for
// the next, a failure is a code, the two streams are apart, and the folder that
// the container was made with stays as it is.
func TestContainer(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"deploy/run.sh": "echo ran in $PWD\n", ".env": "A=1\n", ".git/HEAD": "x\n"})
	if err := os.Symlink("deploy/run.sh", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	c := box(t, realBuilder(t, Options{}), dir)
	for _, tt := range []struct {
		script string
		env    []string
		want   ran
	}{
		{"pwd; id -u; ls -A; readlink link", nil, ran{0, "/src\n0\n.env\n.git\ndeploy\nlink\ndeploy/run.sh\n", ""}},
		{"sh deploy/run.sh; rm .env; echo new >deploy/out; echo top >/top", nil, ran{0, "ran in /src\n", ""}},
		{"echo out; echo err >&2; cat deploy/out /top .env; exit 7", nil, ran{7, "out\nnew\ntop\n", "err\ncat: can't open '.env': No such file or directory\n"}},
		{"printf 'no end' >&2; exit 255", nil, ran{255, "", "no end"}},
		{"kill -9 $$", nil, ran{137, "", ""}},
		{"kill -TERM $$", nil, ran{143, "", ""}},
		{"no-such-command 2>/dev/null", nil, ran{127, "", ""}},
		{`echo "$A|$d|$k|$c"`, []string{"A=x=y z\n'$(id)\"", "d=1", "k=2", "c=3"}, ran{0, "x=y z\n'$(id)\"|1|2|3\n", ""}},
		{`echo "$A"; cat; echo end`, nil, ran{0, "\nend\n", ""}},
		{"echo still there", nil, ran{0, "still there\n", ""}},
	} {
		if diff := cmp.Diff(tt.want, sh(t, c, tt.script, tt.env...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.script, diff)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, ".env")); err != nil || string(b) != "A=1\n" {
		t.Errorf("the folder changed: %q, %v", b, err)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "deploy")); err != nil || len(entries) != 1 {
		t.Errorf("the folder changed: %v, %v", entries, err)
	}
	if c.Env()["PATH"] == "" || c.Platform() != parsed(t, "linux/amd64")[0] {
		t.Errorf("%v on %s", c.Env(), c.Platform())
	}
}

// Input reaches the program, also when it reads none of it.
func TestContainerInput(t *testing.T) {
	t.Parallel()
	c := box(t, realBuilder(t, Options{}), t.TempDir())
	large := strings.Repeat("0123456789abcdef", 1<<18) // 4 MB
	for script, want := range map[string]string{"cat >/in; wc -c </in": "4194304\n", "head -c 3": "012", "true": "", "exec <&-; exit 0": ""} {
		var out bytes.Buffer
		code, err := c.Exec(within(t, time.Minute), Process{Args: []string{"sh", "-c", script}, Dir: "/", Stdin: strings.NewReader(large), Stdout: &out})
		if code != 0 || err != nil || out.String() != want {
			t.Errorf("%s: %q, %d, %v", script, out.String(), code, err)
		}
	}
}

// timed remembers when each line was heard.
type timed struct {
	mu   sync.Mutex
	when map[string]time.Time
}

func (h *timed) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for line := range strings.SplitSeq(strings.TrimSpace(string(p)), "\n") {
		h.when[line] = time.Now()
	}
	return len(p), nil
}

// Both streams are heard as they come.
func TestContainerIsLive(t *testing.T) {
	t.Parallel()
	c := box(t, realBuilder(t, Options{}), t.TempDir())
	h := &timed{when: map[string]time.Time{}}
	script := "echo out; echo err >&2; sleep 1; echo late; echo late err >&2"
	if _, err := c.Exec(t.Context(), Process{Args: []string{"sh", "-c", script}, Dir: "/", Stdout: h, Stderr: h}); err != nil {
		t.Fatal(err)
	}
	for early, late := range map[string]string{"out": "late", "err": "late err"} {
		if d := h.when[late].Sub(h.when[early]); d < 700*time.Millisecond {
			t.Errorf("%s was heard only %v before %s: %v", early, d, late, h.when)
		}
	}
}

// What can't be run is an error of its own, and the container goes on.
func TestContainerErrors(t *testing.T) {
	t.Parallel()
	c := box(t, realBuilder(t, Options{}), t.TempDir())
	if got := sh(t, c, "mkdir /tools; printf '#!/bin/sh\necho $PATH' >/tools/tool; chmod +x /tools/tool; PATH=/tools:$PATH tool", "PATH=/bin"); got.Out != "/tools:/bin\n" {
		t.Errorf("%+v", got)
	}
	for _, tt := range []struct {
		p    Process
		want error
	}{
		{Process{Args: []string{"bash", "-c", "true"}, Dir: "/"}, proc.ErrNotFound},
		{Process{Args: []string{"/no/such"}, Dir: "/"}, proc.ErrNotFound},
		{Process{Args: []string{"tool"}, Dir: "/", Env: []string{"PATH=/nowhere"}}, proc.ErrNotFound},
		{Process{Args: []string{"sh"}, Dir: "/no/such"}, fs.ErrNotExist},
	} {
		if _, err := c.Exec(t.Context(), tt.p); !errors.Is(err, tt.want) {
			t.Errorf("%q in %s: %v, want %v", tt.p.Args, tt.p.Dir, err, tt.want)
		}
	}
	if _, err := c.Exec(t.Context(), Process{Args: []string{"sh", "-c", strings.Repeat(":\n", 1<<16)}, Dir: "/"}); release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	if got := sh(t, c, strings.Repeat(":\n", 1<<16-1)+"#"); got.Code != 0 {
		t.Errorf("%+v", got)
	}
	begun := time.Now()
	var out bytes.Buffer
	code, err := c.Exec(t.Context(), Process{Args: []string{"sh", "-c", "sleep 60 & echo done; exit 3"}, Dir: "/", Stdout: &out})
	if code != 3 || !errors.Is(err, proc.ErrLeftBehind) || out.String() != "done\n" || time.Since(begun) > 10*time.Second {
		t.Errorf("%d, %v, %q after %v", code, err, out.String(), time.Since(begun))
	}
	if got := sh(t, c, "echo on"); got.Out != "on\n" {
		t.Errorf("%+v", got)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Exec(t.Context(), Process{Args: []string{"sh"}, Dir: "/"}); err == nil || !strings.Contains(err.Error(), "is closed") {
		t.Errorf("%v", err)
	}
}

// running counts the processes of this machine that were told a text.
func running(t testing.TB, text string) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range all {
		if line, err := os.ReadFile(at); err == nil && bytes.Contains(line, []byte(text)) && !strings.HasPrefix(at, fmt.Sprintf("/proc/%d/", os.Getpid())) {
			n++
		}
	}
	return n
}

// A cancelled program ends at once with all that it started, also in the
// background, and its container with it.
func TestContainerCancelled(t *testing.T) {
	t.Parallel()
	b := realBuilder(t, Options{})
	c := box(t, b, t.TempDir())
	why := errors.New("the bot shuts down")
	ctx, cancel := context.WithCancelCause(t.Context())
	in := &endless{stop: func() {
		if running(t, "7531.25") < 2 {
			t.Error("nothing runs")
		}
		cancel(why)
	}}
	begun := time.Now()
	_, err := c.Exec(ctx, Process{Args: []string{"sh", "-c", "sleep 7531.25 & (trap '' TERM; sleep 7531.25) & echo begun; wait"}, Dir: "/", Stdout: in})
	if d := time.Since(begun); !errors.Is(err, why) || d > time.Minute {
		t.Errorf("%v after %v", err, d)
	}
	if n := running(t, "7531.25"); n != 0 {
		t.Errorf("%d programs go on", n)
	}
	if _, err := c.Exec(t.Context(), Process{Args: []string{"sh"}, Dir: "/"}); err == nil {
		t.Error("the container goes on")
	}
	// With the context that it was made with, a container ends, too.
	ctx, cancel = context.WithCancelCause(t.Context())
	c, err = b.Container(ctx, ContainerOptions{Name: "staging", Image: c.Image()})
	if err != nil {
		t.Fatal(err)
	}
	cancel(why)
	select {
	case <-c.ended:
	case <-time.After(10 * time.Second):
		t.Error("the container goes on")
	}
}

// When the connection to the builder breaks off, the program's answer is an error
// that says so, and nothing goes on at the builder.
func TestContainerBreaksOff(t *testing.T) {
	t.Parallel()
	address, cut := between(t, strings.TrimPrefix(realtest.BuildKit(t), "unix://"))
	b := mustFind(t, Options{Flag: "unix://" + address, Getenv: noDocker(t, nil)})
	c := box(t, b, t.TempDir())
	_, err := c.Exec(within(t, time.Minute), Process{Args: []string{"sh", "-c", "echo; sleep 9513.5"}, Dir: "/", Stdout: &endless{stop: cut}})
	if err == nil || !strings.Contains(err.Error(), "the connection to the builder broke off") || release.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	if err := c.Close(); err == nil {
		t.Error("it is closed as if nothing had happened")
	}
	for end := time.Now().Add(20 * time.Second); running(t, "9513.5") > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the program goes on")
		}
	}
}

// between makes a socket behind which there is the other one, until it is cut.
func between(t testing.TB, to string) (at string, cut func()) {
	t.Helper()
	at = filepath.Join(t.TempDir(), "s")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", at)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := new(net.Dialer).DialContext(ctx, "unix", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			context.AfterFunc(ctx, func() { _, _ = near.Close(), far.Close() })
			for _, ends := range [][2]net.Conn{{near, far}, {far, near}} {
				go func() {
					_, _ = io.Copy(ends[0], ends[1])
					_ = ends[0].Close()
				}()
			}
		}
	}()
	return at, cancel
}

// endless counts what it takes.
type endless struct {
	n    int
	most int
	stop func()
}

func (e *endless) Write(p []byte) (int, error) {
	if e.n += len(p); e.n > e.most {
		e.stop()
	}
	return len(p), nil
}

// A program that prints without end takes no memory, and ends when the reader
// has enough; 100 MB come through.
func TestContainerPrints(t *testing.T) {
	t.Parallel()
	b := realBuilder(t, Options{})
	c := box(t, b, t.TempDir())
	out := &endless{most: 1 << 62}
	if code, err := c.Exec(t.Context(), Process{Args: []string{"sh", "-c", "head -c 100000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 4"}, Dir: "/", Stdout: out}); code != 4 || err != nil || out.n != 1e8 {
		t.Errorf("%d bytes, %d, %v", out.n, code, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out = &endless{most: 1 << 20, stop: cancel}
	begun := time.Now()
	_, err := c.Exec(ctx, Process{Args: []string{"sh", "-c", "while :; do echo 8642.5; done"}, Dir: "/", Stdout: out})
	if d := time.Since(begun); !errors.Is(err, context.Canceled) || d > time.Minute || out.n > 16<<20 {
		t.Errorf("%v after %v, %d bytes", err, d, out.n)
	}
	if n := running(t, "8642.5"); n != 0 {
		t.Errorf("%d programs go on", n)
	}
}

// An image that can't be had, or in which nothing can be run, is named with what
// names it.
func TestContainerImages(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	b := realBuilder(t, Options{})
	push := func(name, dockerfile string, p string) string {
		made, err := b.Build(t.Context(), Request{Name: name, Dockerfile: []byte(dockerfile), Context: t.TempDir(), Platforms: parsed(t, p), PushTo: []string{registry + "/box/" + name}})
		if err != nil {
			t.Fatal(err)
		}
		return registry + "/box/" + name + "@" + made.Digest
	}
	for _, tt := range []struct {
		image, want string
		is          error
	}{
		{registry + "/box/missing:1", "staging: the image " + registry + "/box/missing:1", image.ErrNotFound},
		{"Not an image", `staging: "Not an image" is no name of an image`, nil},
		{push("noshell", "FROM scratch\nCOPY --from="+baseImage(t)+" /etc /etc\n", "linux/amd64"), "has no shell", nil},
		{push("other", "FROM scratch\nCOPY --from="+baseImage(t)+" / /\n", "linux/arm64"), "not made for linux/amd64", nil},
	} {
		begun := time.Now()
		c, err := b.Container(within(t, time.Minute), ContainerOptions{Name: "staging", Image: tt.image, Setting: "rollout.image in bot.yaml", Folder: t.TempDir()})
		if err == nil {
			_ = c.Close()
			t.Errorf("%s: no error", tt.image)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || !strings.Contains(release.HintOf(err), "rollout.image in bot.yaml") || release.KindOf(err) != release.Invalid || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %v (%s), want %s", tt.image, err, release.HintOf(err), tt.want)
		}
		t.Logf("%v: %v (%s)", time.Since(begun), err, release.HintOf(err))
	}
}

// Several containers of one builder, and several programs in one, run at once and
// keep apart.
func TestContainersAtOnce(t *testing.T) {
	t.Parallel()
	b := realBuilder(t, Options{})
	dir := folder(t, map[string]string{"a": "a\n"})
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			c := box(t, b, dir)
			var inner sync.WaitGroup
			for j := range 3 {
				inner.Go(func() {
					want := ran{i + j, fmt.Sprintf("%d\n", j), fmt.Sprintf("%d\n", i)}
					if diff := cmp.Diff(want, sh(t, c, `echo "$I" >>mine; sleep 0.3; echo "$J"; echo "$I" >&2; exit $((I+J))`, fmt.Sprint("I=", i), fmt.Sprint("J=", j))); diff != "" {
						t.Error(diff)
					}
				})
			}
			inner.Wait()
			if got := sh(t, c, "sort -u mine; cat a"); got.Out != fmt.Sprintf("%d\na\n", i) {
				t.Errorf("%d: %q", i, got.Out)
			}
		})
	}
	group.Wait()
}

// Of a container nothing stays with the builder: no variable, no script, no file
// of the folder and none that was written. What is written to the machine of a
// container that still runs shows that the search would find it.
func TestContainerLeavesNothing(t *testing.T) {
	t.Parallel()
	const variable, script, uploaded, written = "of-a-variable-4711", "of-a-script-4711", "of-the-folder-4711", "of-a-file-4711"
	b := realBuilder(t, Options{})
	c := box(t, b, folder(t, map[string]string{".env": uploaded}))
	sh(t, c, ": "+script+`; echo "$FILE" >/file; echo "$FILE" >file; test -n "$SECRET"`, "SECRET="+variable, "FILE="+written)
	data := realtest.BuildKitData(t)
	before := search(t, data, variable, script, uploaded, written)
	if len(before[uploaded]) == 0 || len(before[written]) < 2 {
		t.Errorf("the search does not even find %v", before)
	}
	if len(before[variable]) > 0 || len(before[script]) > 0 {
		t.Errorf("while it runs there is %v", before)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if after := search(t, data, variable, script, uploaded, written); len(after) > 0 {
		t.Errorf("left behind: %v", after)
	}
}

// search finds the files of a folder that hold texts.
func search(t testing.TB, root string, texts ...string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // other tests take away what they have made
		}
		content, err := os.ReadFile(at)
		for _, text := range texts {
			if err == nil && bytes.Contains(content, []byte(text)) {
				found[text] = append(found[text], strings.TrimPrefix(at, root))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
