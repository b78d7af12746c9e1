package buildkit

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// faulty is a real registry with something before it that answers in its
// place, when meddle says so. BuildKit reaches it on the loopback.
func faulty(t testing.TB, registry string, meddle func(w http.ResponseWriter, r *http.Request) bool) (host string) {
	t.Helper()
	to := &url.URL{Scheme: "http", Host: registry}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !meddle(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func pushOf(t testing.TB, text string, to ...string) Request {
	return Request{
		Name: "hello", Dockerfile: []byte("FROM scratch\nCOPY a /a\n"), Context: folder(t, map[string]string{"a": text}),
		Platforms: parsed(t, "linux/amd64"), Epoch: epoch, PushTo: to,
	}
}

// A registry that does not answer for longer than BuildKit itself waits gets
// the image once it does; a line says so.
func TestPushIsTriedAgain(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	host := faulty(t, realtest.Registry(t), func(w http.ResponseWriter, r *http.Request) bool {
		if down.Load() && (r.Method == http.MethodPost || r.Method == http.MethodPut) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	var notes []string
	b := realBuilder(t, Options{Note: func(line string) { notes = append(notes, line); down.Store(false) }})
	got, err := b.Build(t.Context(), pushOf(t, "again", host+"/again/hello"))
	if err != nil || got.Digest == "" {
		t.Errorf("%v, %v", got, err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], host+"/again/hello: the push broke off") || !strings.Contains(notes[0], "503") {
		t.Errorf("notes: %q", notes)
	}
}

// A registry that refuses is not asked again, and the error says whose login
// is missing.
func TestPushIsRefused(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	withLogin := realtest.RegistryWith(t, realtest.RegistryOptions{User: "ann", Password: "secret-of-ann"})
	for name, c := range map[string]struct {
		host string
		kind error
	}{
		"nobody is logged in": {withLogin, image.ErrUnauthorized},
		"403": {faulty(t, registry, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusForbidden)
			}
			return r.Method == http.MethodPost
		}), image.ErrForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := realBuilder(t, Options{Note: func(line string) { t.Errorf("note: %s", line) }})
			_, err := b.Build(t.Context(), pushOf(t, name, c.host+"/refused/hello"))
			if !errors.Is(err, c.kind) || release.KindOf(err) != release.Refused || !strings.Contains(err.Error(), c.host+"/refused/hello") {
				t.Errorf("%v", err)
			}
			t.Logf("%v, hint: %s", err, release.HintOf(err))
		})
	}
}

// The logins that the caller knows are shown to the registry, for the base
// image, the push and the index; docker's config is asked where there is none.
func TestLogins(t *testing.T) {
	t.Parallel()
	host := realtest.RegistryWith(t, realtest.RegistryOptions{User: "ann", Password: "secret-of-ann"})
	fromDocker := noDocker(t, nil)
	writeDockerConfig(t, fromDocker, `{"auths": {"`+host+`": {"auth": "YW5uOnNlY3JldC1vZi1hbm4="}}}`)
	for name, o := range map[string]Options{
		"ours": {Credentials: func(_ context.Context, h string) (Login, error) {
			if h != host {
				t.Errorf("asked for %s", h)
			}
			return Login{User: "ann", Password: "secret-of-ann"}, nil
		}},
		"docker's": {Getenv: fromDocker},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := realBuilder(t, o)
			repository := host + "/" + strings.Trim(name, "'s") + "/hello"
			got, err := b.Build(t.Context(), pushOf(t, name, repository))
			if err != nil {
				t.Fatal(err)
			}
			r := pushOf(t, "second", repository)
			r.Dockerfile = []byte("FROM " + repository + "@" + got.Digest + "\nCOPY a /b\n")
			if _, err := b.Build(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
	}
}

// A wrong login is an error without the password.
func TestWrongLogin(t *testing.T) {
	t.Parallel()
	host := realtest.RegistryWith(t, realtest.RegistryOptions{User: "ann", Password: "secret-of-ann"})
	b := realBuilder(t, Options{Credentials: func(context.Context, string) (Login, error) {
		return Login{User: "ann", Password: "wrong-password"}, nil
	}})
	_, err := b.Build(t.Context(), pushOf(t, "x", host+"/x"))
	if !errors.Is(err, image.ErrUnauthorized) || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("%v", err)
	}
}

// The end of the caller's context ends a build.
func TestBuildIsCancelled(t *testing.T) {
	t.Parallel()
	base := realtest.BaseImage(t, realtest.Registry(t))
	b := realBuilder(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	heard := &recorder{}
	heard.began = func(name string) {
		if strings.Contains(name, "sleep") {
			cancel()
		}
	}
	_, err := b.Build(ctx, Request{
		Name: "hello", Dockerfile: []byte("FROM " + base + "\nRUN sleep 100\n"), Context: t.TempDir(), Stage: heard, NoCache: true,
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// What is asked for as attestation is there, and nothing else; without it an
// index has its platforms alone.
func TestProvenance(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	b := realBuilder(t, Options{})
	r := pushOf(t, "provenance", registry+"/provenance/hello")
	r.Args = map[string]string{"COLOUR": "of-the-argument"}
	for mode, want := range map[string]struct{ attested, args bool }{"": {}, "min": {attested: true}, "max": {true, true}} {
		r.Provenance = mode
		got, err := b.Build(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Manifests) != 1 {
			t.Errorf("%q: %+v", mode, got.Manifests)
		}
		attested, args := false, false
		for _, content := range blobs(t, registry+"/provenance/hello@"+got.Digest) {
			attested = attested || strings.Contains(string(content), "https://slsa.dev/provenance/")
			args = args || strings.Contains(string(content), "of-the-argument")
		}
		if attested != want.attested || args != want.args {
			t.Errorf("%q: attested %v, with arguments %v", mode, attested, args)
		}
	}
}
