package registry_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// tokens is a token server before a registry, as Docker Hub and GitLab have one.
type tokens struct {
	ends string // the request that finds its token too old, once
	may  bool   // the user may push

	mu     sync.Mutex
	ended  bool
	oldest int // tokens before it are too old
	issued int
}

func (s *tokens) disturb(p *proxy, w http.ResponseWriter, r *http.Request, _ int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/token" {
		if user, password, _ := r.BasicAuth(); user != "ada" || password != "swordfish" {
			return refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "wrong password")
		}
		s.issued++
		fmt.Fprintf(w, `{"token":"%d"}`, s.issued)
		return true
	}
	if r.Method+" "+kind(r) == s.ends && !s.ended {
		s.ended, s.oldest = true, s.issued+1
	}
	challenge := fmt.Sprintf(`Bearer realm="http://%s/token",service="harbour",scope="repository:acme/hello:pull,push"`, p.host)
	token, err := strconv.Atoi(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	current := err == nil && token >= max(s.oldest, 1)
	if current && !s.may && r.Method == http.MethodPost {
		w.Header().Set("WWW-Authenticate", challenge+`,error="insufficient_scope"`)
		return refuse(w, http.StatusUnauthorized, "DENIED", "requested access is denied")
	}
	if !current {
		w.Header().Set("WWW-Authenticate", challenge)
		return refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	}
	return false
}

// A token that ends in the middle of a push, even before a blob's bytes, is
// renewed, and what is sent is whole.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	for _, ends := range []string{"HEAD manifests", "HEAD blobs", "POST blobs/uploads", "PATCH blobs/uploads", "PUT blobs/uploads", "PUT manifests", "GET manifests"} {
		s := &tokens{ends: ends, may: true}
		p := newProxy(t, realtest.Registry(t), s.disturb)
		c := client(t, nil, "SLIPWAY_REGISTRY_USER", "ada", "SLIPWAY_REGISTRY_PASSWORD", "swordfish")
		at := repository(p.host)
		idx := index(t, at, 1<<20, platforms[:1]...)
		if err := c.Push(t.Context(), at, idx, nil); err != nil {
			t.Fatalf("%s: %v", ends, err)
		}
		if err := c.Tag(t.Context(), at, digestOf(t, idx), "latest"); err != nil {
			t.Errorf("%s: %v", ends, err)
		}
		if !s.ended || s.issued < 2 {
			t.Errorf("%s: no token ended, %d issued", ends, s.issued)
		}
		mustHave(t, p.backend, p.backend+strings.TrimPrefix(at, p.host), idx)
	}
}

// A wrong password is told apart from a login that may not push.
func TestTokenRefused(t *testing.T) {
	t.Parallel()
	s := &tokens{}
	p := newProxy(t, realtest.Registry(t), s.disturb)
	for password, want := range map[string]error{"swordfish": image.ErrForbidden, "hunter2": image.ErrUnauthorized} {
		c := client(t, nil, "SLIPWAY_REGISTRY_USER", "ada", "SLIPWAY_REGISTRY_PASSWORD", password)
		err := c.CheckPush(t.Context(), p.host+"/acme/hello")
		if !errors.Is(err, want) || release.KindOf(err) != release.Refused || !strings.Contains(release.HintOf(err), "SLIPWAY_REGISTRY_USER") {
			t.Errorf("%s: %v, hint %q", password, err, release.HintOf(err))
		}
		if err != nil && strings.Contains(err.Error()+release.HintOf(err), password) {
			t.Errorf("the password is in %v", err)
		}
	}
}
