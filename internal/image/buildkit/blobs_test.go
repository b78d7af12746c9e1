package buildkit

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// blobs reads everything that a reference leads to, by its digest: documents,
// configs, and layers unpacked.
func blobs(t testing.TB, ref string) map[string][]byte {
	t.Helper()
	host, rest, _ := strings.Cut(ref, "/")
	repo, at, ok := strings.Cut(rest, "@")
	if !ok {
		repo, at, _ = strings.Cut(rest, ":")
	}
	base := "http://" + host + "/v2/" + repo
	found := map[string][]byte{}
	walk(t, base, "/manifests/"+at, found)
	return found
}

func walk(t testing.TB, base, path string, found map[string][]byte) {
	t.Helper()
	if _, ok := found[path]; ok {
		return
	}
	status, body := get(t, base+path)
	if status == 404 && strings.HasPrefix(path, "/manifests/") {
		walk(t, base, strings.Replace(path, "/manifests/", "/blobs/", 1), found)
		return
	}
	if status != 200 {
		t.Fatalf("%s%s: status %d: %s", base, path, status, body)
	}
	content := []byte(body)
	if zr, err := gzip.NewReader(bytes.NewReader(content)); err == nil {
		if content, err = io.ReadAll(zr); err != nil {
			t.Fatal(err)
		}
	}
	found[path] = content
	var doc struct {
		ocispecs.Manifest
		Manifests []ocispecs.Descriptor
	}
	if json.Unmarshal(content, &doc) != nil {
		return
	}
	for _, d := range doc.Manifests {
		walk(t, base, "/manifests/"+d.Digest.String(), found)
	}
	if doc.Config.Digest != "" {
		for _, d := range append(doc.Layers, doc.Config) {
			walk(t, base, "/blobs/"+d.Digest.String(), found)
		}
	}
}
