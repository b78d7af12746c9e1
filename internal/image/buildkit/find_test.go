package buildkit

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/buildx/store"
	"github.com/docker/buildx/util/confutil"

	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// The builder is the one of the flag, then of the config, then of
// BUILDX_BUILDER; each by an address, by a name that buildx knows, or by a
// docker context.
func TestFindOrder(t *testing.T) {
	t.Parallel()
	address := realtest.BuildKit(t)
	known := buildxStore(t, address)
	dead := "unix:///nonexistent/buildkitd.sock"
	for name, c := range map[string]struct {
		options          Options
		env              map[string]string
		from, named, drv string
	}{
		"flag first": {Options{Flag: address, Config: release.Builder{Name: dead}}, map[string]string{"BUILDX_BUILDER": dead}, "--builder", address, "remote"},
		"config, address": {
			Options{Config: release.Builder{Name: address}}, map[string]string{"BUILDX_BUILDER": dead}, "builder in the config", address, "remote",
		},
		"config, nodes": {
			Options{Config: release.Builder{Name: "two", Nodes: []release.BuilderNode{{Endpoint: address}}}}, nil, "builder in the config", "two", "remote",
		},
		"config, driver and name": {
			Options{Config: release.Builder{Name: address, Driver: "remote"}}, nil, "builder in the config", address, "remote",
		},
		"environment":               {Options{}, map[string]string{"BUILDX_BUILDER": address}, "BUILDX_BUILDER", address, "remote"},
		"buildx's store, by flag":   {Options{Flag: "ci"}, map[string]string{"BUILDX_CONFIG": known}, "--builder", "ci", "remote"},
		"buildx's store, by config": {Options{Config: release.Builder{Name: "ci"}}, map[string]string{"BUILDX_CONFIG": known}, "builder in the config", "ci", "remote"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Getenv = noDocker(t, c.env)
			b := mustFind(t, c.options)
			i := b.Info()
			if i.From != c.from || i.Name != c.named || i.Driver != c.drv || !i.MultiPlatform || !i.Push || !i.OCI {
				t.Errorf("%+v", i)
			}
			if len(b.Platforms()) == 0 || b.Platforms()[0].String() != "linux/amd64" {
				t.Errorf("platforms %v", b.Platforms())
			}
			if _, err := b.Build(t.Context(), Request{Name: "x", Dockerfile: []byte("FROM scratch\nCOPY . /\n"), Context: t.TempDir()}); err != nil {
				t.Error(err)
			}
		})
	}
}

// buildxStore is a store as `docker buildx create` leaves it.
func buildxStore(t testing.TB, address string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.CommandContext(t.Context(), realtest.BuildxCommand(t), "create", "--name", "ci", "--driver", "remote", address)
	cmd.Env = append(os.Environ(), "BUILDX_CONFIG="+dir, "HOME="+dir, "DOCKER_CONFIG="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("buildx create: %v: %s", err, out)
	}
	return dir
}

// Reading the user's store changes nothing in it, and leaves its lock.
func TestUsersStoreIsOnlyRead(t *testing.T) {
	t.Parallel()
	known := buildxStore(t, realtest.BuildKit(t))
	before := tree(t, known)
	b := mustFind(t, Options{Flag: "ci", Getenv: noDocker(t, map[string]string{"BUILDX_CONFIG": known})})
	if _, err := b.Build(t.Context(), Request{Name: "x", Dockerfile: []byte("FROM scratch\nCOPY . /\n"), Context: t.TempDir()}); err != nil {
		t.Error(err)
	}
	if after := tree(t, known); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	s, err := store.New(confutil.NewConfig(nil, confutil.WithDir(known)))
	if err != nil {
		t.Fatal(err)
	}
	_, done, err := s.Txn()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	_, _, err = Find(t.Context(), Options{Flag: "ci", Getenv: noDocker(t, map[string]string{"BUILDX_CONFIG": known})})
	if err == nil || !strings.Contains(err.Error(), "another buildx holds the lock") {
		t.Errorf("with the lock held: %v", err)
	}
}

func tree(t testing.TB, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out.WriteString(path + " " + string(data) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A builder that somebody asked for and that is not there is an error that
// names the setting; it comes within seconds.
func TestFindErrors(t *testing.T) {
	t.Parallel()
	silent := silentServer(t)
	for name, c := range map[string]struct {
		options Options
		env     map[string]string
		kind    release.Kind
		want    []string
	}{
		"unknown name": {Options{Flag: "nobody"}, nil, release.Invalid, []string{"--builder", `"nobody"`}},
		"odd name":     {Options{Flag: "../x y"}, nil, release.Invalid, []string{"--builder", `"../x y"`}},
		"unknown name, environment": {
			Options{}, map[string]string{"BUILDX_BUILDER": "nobody"}, release.Invalid, []string{"BUILDX_BUILDER"},
		},
		"no socket": {
			Options{Flag: "unix:///nonexistent/b.sock"}, nil, release.Failed, []string{"unix:///nonexistent/b.sock", "--builder", "no such file"},
		},
		"nobody listens": {
			Options{Config: release.Builder{Name: "tcp://127.0.0.1:1"}}, nil, release.Failed, []string{"builder in the config", "refused"},
		},
		"it never answers": {Options{Flag: "tcp://" + silent}, nil, release.Failed, []string{"tcp://" + silent}},
		"unknown scheme":   {Options{Flag: "http://127.0.0.1:1"}, nil, release.Invalid, []string{"http://127.0.0.1:1"}},
		"no endpoint":      {Options{Config: release.Builder{Driver: "remote"}}, nil, release.Invalid, []string{"endpoint"}},
		"unknown driver": {
			Options{Config: release.Builder{Driver: "lorry"}}, nil, release.Invalid, []string{"lorry"},
		},
		"unknown option": {
			Options{Config: release.Builder{Name: "unix:///x", Options: map[string]string{"a": "b"}}}, nil, release.Invalid, []string{"invalid driver option a"},
		},
		"options alone": {
			Options{Config: release.Builder{Name: "x", Options: map[string]string{"a": "b"}}}, nil, release.Invalid, []string{"without a driver"},
		},
		"bad platform": {
			Options{Config: release.Builder{Nodes: []release.BuilderNode{{Endpoint: "unix:///x", Platforms: []string{"!"}}}}}, nil, release.Invalid, []string{"!"},
		},
		"two docker engines": {
			Options{Config: release.Builder{Driver: "docker", Nodes: []release.BuilderNode{{}, {}}}}, nil, release.Invalid, []string{"one node"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Getenv = noDocker(t, c.env)
			began := time.Now()
			b, _, err := Find(t.Context(), c.options)
			if err == nil || b != nil {
				t.Fatalf("found %v", b)
			}
			t.Logf("%v in %s\nhint: %s", err, time.Since(began), release.HintOf(err))
			if release.KindOf(err) != c.kind {
				t.Errorf("kind %v, want %v", release.KindOf(err), c.kind)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("it does not say %q", w)
				}
			}
			if took := time.Since(began); took > 3*reach {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// silentServer takes connections and says nothing.
func silentServer(t testing.TB) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	return l.Addr().String()
}

// Without a word from anybody and without an engine there is no builder, which
// is no error, and which is known at once.
func TestNoBuilder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env    map[string]string
		config string // docker's config.json
		want   string
	}{
		"no socket":       {nil, "", "no docker engine answers at unix:///"},
		"unknown context": {map[string]string{"DOCKER_HOST": "", "DOCKER_CONTEXT": "gone"}, "", "docker knows no context gone, which DOCKER_CONTEXT names"},
		"unknown current context": {
			map[string]string{"DOCKER_HOST": ""}, `{"currentContext": "gone"}`, "docker knows no context gone, which docker's current context names",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			getenv := noDocker(t, c.env)
			if c.config != "" {
				writeDockerConfig(t, getenv, c.config)
			}
			began := time.Now()
			b, reason, err := Find(t.Context(), Options{Getenv: getenv})
			if b != nil || err != nil || !strings.Contains(reason, c.want) {
				t.Errorf("%v, %q, %v", b, reason, err)
			}
			if took := time.Since(began); took > time.Second { // 100 ms, but for a machine that is busy
				t.Errorf("it took %s", took)
			}
		})
	}
}

func writeDockerConfig(t testing.TB, getenv func(string) string, text string) {
	t.Helper()
	dir := filepath.Join(getenv("HOME"), ".docker")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A broken config of docker is the user's to mend.
func TestBrokenDockerConfig(t *testing.T) {
	t.Parallel()
	getenv := noDocker(t, nil)
	writeDockerConfig(t, getenv, `{"auths": `)
	_, _, err := Find(t.Context(), Options{Getenv: getenv})
	if release.KindOf(err) != release.Invalid {
		t.Errorf("%v", err)
	}
}

// The caller's end is the caller's.
func TestFindIsCancelled(t *testing.T) {
	t.Parallel()
	ctx := within(t, 200*time.Millisecond)
	began := time.Now()
	_, _, err := Find(ctx, Options{Flag: "tcp://" + silentServer(t), Getenv: noDocker(t, nil)})
	if !errors.Is(err, ctx.Err()) || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// The engine of DOCKER_HOST, of a context by its name, and of the current
// context is found; it builds one platform at a time and loads the image, but
// pushes nothing by its digest.
func TestDockerEngine(t *testing.T) {
	t.Parallel()
	socket := realtest.Docker(t)
	home := t.TempDir()
	cli := exec.CommandContext(t.Context(), "docker", "context", "create", "here", "--docker", "host="+socket)
	cli.Env = append(os.Environ(), "HOME="+home, "DOCKER_CONFIG="+filepath.Join(home, ".docker"))
	if out, err := cli.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	inContext := func(more map[string]string) func(string) string {
		env := map[string]string{"HOME": home}
		for k, v := range more {
			env[k] = v
		}
		return func(k string) string { return env[k] }
	}
	for name, o := range map[string]Options{
		"DOCKER_HOST":    {Getenv: inContext(map[string]string{"DOCKER_HOST": socket})},
		"DOCKER_CONTEXT": {Getenv: inContext(map[string]string{"DOCKER_CONTEXT": "here"})},
		"--builder":      {Flag: "here", Getenv: inContext(nil)},
		"builder in the config": {
			Config: release.Builder{Driver: "docker", Nodes: []release.BuilderNode{{Endpoint: socket}}}, Getenv: inContext(nil),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := mustFind(t, o)
			i := b.Info()
			if i.From != name || i.Driver != "docker" || i.MultiPlatform || i.Push || i.OCI {
				t.Errorf("%+v", i)
			}
			image := "slipway-load/" + strings.ToLower(strings.Trim(strings.ReplaceAll(name, " ", "-"), "-")) + ":1"
			r := Request{Name: "hello", Dockerfile: []byte(scratch), Context: scratchContext(t), Platforms: parsed(t, "linux/amd64"), Load: image}
			got, err := b.Build(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "docker", "-H", socket, "image", "inspect", image).Output()
			var seen []struct{ ID, Architecture string }
			if err != nil || json.Unmarshal(out, &seen) != nil || len(seen) != 1 || seen[0].Architecture != "amd64" || seen[0].ID != got.Digest {
				t.Errorf("%+v: %v: %s", got, err, out)
			}
			// It is read and removed where it was loaded, whatever docker's current
			// context is.
			idx, err := b.Loaded(t.Context(), image, r.Platforms[0], map[string]string{"a": "b"}, epoch)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := idx.IndexManifest(); err != nil || len(m.Manifests) != 1 || m.Annotations["a"] != "b" {
				t.Errorf("%+v, %v", m, err)
			}
			if err := b.Unload(t.Context(), image); err != nil {
				t.Error(err)
			}
			for what, refused := range map[string]Request{
				"push": {PushTo: []string{"127.0.0.1:1/x"}}, "oci": {OCI: "x.tar"}, "several platforms": {Platforms: parsed(t, "linux/amd64", "linux/386")},
			} {
				refused.Name, refused.Context = "hello", t.TempDir()
				if _, err := b.Build(t.Context(), refused); release.KindOf(err) != release.Invalid {
					t.Errorf("%s: %v", what, err)
				}
			}
			if err := b.Can(t.Context(), parsed(t, "linux/amd64", "linux/386")); release.KindOf(err) != release.Invalid {
				t.Errorf("two platforms: %v", err)
			}
		})
	}
}
