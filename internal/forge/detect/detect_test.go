package detect_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/detect"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/forge/wire"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// client waits for nothing.
func client() *http.Client {
	return detect.NewClient(wire.Options{
		Idle:  2 * time.Second,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}, "slipway/test")
}

// answers maps paths to JSON (or a page); other paths get a page of 404.
func answers(t *testing.T, paths map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a token is sent to a server of unknown kind")
		}
		text, ok := paths[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			text = "<html><title>Nothing here</title></html>"
		}
		if status, rest, ok := strings.Cut(text, " "); ok && status == "401" {
			w.WriteHeader(http.StatusUnauthorized)
			text = rest
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// Servers are known by what they answer; github.com without asking.
func TestDetect(t *testing.T) {
	t.Parallel()
	gitea := map[string]string{"/api/v1/version": `{"version":"1.27.3"}`}
	tests := []struct{ name, server, want string }{
		{"github.com", "https://github.com", detect.GitHub},
		{"github.com without scheme", "GitHub.com/", detect.GitHub},
		{"data residency", "https://acme.ghe.com", detect.GitHub},
		{"codeberg", "https://codeberg.org", detect.Forgejo},
		{"Gitea", answers(t, gitea), detect.Gitea},
		{"Gitea below a path", answers(t, map[string]string{"/git/api/v1/version": `{"version":"1.27.3"}`}) + "/git/", detect.Gitea},
		{"Gitea closed to strangers", answers(t, map[string]string{"/api/v1/version": `401 {"message":"Only signed in user is allowed to call APIs."}`}), detect.Gitea},
		{"Forgejo by version", answers(t, map[string]string{"/api/v1/version": `{"version":"11.0.1+gitea-1.22.0"}`}), detect.Forgejo},
		{"Forgejo by its own API", answers(t, map[string]string{"/api/v1/version": `{"version":"1.21.11-1"}`, "/api/forgejo/v1/version": `{"version":"7.0.0"}`}), detect.Forgejo},
		{"GitHub Enterprise", answers(t, map[string]string{"/api/v3/meta": `{"verifiable_password_authentication":true,"installed_version":"3.15.0"}`}), detect.GitHub},
		{"GitHub Enterprise in private mode", answers(t, map[string]string{"/api/v3/meta": `401 {"message":"Must authenticate to access this API."}`}), detect.GitHub},
		{"simulated GitHub", simtest.Start(t, simforge.Options{}).Server.URL, detect.GitHub},
		{"simulated Gitea", simtest.Start(t, simforge.Options{Dialect: memory.Gitea}).Server.URL, detect.Gitea},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := detect.Detect(t.Context(), client(), tt.server)
			if err != nil || got != tt.want {
				t.Errorf("Detect = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// A real Gitea is known for one.
func TestDetectRealGitea(t *testing.T) {
	t.Parallel()
	got, err := detect.Detect(t.Context(), nil, realtest.Gitea(t).URL)
	if err != nil || got != detect.Gitea {
		t.Errorf("Detect = %q, %v; want %q", got, err, detect.Gitea)
	}
}

// What is no forge gets an error that says what it answered and what to do.
func TestNoForge(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	tests := []struct {
		name, server string
		kind         error
		says         string
	}{
		{"a web site", answers(t, nil), forge.ErrNotForge, `a web page "Nothing here"`},
		{"a page for everything", answers(t, map[string]string{
			"/api/v1/version": "<!DOCTYPE html><title>Log in</title>", "/api/v3/meta": "<!DOCTYPE html><title>Log in</title>",
		}), forge.ErrNotForge, `a web page "Log in"`},
		{"other JSON", answers(t, map[string]string{"/api/v1/version": `{"name":"x"}`, "/api/v3/meta": `{}`}), forge.ErrNotForge, "no version in it"},
		{"a list", answers(t, map[string]string{"/api/v1/version": `[1]`}), forge.ErrNotForge, "not of the form"},
		{"garbage", answers(t, map[string]string{"/api/v1/version": "\x00\x01\x02", "/api/v3/meta": "\x00"}), forge.ErrNotForge, "binary data"},
		{"nobody", "http://" + closed.Addr().String(), forge.ErrUnavailable, "connection refused"},
		{"silence", "http://" + silent.Addr().String(), forge.ErrUnavailable, "nothing moved"},
		{"no such name", "https://forge.invalid", forge.ErrUnavailable, "forge.invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := detect.Detect(t.Context(), client(), tt.server)
			if got != "" || !errors.Is(err, tt.kind) {
				t.Fatalf("Detect = %q, %v; want %v", got, err, tt.kind)
			}
			for _, says := range []string{tt.says, "--forge", "look for a forge at"} {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("error %q does not say %q", err, says)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q has several lines", err)
			}
		})
	}
}

func TestBadAddress(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"", " ", "ftp://x.example", "https://u:p@x.example", "https://", "https://x.example/?a=b", "http://[::1"} {
		if got, err := detect.Detect(t.Context(), client(), server); err == nil || got != "" || strings.Contains(err.Error(), ":p@") {
			t.Errorf("Detect(%q) = %q, %v", server, got, err)
		}
	}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := detect.Detect(ctx, client(), answers(t, nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
