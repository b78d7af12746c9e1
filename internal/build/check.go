package build

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/release"
)

// CheckBinary looks whether a file is a program for the platform, and for Linux
// whether it is static, as far as the check asks. A file that is no program of
// any known format passes unless the check is StaticRequired: it may be a
// script.
func CheckBinary(path string, p release.Platform, check release.StaticCheck) error {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return release.Failf("look at what the build does", "there is no file at %s", path)
	case err != nil:
		return dist.Readable(err)
	case !st.Mode().IsRegular():
		return release.Failf("look at what the build does", "%s is not a file", path)
	case st.Size() == 0:
		return release.Failf("look at what the build does", "the binary is an empty file")
	}
	if check == release.StaticOff {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return dist.Readable(err)
	}
	defer f.Close()
	return checkProgram(f, p, check)
}

// format is what kind of program a file holds.
type format string

const (
	formatELF   format = "an ELF file (Linux, BSD)"
	formatMachO format = "a Mach-O file (macOS)"
	formatPE    format = "a PE file (Windows)"
	formatOther format = "no program that is known"
)

func formatOf(magic []byte) format {
	switch {
	case bytes.HasPrefix(magic, []byte(elf.ELFMAG)):
		return formatELF
	case bytes.HasPrefix(magic, []byte("MZ")):
		return formatPE
	}
	if len(magic) >= 4 {
		for _, order := range []binary.ByteOrder{little, big} {
			switch order.Uint32(magic) {
			case macho.Magic32, macho.Magic64:
				return formatMachO
			}
		}
	}
	return formatOther
}

// formatFor is what programs of an operating system are; empty where it is not
// looked at.
func formatFor(os string) format {
	switch os {
	case "linux", "android", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris", "illumos":
		return formatELF
	case "darwin", "ios":
		return formatMachO
	case "windows":
		return formatPE
	}
	return ""
}

func checkProgram(r io.ReaderAt, p release.Platform, check release.StaticCheck) error {
	magic := make([]byte, 4)
	n, err := r.ReadAt(magic, 0)
	if err != nil && err != io.EOF {
		return dist.Readable(err)
	}
	is, want := formatOf(magic[:n]), formatFor(p.OS)
	switch {
	case want == "":
		return nil
	case is == formatOther && check == release.StaticRequired && p.OS == "linux":
		return release.Failf("make the build write the program itself, or leave out `static: true`",
			"the binary is not an ELF file (it begins with %q), and static: true asks for a static one", magic[:n])
	case is == formatOther:
		return nil
	case is != want:
		return release.Failf("make the build cross-compile: {os} and {arch} say for what, or take the platform out", "the binary is %s, but %s needs %s", is, p, want)
	}
	switch is {
	case formatELF:
		return checkELF(r, p)
	case formatMachO:
		return checkMachO(r, p)
	}
	return checkPE(r, p)
}

// checkELF looks at an ELF file's machine and, on Linux, at what it needs to
// start. A static position-independent program has a dynamic section but no
// interpreter and no libraries; it is static.
func checkELF(r io.ReaderAt, p release.Platform) error {
	f, err := elf.NewFile(r)
	if err != nil {
		return damaged(formatELF, err)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return release.Failf("link it", "the binary is not a program but %s", elfKind(f.Type))
	}
	if want, ok := elfMachine(p.Arch); ok && (elfIs{f.Machine, f.Class, f.Data}) != want {
		return wrongMachine(p, elfName(elfIs{f.Machine, f.Class, f.Data}))
	}
	if p.OS != "linux" {
		return nil
	}
	needed, err := f.DynString(elf.DT_NEEDED)
	if err != nil {
		return damaged(formatELF, err)
	}
	loader, dynamic := interpreter(f)
	if !dynamic && len(needed) == 0 {
		return nil
	}
	what := "the binary is dynamically linked"
	var needs []string
	if len(needed) > 0 {
		needs = append(needs, quoteAll(needed))
	}
	if dynamic {
		needs = append(needs, fmt.Sprintf("through %q", loader))
	}
	return release.Failf("build it without cgo, for a musl target, or with -static; static: false lets a dynamic one pass",
		"%s: it needs %s", what, strings.Join(needs, " "))
}

// quoteAll names libraries; a damaged file may hold anything as a name.
func quoteAll(names []string) string {
	const most = 8
	var out []string
	for i, n := range names {
		if i == most {
			out = append(out, "…")
			break
		}
		out = append(out, strings.Trim(fmt.Sprintf("%.80q", n), `"`))
	}
	return strings.Join(out, ", ")
}

// interpreter is the program that the kernel starts in place of a dynamic one.
func interpreter(f *elf.File) (string, bool) {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b, _ := io.ReadAll(io.LimitReader(p.Open(), 256))
			name, _, _ := strings.Cut(string(b), "\x00")
			return name, true
		}
	}
	return "", false
}

func elfKind(t elf.Type) string {
	switch t {
	case elf.ET_REL:
		return "an object file"
	case elf.ET_CORE:
		return "a core dump"
	}
	return t.String()
}

// elfIs is an architecture as an ELF header tells it.
type elfIs struct {
	machine elf.Machine
	class   elf.Class
	data    elf.Data
}

// elfArchs are the architectures of Go's names.
var elfArchs = []struct {
	arch string
	elfIs
}{
	{"amd64", elfIs{elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB}},
	{"386", elfIs{elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB}},
	{"arm", elfIs{elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB}},
	{"arm64", elfIs{elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB}},
	{"riscv64", elfIs{elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB}},
	{"loong64", elfIs{elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB}},
	{"ppc64", elfIs{elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2MSB}},
	{"ppc64le", elfIs{elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB}},
	{"s390x", elfIs{elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB}},
	{"mips", elfIs{elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2MSB}},
	{"mipsle", elfIs{elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2LSB}},
	{"mips64", elfIs{elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2MSB}},
	{"mips64le", elfIs{elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2LSB}},
}

func elfMachine(arch string) (elfIs, bool) {
	for _, a := range elfArchs {
		if a.arch == arch {
			return a.elfIs, true
		}
	}
	return elfIs{}, false
}

func elfName(is elfIs) string {
	for _, a := range elfArchs {
		if a.elfIs == is {
			return a.arch
		}
	}
	return fmt.Sprintf("%s %s", is.machine, is.class)
}

func checkMachO(r io.ReaderAt, p release.Platform) error {
	f, err := macho.NewFile(r)
	if err != nil {
		return damaged(formatMachO, err)
	}
	arch := map[macho.Cpu]string{macho.CpuAmd64: "amd64", macho.CpuArm64: "arm64", macho.Cpu386: "386", macho.CpuArm: "arm"}[f.Cpu]
	if arch != p.Arch {
		return wrongMachine(p, orName(arch, f.Cpu))
	}
	return nil
}

func checkPE(r io.ReaderAt, p release.Platform) error {
	f, err := pe.NewFile(r)
	if err != nil {
		return damaged(formatPE, err)
	}
	arch := map[uint16]string{pe.IMAGE_FILE_MACHINE_AMD64: "amd64", pe.IMAGE_FILE_MACHINE_ARM64: "arm64",
		pe.IMAGE_FILE_MACHINE_I386: "386", pe.IMAGE_FILE_MACHINE_ARMNT: "arm"}[f.Machine]
	if arch != p.Arch {
		return wrongMachine(p, orName(arch, f.Machine))
	}
	return nil
}

func orName(arch string, code any) string {
	if arch != "" {
		return arch
	}
	return fmt.Sprintf("machine %v", code)
}

func damaged(f format, err error) error {
	return release.Failf("look at what the build wrote", "the binary begins like %s but can't be read as one: %v", f, err)
}

func wrongMachine(p release.Platform, is string) error {
	return release.Failf("make the build cross-compile: {arch} and {variant} say for what, or take the platform out",
		"the binary is for %s, but the platform is %s", is, p)
}
