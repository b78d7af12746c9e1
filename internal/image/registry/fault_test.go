package registry_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/image/registry"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

var quiet = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)

const (
	layerSize = 4 << 20
	cutAt     = 3 << 20
)

// mustHave reads every blob of an index back from a registry and holds it
// against its digest.
func mustHave(t *testing.T, host, at string, idx v1.ImageIndex) {
	t.Helper()
	_, path, _ := strings.Cut(at, "/")
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests {
		img, err := idx.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		im, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range append(im.Layers, im.Config) {
			resp, err := http.Get("http://" + host + "/v2/" + path + "/blobs/" + b.Digest.String())
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			n, err := io.Copy(h, resp.Body)
			resp.Body.Close()
			if got := fmt.Sprintf("sha256:%x", h.Sum(nil)); err != nil || got != b.Digest.String() || n != b.Size {
				t.Errorf("blob %s has %d bytes and the digest %s, %v", b.Digest, n, got, err)
			}
		}
	}
	if got, err := client(t, nil).Find(t.Context(), at, digestOf(t, idx)); err != nil || got.Digest != digestOf(t, idx) {
		t.Errorf("Find: %+v, %v", got, err)
	}
}

// A cut in mid-layer is mended. Debian's registry throws a torn upload away
// (its upload state carries the offset of the last whole request), so that the
// layer is sent again from its first byte.
func TestCutBeginsAgain(t *testing.T) {
	t.Parallel()
	backend := realtest.Registry(t)
	var cut atomic.Bool
	p := newProxy(t, backend, func(p *proxy, _ http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Method == http.MethodPatch && r.ContentLength == layerSize && cut.CompareAndSwap(false, true) {
			p.cutAfter(r, cutAt)
		}
		return false
	})
	at := repository(p.host)
	idx := index(t, at, layerSize, platforms[0])
	if err := client(t, nil).Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, p.host, at, idx)
	if again := p.bytes() - layerSize; again < cutAt || again > cutAt+4096 {
		t.Errorf("%d bytes were sent again, want the %d from before the cut", again, cutAt)
	}
}

// Where a registry tells how much has arrived, a cut upload goes on from
// there: not a byte is sent twice.
func TestCutResumes(t *testing.T) {
	t.Parallel()
	s := server(t)
	var mu sync.Mutex
	arrived := map[string]int64{} // by upload
	p := newProxy(t, s.Host, func(p *proxy, w http.ResponseWriter, r *http.Request, _ int) bool {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.Method == http.MethodPatch && r.ContentLength == layerSize:
			arrived[r.URL.Path] = cutAt
			p.cutAfter(r, cutAt)
		case r.Method == http.MethodGet && arrived[r.URL.Path] > 0:
			// The registry in process resumes, but has no answer to this.
			w.Header().Set("Location", r.URL.Path)
			w.Header().Set("Range", fmt.Sprintf("0-%d", arrived[r.URL.Path]-1))
			w.WriteHeader(http.StatusNoContent)
			return true
		}
		return false
	})
	at := repository(p.host)
	idx := index(t, at, layerSize, platforms[0])
	if err := client(t, nil).Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, p.host, at, idx)
	configs := int64(4096)
	if sent := p.bytes(); sent < layerSize || sent > layerSize+configs {
		t.Errorf("%d bytes were sent, want %d and a config", sent, layerSize)
	}
	if n := p.count("POST blobs/uploads"); n != 2 {
		t.Errorf("%d uploads were begun, want one for the layer and one for the config", n)
	}
}

// An upload that goes on at a place where the registry has other bytes ends
// with a wrong digest, and is sent again as a whole.
func TestWrongResumeBeginsAgain(t *testing.T) {
	t.Parallel()
	s := server(t)
	var cut atomic.Bool
	p := newProxy(t, s.Host, func(p *proxy, w http.ResponseWriter, r *http.Request, _ int) bool {
		switch {
		case r.Method == http.MethodPatch && r.ContentLength == layerSize && cut.CompareAndSwap(false, true):
			p.cutAfter(r, cutAt)
		case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/uploads/"):
			w.Header().Set("Range", fmt.Sprintf("0-%d", layerSize-1)) // not true
			w.WriteHeader(http.StatusNoContent)
			return true
		}
		return false
	})
	at := repository(p.host)
	idx := index(t, at, layerSize, platforms[0])
	if err := client(t, nil).Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, p.host, at, idx)
}

// A blob whose last answer is lost has arrived, and is not sent again.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	backend := realtest.Registry(t)
	p := newProxy(t, backend, func(p *proxy, _ http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Method == http.MethodPut && kind(r) == "blobs/uploads" {
			again, err := http.NewRequest(r.Method, "http://"+backend+r.URL.RequestURI(), nil)
			if err != nil {
				panic(err)
			}
			again.Host = r.Host
			resp, err := http.DefaultClient.Do(again)
			if err != nil || resp.StatusCode != http.StatusCreated {
				panic(fmt.Sprint(resp, err))
			}
			resp.Body.Close()
			panic(http.ErrAbortHandler)
		}
		return false
	})
	at := repository(p.host)
	idx := index(t, at, layerSize, platforms[0])
	if err := client(t, nil).Push(t.Context(), at, idx, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, p.host, at, idx)
	if n := p.count("PATCH blobs/uploads"); n != 2 {
		t.Errorf("%d blobs were sent, want 2", n)
	}
}

// A registry that is busy for a while is waited for, with each kind of request.
func TestBusyForAWhile(t *testing.T) {
	t.Parallel()
	backend := realtest.Registry(t)
	for _, request := range []string{"HEAD blobs", "POST blobs/uploads", "PATCH blobs/uploads", "PUT blobs/uploads", "HEAD manifests", "PUT manifests", "GET ping"} {
		for _, status := range []int{http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusRequestTimeout, http.StatusTooManyRequests} {
			t.Run(fmt.Sprintf("%s %d", request, status), func(t *testing.T) {
				t.Parallel()
				p := newProxy(t, backend, func(_ *proxy, w http.ResponseWriter, r *http.Request, n int) bool {
					if r.Method+" "+kind(r) == request && n <= 2 {
						_, _ = io.Copy(io.Discard, r.Body)
						return refuse(w, status, "UNAVAILABLE", "busy")
					}
					return false
				})
				at := repository(p.host)
				idx := index(t, at, 1000, platforms[0])
				if err := client(t, nil).Push(t.Context(), at, idx, nil); err != nil {
					t.Fatal(err)
				}
				mustHave(t, p.host, at, idx)
			})
		}
	}
}

// A registry that is busy for good is given up after a few tries.
func TestBusyForGood(t *testing.T) {
	t.Parallel()
	p := newProxy(t, realtest.Registry(t), func(_ *proxy, w http.ResponseWriter, r *http.Request, _ int) bool {
		return r.Method == http.MethodPatch && refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", "no room")
	})
	err := client(t, nil).Push(t.Context(), repository(p.host), index(t, p.host, 1000, platforms[0]), nil)
	if !errors.Is(err, image.ErrUnavailable) || release.KindOf(err) != release.Failed || !strings.Contains(err.Error(), "no room") {
		t.Errorf("got %v", err)
	}
	if n := p.count("PATCH blobs/uploads"); n > 10 { // two blobs, five tries each
		t.Errorf("%d tries", n)
	}
}

// Retry-After is kept to; a wait that is too long is not begun.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	busy := func(after string) func(*proxy, http.ResponseWriter, *http.Request, int) bool {
		return func(_ *proxy, w http.ResponseWriter, r *http.Request, n int) bool {
			if r.Method != http.MethodPatch || n > 1 {
				return false
			}
			w.Header().Set("Retry-After", after)
			return refuse(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down")
		}
	}
	p := newProxy(t, realtest.Registry(t), busy("1"))
	start := time.Now()
	if err := client(t, nil).Push(t.Context(), repository(p.host), index(t, p.host, 1000, platforms[0]), nil); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < time.Second {
		t.Errorf("it took %s, less than the registry asked for", took)
	}
	p = newProxy(t, realtest.Registry(t), busy("86400"))
	start = time.Now()
	err := client(t, nil).Push(t.Context(), repository(p.host), index(t, p.host, 1000, platforms[0]), nil)
	if !errors.Is(err, image.ErrUnavailable) || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}

// What a registry refuses is not tried again.
func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	backend := realtest.Registry(t)
	for _, test := range []struct {
		request string
		status  int
		want    error
		kind    release.Kind
	}{
		{"PUT manifests", 403, image.ErrForbidden, release.Refused},
		{"PUT manifests", 405, image.ErrForbidden, release.Refused},
		{"PUT manifests", 401, image.ErrUnauthorized, release.Refused},
		{"POST blobs/uploads", 403, image.ErrForbidden, release.Refused},
		{"POST blobs/uploads", 401, image.ErrUnauthorized, release.Refused},
		{"POST blobs/uploads", 404, image.ErrNotFound, release.Failed},
		{"PATCH blobs/uploads", 403, image.ErrForbidden, release.Refused},
	} {
		t.Run(fmt.Sprint(test.request, test.status), func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, backend, func(_ *proxy, w http.ResponseWriter, r *http.Request, _ int) bool {
				return r.Method+" "+kind(r) == test.request && refuse(w, test.status, "DENIED", "it is not for you")
			})
			at := repository(p.host)
			err := client(t, nil).Push(t.Context(), at, index(t, at, 1000, platforms[0]), nil)
			if !errors.Is(err, test.want) || release.KindOf(err) != test.kind || release.HintOf(err) == "" {
				t.Errorf("got %v of kind %d, hint %q", err, release.KindOf(err), release.HintOf(err))
			}
			if want := "push " + at + ": "; !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "it is not for you") {
				t.Errorf("%q does not begin with %q, or does not say why", err, want)
			}
			if n := p.count(test.request); n > 2 { // two blobs
				t.Errorf("%d tries", n)
			}
		})
	}
}

// Each registry has its own way to say that a tag is not to be moved.
func TestProtectedTags(t *testing.T) {
	t.Parallel()
	s := server(t)
	for name, answer := range map[string]struct {
		status        int
		code, message string
	}{
		"Harbor 412":   {412, "PRECONDITION", "Failed to process request due to 'hello:1.0.0' configured as immutable."},
		"Harbor 403":   {403, "DENIED", "the tag is immutable"},
		"ECR":          {400, "TAG_INVALID", "The image tag '1.0.0' already exists in the 'hello' repository and cannot be overwritten because the tag is immutable."},
		"ECR's code":   {400, "ImageTagAlreadyExistsException", ""},
		"GitLab":       {403, "DENIED", "protected tag"},
		"Quay":         {409, "TAG_IMMUTABLE", "tag is immutable"},
		"Artifact Reg": {400, "UNKNOWN", "cannot update tag 1.0.0. The repository has enabled tag immutability"},
	} {
		p := newProxy(t, s.Host, func(_ *proxy, w http.ResponseWriter, r *http.Request, _ int) bool {
			return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/1.0.0") && refuse(w, answer.status, answer.code, answer.message)
		})
		c, at := client(t, nil), repository(p.host)
		idx := index(t, at, 10, platforms[0])
		if err := c.Push(t.Context(), at, idx, nil); err != nil {
			t.Fatal(err)
		}
		err := c.Tag(t.Context(), at, digestOf(t, idx), "1.0.0")
		if !errors.Is(err, image.ErrProtected) || release.KindOf(err) != release.Refused || !strings.Contains(err.Error(), at+":1.0.0") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A registry that stores something else than it was sent is not believed.
func TestWrongDigest(t *testing.T) {
	t.Parallel()
	s := server(t)
	p := newProxy(t, s.Host, func(_ *proxy, w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Method != http.MethodPut || kind(r) != "manifests" {
			return false
		}
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
		w.WriteHeader(http.StatusCreated)
		return true
	})
	err := client(t, nil).Push(t.Context(), repository(p.host), index(t, "x", 10, platforms[0]), nil)
	if err == nil || !strings.Contains(err.Error(), "instead of") {
		t.Errorf("got %v", err)
	}
}

// A connection on which nothing moves is given up.
func TestStandstill(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	p := newProxy(t, "", func(_ *proxy, _ http.ResponseWriter, r *http.Request, _ int) bool {
		select {
		case <-end:
		case <-r.Context().Done():
		}
		return true
	})
	t.Cleanup(func() { close(end) })
	c := registry.New(registry.Options{Getenv: environment(), Backoff: time.Millisecond, Idle: 50 * time.Millisecond})
	_, err := c.Find(t.Context(), p.host+"/acme/hello", "1")
	if !errors.Is(err, image.ErrUnavailable) || !strings.Contains(err.Error(), "nothing moved") {
		t.Errorf("got %v", err)
	}
}

// No registry at all, and one that is not found, are told with what to do.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := server(t)
	_ = s.Close()
	for _, at := range []string{s.Host + "/acme/hello", "registry.invalid/acme/hello"} {
		err := client(t, nil).CheckPush(t.Context(), at)
		if !errors.Is(err, image.ErrUnavailable) || release.KindOf(err) != release.Failed || release.HintOf(err) == "" {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// A login is sent over plain HTTP to this machine only, and to registries
// that are named.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	c := client(t, nil, "SLIPWAY_INSECURE_REGISTRIES", "registry.example:5000, 10.0.0.1:80")
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:5000": true, "127.9.9.9": true, "[::1]:5000": true, "a.localhost:1": true,
		"registry.example:5000": true, "10.0.0.1:80": true,
		"registry.example": false, "10.0.0.2:80": false, "192.168.0.1:5000": false, "notlocalhost:5000": false, "127.0.0.1.example": false,
	} {
		if got := c.PlainHTTP(host); got != want {
			t.Errorf("PlainHTTP(%s) = %v", host, got)
		}
	}
	// go-containerregistry tries plain HTTP on private networks by itself.
	plain := 0
	c = client(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme == "http" {
			plain++
		}
		return nil, errors.New("no such host here")
	}), "SLIPWAY_REGISTRY_USER", "ada", "SLIPWAY_REGISTRY_PASSWORD", "swordfish")
	err := c.CheckPush(t.Context(), "10.0.0.2:5000/acme/hello")
	if plain != 0 || !errors.Is(err, image.ErrUnavailable) || !strings.Contains(release.HintOf(err), "SLIPWAY_INSECURE_REGISTRIES=10.0.0.2:5000") {
		t.Errorf("%d requests without TLS, %v, hint %q", plain, err, release.HintOf(err))
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A registry can't send a client on to what lies behind this machine.
func TestPrivateLocation(t *testing.T) {
	t.Parallel()
	p := newProxy(t, "", func(_ *proxy, w http.ResponseWriter, r *http.Request, _ int) bool {
		switch r.Method {
		case http.MethodPost:
			w.Header().Set("Location", "http://169.254.169.254/latest")
			w.WriteHeader(http.StatusAccepted)
		case http.MethodHead:
			w.WriteHeader(http.StatusNotFound)
		}
		return true
	})
	err := client(t, nil).Push(t.Context(), p.host+"/acme/hello", index(t, "x", 10, platforms[0]), nil)
	if err == nil || !strings.Contains(err.Error(), "private address") {
		t.Errorf("got %v", err)
	}
}

// A push that is ended ends at once, in the middle of a blob.
func TestPushCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := newProxy(t, realtest.Registry(t), func(_ *proxy, _ http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Method == http.MethodPatch {
			_, _ = io.CopyN(io.Discard, r.Body, 1000)
			cancel()
			_, _ = io.Copy(io.Discard, r.Body) // to the cut
			panic(http.ErrAbortHandler)
		}
		return false
	})
	err := client(t, nil).Push(ctx, repository(p.host), index(t, "cancelled", layerSize, platforms[0]), nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
