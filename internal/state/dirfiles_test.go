package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/state"
)

// The names of documents' files are for people, and stay as they were.
func TestDirFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := state.OpenDir(root)
	for ref, file := range map[string]string{
		"releases/v1.2.3/journal":                                "releases/v1.2.3/journal.json",
		"github.com/acme/app/-/path/r.ocu.star/@r7/call/build#x": "github.com/acme/app/-/path/r.ocu.star/@r7/call/build%23x.json",
		"@/environment/e":                                        "@/environment/e.json",
		"+/custom/x=y:z&$~":                                      "+/custom/x=y:z&$~.json",
		".lock":                                                  "%2Elock.json",
		"../..":                                                  "%2E./%2E..json",
		"a b/50%":                                                "a%20b/50%25.json",
		"a.json/b":                                               "a%2Ejson/b.json",
		"a":                                                      "a.json",
	} {
		put(t, s, ref, ref, "")
		if got := readFile(t, root, file); string(got) != ref {
			t.Errorf("the file of %s has %q", ref, got)
		}
		if path, err := state.FilePath(ref); err != nil || path != file {
			t.Errorf("FilePath(%q) = %q, %v", ref, path, err)
		}
	}
}

// A folder of an earlier Slipway, which kept no journal, is read and gone on
// with.
func TestDirOfEarlierSlipway(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, root, ".lock", "")
	write(t, root, "releases/v1/journal.json", "{}")
	write(t, root, "releases/v2.json/journal.json", "{}") // its folder's name is another now
	write(t, root, "releases/.journal.json1234", "a temporary file")
	s := state.OpenDir(root)
	if diff := cmp.Diff(map[string]string{"releases/v1/journal": "{}", "releases/v2.json/journal": "{}"}, all(t, s)); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	d, err := s.Get(t.Context(), "releases/v2.json/journal")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "releases/v2.json/journal", "2", d.Version)
	if got := readFile(t, root, "releases/v2.json/journal.json"); string(got) != "2" {
		t.Errorf("the file has %q", got)
	}
}

// A closed store is but its documents' files, and what a person changes there
// afterwards, or after a process that did not close, stays.
func TestDirChangedByHand(t *testing.T) {
	t.Parallel()
	for _, closed := range []bool{false, true} {
		root := t.TempDir()
		s := state.OpenDir(root)
		put(t, s, "a", "1", "")
		put(t, s, "b", "1", "")
		if closed {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := len(readFile(t, root, ".journal")); got != header {
				t.Errorf("the journal of a closed store has %d bytes", got)
			}
			crash(t, root) // the machine is started anew
		}
		write(t, root, "a.json", "by hand")
		remove(t, root, "b.json")
		for _, s := range []*state.Dir{s, state.OpenDir(root)} {
			if diff := cmp.Diff(map[string]string{"a": "by hand"}, all(t, s)); diff != "" {
				t.Errorf("closed %t: documents (-want +got):\n%s", closed, diff)
			}
		}
		put(t, s, "b", "2", "")
	}
}

// A folder that is removed under a running process is made anew.
func TestDirRemoved(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "state")
	s := state.OpenDir(root)
	if err := s.Close(); err != nil {
		t.Errorf("Close of what is not there: %v", err)
	}
	put(t, s, "a", "1", "")
	remove(t, root, "")
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get = %v", err)
	}
	put(t, s, "b", "1", "")
	if diff := cmp.Diff(map[string]string{"b": "1"}, all(t, state.OpenDir(root))); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
}

// A ref and its file's path belong together, and no path leaves the folder.
func FuzzFilePath(f *testing.F) {
	for _, s := range []string{"a/b", "..", "a.json/b", ".", "@/+", "%2E", "a%2Ejson/b", "\\", "ü"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if path, err := state.FilePath(s); err == nil {
			if ref, ours := state.FileRef(path); !ours || ref != s || !filepath.IsLocal(path) {
				t.Errorf("%q has the file %q, which is %q's", s, path, ref)
			}
		}
		if ref, ours := state.FileRef(s); ours {
			if path, err := state.FilePath(ref); err != nil || path != s {
				t.Errorf("file %q is %q's, whose file is %q, %v", s, ref, path, err)
			}
		}
	})
}
