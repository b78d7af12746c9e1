package wire_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// upload posts a file between "<" and ">".
func upload(ctx context.Context, c *http.Client, address string, u forge.Upload) error {
	ctx, call := wire.Begin(ctx, "upload "+u.Name)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return err
	}
	if err := wire.SetUpload(req, u, []byte("<"), []byte(">")); err != nil {
		return call.Err(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return call.Err(err)
	}
	return resp.Body.Close()
}

// A refused upload is opened anew for the next try, its progress starts again,
// and each try's length is told beforehand.
func TestUploadAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 9 {
			t.Errorf("Content-Length %d, want 9", r.ContentLength)
		}
		if n == 1 {
			refuse(w, 429, `{}`)
			return
		}
		ok(w)
	})
	opened, told := 0, []int64{}
	u := forge.Upload{Name: "a", Size: 7, Progress: func(n int64) { told = append(told, n) }, Open: func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader("content")), nil
	}}
	if err := upload(t.Context(), client(s, &sleeper{}), s.URL, u); err != nil {
		t.Fatal(err)
	}
	if opened != 2 {
		t.Errorf("opened %d times, want 2", opened)
	}
	if d := cmp.Diff([]int64{7, 7}, told); d != "" {
		t.Errorf("progress (-want +got):\n%s", d)
	}
	for _, r := range s.requests() {
		if r.body != "<content>" {
			t.Errorf("sent %q", r.body)
		}
	}
}

// A file that changes while it is sent is the file's fault, not the forge's:
// it is told as such, not tried again, and certain.
func TestChangedFile(t *testing.T) {
	t.Parallel()
	for size, says := range map[int64]string{
		5:  "longer than the 5 bytes it had",
		50: "only 7 bytes long, not the 50 it had",
	} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { ok(w) })
		u := forge.Upload{Name: "a", Size: size, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("content")), nil
		}}
		sl := &sleeper{}
		err := upload(t.Context(), client(s, sl), s.URL, u)
		if err == nil || !strings.Contains(err.Error(), says) || forge.Uncertain(err) || len(sl.waits) != 0 {
			t.Errorf("size %d: error %v, uncertain %v, waits %v", size, err, forge.Uncertain(err), sl.waits)
		}
	}
}

// A large upload that the server refuses at once is not sent.
func TestRefusedBeforeBody(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	path := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	var sent int64
	u := forge.Upload{Name: "a", Size: size, Progress: func(n int64) { sent = n }, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
	server := bareServer(t, func(w http.ResponseWriter) { refuse(w, 413, `{"message":"too large"}`, "Connection", "close") })
	err := upload(t.Context(), wire.NewClient(wire.Options{}, wire.Dialect{}), server, u)
	if !errors.Is(err, forge.ErrTooLarge) || sent != 0 {
		t.Errorf("error %v after %d bytes", err, sent)
	}
}

// An upload whose bytes move slowly is no idle one, however long its answer
// takes within UploadAnswer.
func TestSlowUpload(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		time.Sleep(300 * time.Millisecond)
		ok(w)
	})
	u := forge.Upload{Name: "a", Size: 8, Open: func() (io.ReadCloser, error) { return io.NopCloser(&slow{left: 8}), nil }}
	c := client(s, &sleeper{}, func(o *wire.Options) { o.Idle, o.UploadAnswer = 150*time.Millisecond, 30*time.Second })
	if err := upload(t.Context(), c, s.URL, u); err != nil {
		t.Error(err)
	}
}

type slow struct{ left int }

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(50 * time.Millisecond)
	s.left--
	p[0] = 'x'
	return 1, nil
}

// A download that is cut goes on where it ended, and its bytes are the file's.
func TestDownloadGoesOn(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	for _, ranges := range []bool{true, false} {
		s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if !ranges {
				r.Header.Del("Range")
			}
			if n <= 2 {
				w = &cutting{ResponseWriter: w, left: 300_000 * n}
			}
			w.Header().Set("ETag", `"1"`)
			http.ServeContent(w, r, "f", time.Time{}, bytes.NewReader(data))
		})
		r, err := wire.Open(t.Context(), client(s, &sleeper{}), "download it", get(s.URL))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, data) || len(s.requests()) != 3 {
			t.Errorf("ranges %v: %d bytes of %d, %v, %d requests", ranges, len(got), len(data), err, len(s.requests()))
		}
	}
}

// A download that is cut ever again ends as unavailable.
func TestDownloadGivenUp(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.ServeContent(&cutting{ResponseWriter: w, left: 10}, r, "f", time.Time{}, bytes.NewReader(make([]byte, 1000)))
	})
	r, err := wire.Open(t.Context(), client(s, &sleeper{}), "download it", get(s.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); !errors.Is(err, forge.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

// cutting breaks the connection after some bytes.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	n, _ := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; c.left <= 0 {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		cut()
	}
	return n, nil
}
