package realtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/internal/proc"
)

const (
	debianSuite   = "bookworm"
	debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// debianMirror returns the address that this machine gets Debian from.
func debianMirror(ctx context.Context) (string, error) {
	osRelease, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", err
	}
	release := "\n" + string(osRelease)
	codename, _, _ := strings.Cut(after(release, "\nVERSION_CODENAME="), "\n")
	if !strings.Contains(release, "\nID=debian\n") || codename == "" {
		return "", errors.New("it is made from Debian's packages, and this machine is no Debian")
	}
	out, err := proc.Output(ctx, proc.Cmd{Args: []string{"apt-get", "indextargets",
		"--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"}})
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == codename && f[1] == "main" {
			return f[2], nil
		}
	}
	return "", fmt.Errorf("apt's sources have no %s main", codename)
}

// foreignApt is an apt that knows other architectures than the machine's, and
// has its whole state in a folder: the machine's stays as it is.
type foreignApt struct {
	dir string
	log io.Writer
}

func newForeignApt(ctx context.Context, dir string, log io.Writer, archs []string) (foreignApt, error) {
	a := foreignApt{dir: dir, log: log}
	mirror, err := debianMirror(ctx)
	if err != nil {
		return a, err
	}
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "sources"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(sub)), 0o755); err != nil {
			return a, err
		}
	}
	source := fmt.Sprintf("deb [arch=%s signed-by=%s] %s %s main\n", strings.Join(archs, ","), debianKeyring, mirror, debianSuite)
	config := fmt.Sprintf(`Dir::State %q;
Dir::State::lists %q;
Dir::State::status %q;
Dir::Cache %q;
Dir::Etc::sourcelist %q;
Dir::Etc::sourceparts "-";
APT::Architectures { %q; };
APT::Sandbox::User "root";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
`, dir, filepath.Join(dir, "lists"), filepath.Join(dir, "status"), filepath.Join(dir, "cache"),
		filepath.Join(dir, "sources.list"), strings.Join(archs, ","))
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "sources.list"), []byte(source), 0o600),
		os.WriteFile(filepath.Join(dir, "status"), nil, 0o600),
		os.WriteFile(filepath.Join(dir, "apt.conf"), []byte(config), 0o600),
	)
	if err != nil {
		return a, err
	}
	return a, proc.Run(ctx, a.cmd("update"))
}

func (a foreignApt) cmd(args ...string) proc.Cmd {
	return proc.Cmd{
		Args: append([]string{"apt-get"}, args...), Dir: a.dir,
		Env:    []string{"APT_CONFIG=" + filepath.Join(a.dir, "apt.conf"), "LC_ALL=C"},
		Stdout: a.log, Stderr: a.log,
	}
}

// download fetches a package, such as busybox-static:arm64, and returns the
// files it brings as a tar stream.
func (a foreignApt) download(ctx context.Context, pkg string) (io.Reader, error) {
	if err := proc.Run(ctx, a.cmd("download", pkg)); err != nil {
		return nil, err
	}
	name, arch, _ := strings.Cut(pkg, ":")
	debs, err := filepath.Glob(filepath.Join(a.dir, name+"_*_"+arch+".deb"))
	if err != nil {
		return nil, err
	}
	if len(debs) != 1 {
		return nil, fmt.Errorf("apt-get download %s left %d files, want 1", pkg, len(debs))
	}
	out, err := proc.Output(ctx, proc.Cmd{Args: []string{"dpkg-deb", "--fsys-tarfile", debs[0]}})
	return bytes.NewReader(out), err
}
