package dist

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/slipway-dev/slipway/internal/release"
)

func open(t *testing.T, root string) *Folder {
	t.Helper()
	f, err := Open(root, "part")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func create(t *testing.T, f *Folder, name, text string) Record {
	t.Helper()
	w, err := f.Create()
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.Commit(name, name, "identity", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A file is there whole after Commit and not at all before it or after Abort.
func TestFile(t *testing.T) {
	t.Parallel()
	f := open(t, filepath.Join(t.TempDir(), "new", "dist"))
	w, err := f.Create()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "abc")
	if names, _ := filepath.Glob(f.Path("*")); len(names) > 1 {
		t.Errorf("before Commit: %v", names)
	}
	w.Abort()
	if _, err := w.Commit("x", "x", "", 0o644); err == nil {
		t.Error("Commit after Abort")
	}
	r := create(t, f, "x", "abc")
	const abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if r.Digest != abc || r.Size != 3 {
		t.Errorf("%+v", r)
	}
	if size, digest, err := HashFile(f.Path("x")); size != 3 || digest != abc || err != nil {
		t.Error(size, digest, err)
	}
}

// A record counts only for the same identity, the same name and the same bytes,
// and survives a new Open.
func TestFresh(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f := open(t, root)
	create(t, f, "x", "abc")
	f = open(t, root)
	for _, test := range []struct {
		key, name, identity string
		want                bool
	}{{"x", "x", "identity", true}, {"x", "x", "other", false}, {"x", "y", "identity", false}, {"y", "x", "identity", false}} {
		if _, got := f.Fresh(test.key, test.name, test.identity); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
	if err := os.WriteFile(f.Path("x"), []byte("abd"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Fresh("x", "x", "identity"); ok {
		t.Error("other bytes pass")
	}
}

// A record, which anyone may have edited, never leads out of the folder.
func TestRemoveExceptStaysInside(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f := open(t, filepath.Join(root, "dist"))
	r := create(t, f, "x", "abc")
	if err := os.Rename(f.Path("x"), filepath.Join(root, "x")); err != nil {
		t.Fatal(err)
	}
	record := fmt.Sprintf(`{"name":"../x","identity":"identity","size":3,"digest":%q}`, r.Digest)
	if err := os.WriteFile(f.Private("records", "x.json"), []byte(record), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveExcept(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "x")); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(f.Private("records")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// Faults of the machine come with what to do.
func TestReadable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		says string
		hint string
	}{
		{&fs.PathError{Op: "write", Path: "/d/x", Err: syscall.ENOSPC}, "write /d/x: no space left on device", "free some space"},
		{&fs.PathError{Op: "mkdirat", Path: "/d", Err: syscall.EACCES}, "make folder /d: permission denied", "another output folder"},
		{&os.LinkError{Op: "rename", Old: "/a", New: "/d/x", Err: syscall.EEXIST}, "rename /d/x: file exists", "move it away"},
		{fmt.Errorf("copy: %w", syscall.EDQUOT), "write the output: copy: disk quota exceeded", "free some space"},
		{&fs.PathError{Op: "read", Path: "/d/x", Err: syscall.EIO}, "read /d/x: input/output error", ""},
	} {
		got := Readable(test.err)
		if got.Error() != test.says || !strings.Contains(release.HintOf(got), test.hint) || test.hint != "" && release.HintOf(got) == "" {
			t.Errorf("%v (%s), want %s", got, release.HintOf(got), test.says)
		}
		if Readable(got) != got { //nolint:errorlint // the very same value
			t.Error("told twice")
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(file, "dist"), "part"); release.HintOf(err) == "" {
		t.Errorf("a folder in a file: %v", err)
	}
	f := open(t, t.TempDir())
	if err := os.Mkdir(f.Path("taken"), 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := f.Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit("taken", "taken", "", 0o644); release.HintOf(err) == "" {
		t.Errorf("a folder under the name: %v", err)
	}
}
