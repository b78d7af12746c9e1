package buildkit

import (
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// What goes wrong in a build is one error that says where and what, without
// BuildKit's chains of words.
func TestBuildErrors(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	base := realtest.BaseImage(t, registry)
	b := realBuilder(t, Options{Getenv: noDocker(t, map[string]string{"KEY": "hunter2-hunter2"})})
	for name, c := range map[string]struct {
		request Request
		kind    release.Kind
		want    []string // all of them
		never   []string
	}{
		"unknown instruction": {
			Request{Dockerfile: []byte("FROM scratch\n\nCOPPY a /a\n"), Path: "docker/Dockerfile"}, release.Invalid,
			[]string{"docker/Dockerfile:3: unknown instruction: COPPY", "COPPY a /a"}, nil,
		},
		"unknown instruction, our Dockerfile": {
			Request{Dockerfile: []byte("FROM scratch\nCOPPY a /a\n")}, release.Invalid,
			[]string{"line 2 of the Dockerfile that Slipway made: unknown instruction: COPPY", "COPPY a /a"}, nil,
		},
		"bad argument": {
			Request{Dockerfile: []byte("FROM scratch\nCOPY --nope a /a\n"), Path: "Dockerfile"}, release.Invalid,
			[]string{"Dockerfile:2: ", "--nope"}, nil,
		},
		"empty": {
			Request{Dockerfile: nil, Path: "Dockerfile"}, release.Invalid, []string{"Dockerfile: "}, nil,
		},
		"no such stage": {
			Request{Dockerfile: []byte("FROM scratch\n"), Target: "nope", Path: "Dockerfile"}, release.Invalid, []string{"nope"}, nil,
		},
		"failing RUN": {
			Request{
				Dockerfile: []byte("FROM " + base + "\nRUN --mount=type=secret,id=KEY for i in $(seq 1 40); do echo line $i; done; cat /run/secrets/KEY; exit 3\n"),
				Path:       "Dockerfile", Secrets: []release.ImageSecret{{ID: "KEY"}},
			}, release.Failed,
			[]string{"image hello, linux/amd64: Dockerfile:2: `RUN for i in $(seq 1 40)", "exited with 3", "\n  line 40\n", "\n  ***"},
			[]string{"line 7\n", "hunter2"},
		},
		"failing RUN of several lines": {
			Request{Dockerfile: []byte("FROM " + base + "\nRUN --mount=type=tmpfs,target=/t \\\n    set -eu; \\\n    cd /t; \\\n    false\n")}, release.Failed,
			[]string{"line 2 of the Dockerfile that Slipway made: `RUN cd /t; false` exited with 1"}, nil,
		},
		"missing file": {
			Request{Dockerfile: []byte("FROM scratch\nCOPY nothere /a\n"), Path: "Dockerfile"}, release.Failed,
			[]string{"Dockerfile:2: `COPY nothere /a`: ", `"/nothere": not found`}, []string{"::"},
		},
		"unknown base": {
			Request{Dockerfile: []byte("FROM " + registry + "/nobody/nothing:1\n"), Path: "Dockerfile"}, release.Invalid,
			[]string{"its base image " + registry + "/nobody/nothing:1 (Dockerfile:1)", "not found"}, []string{"resolve source"},
		},
		"base without the platform": {
			Request{Dockerfile: []byte("FROM " + base + "\n"), Path: "Dockerfile", Platforms: parsed(t, "linux/riscv64")}, release.Invalid,
			[]string{"linux/riscv64"}, nil,
		},
		"registry that is not there": {
			Request{Dockerfile: []byte("FROM 127.0.0.1:1/nobody/nothing:1\n"), Path: "Dockerfile"}, release.Failed,
			[]string{"its base image 127.0.0.1:1/nobody/nothing:1 (Dockerfile:1)", "refused"}, nil,
		},
		"missing secret": {
			Request{Dockerfile: []byte("FROM scratch\n"), Secrets: []release.ImageSecret{{ID: "token", Env: "NOT_SET"}}}, release.Invalid,
			[]string{"secret token", "NOT_SET"}, nil,
		},
		"missing secret file": {
			Request{Dockerfile: []byte("FROM scratch\n"), Secrets: []release.ImageSecret{{ID: "token", File: "/nonexistent/x"}}}, release.Invalid,
			[]string{"secret token", "/nonexistent/x"}, nil,
		},
		"unknown named context": {
			Request{Dockerfile: []byte("FROM scratch\nCOPY --from=bin a /\n"), NamedContexts: map[string]string{"bin": "/nonexistent/bin"}}, release.Failed,
			[]string{"/nonexistent/bin"}, nil,
		},
		"broken cache": {
			Request{Dockerfile: []byte("FROM scratch\n"), CacheFrom: []string{"type="}}, release.Invalid, []string{"cache"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := c.request
			r.Name, r.Context = "hello", t.TempDir()
			if r.Platforms == nil {
				r.Platforms = parsed(t, "linux/amd64")
			}
			_, err := b.Build(t.Context(), r)
			if err == nil {
				t.Fatal("it was built")
			}
			t.Logf("%v\nhint: %s", err, release.HintOf(err))
			if release.KindOf(err) != c.kind {
				t.Errorf("kind %v, want %v", release.KindOf(err), c.kind)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("it does not say %q", w)
				}
			}
			for _, n := range append(c.never, "failed to solve", "rpc error") {
				if strings.Contains(err.Error(), n) {
					t.Errorf("it says %q", n)
				}
			}
		})
	}
}
