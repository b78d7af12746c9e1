package linuxpkg

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

// segments parts an apk into its gzip streams, unpacked, with each stream's bytes.
func segments(t *testing.T, apk []byte) (packed, unpacked [][]byte) {
	t.Helper()
	in := bytes.NewReader(apk)
	buffered := bufio.NewReader(in)
	for begin := 0; begin < len(apk); {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false)
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		end := len(apk) - in.Len() - buffered.Buffered()
		packed, unpacked = append(packed, apk[begin:end]), append(unpacked, text)
		begin = end
	}
	return packed, unpacked
}

// An apk is what apk-tools read: a control segment without a tar's end, whose
// .PKGINFO has the digest of the data segment, and data with a digest for each file.
// No Debian has apk-tools, so the format is checked by its documentation.
func TestApkIsWhole(t *testing.T) {
	t.Parallel()
	packed, unpacked := segments(t, build(t, sample(t, "apk")))
	if len(packed) != 2 {
		t.Fatalf("it has %d segments, want control and data", len(packed))
	}
	if bytes.HasSuffix(unpacked[0], make([]byte, 1024)) {
		t.Error("the control segment ends its tar, so that apk would not read on")
	}
	sum := sha256.Sum256(packed[1])
	control := tarFiles(t, unpacked[0])
	want := `pkgname = hello
pkgver = 1.2.3-r0
arch = x86_64
size = SIZE
pkgdesc = says hello to $HOME
url = https://hello.example
maintainer = Ada <ada@hello.example>
replaces = hallo
provides = greeter=1
depend = !goodbye<2
license = MIT
datahash = ` + hex.EncodeToString(sum[:])
	got := strings.TrimSpace(control[".PKGINFO"].text)
	_, size, _ := strings.Cut(got, "size = ")
	size, _, _ = strings.Cut(size, "\n")
	if diff := cmp.Diff(strings.Replace(want, "SIZE", size, 1), got); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{".pre-install", ".post-install", ".pre-upgrade", ".post-upgrade", ".pre-deinstall", ".post-deinstall"} {
		if f := control[name]; f.Mode != 0o755 || !strings.HasPrefix(f.text, "#!/bin/sh\n") || !f.ModTime.Equal(commitTime) {
			t.Errorf("%s is %o %s %q", name, f.Mode, f.ModTime, f.text)
		}
	}
	data := tarFiles(t, unpacked[1])
	for name, mode := range map[string]int64{"usr/bin/hello": 0o755, "etc/hello/hello.conf": 0o640, "usr/share/hello/run.sh": 0o755, "var/lib/hello/": 0o750, "usr/share/doc/hello/LICENSE": 0o644} {
		f := data[name]
		if f.Header == nil || f.Mode&0o7777 != mode || f.Uid != 0 || f.Gid != 0 || !f.ModTime.Equal(commitTime) {
			t.Errorf("%s is %+v", name, f.Header)
		}
	}
	if data["usr/bin/hi"].Linkname != "hello" {
		t.Error("usr/bin/hi is no link to hello")
	}
	for name, f := range data {
		sum := sha1.Sum([]byte(f.text))
		if got := f.PAXRecords["APK-TOOLS.checksum.SHA1"]; f.Typeflag == tar.TypeReg && got != hex.EncodeToString(sum[:]) {
			t.Errorf("%s has checksum %s", name, got)
		}
	}
}

type tarFile struct {
	*tar.Header
	text string
}

func tarFiles(t *testing.T, text []byte) map[string]tarFile {
	t.Helper()
	out := map[string]tarFile{}
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = tarFile{h, string(body)}
	}
}

// Every platform has its package in each format that knows it, and the others say so at once.
func TestArchitectures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ platform, deb, rpm, apk, arch string }{
		{"linux/amd64", "amd64", "x86_64", "x86_64", "x86_64"},
		{"linux/amd64/v3", "amd64", "x86_64", "x86_64", "x86_64"},
		{"linux/386", "i386", "i386", "x86", "i686"},
		{"linux/arm64", "arm64", "aarch64", "aarch64", "aarch64"},
		{"linux/arm/v5", "armel", "armv5tel", "armel", "arm"},
		{"linux/arm/v6", "armhf", "armv6hl", "armhf", "armv6h"},
		{"linux/arm/v7", "armhf", "armv7hl", "armv7", "armv7h"},
		{"linux/riscv64", "riscv64", "riscv64", "riscv64", "riscv64"},
		{"linux/ppc64le", "ppc64el", "ppc64le", "ppc64le", "powerpc64le"},
		{"linux/s390x", "s390x", "s390x", "s390x", ""},
		{"linux/loong64", "loong64", "loongarch64", "loongarch64", "loong64"},
		{"linux/mips64le", "mips64el", "mips64el", "mips64el", ""},
		{"linux/sparc64", "", "", "", ""},
		{"darwin/arm64", "", "", "", ""},
	} {
		platform, err := release.ParsePlatform(c.platform)
		if err != nil {
			t.Fatal(err)
		}
		for format, want := range map[string]string{"deb": c.deb, "rpm": c.rpm, "apk": c.apk, "archlinux": c.arch} {
			p := release.PlanPackage{Asset: "x", Format: format, Platform: platform}
			err := checkArchitecture(p)
			if want == "" {
				if release.KindOf(err) != release.Invalid {
					t.Errorf("%s in %s: %v", c.platform, format, err)
				}
				continue
			}
			if got := architectures[format][platformKey(platform)]; err != nil || got != want {
				t.Errorf("%s in %s is %s, want %s (%v)", c.platform, format, got, want, err)
			}
		}
	}
}

// What can be known before a build is refused before it, as the user's mistake.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*release.PlanPackage){
		"no format":             func(p *release.PlanPackage) { p.Format = "ipk" },
		"upper-case name":       func(p *release.PlanPackage) { p.Name = "Hello" },
		"name of one letter":    func(p *release.PlanPackage) { p.Name = "h" },
		"no version":            func(p *release.PlanPackage) { p.Version = "~~" },
		"maintainer with field": func(p *release.PlanPackage) { p.Maintainer = "Ada\nDepends: evil" },
		"homepage with field":   func(p *release.PlanPackage) { p.Homepage = "https://x\r\nPre-Depends: evil" },
		"licence with zero":     func(p *release.PlanPackage) { p.License = "MIT\x00" },
		"escape in description": func(p *release.PlanPackage) { p.Description = "\x1b[31mred" },
		"empty description":     func(p *release.PlanPackage) { p.Description = " \n" },
		"relation with field":   func(p *release.PlanPackage) { p.Depends = []string{"a\nDepends: evil"} },
		"two relations":         func(p *release.PlanPackage) { p.Depends = []string{"a, b"} },
		"empty relation":        func(p *release.PlanPackage) { p.Depends = []string{""} },
		"relative target":       func(p *release.PlanPackage) { p.Contents[0].Target = "etc/x" },
		"target going up":       func(p *release.PlanPackage) { p.Contents[0].Target = "/etc/../x" },
		"target not clean":      func(p *release.PlanPackage) { p.Contents[0].Target = "/etc//x" },
		"target with newline":   func(p *release.PlanPackage) { p.Contents[0].Target = "/etc/x\n/etc/passwd" },
		"target with space":     func(p *release.PlanPackage) { p.Contents[0].Target = "/etc/x mode=4755" },
		"target as description": func(p *release.PlanPackage) { p.Contents[0].Target = "/.INSTALL" },
		"root as target":        func(p *release.PlanPackage) { p.Contents[0].Target = "/" },
		"no mode":               func(p *release.PlanPackage) { p.Contents[0].Mode = "0999" },
		"mode too large":        func(p *release.PlanPackage) { p.Contents[0].Mode = "100644" },
		"no type":               func(p *release.PlanPackage) { p.Contents[0].Type = "ghost" },
		"source leading out":    func(p *release.PlanPackage) { p.Contents[0].Source = "a/../../etc/passwd" },
		"absolute source":       func(p *release.PlanPackage) { p.Contents[0].Source = "/etc/passwd" },
		"no source":             func(p *release.PlanPackage) { p.Contents[0].Source = "" },
		"two dirs at one place": func(p *release.PlanPackage) { p.Contents = append(p.Contents, p.Contents[3]) },
		"dir with a source":     func(p *release.PlanPackage) { p.Contents[3].Source = "share" },
		"relative bin-dir":      func(p *release.PlanPackage) { p.BinDir = "bin" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := sample(t, "deb").Package
			if err := Check(p); err != nil {
				t.Fatal(err)
			}
			spoil(&p)
			if err := Check(p); release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
				t.Errorf("Check gives %v (hint %q)", err, release.HintOf(err))
			}
		})
	}
	for format, given := range map[string]string{"deb": "aa | bb (>= 2) [amd64]", "rpm": "(a or b)", "apk": "so:libc.musl-x86_64.so.1", "archlinux": "a>=1:2.3-1"} {
		p := sample(t, format).Package
		p.Depends = []string{given}
		if err := Check(p); err != nil {
			t.Error(err)
		}
	}
	p := sample(t, "rpm").Package
	p.Depends = []string{"a | b"}
	if err := Check(p); release.KindOf(err) != release.Invalid {
		t.Errorf("an rpm takes a deb's alternatives: %v", err)
	}
}

// Nothing outside the checkout gets into a package, and no file twice.
func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, filepath.Dir(secret), map[string]string{"secret": "not yours"})
	for name, spoil := range map[string]func(t *testing.T, o *Options) error{
		"link that leads out": func(_ *testing.T, o *Options) error {
			o.Package.Contents[1].Source = "share/**"
			return os.Symlink(secret, filepath.Join(o.Dir, "share/link"))
		},
		"link by its name": func(_ *testing.T, o *Options) error {
			o.Package.Contents[0].Source = "link"
			return os.Symlink("../../../../../../../../etc/passwd", filepath.Join(o.Dir, "link"))
		},
		"folder link that leads out": func(_ *testing.T, o *Options) error {
			o.Package.Contents[0].Source = "out/secret"
			return os.Symlink(filepath.Dir(secret), filepath.Join(o.Dir, "out"))
		},
		"script that leads out": func(_ *testing.T, o *Options) error {
			o.Package.Scripts.PreInstall = "link.sh"
			return os.Symlink("/bin/sh", filepath.Join(o.Dir, "link.sh"))
		},
		"script without a program": func(t *testing.T, o *Options) error {
			write(t, o.Dir, map[string]string{"packaging/preinst.sh": "echo hello\n"})
			return nil
		},
		"no script":        func(_ *testing.T, o *Options) error { return os.Remove(filepath.Join(o.Dir, "packaging/preinst.sh")) },
		"no file":          func(_ *testing.T, o *Options) error { o.Package.Contents[0].Source = "none"; return nil },
		"no match":         func(_ *testing.T, o *Options) error { o.Package.Contents[0].Source = "none/*"; return nil },
		"file with space":  func(t *testing.T, o *Options) error { write(t, o.Dir, map[string]string{"share/a b": ""}); return nil },
		"two at one place": func(_ *testing.T, o *Options) error { o.Package.Contents[2].Target = "/usr/share/hello"; return nil },
		"over the binary":  func(_ *testing.T, o *Options) error { o.Package.Contents[0].Target = "/usr/bin/hello"; return nil },
		"file and folder":  func(_ *testing.T, o *Options) error { o.Package.Contents[0].Target = "/usr/lib/hello"; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := sample(t, "deb")
			if err := spoil(t, &o); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err := Write(t.Context(), &out, o)
			if release.KindOf(err) != release.Invalid || release.HintOf(err) == "" || out.Len() != 0 {
				t.Errorf("%v (hint %q), %d bytes written", err, release.HintOf(err), out.Len())
			}
			if err != nil && !strings.Contains(err.Error(), o.Package.Asset) {
				t.Errorf("the error does not say which package: %v", err)
			}
		})
	}
}

// A link inside the checkout gives the file behind it; .git never goes in; a name
// with a glob's characters is itself.
func TestSources(t *testing.T) {
	t.Parallel()
	o := sample(t, "deb")
	write(t, o.Dir, map[string]string{"share/.git/config": "x", "share/[a]{b}*": "strange"})
	if err := os.Symlink("one.txt", filepath.Join(o.Dir, "share/first")); err != nil {
		t.Fatal(err)
	}
	o.Package.Contents = []release.PackageContent{{Source: "share", Target: "/opt/x"}, {Source: "packaging/hello.conf", Target: "/opt/one/"}, {Source: `share/\[a\]*`, Target: "/opt/y"}}
	list := run(t, "dpkg-deb", "--contents", file(t, o))
	has(t, list, "-rw-r--r-- root/root         2 2026-01-02 03:04 ./opt/x/first\n", "./opt/x/deep/two.txt\n", "./opt/one/hello.conf\n", "./opt/x/[a]{b}*\n", "./opt/y/[a]{b}*\n")
	hasNot(t, list, ".git")
}

// A binary that is not what was built is not packed.
func TestWriteChecksBinaries(t *testing.T) {
	t.Parallel()
	o := sample(t, "rpm")
	o.Binaries[0].Digest = "sha256:" + strings.Repeat("0", 64)
	if err := Write(t.Context(), io.Discard, o); release.KindOf(err) != release.Failed || err == nil {
		t.Error(err)
	}
	o.Binaries = nil
	if err := Write(t.Context(), io.Discard, o); err == nil {
		t.Error("a package without its binary is written")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Write(ctx, io.Discard, sample(t, "apk")); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
