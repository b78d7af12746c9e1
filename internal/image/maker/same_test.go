package maker_test

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	v1 "github.com/google/go-containerregistry/pkg/v1"

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
	return made
}

// Made twice of one commit, an image has the same digests, whenever and
// wherever that is, and though nothing of the first time is in any cache.
func TestSameDigestsEachTime(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	first, second := machine{umask: 0o022, zone: "UTC"}, machine{umask: 0o077, age: time.Hour, zone: "Asia/Tokyo"}
	for _, b := range bases()[:2] {
		t.Run(b.name+" in process", func(t *testing.T) {
			t.Parallel()
			o := ofBuilds(t, registry+"/same/"+b.name, b.reference(t, registry), platforms...)
			o.Image.Workdir = "/srv/hello"
			sameImage(t, first.makes(t, "", o), second.makes(t, "", o))
		})
		t.Run(b.name+" through BuildKit", func(t *testing.T) {
			t.Parallel()
			builder := realtest.BuildKit(t)
			other, stop, err := realtest.StartImageTools(context.WithoutCancel(t.Context()), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			o := ofBuilds(t, registry+"/same/"+b.name, b.reference(t, registry), platforms...)
			o.Image.Workdir = "/srv/hello"
			one := first.makes(t, builder, o)
			sameImage(t, one, second.makes(t, other.BuildKit, o))
			o.NoCache = true
			sameImage(t, one, second.makes(t, builder, o))
		})
	}
}

func sameImage(t *testing.T, first, second release.MadeImage) {
	t.Helper()
	if d := cmp.Diff(first, second); d != "" {
		t.Errorf("(-first +second):\n%s", d)
	}
}

// content is what an image has, apart from how its layers are cut and packed.
type content struct {
	Config v1.Config
	Files  map[string]string // without folders, upon a base
}

func contentOf(t *testing.T, img v1.Image, below int) content {
	t.Helper()
	c := content{Config: config(t, img).Config, Files: map[string]string{}}
	for path, f := range filesOf(t, layers(t, img)[below:]) {
		if below > 0 && f.Typeflag == tar.TypeDir {
			continue
		}
		text := string(f.data)
		if len(text) > 1000 {
			text = fmt.Sprintf("%x", sha256.Sum256(f.data))
		}
		c.Files[path] = fmt.Sprintf("%s %d:%d %s %q", f.FileInfo().Mode(), f.Uid, f.Gid, f.ModTime.UTC(), text)
	}
	return c
}

// The two ways give the same files and the same settings. docs/images.md says
// what differs: the digests, because layers are cut and packed, and the history
// is written, by each in its own way; folders upon a base; and annotations that
// name the base.
func TestTwoWays(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	for _, b := range bases()[:2] {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			var indexes []v1.ImageIndex
			repository, reference := registry+"/ways/"+b.name, b.reference(t, registry)
			for _, w := range ways() {
				o := ofBuilds(t, repository, reference, platforms...)
				if b.name == "scratch" {
					o.Image.Workdir, o.Image.Development = "/srv/hello", true
				}
				indexes = append(indexes, pullIndex(t, repository, mustMake(t, w.maker(t), o).Digest))
			}
			for _, p := range platforms {
				below := 0
				if b.name != "scratch" {
					below = 1
				}
				if c := contentOf(t, part(t, indexes[0], p), below); b.name == "scratch" && !strings.Contains(c.Files["srv/hello/share/.env.dev"], "TOKEN") {
					t.Error("the environment file is not in the development image")
				}
				assembled, built := part(t, indexes[0], p), part(t, indexes[1], p)
				if d := cmp.Diff(contentOf(t, assembled, below), contentOf(t, built, below)); d != "" {
					t.Errorf("%s: (-in process +through BuildKit):\n%s", p, d)
				}
				ignore := cmpopts.IgnoreFields(v1.ConfigFile{}, "History", "RootFS")
				if d := cmp.Diff(config(t, assembled), config(t, built), ignore); d != "" {
					t.Errorf("%s: (-in process +through BuildKit):\n%s", p, d)
				}
			}
		})
	}
}
