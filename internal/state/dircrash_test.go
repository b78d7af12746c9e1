package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/state"
)

const header = 72 // bytes of a journal's

// After a crash of the machine nothing of a document's file needs to be on the
// disk: what was acknowledged comes from the journal.
func TestDirAfterMachineCrash(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, root string){
		"files are as before":  func(t *testing.T, root string) { write(t, root, "a/old.json", "1") },
		"files are empty":      func(t *testing.T, root string) { write(t, root, "a/old.json", ""); write(t, root, "a/new.json", "") },
		"files are gone":       func(t *testing.T, root string) { remove(t, root, "a") },
		"the deleted is back":  func(t *testing.T, root string) { write(t, root, "gone.json", "1") },
		"staged files are old": func(t *testing.T, root string) { write(t, root, ".new/0", "other") },
		"nothing is lost":      func(*testing.T, string) {},
	} {
		for _, reader := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				root := t.TempDir()
				s := state.OpenDir(root)
				old, gone := put(t, s, "a/old", "1", ""), put(t, s, "gone", "1", "")
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Apply(t.Context(), "", state.Change{Ref: "a/old", Value: []byte("2"), Version: old},
					state.Change{Ref: "a/new", Value: []byte("3")}, state.Change{Ref: "gone", Version: gone}); err != nil {
					t.Fatal(err)
				}
				want := map[string]string{"a/old": "2", "a/new": "3"}
				crash(t, root)
				lose(t, root)
				s = state.OpenDir(root)
				if !reader { // who writes first finds it, too
					put(t, s, "b", "4", "")
					want["b"] = "4"
				}
				if diff := cmp.Diff(want, all(t, s)); diff != "" {
					t.Errorf("documents (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// An entry of the journal that was cut anywhere, or is damaged, was not
// acknowledged: the batch is not there, and all before it is.
func TestDirTornJournal(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := state.OpenDir(root)
	v := put(t, s, "a", "1", "")
	before := readFile(t, root, ".journal")
	if _, err := s.Apply(t.Context(), "", state.Change{Ref: "a", Value: []byte("2"), Version: v}, state.Change{Ref: "b", Value: []byte("2")}); err != nil {
		t.Fatal(err)
	}
	whole := readFile(t, root, ".journal")
	for cut := len(before); cut <= len(whole); cut++ {
		for _, boot := range []bool{false, true} {
			journal := append(bytes.Clone(before[:header]), whole[header:cut]...)
			if cut == len(whole)-1 {
				journal = append(journal, whole[cut]^1) // damaged, not cut
			}
			root := t.TempDir()
			write(t, root, ".journal", string(journal))
			write(t, root, "a.json", "1")
			if boot {
				crash(t, root)
			}
			want := map[string]string{"a": "1"}
			if cut == len(whole) {
				want = map[string]string{"a": "2", "b": "2"}
			}
			s := state.OpenDir(root)
			if diff := cmp.Diff(want, all(t, s)); diff != "" {
				t.Fatalf("cut at %d of %d, boot %t (-want +got):\n%s", cut, len(whole), boot, diff)
			}
			put(t, s, "c", "1", "") // and it goes on
			crash(t, root)
			remove(t, root, "c.json")
			want["c"] = "1"
			if diff := cmp.Diff(want, all(t, state.OpenDir(root))); diff != "" {
				t.Fatalf("cut at %d of %d, later (-want +got):\n%s", cut, len(whole), diff)
			}
		}
	}
}

// What lies in a journal's place is never taken for one, and never the end.
func FuzzDirJournal(f *testing.F) {
	root := f.TempDir()
	s := state.OpenDir(root)
	if _, err := s.Apply(f.Context(), "", state.Change{Ref: "a", Value: []byte("1")}, state.Change{Ref: "b/c", Value: []byte{}}); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(root, ".journal"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:header])
	f.Add(whole[:len(whole)-3])
	f.Add([]byte("slipway"))
	f.Fuzz(func(t *testing.T, b []byte) {
		root := t.TempDir()
		write(t, root, ".journal", string(b))
		s := state.OpenDir(root)
		all(t, s)
		d, err := s.Get(t.Context(), "a")
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			t.Fatal(err)
		}
		put(t, s, "a", "2", d.Version)
		if got := all(t, state.OpenDir(root)); got["a"] != "2" {
			t.Errorf("documents: %q", got)
		}
	})
}

// A disk that is full is an error that names the folder; nothing is lost, and
// with room it goes on.
func TestDirFullDisk(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=128k"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small file system: %v", err)
		}
		t.Skipf("only root can mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(root, 0) })
	want := map[string]string{}
	s := state.OpenDir(root)
	var failed error
	for i := 0; failed == nil && i < 100; i++ {
		ref, value := fmt.Sprint("a/", i), strings.Repeat("y", 3000)
		var batch []state.Change
		for _, part := range []string{"1", "2"} {
			batch = append(batch, state.Change{Ref: ref + "/" + part, Value: []byte(value)})
		}
		if _, failed = s.Apply(t.Context(), "", batch...); failed == nil {
			want[batch[0].Ref], want[batch[1].Ref] = value, value
		}
	}
	if !errors.Is(failed, syscall.ENOSPC) || !strings.Contains(failed.Error(), root) || len(want) == 0 {
		t.Fatalf("after %d documents: %v", len(want), failed)
	}
	for _, s := range []*state.Dir{s, state.OpenDir(root)} {
		if diff := cmp.Diff(want, all(t, s)); diff != "" {
			t.Errorf("documents (-want +got):\n%s", diff)
		}
	}
	if err := syscall.Mount("tmpfs", root, "tmpfs", syscall.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "z", "1", "")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// Neither may a folder that can't be written.
	if err := syscall.Mount("tmpfs", root, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*state.Dir{s, state.OpenDir(root)} {
		if _, err := state.Put(t.Context(), s, "q", []byte("1"), ""); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), root) {
			t.Errorf("a disk that can't be written: %v", err)
		}
		if got := all(t, s); len(got) != len(want)+1 {
			t.Errorf("%d documents are read, want %d", len(got), len(want)+1)
		}
	}
}

// A document whose file can't be made fails alone, and leaves nothing behind.
func TestDirBadFile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := state.OpenDir(root)
	write(t, root, "blocked", "a file where a folder would be")
	write(t, root, "folder.json/x", "a folder where a file would be")
	for _, bad := range []string{"blocked/a", "folder", strings.Repeat("ü", 100), strings.Repeat("a/", 3000) + "a"} {
		if _, err := s.Apply(t.Context(), "", state.Change{Ref: "good", Value: []byte("1")}, state.Change{Ref: bad, Value: []byte("1")}); err == nil || errors.Is(err, state.ErrConflict) {
			t.Errorf("%.20s: %v", bad, err)
		}
	}
	if got := all(t, s); len(got) > 0 {
		t.Errorf("documents: %v", got)
	}
}

// crash makes a journal one of an earlier run of the machine.
func crash(t *testing.T, root string) {
	t.Helper()
	b := readFile(t, root, ".journal")
	copy(b[24:], make([]byte, 16))
	write(t, root, ".journal", string(b))
}

func put(t *testing.T, s state.Store, ref, value, version string) string {
	t.Helper()
	v, err := state.Put(t.Context(), s, ref, []byte(value), version)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func all(t *testing.T, s state.Store) map[string]string {
	t.Helper()
	got := map[string]string{}
	for e, err := range s.Scan(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got[e.Ref] = string(e.Value)
	}
	return got
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, root, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(root, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, root, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
