package memory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// store keeps assets' contents: in memory, or as files below dir.
type store struct{ dir string }

// content is one asset's bytes. The zero value is empty.
type content struct {
	data []byte
	file string // set when it lies on disk
}

func (c content) open() (io.ReadCloser, error) {
	if c.file != "" {
		return os.Open(c.file)
	}
	return io.NopCloser(bytes.NewReader(c.data)), nil
}

// remove takes a file away, and its folder with the last one.
func (c content) remove() {
	if c.file == "" {
		return
	}
	_ = os.Remove(c.file)
	_ = os.Remove(filepath.Dir(c.file))
}

// errTooLarge is a body that goes beyond the limit.
var errTooLarge = errors.New("body is larger than the limit")

// received is a body that arrived whole.
type received struct {
	content
	size   int64
	sha256 string
}

// receive reads a body to its end, at most limit bytes (0: no limit). Nothing
// is left of a body that breaks off.
func (s store) receive(ctx context.Context, tag, name string, id int64, body io.Reader, limit int64) (received, error) {
	sum := sha256.New()
	in := untilDone(ctx, body)
	if limit > 0 {
		in = &limitReader{in, limit}
	}
	in = io.TeeReader(in, sum)
	var got received
	if s.dir == "" {
		data, err := io.ReadAll(in)
		if err != nil {
			return got, err
		}
		got.data, got.size = data, int64(len(data))
	} else {
		file, n, err := s.spool(tag, name, id, in)
		if err != nil {
			return got, err
		}
		got.file, got.size = file, n
	}
	got.sha256 = hex.EncodeToString(sum.Sum(nil))
	return got, nil
}

// spool writes a body to <dir>/<tag>/<name>; a taken name gets the asset's id
// behind it.
func (s store) spool(tag, name string, id int64, in io.Reader) (string, int64, error) {
	folder := filepath.Join(s.dir, fileName(tag))
	tmp, err := s.temp()
	if err != nil {
		return "", 0, err
	}
	defer os.Remove(tmp.Name())
	n, err := io.Copy(tmp, in)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", 0, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", 0, err
	}
	file := filepath.Join(folder, fileName(name))
	// Link, unlike rename, never replaces what another upload put there.
	err = os.Link(tmp.Name(), file)
	if errors.Is(err, os.ErrExist) {
		file = fmt.Sprintf("%s.%d", file, id)
		err = os.Link(tmp.Name(), file)
	}
	return file, n, err
}

func (s store) temp() (*os.File, error) {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(s.dir, ".upload-*")
	if err != nil {
		return nil, err
	}
	return f, f.Chmod(0o644)
}

// fileName makes one path element of any name: no separator, no leading dot.
func fileName(s string) string {
	s = url.PathEscape(s)
	if strings.HasPrefix(s, ".") || s == "" {
		s = "%2E" + strings.TrimPrefix(s, ".")
	}
	if len(s) > 200 {
		s = s[:200]
	}
	return s
}

// untilDone reads from r, and fails once the context has ended.
func untilDone(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// limitReader fails with errTooLarge instead of ending at the limit.
type limitReader struct {
	r    io.Reader
	left int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, errTooLarge
	}
	return n, err
}
