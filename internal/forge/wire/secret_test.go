package wire_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// The token goes to the forge alone, also when the forge sends a reader of a
// file on to another host.
func TestTokenStaysHome(t *testing.T) {
	t.Parallel()
	storage := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "content") })
	home := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, storage.URL+"/file?signature=abc", http.StatusFound)
	})
	r, err := wire.Open(t.Context(), client(home, &sleeper{}), "download it", get(home.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err := io.ReadAll(r); err != nil || string(data) != "content" {
		t.Errorf("read %q, %v", data, err)
	}
	if got := home.requests()[0]; got.auth != "token "+secret || got.agent != "slipway/test" {
		t.Errorf("the forge saw %+v", got)
	}
	if got := storage.requests()[0]; got.auth != "" || strings.Contains(got.header.Get("Referer"), secret) {
		t.Errorf("the other host saw %+v", got)
	}
}

func get(address string) func() (*http.Request, error) {
	return func() (*http.Request, error) { return http.NewRequest(http.MethodGet, address, nil) }
}

// No error has the token in it, whatever the server writes.
func TestTokenInNoError(t *testing.T) {
	t.Parallel()
	for _, answer := range []func(w http.ResponseWriter, r *http.Request){
		func(w http.ResponseWriter, r *http.Request) {
			refuse(w, 401, `{"message":"bad token `+r.Header.Get("Authorization")+`"}`)
		},
		func(w http.ResponseWriter, r *http.Request) {
			refuse(w, 200, `<title>`+r.Header.Get("Authorization")+`</title>`)
		},
		func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/?token="+secret, http.StatusFound)
		},
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://user:"+secret+"@[bad")
			w.WriteHeader(http.StatusFound)
		},
	} {
		s := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) { answer(w, r) })
		_, err := do(t.Context(), client(s, &sleeper{}), "GET", s.URL, "")
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("error %v", err)
		}
	}
}

// Redirects that would change a request or leave the server are refused, and
// the person is told where the forge may be.
func TestRedirects(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { ok(w) }))
	t.Cleanup(other.Close)
	tests := []struct {
		name, method, target string
		status               int
		says                 string // empty: followed
	}{
		{"same server", "GET", "/new", 301, ""},
		{"same server, method kept", "POST", "/new", 307, ""},
		{"a POST that would turn into a GET", "POST", "/new", 301, "redirects a POST to /new"},
		{"a PATCH that would turn into a GET", "PATCH", "/new", 302, "redirects a PATCH to /new"},
		{"other server", "GET", other.URL, 302, "redirects to " + other.URL},
		{"other server, method kept", "POST", other.URL, 307, "redirects to " + other.URL},
		{"circle", "GET", "/old", 302, "circle"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/old" {
					http.Redirect(w, r, tt.target, tt.status)
					return
				}
				if r.Method != tt.method {
					t.Errorf("%s turned into %s", tt.method, r.Method)
				}
				ok(w)
			})
			_, err := do(t.Context(), client(s, &sleeper{}), tt.method, s.URL+"/old", "{}")
			switch {
			case tt.says == "" && err != nil:
				t.Error(err)
			case tt.says != "" && (!errors.Is(err, forge.ErrNotForge) || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("error %v, want %q in it", err, tt.says)
			}
		})
	}
}
