package installer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// Each format is downloaded, checked, unpacked and installed by each shell, and
// nothing else is left.
func TestScriptInstalls(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		for _, format := range preference {
			for _, dir := range []string{"", "hello-1.2.3"} {
				p := serve(t)
				programs := map[string]string{"hello": program("hello")}
				if format != "binary" {
					programs["hellod"] = program("daemon")
				}
				f := p.add("linux/amd64", format, dir, programs)
				m := newMachine(t, shell, "curl", "sha256sum", "zstd", "unzip")
				r := m.install(script(t, sample(f)))
				if r.code != 0 {
					t.Errorf("%s: it ends with %d: %s", format, r.code, r.err)
					continue
				}
				var want []string
				for name, text := range programs {
					want = append(want, "bin/"+name)
					at := filepath.Join(m.bin(), name)
					got, err := os.ReadFile(at)
					if err != nil || string(got) != text {
						t.Errorf("%s: %s is %q, %v", format, name, got, err)
					}
					if st, err := os.Stat(at); err != nil || st.Mode().Perm() != 0o755 {
						t.Errorf("%s: %s is %v, %v", format, name, st.Mode(), err)
					}
				}
				slices.Sort(want)
				if got := m.left(); !slices.Equal(got, want) {
					t.Errorf("%s: it leaves %q, want %q", format, got, want)
				}
				if !strings.Contains(r.err, "is not in your PATH") || r.out != "" {
					t.Errorf("%s: it says %q and writes %q", format, r.err, r.out)
				}
			}
		}
	})
}

// Any of the programs that download and check will do; without one nothing is installed.
func TestScriptTools(t *testing.T) {
	t.Parallel()
	p := serve(t)
	s := script(t, sample(p.add("linux/amd64", "tar.gz", "", map[string]string{"hello": program("hello")})))
	for _, c := range []struct {
		programs []string
		code     int
		says     string
	}{
		{[]string{"curl", "sha256sum"}, 0, ""}, {[]string{"wget", "sha256sum"}, 0, ""}, {[]string{"curl", "shasum"}, 0, ""},
		{[]string{"curl", "openssl"}, 0, ""}, {[]string{"curl", "busybox"}, 0, ""},
		{[]string{"curl"}, 4, "sha256sum, shasum or openssl is needed"}, {[]string{"sha256sum"}, 4, "curl or wget is needed"},
	} {
		t.Run(strings.Join(c.programs, "+"), func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, dash(t), c.programs...)
			r := m.install(s)
			if r.code != c.code || !strings.Contains(r.err, c.says) {
				t.Errorf("it ends with %d: %s", r.code, r.err)
			}
			if installed := len(m.left()) > 0; installed != (c.code == 0) {
				t.Errorf("there is %q", m.left())
			}
		})
	}
	// A program that pretends is no check.
	m := newMachine(t, dash(t), "curl")
	m.fake("sha256sum", "exit 0")
	if r := m.install(s); r.code != 4 || len(m.left()) != 0 {
		t.Errorf("with a broken sha256sum it ends with %d and leaves %q: %s", r.code, m.left(), r.err)
	}
}

// What one file needs and is missing, another may not need.
func TestScriptChoosesWhatItCanUnpack(t *testing.T) {
	t.Parallel()
	p := serve(t)
	all := map[string]string{"hello": program("hello")}
	var files []File
	for _, format := range []string{"tar.zst", "zip", "tar.gz"} {
		files = append(files, p.add("linux/amd64", format, "", all))
	}
	target := func(files []File, without ...string) result {
		m := newMachine(t, dash(t), "curl", "sha256sum", "zstd", "unzip")
		for _, w := range without {
			if err := os.Remove(filepath.Join(m.path, w)); err != nil {
				t.Fatal(err)
			}
		}
		return m.install(script(t, sample(files...)), "--dry-run")
	}
	for _, c := range []struct {
		without []string
		want    string
	}{{nil, ".tar.gz"}, {[]string{"gzip"}, ".zip"}, {[]string{"gzip", "unzip"}, ".tar.zst"}} {
		if r := target(files, c.without...); r.code != 0 || !strings.Contains(r.err, c.want+"\n") {
			t.Errorf("without %q it takes: %s", c.without, r.err)
		}
	}
	if r := target(files[:1], "zstd"); r.code != 4 || !strings.Contains(r.err, "zstd") {
		t.Errorf("without what it needs it ends with %d: %s", r.code, r.err)
	}
	bare := append(files, p.add("linux/amd64", "binary", "", all))
	if r := target(bare); !strings.Contains(r.err, ".binary\n") {
		t.Errorf("a bare binary is not taken first: %s", r.err)
	}
}

// A download with another digest, one that is gone, and one without the program
// install nothing, and an older program stays as it was.
func TestScriptRefuses(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		p := serve(t)
		f := p.add("linux/amd64", "tar.gz", "", map[string]string{"hello": program("hello")})
		wrong, gone, without, evil := f, f, f, f
		wrong.URL, gone.URL = p.url+"/wrong", p.url+"/gone"
		p.files["/wrong"] = append(slices.Clone(p.files["/"+f.Name]), 0)
		without.Binaries = []string{"other"}
		evil.Dir = "nowhere"
		for name, c := range map[string]struct {
			f    File
			says string
		}{"digest": {wrong, "another digest"}, "gone": {gone, "can't be downloaded"}, "no program": {without, "there is no program other"}, "no folder": {evil, "there is no program hello"}} {
			m := newMachine(t, shell, "curl", "sha256sum")
			m.fake("sleep", "exit 0")
			if err := os.MkdirAll(m.bin(), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(m.bin(), "hello"), []byte("old"), 0o755); err != nil {
				t.Fatal(err)
			}
			r := m.install(script(t, sample(c.f)))
			if r.code != 1 || !strings.Contains(r.err, c.says) {
				t.Errorf("%s: it ends with %d: %s", name, r.code, r.err)
			}
			if got := m.left(); !slices.Equal(got, []string{"bin/hello"}) {
				t.Errorf("%s: it leaves %q", name, got)
			}
			if old, _ := os.ReadFile(filepath.Join(m.bin(), "hello")); string(old) != "old" {
				t.Errorf("%s: the program is now %q", name, old)
			}
		}
	})
}

// A link in an archive is no program: it would be followed to a file of the user's.
func TestScriptFollowsNoLink(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	tw := tar.NewWriter(z)
	if err := tw.WriteHeader(&tar.Header{Name: "hello", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd", Mode: 0o777}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []io.Closer{tw, z} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	p := serve(t)
	f := p.add("linux/amd64", "tar.gz", "", map[string]string{"hello": ""})
	sum := sha256.Sum256(out.Bytes())
	f.Digest = "sha256:" + hex.EncodeToString(sum[:])
	p.files["/"+f.Name] = out.Bytes()
	m := newMachine(t, dash(t), "curl", "sha256sum")
	if r := m.install(script(t, sample(f))); r.code != 1 || len(m.left()) != 0 {
		t.Errorf("it ends with %d and leaves %q: %s", r.code, m.left(), r.err)
	}
}

// Of a script that was cut nothing runs, wherever it was cut.
func TestScriptCut(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		p := serve(t)
		s := script(t, sample(p.add("linux/amd64", "binary", "", map[string]string{"hello": program("hello")})))
		m := newMachine(t, shell, "curl", "sha256sum")
		end := len(strings.TrimRight(s, "\n"))
		cuts := []int{1, 20, end / 2}
		for i := end - 20; i < end; i++ {
			cuts = append(cuts, i)
		}
		for i := 0; i < end; i += end / 20 {
			cuts = append(cuts, i)
		}
		for _, cut := range cuts {
			m.run(s[:cut], "--bin-dir", m.bin())
			m.run(s[:cut])
			if got := m.left(); len(got) != 0 {
				t.Fatalf("cut after %d of %d bytes it leaves %q", cut, end, got)
			}
		}
	})
}

func TestScriptPlatforms(t *testing.T) {
	t.Parallel()
	p := serve(t)
	var files []File
	for _, platform := range []string{"linux/amd64", "linux/386", "linux/arm64", "linux/arm/v6", "linux/riscv64", "darwin/amd64", "darwin/arm64", "windows/amd64"} {
		files = append(files, p.add(platform, "binary", "", map[string]string{"hello": program(platform)}))
	}
	v7 := p.add("linux/arm/v7", "binary", "", map[string]string{"hello": ""})
	for _, c := range []struct {
		kernel, machine string
		more            []File
		bits, rosetta   string
		want            string // of the file's name; empty: there is none
	}{
		{"Linux", "x86_64", nil, "64", "", "linux_amd64"}, {"Linux", "x86_64", nil, "32", "", "linux_386"},
		{"Linux", "i586", nil, "32", "", "linux_386"}, {"Linux", "i686", nil, "32", "", "linux_386"},
		{"Linux", "aarch64", nil, "64", "", "linux_arm64"}, {"Linux", "arm64", nil, "64", "", "linux_arm64"}, {"Linux", "aarch64", nil, "32", "", "linux_armv6"},
		{"Linux", "armv6l", []File{v7}, "32", "", "linux_armv6"}, {"Linux", "armv7l", nil, "32", "", "linux_armv6"}, {"Linux", "armv7l", []File{v7}, "32", "", "linux_armv7"},
		{"Linux", "armv8l", []File{v7}, "32", "", "linux_armv7"}, {"Linux", "riscv64", nil, "64", "", "linux_riscv64"},
		{"Darwin", "x86_64", nil, "64", "0", "darwin_amd64"}, {"Darwin", "x86_64", nil, "64", "1", "darwin_arm64"}, {"Darwin", "arm64", nil, "64", "", "darwin_arm64"},
		{"MINGW64_NT-10.0", "x86_64", nil, "64", "", "windows_amd64"},
		{"Linux", "armv5tel", nil, "32", "", ""}, {"Linux", "s390x", nil, "64", "", ""}, {"FreeBSD", "amd64", nil, "64", "", ""}, {"Plan9; rm -rf *", "$(id)", nil, "64", "", ""},
	} {
		m := newMachine(t, dash(t), "curl", "sha256sum")
		m.is(c.kernel, c.machine)
		m.fake("getconf", "echo "+c.bits)
		if c.rosetta != "" {
			m.fake("sysctl", "echo "+c.rosetta)
		}
		r := m.install(script(t, sample(append(slices.Clone(files), c.more...)...)), "--dry-run")
		switch {
		case c.want == "" && (r.code != 3 || !strings.Contains(r.err, "there is no build for this system ("+c.kernel+" "+c.machine+"); there are: darwin/amd64, darwin/arm64, linux/386, linux/amd64,")):
			t.Errorf("%s %s: it ends with %d: %s", c.kernel, c.machine, r.code, r.err)
		case c.want != "" && (r.code != 0 || !strings.Contains(r.err, "/hello_"+c.want+".binary\n")):
			t.Errorf("%s %s of %s bits: it ends with %d: %s", c.kernel, c.machine, c.bits, r.code, r.err)
		}
		if got := m.left(); len(got) != 0 {
			t.Errorf("a dry run leaves %q", got)
		}
	}
}

// Where programs are of 32 bits on a processor of 64, a build for the processor does, too.
func TestScriptNarrow(t *testing.T) {
	t.Parallel()
	f := serve(t).add("linux/amd64", "binary", "", map[string]string{"hello": ""})
	m := newMachine(t, dash(t), "curl", "sha256sum")
	m.fake("getconf", "echo 32")
	if r := m.install(script(t, sample(f)), "--dry-run"); r.code != 0 {
		t.Errorf("it ends with %d: %s", r.code, r.err)
	}
}

// The folder is said by an argument, by a variable, or found.
func TestScriptFolder(t *testing.T) {
	t.Parallel()
	p := serve(t)
	s := script(t, sample(p.add("linux/amd64", "binary", "", map[string]string{"hello": program("hello")})))
	m := newMachine(t, dash(t), "curl", "sha256sum")
	if r := m.run(s, "--bin-dir=relative/it's here//"); r.code != 0 || !slices.Equal(m.left(), []string{"relative/it's here/hello"}) {
		t.Errorf("it ends with %d and leaves %q: %s", r.code, m.left(), r.err)
	}
	m = newMachine(t, dash(t), "curl", "sha256sum")
	m.env = []string{"HELLO_INSTALL_DIR=" + filepath.Join(m.home, "variable")}
	if r := m.run(s); r.code != 0 || !slices.Equal(m.left(), []string{"variable/hello"}) {
		t.Errorf("it ends with %d and leaves %q: %s", r.code, m.left(), r.err)
	}
	m = newMachine(t, dash(t), "curl", "sha256sum")
	m.path += ":" + m.bin()
	if r := m.install(s); r.code != 0 || strings.Contains(r.err, "PATH") {
		t.Errorf("with the folder in PATH it says: %s", r.err)
	}
	// A folder that can't be made or written to: a file stands there.
	m = newMachine(t, dash(t), "curl", "sha256sum")
	if err := os.WriteFile(m.bin(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := m.install(s); r.code != 1 || !strings.Contains(r.err, "can't be made; say another folder: --bin-dir DIR") {
		t.Errorf("it ends with %d: %s", r.code, r.err)
	}
	// Somebody else's folder.
	if os.Geteuid() == 0 {
		m = newMachine(t, append([]string{realtest.Program(t, "setpriv", "util-linux"), "--reuid=65534", "--regid=65534", "--clear-groups"}, dash(t)...), "curl", "sha256sum")
		home := t.TempDir()
		if err := errors.Join(os.Chmod(m.path, 0o755), os.Chmod(m.home, 0o755), os.Chmod(filepath.Dir(home), 0o755), os.Chown(home, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		m.env = []string{"HOME=" + home, "TMPDIR=" + home}
		if r := m.run(s, "--bin-dir", "/usr/bin"); r.code != 1 || !strings.Contains(r.err, "/usr/bin can't be written to; say another folder") {
			t.Errorf("it ends with %d: %s", r.code, r.err)
		}
		if r := m.run(s); r.code != 0 {
			t.Errorf("it ends with %d: %s", r.code, r.err)
		}
		if _, err := os.Stat(filepath.Join(home, ".local/bin/hello")); err != nil {
			t.Error(err)
		}
	}
}

// A program that runs is replaced, and goes on running.
func TestScriptUpgradesARunningProgram(t *testing.T) {
	t.Parallel()
	p := serve(t)
	m := newMachine(t, dash(t), "curl", "sha256sum")
	cat, err := os.ReadFile(realtest.Program(t, "cat", "coreutils"))
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(m.bin(), "hello")
	if err := errors.Join(os.MkdirAll(m.bin(), 0o755), os.WriteFile(at, cat, 0o755)); err != nil {
		t.Fatal(err)
	}
	in, ask := io.Pipe()
	answer, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- proc.Run(context.Background(), proc.Cmd{Args: []string{at}, Stdin: in, Stdout: out})
		_ = out.Close()
	}()
	answers := bufio.NewReader(answer)
	runs := func(word string) {
		if _, err := io.WriteString(ask, word+"\n"); err != nil {
			t.Error(err)
		}
		if line, err := answers.ReadString('\n'); line != word+"\n" {
			t.Errorf("the running program answers %q, %v", line, err)
		}
	}
	runs("before")
	r := m.install(script(t, sample(p.add("linux/amd64", "binary", "", map[string]string{"hello": program("new")}))))
	if r.code != 0 {
		t.Errorf("it ends with %d: %s", r.code, r.err)
	}
	runs("after")
	if err := errors.Join(ask.Close(), <-ended); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(at); string(got) != program("new") {
		t.Errorf("it is now %.40q", got)
	}
}

func TestScriptArguments(t *testing.T) {
	t.Parallel()
	p := serve(t)
	s := script(t, sample(p.add("linux/amd64", "binary", "", map[string]string{"hello": program("hello")})))
	m := newMachine(t, dash(t), "curl", "sha256sum")
	if r := m.run(s, "--version"); r.code != 0 || r.out != "hello 1.2.3\n" || r.err != "" {
		t.Errorf("--version: %+v", r)
	}
	if r := m.run(s, "--help"); r.code != 0 || !strings.Contains(r.out, "$HELLO_INSTALL_DIR") || !strings.Contains(r.out, "Builds: linux/amd64.") {
		t.Errorf("--help: %+v", r)
	}
	for _, args := range [][]string{{"--nonsense"}, {"--bin-dir"}, {"now"}} {
		if r := m.run(s, args...); r.code != 2 {
			t.Errorf("%q ends with %d: %s", args, r.code, r.err)
		}
	}
	if got := m.left(); len(got) != 0 {
		t.Errorf("it leaves %q", got)
	}
	if r := m.install(s, "--quiet"); r.code != 0 || strings.Contains(r.err, "installed") {
		t.Errorf("--quiet: %+v", r)
	}
}
