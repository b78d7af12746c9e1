package linuxpkg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// system is a root with nothing but a shell, in which packages are installed: the
// package managers run the scripts in it.
func system(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: package managers change into a root as root only")
	}
	busybox := realtest.Program(t, "busybox", "busybox-static")
	root := t.TempDir()
	for _, dir := range []string{"bin", "usr/bin", "etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/pacman", "var/cache", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "cp", busybox, filepath.Join(root, "bin/busybox"))
	for _, applet := range []string{"sh", "mkdir", "echo"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root, map[string]string{"var/lib/dpkg/status": "", "etc/passwd": "root:x:0:0::/:/bin/sh\n", "etc/group": "root:x:0:\n"})
	return root
}

// there tells whether a path is in the root; links are not followed.
func there(root, name string) bool {
	_, err := os.Lstat(filepath.Join(root, name))
	return err == nil
}

// installed checks what every format puts in place.
func installed(t *testing.T, root string) {
	t.Helper()
	for name, mode := range map[string]os.FileMode{
		"usr/bin/hello": 0o755, "etc/hello/hello.conf": 0o640, "usr/share/hello/one.txt": 0o644, "usr/share/hello/deep/two.txt": 0o644,
		"usr/share/hello/run.sh": 0o755, "usr/lib/hello/one.txt": 0o644, "usr/lib/hello/deep/two.txt": 0o644,
		"var/lib/hello": os.ModeDir | 0o750, "usr/bin/hi": os.ModeSymlink | 0o777, "usr/share/doc/hello/README.md": 0o644,
	} {
		st, err := os.Lstat(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if st.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", name, st.Mode(), mode)
		}
	}
	var out strings.Builder
	if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"chroot", root, "/usr/bin/hi"}, Stderr: &out}); err != nil {
		t.Error(err)
	}
	if got := out.String(); got != "hello of a package\n" {
		t.Errorf("the installed program says %q", got)
	}
}

// removed checks that nothing is left but what the user may have changed, and the
// folders that are the system's.
func removed(t *testing.T, root string, but ...string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		for _, b := range but {
			if strings.HasPrefix(b, rel) {
				return err
			}
		}
		if strings.Contains(rel, "hello") && !strings.HasPrefix(rel, "var/log") {
			t.Errorf("%s is left", rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func scripts(t *testing.T, root string) string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(root, "var/log/hello-scripts"))
	if err != nil {
		t.Error(err)
	}
	return string(log)
}

// A deb installs, runs, is upgraded, keeps its config file when it is removed, and
// leaves nothing when it is purged.
func TestDebInstalls(t *testing.T) {
	t.Parallel()
	realtest.Program(t, "dpkg", "dpkg")
	o := sample(t, "deb")
	deb, root := file(t, o), system(t)
	dpkg := func(args ...string) {
		run(t, append([]string{"dpkg", "--root=" + root, "--log=" + filepath.Join(root, "tmp/dpkg.log")}, args...)...)
	}
	dpkg("--install", deb)
	installed(t, root)
	if got := run(t, "dpkg", "--root="+root, "--verify", "hello"); got != "" {
		t.Errorf("dpkg finds other files than it installed:\n%s", got)
	}
	write(t, root, map[string]string{"etc/hello/hello.conf": "greeting = mine\n"})
	o.Package.Version = "1.2.4"
	dpkg("--force-confdef", "--install", file(t, o))
	if conf, _ := os.ReadFile(filepath.Join(root, "etc/hello/hello.conf")); string(conf) != "greeting = mine\n" {
		t.Errorf("the upgrade made the user's config file into %q", conf)
	}
	dpkg("--remove", "hello")
	removed(t, root, "etc/hello/hello.conf", "var/lib/dpkg/info/hello.postrm", "var/lib/dpkg/info/hello.list")
	if !there(root, "etc/hello/hello.conf") {
		t.Error("the config file went with the package")
	}
	dpkg("--purge", "hello")
	removed(t, root)
	has(t, scripts(t, root), "pre-install install\npost-install configure\n", "pre-install upgrade\n", "post-install configure\n", "pre-remove remove\npost-remove remove\npost-remove purge\n")
}

func TestDebDescribesItself(t *testing.T) {
	t.Parallel()
	deb := file(t, sample(t, "deb"))
	info := run(t, "dpkg-deb", "--info", deb)
	has(t, info, "Package: hello\n", "Version: 1.2.3\n", "Architecture: amd64\n", "Maintainer: Ada <ada@hello.example>\n", "Section: utils\n", "Priority: optional\n",
		"Homepage: https://hello.example\n", "Recommends: ca-certificates\n", "Suggests: curl (>= 7)\n", "Conflicts: goodbye (<< 2)\n", "Replaces: hallo\n", "Provides: greeter (= 1)\n",
		"Description: says hello to $HOME\n  In more words: it says ${USER} and {{.Name}}.\n  .\n  And no more.\n")
	list := run(t, "dpkg-deb", "--contents", deb)
	has(t, list, "-rwxr-xr-x root/root", "./usr/share/doc/hello/copyright", "./usr/share/doc/hello/changelog.gz", "./usr/bin/hi -> hello", "2026-01-02 03:04")
	has(t, run(t, "dpkg-deb", "--info", deb, "conffiles"), "/etc/hello/hello.conf\n")
}

// What Debian's own checker calls an error is only what a released static binary
// and a package outside Debian's archive are.
func TestDebLintian(t *testing.T) {
	t.Parallel()
	lintian := realtest.Program(t, "lintian", "lintian")
	o := sample(t, "deb")
	out := run(t, lintian, "--allow-root", "--fail-on", "none", "--tag-display-limit", "0", file(t, o))
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "E:") && !strings.Contains(line, "statically-linked-binary") && !strings.Contains(line, "unstripped-binary-or-object") {
			t.Error(line)
		}
	}
}

// An rpm installs, runs and leaves nothing, and rpm finds it whole and says of it what it is.
func TestRPMInstalls(t *testing.T) {
	t.Parallel()
	rpm := realtest.Program(t, "rpm", "rpm")
	o := sample(t, "rpm")
	pkg, root := file(t, o), system(t)
	has(t, run(t, rpm, "--checksig", "--nosignature", "-v", pkg), "Header SHA256 digest: OK", "Payload SHA256 digest: OK")
	format := "%{NAME}|%{VERSION}|%{RELEASE}|%{ARCH}|%{OS}|%{LICENSE}|%{GROUP}|%{URL}|%{VENDOR}|%{PACKAGER}|%{SUMMARY}|%{BUILDTIME}|%{BUILDHOST}|%{SOURCERPM}\n"
	want := "hello|1.2.3|1|x86_64|linux|MIT|utils|https://hello.example|Hello|Ada <ada@hello.example>|says hello to $HOME|1767323045|localhost|hello-1.2.3-1.src.rpm\n"
	if got := run(t, rpm, "-qp", "--nosignature", "--qf", format, pkg); got != want {
		t.Errorf("rpm reads %q, want %q", got, want)
	}
	query := func(what string) string { return run(t, rpm, "-qp", "--nosignature", what, pkg) }
	has(t, query("--info"), "In more words: it says ${USER} and {{.Name}}.")
	has(t, query("--recommends"), "ca-certificates\n")
	has(t, query("--suggests"), "curl >= 7\n")
	has(t, query("--conflicts"), "goodbye < 2\n")
	has(t, query("--obsoletes"), "hallo\n")
	has(t, query("--provides"), "greeter = 1\n", "hello = 1.2.3-1\n")
	has(t, query("--docfiles"), "/usr/share/doc/hello/README.md\n")
	has(t, query("--licensefiles"), "/usr/share/doc/hello/LICENSE\n")
	has(t, query("--configfiles"), "/etc/hello/hello.conf\n")
	has(t, query("-lv"), "-rwxr-xr-x    1 root     root", "/usr/share/hello/deep/two.txt", "/usr/bin/hi -> hello")
	in := func(args ...string) string {
		return run(t, append([]string{rpm, "--root", root, "--nosignature"}, args...)...)
	}
	in("--install", pkg)
	installed(t, root)
	if got := in("--verify", "--nodeps", "hello"); got != "" {
		t.Errorf("rpm finds other files than it installed:\n%s", got)
	}
	write(t, root, map[string]string{"etc/hello/hello.conf": "greeting = mine\n"})
	write(t, o.Dir, map[string]string{"packaging/hello.conf": "greeting = new\n"})
	o.Package.Version = "1.2.4"
	in("--upgrade", file(t, o))
	if conf, _ := os.ReadFile(filepath.Join(root, "etc/hello/hello.conf")); string(conf) != "greeting = mine\n" {
		t.Errorf("the upgrade made the user's config file into %q", conf)
	}
	in("--erase", "hello")
	removed(t, root, "etc/hello/hello.conf.rpmsave", "etc/hello/hello.conf.rpmnew")
	has(t, scripts(t, root), "pre-install 1\npost-install 1\npre-install 2\npost-install 2\n", "pre-remove 0\npost-remove 0\n")
}

// pacman installs an archlinux package, finds it whole, and removes it.
func TestArchLinuxInstalls(t *testing.T) {
	t.Parallel()
	pacman := realtest.Program(t, "pacman", "pacman-package-manager")
	o := sample(t, "archlinux")
	pkg, root := file(t, o), system(t)
	config := filepath.Join(t.TempDir(), "pacman.conf")
	write(t, filepath.Dir(config), map[string]string{"pacman.conf": "[options]\nArchitecture = x86_64\nSigLevel = Never\nLocalFileSigLevel = Never\n"})
	in := func(args ...string) string {
		return run(t, append([]string{pacman, "--config", config, "--root", root, "--dbpath", filepath.Join(root, "var/lib/pacman"), "--cachedir", filepath.Join(root, "var/cache"), "--noconfirm"}, args...)...)
	}
	has(t, in("-Qip", pkg), "Name            : hello\n", "Version         : 1.2.3-1\n", "Description     : says hello to $HOME\n", "Architecture    : x86_64\n", "URL             : https://hello.example\n",
		"Licenses        : MIT\n", "Provides        : greeter=1\n", "Conflicts With  : goodbye<2\n", "Replaces        : hallo\n", "Packager        : Ada <ada@hello.example>\n", "Build Date      : Fri Jan  2 03:04:05 2026\n", "Install Script  : Yes\n")
	in("-U", pkg)
	installed(t, root)
	has(t, in("-Qkk", "hello"), "0 altered files")
	in("-R", "hello")
	removed(t, root, "etc/hello/hello.conf.pacsave")
	has(t, scripts(t, root), "pre-install 1.2.3-1\npost-install 1.2.3-1\npre-remove 1.2.3-1\npost-remove 1.2.3-1\n")
}
