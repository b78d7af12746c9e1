// Package dist keeps the folder that built files lie in: a file there is whole
// or absent, and a record says which files Slipway made, and from what.
package dist

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/slipway-dev/slipway/internal/release"
)

// Private is the folder inside the output folder that is Slipway's own.
const Private = ".slipway"

// Folder is one user's (build, pack) part of the output folder. Its records
// and unfinished files lie in <root>/.slipway/<part>. One process at a time
// may have a part open; within it all methods may be called concurrently.
type Folder struct {
	root, private string
}

// Open makes the folder if need be and clears what a killed run left behind.
func Open(root, part string) (*Folder, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	f := &Folder{root: abs, private: filepath.Join(abs, Private, part)}
	if err := os.RemoveAll(f.Private("tmp")); err != nil {
		return nil, Readable(err)
	}
	for _, d := range []string{"tmp", "records"} {
		if err := os.MkdirAll(f.Private(d), 0o755); err != nil {
			return nil, Readable(err)
		}
	}
	return f, nil
}

// Path is a path in the output folder itself.
func (f *Folder) Path(elem ...string) string {
	return filepath.Join(append([]string{f.root}, elem...)...)
}

// Private is a path in this part's private folder.
func (f *Folder) Private(elem ...string) string {
	return filepath.Join(append([]string{f.private}, elem...)...)
}

// Record says what a file was made from and what it held.
type Record struct {
	Name     string `json:"name"`     // path in the output folder, with slashes
	Identity string `json:"identity"` // hash of everything the file depends on
	Size     int64  `json:"size"`
	Digest   string `json:"digest"` // sha256:<64 hex digits>
}

// Identity hashes the canonical JSON of v, which must name everything that a
// file's bytes depend on.
func Identity(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return digest(sum[:]), nil
}

// Fresh finds the record under key and reports whether the file it tells of
// was made from the same identity and still holds the same bytes.
func (f *Folder) Fresh(key, name, identity string) (Record, bool) {
	r, ok := f.record(key)
	if !ok || r.Identity != identity || r.Name != name {
		return Record{}, false
	}
	return r, f.holds(r)
}

// holds reports whether a record's file has the bytes that it says.
func (f *Folder) holds(r Record) bool {
	path := f.Path(filepath.FromSlash(r.Name))
	st, err := os.Lstat(path)
	if err != nil || !st.Mode().IsRegular() || st.Size() != r.Size {
		return false
	}
	_, d, err := HashFile(path)
	return err == nil && d == r.Digest
}

func (f *Folder) record(key string) (Record, bool) {
	var r Record
	b, err := os.ReadFile(f.Private("records", key+".json"))
	if err != nil || json.Unmarshal(b, &r) != nil || !filepath.IsLocal(filepath.FromSlash(r.Name)) {
		return Record{}, false
	}
	return r, true
}

// Keep records a file that lies under its name as one of Slipway's, when it
// holds exactly these bytes, and reports whether it does.
func (f *Folder) Keep(key, name, identity string, size int64, digest string) (bool, error) {
	r := Record{Name: name, Identity: identity, Size: size, Digest: digest}
	if !f.holds(r) {
		return false, nil
	}
	return true, f.writeRecord(key, r)
}

// RemoveExcept deletes the files of all records but those under keep, and the
// records themselves. A file that no longer holds what was recorded has become
// someone else's and stays.
func (f *Folder) RemoveExcept(keep map[string]bool) error {
	entries, err := os.ReadDir(f.Private("records"))
	if err != nil {
		return Readable(err)
	}
	kept := map[string]bool{}
	var stale []string
	for _, e := range entries {
		key := strings.TrimSuffix(e.Name(), ".json")
		if !keep[key] {
			stale = append(stale, key)
		} else if r, ok := f.record(key); ok {
			kept[r.Name] = true
		}
	}
	for _, key := range stale {
		if r, ok := f.record(key); ok && !kept[r.Name] && f.holds(r) {
			if err := os.Remove(f.Path(filepath.FromSlash(r.Name))); err != nil {
				return Readable(err)
			}
		}
		if err := os.Remove(f.Private("records", key+".json")); err != nil {
			return Readable(err)
		}
	}
	return nil
}

// File is a file being written. It comes into being with Commit.
type File struct {
	folder *Folder
	tmp    *os.File
	sum    hash.Hash
	size   int64
}

// Create begins a file.
func (f *Folder) Create() (*File, error) {
	tmp, err := os.CreateTemp(f.Private("tmp"), "*")
	if err != nil {
		return nil, Readable(err)
	}
	return &File{folder: f, tmp: tmp, sum: sha256.New()}, nil
}

// Write appends to the file.
func (w *File) Write(p []byte) (int, error) {
	n, err := w.tmp.Write(p)
	w.sum.Write(p[:n])
	w.size += int64(n)
	return n, Readable(err)
}

// Sum is the size and digest of what was written so far.
func (w *File) Sum() (size int64, sha256 string) { return w.size, digest(w.sum.Sum(nil)) }

// Commit gives the file its name, a path in the output folder with slashes,
// its mode and its record. The record comes first: were the process killed in
// between, the next run would see that the bytes differ, while a file without
// a record would be taken for the user's own and stay for ever.
func (w *File) Commit(key, name, identity string, mode fs.FileMode) (Record, error) {
	defer w.Abort()
	r := Record{Name: name, Identity: identity, Size: w.size, Digest: digest(w.sum.Sum(nil))}
	// Chmod after the fact, so that no umask takes part.
	if err := w.tmp.Chmod(mode); err != nil {
		return Record{}, Readable(err)
	}
	if err := w.tmp.Close(); err != nil {
		return Record{}, Readable(err)
	}
	return r, w.folder.place(key, r, w.tmp.Name())
}

// Adopt moves a file that another program wrote to its name, as Commit does.
func (f *Folder) Adopt(key, name, identity, from string) (Record, error) {
	size, sum, err := HashFile(from)
	if err != nil {
		return Record{}, err
	}
	r := Record{Name: name, Identity: identity, Size: size, Digest: sum}
	return r, f.place(key, r, from)
}

func (f *Folder) place(key string, r Record, from string) error {
	if err := f.writeRecord(key, r); err != nil {
		return err
	}
	to := f.Path(filepath.FromSlash(r.Name))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return Readable(err)
	}
	return Readable(os.Rename(from, to))
}

func (f *Folder) writeRecord(key string, r Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := f.Private("tmp", key+".record")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return Readable(err)
	}
	return Readable(os.Rename(tmp, f.Private("records", key+".json")))
}

// Abort drops a file that was not committed; after Commit it does nothing.
func (w *File) Abort() {
	_ = w.tmp.Close()
	_ = os.Remove(w.tmp.Name())
}

// HashFile gives a file's size in bytes and its digest, sha256:<hex>.
func HashFile(path string) (int64, string, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, "", Readable(err)
	}
	defer file.Close()
	return Hash(file)
}

// Hash reads r to its end and gives its size in bytes and its digest.
func Hash(r io.Reader) (int64, string, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return n, digest(h.Sum(nil)), Readable(err)
}

func digest(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }

// Readable tells a full disk or a missing permission in words, with what to do;
// other errors stay as they are.
func Readable(err error) error {
	hint := ""
	var e *release.Error
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = "free some space there and run again; what is whole already is kept"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		hint = "let this user write there, or choose another output folder"
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		hint = "a folder stands where a file belongs, or a file where a folder does: move it away"
	default:
		return err
	}
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		return &release.Error{Kind: release.Failed, Message: fmt.Sprintf("%s %s", verb(pe.Op), pe.Path), Hint: hint, Err: pe.Err}
	case errors.As(err, &le):
		return &release.Error{Kind: release.Failed, Message: fmt.Sprintf("%s %s", verb(le.Op), le.New), Hint: hint, Err: le.Err}
	}
	return &release.Error{Kind: release.Failed, Message: "write the output", Hint: hint, Err: err}
}

// verb names a system call's work as a person would.
func verb(op string) string {
	switch op {
	case "open", "openat":
		return "open"
	case "mkdir", "mkdirat":
		return "make folder"
	case "unlinkat", "remove":
		return "remove"
	}
	return op
}
