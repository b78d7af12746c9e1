package build

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// Binaries are told apart by what they are, not by their names.
func TestCheckBinary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"dynamic":    {},
		"static":     {"-static"},
		"static-pie": {"-static-pie"},
		"library":    {"-shared", "-fPIC"},
		"object":     {"-c"},
	} {
		args = append([]string{"gcc", "-x", "c", "-o", filepath.Join(dir, name)}, append(args, "-")...)
		if err := proc.Run(t.Context(), proc.Cmd{Args: args, Stdin: bytes.NewReader([]byte(helloC))}); err != nil {
			t.Fatal(err)
		}
	}
	darwin, windows := release.Platform{OS: "darwin", Arch: "arm64"}, release.Platform{OS: "windows", Arch: "amd64"}
	for _, b := range mustBuild(t, hello(t), t.TempDir(), goBuild("go", i386, darwin, windows)) {
		if err := os.Rename(b.Path, filepath.Join(dir, b.Platform.OS)); err != nil {
			t.Fatal(err)
		}
	}
	static := []byte(read(t, filepath.Join(dir, "static")))
	for name, content := range map[string][]byte{
		"empty": {}, "script": []byte("#!/bin/sh\n"), "cut": static[:40], "cut later": static[:len(static)/2], "short": []byte("\x7fE"),
		"wild": wild(static),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		file  string
		p     release.Platform
		check release.StaticCheck
		says  string // of the error; empty: it passes
	}{
		{"static", amd64, release.StaticRequired, ""},
		{"static-pie", amd64, release.StaticRequired, ""},
		{"dynamic", amd64, release.StaticIfELF, `dynamically linked: it needs libc.so.6 through "/lib64/ld-linux-x86-64.so.2"`},
		{"library", amd64, release.StaticIfELF, "dynamically linked: it needs libc.so.6"},
		{"dynamic", amd64, release.StaticOff, ""},
		{"object", amd64, release.StaticIfELF, "an object file"},
		{"static", arm64, release.StaticIfELF, "the binary is for amd64, but the platform is linux/arm64"},
		{"static", i386, release.StaticIfELF, "the binary is for amd64, but the platform is linux/386"},
		{"linux", i386, release.StaticRequired, ""},
		{"linux", amd64, release.StaticRequired, "the binary is for 386"},
		{"linux", release.Platform{OS: "linux", Arch: "pdp11"}, release.StaticRequired, ""},
		{"linux", release.Platform{OS: "freebsd", Arch: "386"}, release.StaticIfELF, ""},
		{"script", amd64, release.StaticIfELF, ""},
		{"script", amd64, release.StaticRequired, "not an ELF file"},
		{"short", amd64, release.StaticRequired, "not an ELF file"},
		{"empty", amd64, release.StaticOff, "empty file"},
		{"cut", amd64, release.StaticIfELF, "begins like an ELF file"},
		{"cut later", amd64, release.StaticIfELF, "begins like an ELF file"},
		{"wild", amd64, release.StaticIfELF, "begins like an ELF file"},
		{"none", amd64, release.StaticOff, "there is no file at"},
		{"darwin", darwin, release.StaticRequired, ""},
		{"darwin", release.Platform{OS: "darwin", Arch: "amd64"}, release.StaticIfELF, "the binary is for arm64"},
		{"darwin", amd64, release.StaticIfELF, "Mach-O file (macOS), but linux/amd64 needs an ELF file"},
		{"windows", windows, release.StaticIfELF, ""},
		{"windows", release.Platform{OS: "windows", Arch: "arm64"}, release.StaticIfELF, "the binary is for amd64"},
		{"static", windows, release.StaticIfELF, "needs a PE file"},
		{".", amd64, release.StaticOff, "is not a file"},
	} {
		err := CheckBinary(filepath.Join(dir, test.file), test.p, test.check)
		if test.says == "" {
			if err != nil {
				t.Errorf("%s for %s (%s): %v", test.file, test.p, test.check, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s for %s (%s) passes", test.file, test.p, test.check)
			continue
		}
		checkError(t, err, release.Failed, "", test.says)
		if release.HintOf(err) == "" {
			t.Errorf("no hint: %v", err)
		}
	}
}

// wild is an ELF file whose section headers lie far beyond its end.
func wild(elf []byte) []byte {
	b := bytes.Clone(elf)
	binary.LittleEndian.PutUint64(b[0x28:], 1<<60)
	return b
}

// No file makes the check panic or run wild.
func FuzzCheckProgram(f *testing.F) {
	for _, p := range []release.Platform{amd64, i386, armv6, s390x} {
		b, _ := probe(p)
		f.Add(b)
	}
	f.Add([]byte("MZ"))
	f.Add([]byte("\xcf\xfa\xed\xfe\x0c\x00\x00\x01"))
	if b, err := os.ReadFile("/bin/true"); err == nil && len(b) < 64<<10 {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range []release.Platform{amd64, {OS: "darwin", Arch: "arm64"}, {OS: "windows", Arch: "amd64"}} {
			_ = checkProgram(bytes.NewReader(b), p, release.StaticRequired)
		}
	})
}
