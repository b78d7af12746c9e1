package realtest

import (
	"runtime"
	"strings"
	"testing"
)

// A Go, a C and a Rust program are compiled in the toolchain image, without any
// network, and run; the image is the same each time.
func TestToolchainImage(t *testing.T) {
	t.Parallel()
	address, registry := BuildKit(t), Registry(t)
	ref := ToolchainImage(t, registry)
	if again := ToolchainImage(t, registry); again != ref {
		t.Errorf("a second push gave %s, the first %s", again, ref)
	}
	const script = `
mkdir /src && cd /src
printf 'package main\nfunc main() { println("go") }\n' >main.go && go build -o go main.go
printf '#include <stdio.h>\nint main(void) { puts("c"); }\n' >main.c && gcc -static -o c main.c && musl-gcc -static -o musl main.c
printf 'fn main() { println!("rust") }\n' >main.rs && rustc -C target-feature=+crt-static -o rust main.rs
./go 2>&1 && ./c && ./musl && ./rust
cargo --version >/dev/null && git --version >/dev/null && make --version >/dev/null`
	var out strings.Builder
	if err := run(t.Context(), t.TempDir(), address, "linux/"+runtime.GOARCH, ref, script, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if got := strings.Join(strings.Fields(out.String()), " "); got != "go c c rust" {
		t.Errorf("the programs print %q, want %q", got, "go c c rust")
	}
}
