package git

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/releasenotes"
)

// Whatever git log writes, commits come out as UTF-8 or an error does, and the
// first line has no line break.
func FuzzReadLog(f *testing.F) {
	f.Add([]byte("h\x00p q\x00N\x00e\x001\x00subject\n\nbody\n\x00"))
	f.Add([]byte("h\x00\x00N\xe9\x00e\x00-9x\x00\n\n\x00h\x00"))
	f.Add([]byte("h\x00\x00\x00\x00\x00" + strings.Repeat("x", 70_000) + "\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		err := readLog(bytes.NewReader(b), func(c releasenotes.Commit) error {
			n++
			if !utf8.ValidString(c.Name+c.Email+c.Subject+c.Body) || strings.Contains(c.Subject, "\n") {
				t.Errorf("%+v", c)
			}
			return nil
		})
		whole := bytes.Count(b, []byte{0})%logFields == 0 && (len(b) == 0 || b[len(b)-1] == 0)
		if (err == nil) != whole || n != bytes.Count(b, []byte{0})/logFields {
			t.Errorf("%d commits, %v", n, err)
		}
		if errors.Is(err, io.EOF) {
			t.Error("a torn answer reads like the end")
		}
	})
}

// A record over the limit is cut, and the next one is whole.
func TestRecordLimit(t *testing.T) {
	t.Parallel()
	for _, size := range []int{64<<10 - 1, 64 << 10, 64<<10 + 1, maxRecord - 1, maxRecord, maxRecord + 1, 3*maxRecord + 7} {
		r := newRecordReader(strings.NewReader(strings.Repeat("x", size)+"\nnext\n"), '\n')
		if b, err := r.next(); err != nil || len(b) != min(size, maxRecord) {
			t.Errorf("of %d bytes %d came out, %v", size, len(b), err)
		}
		if b, err := r.next(); err != nil || string(b) != "next" {
			t.Errorf("after %d bytes: %.20q, %v", size, b, err)
		}
		if _, err := r.next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the last: %v", err)
		}
	}
}

// A cache is read back as it was written, and nothing else passes for one.
func FuzzDecodeAuthors(f *testing.F) {
	c := authorCache{tip: strings.Repeat("a", 40), mailmap: "", emails: map[string]bool{"": true, "a@b": true, "c@d": true}}
	f.Add(c.encode())
	f.Add([]byte(authorsHeader + "\n\n\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, ok := decodeAuthors(b)
		if !ok {
			return
		}
		again, ok := decodeAuthors(c.encode())
		if !ok || again.tip != c.tip || again.mailmap != c.mailmap || !maps.Equal(again.emails, c.emails) {
			t.Errorf("%q became %+v", b, again)
		}
	})
}
