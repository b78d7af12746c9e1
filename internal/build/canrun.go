package build

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// CanRun tells whether this machine runs programs of a platform: by itself, by
// a kernel that takes an older instruction set too, or by a registered
// emulator. It tries a tiny program rather than read signs of it: a kernel may
// have been built without 32-bit support. The reason says why not.
func CanRun(ctx context.Context, p release.Platform) (bool, string) {
	if p.OS == runtime.GOOS && p.Arch == runtime.GOARCH && p.Variant == "" {
		return true, ""
	}
	here := runtime.GOOS + "/" + runtime.GOARCH
	if p.OS != runtime.GOOS {
		return false, fmt.Sprintf("this machine is %s and can't run programs for %s", here, p)
	}
	program, ok := probe(p)
	if !ok {
		return false, fmt.Sprintf("this machine is %s, and there is no way to tell whether it runs %s", here, p)
	}
	err := try(ctx, program)
	switch {
	case err == nil:
		return true, ""
	case errors.Is(err, syscall.ENOEXEC):
		return false, fmt.Sprintf("this machine is %s, and neither its kernel nor a registered emulator runs %s", here, p)
	case errors.Is(err, fs.ErrPermission):
		return false, fmt.Sprintf("no program can be started from %s to see whether this machine runs %s", os.TempDir(), p)
	}
	return false, fmt.Sprintf("this machine is %s, and a tiny program for %s ended with: %v", here, p, cause(err))
}

func cause(err error) error {
	var e *proc.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	return err
}

// try runs a program from a file of its own.
func try(ctx context.Context, program []byte) error {
	dir, err := os.MkdirTemp("", "slipway-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "probe")
	if err := os.WriteFile(path, program, 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := proc.Run(ctx, proc.Cmd{Args: []string{path}})
		// Another goroutine that forked while the file was open for writing
		// holds it open until its own exec.
		if !errors.Is(err, syscall.ETXTBSY) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// machine is how the probe of an architecture is made: exit(0) in its words.
type machine struct {
	elf   elf.Machine
	bits  int
	order binary.ByteOrder
	flags uint32
	exit  []byte
}

var (
	little = binary.LittleEndian
	big    = binary.BigEndian
)

func machineOf(p release.Platform) (machine, bool) {
	switch p.Arch {
	case "amd64": // mov eax,60; xor edi,edi; syscall
		exit := []byte{0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}
		extra, ok := amd64Level[p.Variant]
		return machine{elf.EM_X86_64, 64, little, 0, append(bytes.Clone(extra), exit...)}, ok
	case "386": // mov eax,1; xor ebx,ebx; int 0x80
		return machine{elf.EM_386, 32, little, 0, []byte{0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80}}, true
	case "arm": // mov r0,#0 (v7: movw r0,#0, which older ones lack); mov r7,#1; svc 0
		first := uint32(0xe3a00000)
		if p.Variant == "v7" {
			first = 0xe3000000
		}
		return machine{elf.EM_ARM, 32, little, 0x05000000, words(little, first, 0xe3a07001, 0xef000000)}, true
	case "arm64": // mov x0,#0; mov x8,#93; svc 0
		return machine{elf.EM_AARCH64, 64, little, 0, words(little, 0xd2800000, 0xd2800ba8, 0xd4000001)}, p.Variant == "" || p.Variant == "v8"
	case "riscv64": // li a0,0; li a7,93; ecall
		return machine{elf.EM_RISCV, 64, little, 0, words(little, 0x00000513, 0x05d00893, 0x00000073)}, p.Variant == ""
	case "ppc64le": // li r0,1; li r3,0; sc
		return machine{elf.EM_PPC64, 64, little, 2, words(little, 0x38000001, 0x38600000, 0x44000002)}, p.Variant == ""
	case "s390x": // lghi r2,0; svc 1
		return machine{elf.EM_S390, 64, big, 0, []byte{0xa7, 0x29, 0, 0, 0x0a, 0x01}}, true
	}
	return machine{}, false
}

// amd64Level is an instruction that only processors of a level have.
var amd64Level = map[string][]byte{
	"": nil, "v1": nil,
	"v2": {0xf3, 0x0f, 0xb8, 0xc0},             // popcnt eax,eax
	"v3": {0xc5, 0xfd, 0xfe, 0xc0},             // vpaddd ymm0,ymm0,ymm0
	"v4": {0x62, 0xa1, 0x7d, 0x20, 0xfc, 0xc0}, // vpaddb ymm16,ymm16,ymm16
}

func words(order binary.ByteOrder, ws ...uint32) []byte {
	out := make([]byte, 0, 4*len(ws))
	for _, w := range ws {
		out = append(out, 0, 0, 0, 0)
		order.PutUint32(out[len(out)-4:], w)
	}
	return out
}

// probe is a static ELF program that only exits with 0; ok is false for a
// platform that has none here.
func probe(p release.Platform) (program []byte, ok bool) {
	m, ok := machineOf(p)
	if !ok || p.OS != "linux" {
		return nil, false
	}
	const base = 0x10000
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	if m.bits == 32 {
		ident[elf.EI_CLASS] = byte(elf.ELFCLASS32)
	}
	if m.order == big {
		ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	}
	var header, segment any
	if m.bits == 32 {
		size := uint32(52 + 32 + len(m.exit))
		header = elf.Header32{Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(m.elf), Version: 1, Entry: base + 52 + 32,
			Phoff: 52, Flags: m.flags, Ehsize: 52, Phentsize: 32, Phnum: 1}
		segment = elf.Prog32{Type: uint32(elf.PT_LOAD), Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Flags: uint32(elf.PF_R | elf.PF_X), Align: base}
	} else {
		size := uint64(64 + 56 + len(m.exit))
		header = elf.Header64{Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(m.elf), Version: 1, Entry: base + 64 + 56,
			Phoff: 64, Flags: m.flags, Ehsize: 64, Phentsize: 56, Phnum: 1}
		segment = elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Align: base}
	}
	var b bytes.Buffer
	for _, part := range []any{header, segment, m.exit} {
		if err := binary.Write(&b, m.order, part); err != nil {
			return nil, false
		}
	}
	return b.Bytes(), true
}
