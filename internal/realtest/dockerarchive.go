package realtest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/moby/moby/client"

	"github.com/slipway-dev/slipway/internal/proc"
)

// A dockerArchive is an image as `docker load` takes it, whose layers lie in
// one or more folders, not compressed: SHA256.tar. An image shares the layers of
// the one it was made on.
type dockerArchive struct {
	Tag    string          `json:"tag"`
	Config json.RawMessage `json:"config"` // of the image, with its diff ids
}

// archiveFile is the file of a folder that has its images.
const archiveFile = "images.json"

// localImage returns an image for the machine's platform.
func localImage(tag string, env []string, layers ...string) (dockerArchive, error) {
	var ids []string
	for _, l := range layers {
		ids = append(ids, "sha256:"+l)
	}
	config, err := json.Marshal(map[string]any{
		"os": "linux", "architecture": runtime.GOARCH,
		"config": map[string]any{"Env": env, "Cmd": []string{"/bin/sh"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	return dockerArchive{tag, config}, err
}

func (a dockerArchive) layers() ([]string, error) {
	var c struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(a.Config, &c); err != nil {
		return nil, err
	}
	var out []string
	for _, id := range c.RootFS.DiffIDs {
		out = append(out, strings.TrimPrefix(id, "sha256:"))
	}
	return out, nil
}

func writeArchives(dir string, images ...dockerArchive) error {
	data, err := json.Marshal(images)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, archiveFile), data, 0o600)
}

func readArchives(dir string) (images []dockerArchive, err error) {
	data, err := os.ReadFile(filepath.Join(dir, archiveFile))
	if err != nil {
		return nil, err
	}
	return images, json.Unmarshal(data, &images)
}

// tarLayer packs files with tar, to which the arguments go, into dir, and
// returns the layer's name there.
func tarLayer(ctx context.Context, dir string, log io.Writer, args ...string) (string, error) {
	f, err := os.CreateTemp(dir, "layer-")
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	err = proc.Run(ctx, proc.Cmd{
		Args:   append([]string{"tar", "--create", "--file=-", "--numeric-owner", "--sort=name"}, args...),
		Stdout: io.MultiWriter(f, hash), Stderr: log,
	})
	if err != nil {
		return "", err
	}
	name := hex.EncodeToString(hash.Sum(nil))
	return name, os.Rename(f.Name(), filepath.Join(dir, name+".tar"))
}

// load gives dockerd the images of a folder. Their layers lie there or in one of
// the folders below.
func load(ctx context.Context, docker *client.Client, dir string, below ...string) error {
	images, err := readArchives(dir)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(sendArchives(w, images, append([]string{dir}, below...))) }()
	defer func() { _ = r.Close() }()
	answer, err := docker.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
	if err != nil {
		return fmt.Errorf("load images: %w", err)
	}
	defer func() { _ = answer.Close() }()
	return told(answer)
}

// told reads what dockerd tells of its work, and returns the error in it.
func told(messages io.Reader) error {
	var last bytes.Buffer
	for d := json.NewDecoder(messages); ; {
		var m struct{ Stream, Error string }
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case m.Error != "":
			return fmt.Errorf("%s\n%s", m.Error, last.String())
		}
		if last.Len() > 16<<10 {
			last.Next(8 << 10)
		}
		last.WriteString(m.Stream)
	}
}

func sendArchives(w io.Writer, images []dockerArchive, dirs []string) error {
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	tw := tar.NewWriter(w)
	var manifest []entry
	sent := map[string]bool{}
	for _, image := range images {
		layers, err := image.layers()
		if err != nil {
			return err
		}
		e := entry{Config: hexOf(image.Config) + ".json", RepoTags: []string{image.Tag}}
		for _, l := range layers {
			e.Layers = append(e.Layers, l+".tar")
			if sent[l] {
				continue
			}
			sent[l] = true
			if err := sendLayer(tw, l+".tar", dirs); err != nil {
				return err
			}
		}
		if err := sendBytes(tw, e.Config, image.Config); err != nil {
			return err
		}
		manifest = append(manifest, e)
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	return errors.Join(sendBytes(tw, "manifest.json", data), tw.Close())
}

func hexOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func sendBytes(tw *tar.Writer, name string, data []byte) error {
	if err := tw.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o644}); err != nil {
		return err
	}
	_, err := tw.Write(data)
	return err
}

func sendLayer(tw *tar.Writer, name string, dirs []string) error {
	for _, dir := range dirs {
		f, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if err := tw.WriteHeader(&tar.Header{Name: name, Size: info.Size(), Mode: 0o644}); err != nil {
			return err
		}
		_, err = io.Copy(tw, f)
		return err
	}
	return fmt.Errorf("there is no layer %s", name)
}

// save keeps the layers of an image of dockerd's in a folder, without those that
// lie in the folders below.
func save(ctx context.Context, docker *client.Client, tag, dir string, below ...string) (dockerArchive, error) {
	answer, err := docker.ImageSave(ctx, []string{tag})
	if err != nil {
		return dockerArchive{}, fmt.Errorf("save %s: %w", tag, err)
	}
	defer func() { _ = answer.Close() }()
	image := dockerArchive{Tag: tag}
	for tr := tar.NewReader(answer); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return image, err
		}
		switch {
		case h.Typeflag != tar.TypeReg || h.Name == "manifest.json":
		case strings.HasSuffix(h.Name, ".tar"):
			err = saveLayer(tr, dir, below)
		case strings.HasSuffix(h.Name, ".json") && !strings.Contains(h.Name, "/"):
			image.Config, err = io.ReadAll(tr)
		}
		if err != nil {
			return image, err
		}
	}
	return image, nil
}

func saveLayer(r io.Reader, dir string, below []string) error {
	f, err := os.CreateTemp(dir, "layer-")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, hash), r); err != nil {
		return err
	}
	name := hex.EncodeToString(hash.Sum(nil)) + ".tar"
	for _, other := range below {
		if _, err := os.Stat(filepath.Join(other, name)); err == nil {
			return os.Remove(f.Name())
		}
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}
