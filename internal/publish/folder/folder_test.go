package folder_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/publish/folder"
	"github.com/slipway-dev/slipway/internal/publish/publishtest"
)

func open(t *testing.T, dir string) *folder.Store {
	t.Helper()
	s, err := folder.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// The contract of all stores.
func TestConformance(t *testing.T) {
	t.Parallel()
	publishtest.Conformance(t, func(t *testing.T) publish.Store { return open(t, filepath.Join(t.TempDir(), "new")) })
}

// Two processes' stores of one folder lose nothing.
func TestRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	publishtest.Race(t, open(t, dir), open(t, dir))
}

// Nothing outside of the folder is read or written, whatever links lead there.
func TestLinksLeadNowhere(t *testing.T) {
	t.Parallel()
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := errors.Join(
		os.WriteFile(secret, []byte("secret"), 0o600),
		os.Symlink(outside, filepath.Join(dir, "out")),
		os.Symlink(secret, filepath.Join(dir, "file")),
		os.Symlink("../"+filepath.Base(outside)+"/secret", filepath.Join(dir, "relative")),
	); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	for _, key := range []string{"out/secret", "file", "relative"} {
		if _, err := s.Stat(t.Context(), key); err == nil {
			t.Errorf("Stat %s goes through", key)
		}
		if _, err := s.Copy(t.Context(), key, "copy"); err == nil {
			t.Errorf("Copy of %s goes through", key)
		}
	}
	if _, err := s.Put(t.Context(), "out/new", publish.Bytes([]byte("x")), publish.PutOptions{}); err == nil {
		t.Error("Put through a link goes through")
	}
	// A link is replaced, not followed.
	if _, err := s.Put(t.Context(), "file", publish.Bytes([]byte("x")), publish.PutOptions{}); err != nil {
		t.Errorf("Put over a link: %v", err)
	}
	if err := s.Delete(t.Context(), "out/secret"); err == nil {
		t.Error("Delete through a link goes through")
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
		t.Errorf("the file outside is %q, %v", data, err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside are %v, %v", entries, err)
	}
	for o, err := range s.List(t.Context(), "") {
		if err != nil || o.Key != "file" {
			t.Errorf("the list has %+v, %v", o, err)
		}
	}
}

// Files that others put there are objects, too, and their changes are seen.
func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, text := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if o, err := s.Stat(t.Context(), "a.txt"); err != nil || o.Digest != publish.DigestOf([]byte(text)) {
			t.Errorf("Stat: %+v, %v", o, err)
		}
	}
	if _, err := s.Put(t.Context(), "a.txt/below", publish.Bytes(nil), publish.PutOptions{}); err == nil {
		t.Error("a key below a file goes through")
	}
	if _, err := s.Put(t.Context(), ".slipway-folder/lock", publish.Bytes(nil), publish.PutOptions{}); err == nil {
		t.Error("the store's own folder can be written to")
	}
}

// A folder that nobody may write to says so before anything is done, and one whose
// parent is missing isn't made.
func TestNoRight(t *testing.T) {
	t.Parallel()
	if _, err := folder.Open(filepath.Join(t.TempDir(), "no", "such")); !errors.Is(err, publish.ErrNotFound) {
		t.Errorf("no such parent: %v", err)
	}
	if os.Geteuid() == 0 {
		return // who may write anywhere
	}
	dir := t.TempDir()
	s := open(t, dir)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckWrite(t.Context()); !errors.Is(err, publish.ErrForbidden) {
		t.Errorf("CheckWrite: %v", err)
	}
}
