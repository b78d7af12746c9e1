package recipe_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/patternmatcher"

	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

type bench struct {
	t        *testing.T
	dir      string
	registry string
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir(), registry: realtest.Registry(t)}
	addr := realtest.BuildKit(t)
	b.run(false, "create", "--name", "try", "--driver", "remote", addr)
	return b
}

func (b *bench) run(mayFail bool, args ...string) string {
	b.t.Helper()
	cmd := exec.Command("/tmp/buildx", args...)
	cmd.Env = append(os.Environ(), "BUILDX_CONFIG="+b.dir+"/buildx", "BUILDX_NO_DEFAULT_ATTESTATIONS=1")
	out, err := cmd.CombinedOutput()
	if err != nil && !mayFail {
		b.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (b *bench) build(src string, r recipe.Recipe, mayFail bool, more ...string) (string, time.Duration) {
	b.t.Helper()
	d := b.t.TempDir()
	os.WriteFile(d+"/Dockerfile", r.Dockerfile, 0o600)
	os.WriteFile(d+"/Dockerfile.dockerignore", r.Ignore, 0o600)
	args := []string{"build", "--builder", "try", "--progress=plain", "-f", d + "/Dockerfile"}
	for name, c := range r.Contexts {
		dir := filepath.Join(d, name)
		os.Mkdir(dir, 0o755)
		for _, f := range c.Files {
			if f.Dir {
				os.MkdirAll(filepath.Join(dir, f.Path), 0o755)
			} else {
				os.WriteFile(filepath.Join(dir, f.Path), f.Content, 0o644)
			}
		}
		for _, f := range c.Files {
			m := fs.FileMode(f.Mode).Perm()
			if f.Mode&0o1000 != 0 {
				m |= fs.ModeSticky
			}
			os.Chmod(filepath.Join(dir, f.Path), m)
		}
		if c.Dir != "" {
			pm, _ := patternmatcher.New(c.Include)
			filepath.WalkDir(c.Dir, func(p string, e fs.DirEntry, err error) error {
				rel, _ := filepath.Rel(c.Dir, p)
				if ok, _ := pm.MatchesOrParentMatches(rel); ok && e.Type().IsRegular() {
					data, _ := os.ReadFile(p)
					os.MkdirAll(filepath.Dir(filepath.Join(dir, rel)), 0o755)
					os.WriteFile(filepath.Join(dir, rel), data, 0o644)
				}
				return nil
			})
		}
		args = append(args, "--build-context", name+"="+dir)
	}
	for k, v := range r.Args {
		args = append(args, "--build-arg", k+"="+v)
	}
	start := time.Now()
	out := b.run(mayFail, append(append(args, more...), src)...)
	return out, time.Since(start)
}

func files(t *testing.T, dir string, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		p := filepath.Join(dir, pairs[i])
		os.MkdirAll(filepath.Dir(p), 0o755)
		if err := os.WriteFile(p, []byte(pairs[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func must(t *testing.T) func(r recipe.Recipe, err error) recipe.Recipe {
	return func(r recipe.Recipe, err error) recipe.Recipe {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func TestTry(t *testing.T) {
	b := newBench(t)
	tool := realtest.ToolchainImage(t, b.registry)
	fmt.Println("toolchain", tool)
	o := recipe.Options{Project: "hello"}
	t.Run("go", func(t *testing.T) {
		b := *b
		b.t = t
		src := t.TempDir()
		mod := t.TempDir()
		cmd := exec.Command("sh", "-c", "set -ex; cd "+src+"; cat >go.mod <<E\nmodule example.com/hello\n\ngo 1.19\nE\ngo get github.com/pkg/errors@v0.9.1 ; go mod tidy; cat go.mod >&2; sed -i 's/^go 1.*/go 1.19/; /toolchain/d' go.mod")
		files(t, src, "main.go", "package main\n\nimport (\"fmt\"\n\"github.com/pkg/errors\"\n\"net/http\")\n\nfunc main() { fmt.Println(\"hello\", errors.New(\"x\"), http.StatusText(200)) }\n", "main_test.go", "package main\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) {}\n", "config/.env", "SECRET=1")
		cmd.Env = append(os.Environ(), "GOMODCACHE="+mod, "GOFLAGS=-modcacherw")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		} else { fmt.Println(string(out)) }
		img := source(release.PlanFrom{BuildImage: tool})
		r := must(t)(recipe.Source(img, os.DirFS(src), recipe.Options{Project: "hello", Seed: recipe.Seed{GoModCache: mod}}))
		out, took := b.build(src, r, false, "--output", "type=local,dest="+src+"-out", "--platform", "linux/amd64,linux/arm64")
		fmt.Println(out, took)
		b.ls(src + "-out")
		files(t, src, "main.go", "package main\n\nimport (\"fmt\"\n\"github.com/pkg/errors\"\n\"net/http\")\n\nfunc main() { fmt.Println(\"hello2\", errors.New(\"x\"), http.StatusText(200)) }\n")
		out, took2 := b.build(src, r, false, "--output", "type=local,dest="+src+"-out", "--platform", "linux/amd64,linux/arm64")
		fmt.Println("SECOND", took2, "FIRST", took)
		r = must(t)(recipe.Source(img, os.DirFS(src), recipe.Options{Project: "hello2"}))
		out, _ = b.build(src, r, true)
		fmt.Println("NO SEED:", out[max(0, len(out)-1500):])
	})
	t.Run("c", func(t *testing.T) {
		b := *b
		b.t = t
		src := t.TempDir()
		files(t, src, "hello.c", "#include <stdio.h>\nint main(){puts(\"hello\");return 0;}\n", "Makefile", "hello: hello.o\n\t$(CC) $(LDFLAGS) -o $@ $^\n\ntest: hello\n\t./hello\n\ninstall: hello\n\tinstall -D hello $(DESTDIR)/usr/local/bin/hello\n", ".env", "S=1")
		r := must(t)(recipe.Source(source(release.PlanFrom{BuildImage: tool, Packages: []string{"hello"}}), os.DirFS(src), o))
		out, took := b.build(src, r, false, "--output", "type=local,dest="+src+"-out")
		fmt.Println(out, took)
		b.ls(src + "-out")
		img := source(release.PlanFrom{BuildImage: tool})
		img.Entrypoint = []string{"/usr/local/bin/hello"}
		r = must(t)(recipe.Source(img, os.DirFS(src), o))
		b.build(src, r, false, "--output", "type=local,dest="+src+"-out2")
		b.ls(src + "-out2")
		files(t, src, "Makefile", "test:\n\tfalse\nall:\n\ttouch hello\n")
		r = must(t)(recipe.Source(source(release.PlanFrom{BuildImage: tool, Artifacts: []string{"hello"}}), os.DirFS(src), o))
		out, _ = b.build(src, r, true)
		fmt.Println("FAILING TEST:", out[max(0, len(out)-900):])
		r = must(t)(recipe.Source(source(release.PlanFrom{BuildImage: tool, Test: "none", Build: "cat <<EOF\nhello ${x:-y} '\nEOF\ntrue", Artifacts: []string{"nothing"}}), os.DirFS(src), o))
		out, _ = b.build(src, r, true)
		fmt.Println("NO ARTIFACT:", out[max(0, len(out)-1800):])
	})
	t.Run("rust", func(t *testing.T) {
		b := *b
		b.t = t
		src := t.TempDir()
		files(t, src, "Cargo.toml", "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\nmembers=[\"lib\"]\n[dependencies]\nlib={path=\"lib\"}\n", "lib/Cargo.toml", "[package]\nname = \"lib\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
			"lib/src/lib.rs", "pub fn hi() -> &'static str { \"one\" }\n#[test] fn t() {}\n", "src/main.rs", "fn main() { println!(\"hello {}\", lib::hi()); }\n",
			"Cargo.lock", "version = 3\n\n[[package]]\nname = \"hello\"\nversion = \"0.1.0\"\ndependencies = [\n \"lib\",\n]\n\n[[package]]\nname = \"lib\"\nversion = \"0.1.0\"\n")
		img := source(release.PlanFrom{BuildImage: tool})
		say := func(what string) {
			r := must(t)(recipe.Source(img, os.DirFS(src), o))
			out, took := b.build(src, r, false, "--output", "type=local,dest="+src+"-out")
			for line := range strings.Lines(out) {
				if strings.Contains(line, "Compiling") || strings.Contains(line, "Finished") || strings.Contains(line, "Fresh") || strings.Contains(line, "touch:") || strings.Contains(line, "find:") {
					fmt.Print(line)
				}
			}
			got, err := exec.Command(src + "-out/app/hello").CombinedOutput()
			fmt.Println(what, took, string(got), err)
		}
		say("first")
		files(t, src, "README.md", "x")
		say("another file")
		files(t, src, "lib/src/lib.rs", "pub fn hi() -> &'static str { \"two\" }\n#[test] fn t() {}\n")
		say("lib changed to two")
		img.Source.Test = "none"
		files(t, src, "lib/src/lib.rs", "pub fn hi() -> &'static str { \"one\" }\n#[test] fn t() {}\n")
		say("lib changed back to one")
		img.Source.Test = ""
		files(t, src, "src/main.rs", "fn main() { println!(\"hallo {}\", lib::hi()); }\n")
		say("main changed")
		b.ls(src + "-out")
	})
	t.Run("s2i", func(t *testing.T) {
		b := *b
		b.t = t
		bd := t.TempDir()
		files(t, bd, "Dockerfile", "FROM "+tool+"\nCOPY --chmod=0755 bin /usr/libexec/s2i\nRUN mkdir -p /opt/app && chown 1001:0 /opt/app\nLABEL io.openshift.s2i.scripts-url=image:///usr/libexec/s2i\nWORKDIR /opt/app\nUSER 1001\n",
			"bin/assemble", "#!/bin/sh -e\nid\nls -lan /tmp/src /tmp/artifacts 2>/dev/null || :\nif [ -f /tmp/artifacts/main.o ]; then cp -p /tmp/artifacts/main.o .; echo RESTORED; fi\ncp /tmp/src/*.c .\n[ main.o -nt nothing ] || { echo COMPILING; cc -c main.c; }\ncc -static -o hello main.o\n",
			"bin/run", "#!/bin/sh\nexec /opt/app/hello\n", "bin/usage", "#!/bin/sh\necho how to use it\n",
			"bin/save-artifacts", "#!/bin/sh\ncd /opt/app && tar -cf - main.o\n")
		builder := b.registry + "/s2i:1"
		b.run(false, "build", "--builder", "try", "--push", "-t", builder, bd)
		meta := recipe.BuilderImage{User: "1001", Workdir: "/opt/app", Labels: map[string]string{"io.openshift.s2i.scripts-url": "image:///usr/libexec/s2i"}}
		src := t.TempDir()
		files(t, src, "main.c", "#include <stdio.h>\nint main(){puts(\"hello s2i\");return 0;}\n", ".s2i/environment", "MODE=a b\n", ".git/x", "")
		img := s2i(release.PlanS2I{Builder: builder, Exclude: release.DefaultExclude, Incremental: true, Previous: b.registry + "/app:latest"})
		r := must(t)(recipe.S2I(img, os.DirFS(src), recipe.S2IImages{Builder: meta}, o))
		out, _ := b.build(src, r, false, "--push", "-t", b.registry+"/app:latest")
		fmt.Println(out)
		files(t, src, "x.txt", "")
		r = must(t)(recipe.S2I(img, os.DirFS(src), recipe.S2IImages{Builder: meta, Previous: true}, o))
		out, _ = b.build(src, r, false, "--push", "-t", b.registry+"/app:latest")
		fmt.Println("INCREMENTAL", out)
		// save-artifacts fails
		files(t, src, ".s2i/bin/save-artifacts", "#!/bin/sh\nexit 3\n")
		r = must(t)(recipe.S2I(img, os.DirFS(src), recipe.S2IImages{Builder: meta, Previous: true}, o))
		out, _ = b.build(src, r, false, "--output", "type=cacheonly")
		fmt.Println("SAVE FAILS", out)
		os.RemoveAll(src + "/.s2i/bin")
		img = s2i(release.PlanS2I{Builder: builder, RuntimeImage: "scratch", Artifacts: []string{"hello"}, Incremental: true})
		r = must(t)(recipe.S2I(img, os.DirFS(src), recipe.S2IImages{Builder: meta}, o))
		b.build(src, r, false, "--output", "type=local,dest="+src+"-out")
		b.ls(src + "-out")
		files(t, src, "y.txt", "")
		out, _ = b.build(src, r, false, "--output", "type=local,dest="+src+"-out")
		fmt.Println("RUNTIME INCREMENTAL", out)
		meta.Labels["io.openshift.s2i.scripts-url"] = "image:///nowhere"
		r = must(t)(recipe.S2I(img, os.DirFS(src), recipe.S2IImages{Builder: meta}, o))
		out, _ = b.build(src, r, true)
		fmt.Println("NO SCRIPTS", out)
		r = must(t)(recipe.Usage(builder, "/usr/libexec/s2i", recipe.BuilderImage{}))
		b.build(src, r, false, "--output", "type=local,dest="+src+"-usage")
		u, _ := os.ReadFile(src + "-usage/usage")
		fmt.Printf("USAGE %q\n", u)
	})
	t.Run("builds", func(t *testing.T) {
		b := *b
		b.t = t
		src := t.TempDir()
		bin := t.TempDir()
		files(t, bin, "linux_amd64/hello", "x", "linux_armv6/hello", "y", "linux_arm64/hello", "y")
		files(t, src, "etc/a b.conf", "", "etc/q'uo$te\".conf", "", "etc/[x]*.conf", "")
		img := builds()
		img.Files = []string{"etc"}
		img.Labels["x"] = `a "q" $HOME \ end\`
		r := must(t)(recipe.Builds(img, []string{"hello"}, os.DirFS(src)))
		b.build(src, r, false, "--output", "type=oci,tar=false,dest="+src+"-oci", "--build-context", "binaries="+bin, "--platform", "linux/amd64,linux/arm/v6,linux/arm64")
		var buf bytes.Buffer
		c := exec.Command("sh", "-c", "cd "+src+"-oci/blobs/sha256 && for f in *; do tar tvzf $f 2>/dev/null && echo --; done; grep -h Labels * | head -c 1500")
		c.Stdout = &buf
		c.Run()
		fmt.Println(buf.String())
	})
}

func (b *bench) ls(dir string) {
	out, _ := exec.Command("sh", "-c", "cd "+dir+" && find . -not -path './*/etc/ssl/*' | xargs -d '\\n' ls -land; find . -name 'hello' | xargs -n1 file; grep -rl SECRET . ; for f in $(find . -name hello -path '*bin*' -o -name hello -path '*app*'); do $f; done").CombinedOutput()
	fmt.Println(string(out))
}
