package installer

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// program is what is installed: it says which one it is.
func program(word string) string { return "#!/bin/sh\necho " + word + "\n" }

// packed is a program in a file of a format, in a folder of the archive.
func packed(t testing.TB, format, dir string, programs map[string]string) []byte {
	t.Helper()
	var names []string
	for name := range programs {
		names = append(names, name)
	}
	slices.Sort(names)
	var out bytes.Buffer
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	switch format {
	case "binary":
		return []byte(programs[names[0]])
	case "zip":
		z := zip.NewWriter(&out)
		for _, name := range names {
			w, err := z.Create(path.Join(dir, name))
			check(err)
			_, err = io.WriteString(w, programs[name])
			check(err)
		}
		check(z.Close())
		return out.Bytes()
	}
	var z io.WriteCloser = gzip.NewWriter(&out)
	if format == "tar.zst" {
		var err error
		z, err = zstd.NewWriter(&out)
		check(err)
	}
	tw := tar.NewWriter(z)
	for _, name := range names {
		check(tw.WriteHeader(&tar.Header{Name: path.Join(dir, name), Mode: 0o644, Size: int64(len(programs[name])), Uid: 12345, Gid: 12345}))
		_, err := io.WriteString(tw, programs[name])
		check(err)
	}
	check(tw.Close())
	check(z.Close())
	return out.Bytes()
}

// place serves files, and writes down what is asked of it.
type place struct {
	t     testing.TB
	url   string
	files map[string][]byte
}

func serve(t testing.TB) *place {
	t.Helper()
	p := &place{t: t, files: map[string][]byte{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := p.files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// add puts a file there, and gives what a release says of it.
func (p *place) add(platform, format, dir string, programs map[string]string) File {
	p.t.Helper()
	on, err := release.ParsePlatform(platform)
	if err != nil {
		p.t.Fatal(err)
	}
	f := File{Platform: on, Name: "hello_" + on.Slug() + "." + format, Format: format, Dir: dir}
	for name := range programs {
		f.Binaries = append(f.Binaries, name)
	}
	slices.Sort(f.Binaries)
	body := packed(p.t, format, dir, programs)
	sum := sha256.Sum256(body)
	f.Digest = "sha256:" + hex.EncodeToString(sum[:])
	f.URL = p.url + "/" + f.Name
	p.files["/"+f.Name] = body
	return f
}

func sample(files ...File) Release {
	return Release{Project: "hello", Tag: "v1.2.3", Version: "1.2.3", Description: "A program that says hello.", Homepage: "https://hello.example", License: "MIT", Files: files}
}

func script(t testing.TB, r Release) string {
	t.Helper()
	s, err := Script(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

// machine is where a script runs: a home, and a PATH with nothing but what it is given.
type machine struct {
	t     testing.TB
	shell []string
	home  string
	path  string
	env   []string
}

// plain are the programs that every system has.
var plain = []string{"uname", "mktemp", "mkdir", "rm", "mv", "cp", "chmod", "sleep", "tar", "gzip", "id", "getconf", "cat", "sh"}

// newMachine makes one with the programs that are named and the plain ones.
func newMachine(t testing.TB, shell []string, programs ...string) machine {
	t.Helper()
	m := machine{t: t, shell: shell, home: t.TempDir(), path: t.TempDir()}
	for _, name := range append(slices.Clone(plain), programs...) {
		pkg, ok := map[string]string{"zstd": "zstd", "unzip": "unzip", "wget": "wget", "curl": "curl", "busybox": "busybox-static", "openssl": "openssl"}[name]
		if !ok {
			pkg = "coreutils"
		}
		if err := os.Symlink(realtest.Program(t, name, pkg), filepath.Join(m.path, name)); err != nil {
			t.Fatal(err)
		}
	}
	m.is("Linux", "x86_64")
	return m
}

// fake puts a program of the test's in the way.
func (m machine) fake(name, text string) {
	m.t.Helper()
	at := filepath.Join(m.path, name)
	if err := os.RemoveAll(at); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

// is says which system the machine calls itself.
func (m machine) is(kernel, processor string) {
	m.fake("uname", fmt.Sprintf("case $1 in -s) echo '%s' ;; -m) echo '%s' ;; esac", kernel, processor))
}

type result struct {
	out, err string
	code     int
}

// run gives the shell a script on stdin, as curl does.
func (m machine) run(script string, args ...string) result {
	m.t.Helper()
	var out, said strings.Builder
	command := append(slices.Clone(m.shell), "-s", "--")
	err := proc.Run(context.Background(), proc.Cmd{Args: append(command, args...), Dir: m.home, Stdin: strings.NewReader(script), Stdout: &out, Stderr: &said,
		Env: append([]string{"PATH=" + m.path, "HOME=" + m.home, "TMPDIR=" + m.home, "HELLO_INSTALL_DIR="}, m.env...), Unset: []string{"ZDOTDIR", "ENV", "BASH_ENV"}})
	r := result{out: out.String(), err: said.String()}
	if err != nil {
		r.code = -1
		var e *proc.Error
		if ok := errors.As(err, &e); ok {
			r.code = e.Code
		}
	}
	return r
}

// bin is where the tests install to.
func (m machine) bin() string { return filepath.Join(m.home, "bin") }

func (m machine) install(script string, args ...string) result {
	m.t.Helper()
	return m.run(script, append([]string{"--bin-dir", m.bin()}, args...)...)
}

// left gives all files below the home.
func (m machine) left() []string {
	m.t.Helper()
	var out []string
	err := filepath.WalkDir(m.home, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(m.home, p)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// shells are those that people have: dash on Debian, bash, ash on Alpine, zsh.
func shells(t testing.TB) map[string][]string {
	t.Helper()
	return map[string][]string{
		"dash": {realtest.Program(t, "dash", "dash")}, "bash": {realtest.Program(t, "bash", "bash")},
		"busybox": {realtest.Program(t, "busybox", "busybox-static"), "sh"}, "zsh": {realtest.Program(t, "zsh", "zsh"), "-f"},
	}
}

func eachShell(t *testing.T, test func(t *testing.T, shell []string)) {
	t.Parallel()
	for name, shell := range shells(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, shell)
		})
	}
}

func dash(t testing.TB) []string { t.Helper(); return shells(t)["dash"] }
