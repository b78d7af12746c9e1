package maker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// machine is a place where an image is made: nothing of it may be seen in the
// image.
type machine struct {
	umask int
	age   time.Duration // of the checkout's files and of the binaries
	zone  string
}

// makes makes an image in a process of its own, with caches and a folder for
// temporary files of its own, of copies of the order's files.
func (m machine) makes(t *testing.T, builder string, o image.Order) release.MadeImage {
	t.Helper()
	dir := t.TempDir()
	o.Source = filepath.Join(dir, "checkout")
	if err := writeTree(o.Source, sampleSource); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for i, b := range o.Binaries {
		paths = append(paths, filepath.Join(dir, strconv.Itoa(i)))
		data, err := os.ReadFile(b.Path)
		if err == nil {
			err = os.WriteFile(paths[i], data, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	then := time.Now().Add(-m.age)
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, then, then))
	})
	if err != nil {
		t.Fatal(err)
	}
	temp := filepath.Join(dir, "temp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(child{Image: o.Image, Project: o.Project, Time: o.Time, Source: o.Source, Binaries: o.Binaries,
		Paths: paths, NoCache: o.NoCache, Builder: builder, Umask: m.umask})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+string(told), "TMPDIR="+temp, "XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "TZ="+m.zone)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var made release.MadeImage
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left among the temporary files: %v, %v", left, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "cache/slipway/images/layouts/*")); len(left) > 0 {
		t.Errorf("left in the cache: %v", left)
	}
	return made
}

// Made again of one commit, an image has the same digests, whenever, wherever
// and in whichever way that is, and though nothing of the first time is in any
// cache.
func TestSameDigestsEachTime(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	machines := []machine{{umask: 0o022, zone: "UTC"}, {umask: 0o077, age: time.Hour, zone: "Asia/Tokyo"}}
	for _, b := range bases()[:2] {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			o := ofBuilds(t, registry+"/same/"+b.name, b.reference(t, registry), platforms...)
			o.Image.Workdir = "/srv/hello"
			first := machines[0].makes(t, "", o)
			sameImage(t, first, machines[1].makes(t, "", o))
			o.Image.Repositories = []string{registry + "/same/" + b.name + "-through"}
			first.Repositories = o.Image.Repositories
			for _, on := range machines {
				sameImage(t, first, on.makes(t, realtest.BuildKit(t), o))
			}
		})
	}
}

func sameImage(t *testing.T, first, second release.MadeImage) {
	t.Helper()
	if d := cmp.Diff(first, second); d != "" {
		t.Errorf("(-first +second):\n%s", d)
	}
}

// The two ways give the same index, byte for byte, on every base: with an
// environment file in it, and upon a base like no other.
func TestTwoWays(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	for _, b := range append(bases(), base{"odd", oddBase, platforms[:1]}) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			from := b.reference(t, registry)
			var made []release.MadeImage
			for _, w := range ways() {
				// Of its own, so that each way has to push all there is.
				o := ofBuilds(t, registry+"/ways/"+b.name+"-"+strings.Fields(w.name)[0], from, b.platforms...)
				o.Image.Development = b.name == "scratch"
				made = append(made, mustMake(t, w.maker(t), o))
			}
			for i := range made {
				idx := pullIndex(t, made[i].Repositories[0], made[i].Digest)
				if err := validate.Index(idx, validate.Fast); err != nil {
					t.Errorf("%s: %v", ways()[i].name, err)
				}
				if b.name == "scratch" && !strings.Contains(string(filesOf(t, layers(t, part(t, idx, amd64)))["share/.env.dev"].data), "TOKEN") {
					t.Errorf("%s: the environment file is not in the development image", ways()[i].name)
				}
				made[i].Repositories = nil
			}
			sameImage(t, made[0], made[1])
		})
	}
}

// oddConfig is one that BuildKit would not have written: younger than the
// commit, without PATH, with dates and layers that its history lacks, with
// settings that OCI does not have, and with orders for what is built upon it.
const oddConfig = `{"os": "linux", "architecture": "amd64", "author": "somebody", "container": "c0ffee", "created": "2031-01-01T00:00:00.5+02:00",
 "config": {"Domainname": "x", "Cmd": ["sh"], "Env": ["A=<b> & c"], "Volumes": {"/data": {}}, "OnBuild": ["RUN false"],
  "Healthcheck": {"Retries": 3, "StartInterval": 5000000000, "Test": ["CMD", "true"]}, "Shell": ["/bin/sh", "-c"], "StopSignal": "SIGINT"},
 "history": [{"created_by": "a layer & no date"}, {"created": "2031-01-01T00:00:00+02:00", "created_by": "later", "empty_layer": true, "comment": "x"}],
 "rootfs": {"diff_ids": [%q, %q], "type": "layers"}}`

// oddBase pushes a base of docker's media types with that config.
func oddBase(t testing.TB, registry string) string {
	t.Helper()
	img, err := random.Image(1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	all := layers(t, img)
	var ids []any
	for _, l := range all {
		id, err := l.DiffID()
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id.String())
	}
	ref := reference(t, registry+"/odd:1")
	config := static.NewLayer(fmt.Appendf(nil, oddConfig, ids...), types.DockerConfigJSON)
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.DockerManifestSchema2}
	for i, l := range append([]v1.Layer{config}, all...) {
		if err := remote.WriteLayer(ref.Context(), l, remote.WithContext(t.Context())); err != nil {
			t.Fatal(err)
		}
		d, err := partial.Descriptor(l)
		if err != nil {
			t.Fatal(err)
		}
		if m.Layers = append(m.Layers, *d); i == 0 {
			m.Config, m.Layers = *d, nil
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Put(ref, rawManifest(text), remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	return ref.Name()
}

// rawManifest is a finished document of docker's.
type rawManifest []byte

func (r rawManifest) RawManifest() ([]byte, error)        { return r, nil }
func (r rawManifest) MediaType() (types.MediaType, error) { return types.DockerManifestSchema2, nil }
