package github_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/github"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/forge/wire"
	"github.com/slipway-dev/slipway/internal/release"
)

// turned is a clock that tests turn.
type turned struct {
	mu  sync.Mutex
	now time.Time
}

func newTurned() *turned { return &turned{now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)} }

func (c *turned) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *turned) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var appKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// key is an app's private key as GitHub gives it (PKCS#1).
func key(t *testing.T) (*rsa.PrivateKey, []byte) {
	t.Helper()
	k, err := appKey()
	if err != nil {
		t.Fatal(err)
	}
	return k, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})
}

// appSim is a server with an app that is installed on acme/hello.
func appSim(t *testing.T, o simforge.Options, faults ...string) (*simtest.Sim, *github.App) {
	t.Helper()
	k, text := key(t)
	sim := simtest.Start(t, o, faults...)
	sim.Server.AddApp(simforge.App{ID: 77, Slug: "slipway", Keys: []*rsa.PublicKey{&k.PublicKey}, Installations: []simforge.Installation{
		{ID: 701, Account: "acme", Repositories: []string{simtest.Repository}},
	}})
	return sim, &github.App{ID: 77, Key: text, Clock: o.Clock}
}

func byApp(t *testing.T, sim *simtest.Sim, app *github.App, o wire.Options) *github.Forge {
	t.Helper()
	f, err := github.New(github.Options{Server: sim.Server.URL, Repository: simtest.Repository, App: app, UserAgent: "slipway/test", Wire: o})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// An app finds its installation, speaks under its own name, and one token
// serves every goroutine and every repository of the installation.
func TestApp(t *testing.T) {
	t.Parallel()
	sim, app := appSim(t, simforge.Options{})
	f, again := byApp(t, sim, app, wire.Options{}), byApp(t, sim, app, wire.Options{})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			one := f
			if i%2 == 0 {
				one = again
			}
			if _, err := one.Head(t.Context(), "main"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := sim.Server.MintedTokens(); n != 1 {
		t.Errorf("%d tokens, want 1", n)
	}
	if r, err := f.Repository(t.Context()); err != nil || !r.CanWrite {
		t.Errorf("Repository = %+v, %v", r, err)
	}
	if who, err := f.Self(t.Context()); who != "slipway[bot]" || err != nil {
		t.Errorf("Self = %q, %v", who, err)
	}
	sim.Repo.OpenIssue("maggie", "A bug", "")
	at := forge.Place{Issue: 1}
	c, err := f.CreateComment(t.Context(), at, "on it")
	if err != nil || c.Author != "slipway[bot]" || !c.ByBot {
		t.Errorf("comment %+v, %v", c, err)
	}
	for _, r := range []forge.Reaction{forge.Eyes, forge.Rocket} {
		if err := f.React(t.Context(), at, c.ID, r); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := sim.Repo.Comment(mustID(t, c.ID)); err != nil || len(now.Reactions) != 1 || now.Reactions[0].Content != "rocket" {
		t.Errorf("reactions %+v, %v", now.Reactions, err)
	}
	if p, err := f.Permission(t.Context(), "octocat"); p != forge.MayAdmin || err != nil {
		t.Errorf("Permission = %v, %v", p, err)
	}
	user, password, err := f.Login(t.Context())
	if user != "x-access-token" || !strings.HasPrefix(password, "ghs_") || err != nil {
		t.Errorf("Login = %q, …, %v", user, err)
	}
}

// A token is kept until a minute before its end; git's lasts ten minutes more.
// The two tests of its end go by the server's clock and the app's own.
func TestAppTokenEnds(t *testing.T) {
	t.Parallel()
	clock := newTurned()
	sim, app := appSim(t, simforge.Options{Clock: clock.Now})
	f := byApp(t, sim, app, wire.Options{})
	for _, step := range []struct {
		after  time.Duration
		tokens int
		what   func() error
	}{
		{0, 1, func() error { _, err := f.Head(t.Context(), "main"); return err }},
		{49 * time.Minute, 1, func() error { _, _, err := f.Login(t.Context()); return err }},
		{2 * time.Minute, 1, func() error { _, err := f.Head(t.Context(), "main"); return err }},
		{0, 2, func() error { _, _, err := f.Login(t.Context()); return err }},
		{time.Hour - 61*time.Second, 2, func() error { _, err := f.Head(t.Context(), "main"); return err }},
		{2 * time.Second, 3, func() error { _, err := f.Head(t.Context(), "main"); return err }},
	} {
		clock.add(step.after)
		if err := step.what(); err != nil {
			t.Fatal(err)
		}
		if n := sim.Server.MintedTokens(); n != step.tokens {
			t.Errorf("%s later: %d tokens, want %d", step.after, n, step.tokens)
		}
	}
}

// A token that is refused before its time is replaced once, for all who hold
// it, and the call is made again, a POST too.
func TestAppTokenRevoked(t *testing.T) {
	t.Parallel()
	sim, app := appSim(t, simforge.Options{})
	f := byApp(t, sim, app, wire.Options{})
	sim.Repo.OpenIssue("maggie", "A bug", "")
	for round := 1; round <= 3; round++ {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := f.CreateComment(t.Context(), forge.Place{Issue: 1}, "hello"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := sim.Server.MintedTokens(); n != round {
			t.Errorf("%d tokens, want %d", n, round)
		}
		sim.Server.RevokeTokens()
	}
	if n := len(sim.Repo.Comments(time.Time{})); n != 24 {
		t.Errorf("%d comments, want 24", n)
	}
	// A server that refuses every token is asked twice, not for ever.
	refused := 0
	_, text := key(t)
	bad := scriptedWith(t, github.Options{App: &github.App{ID: 77, Key: text}}, map[string]answer{
		"GET /api/v3/repos/acme/hello/installation":        {200, `{"id":7}`, nil},
		"POST /api/v3/app/installations/7/access_tokens":   {201, `{"token":"ghs_secretsecret","expires_at":"2999-01-01T00:00:00Z"}`, nil},
		"GET /api/v3/repos/acme/hello/git/ref/heads/main":  {401, `{"message":"Bad credentials ghs_secretsecret"}`, nil},
		"GET /api/v3/repos/acme/hello/git/ref/heads/other": {401, `{"message":"Bad credentials"}`, nil},
	}, func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/main") {
			refused++
		}
	})
	_, err := bad.Head(t.Context(), "main")
	if !errors.Is(err, forge.ErrUnauthorized) || refused > 2 || strings.Contains(err.Error(), "secretsecret") {
		t.Errorf("refused %d times: %v", refused, err)
	}
}

// An installation that was taken away and made anew has another number, which
// is found.
func TestAppInstalledAnew(t *testing.T) {
	t.Parallel()
	sim, app := appSim(t, simforge.Options{})
	f := byApp(t, sim, app, wire.Options{})
	if _, err := f.Head(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	sim.Server.Uninstall(77, 701)
	_, err := f.Head(t.Context(), "main")
	says(t, err, forge.ErrUnauthorized, "log in as the GitHub App 77|find the GitHub App 77", "not installed on acme/hello", sim.Server.URL+"/apps/slipway/installations/new")
	sim.Server.Install(77, simforge.Installation{ID: 709, Account: "acme", Repositories: []string{simtest.Repository}})
	if _, err := f.Head(t.Context(), "main"); err != nil {
		t.Error(err)
	}
}

// says checks an error's kind and words; "a|b" is one of the two.
func says(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) || forge.Uncertain(err) {
		t.Fatalf("error %v (uncertain %v), want %v", err, forge.Uncertain(err), kind)
	}
	for _, w := range words {
		a, b, _ := strings.Cut(w, "|")
		if !strings.Contains(err.Error(), a) && (b == "" || !strings.Contains(err.Error(), b)) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// What is wrong with an app's settings is said by the setting's name.
func TestAppSettings(t *testing.T) {
	t.Parallel()
	k, text := key(t)
	sim, _ := appSim(t, simforge.Options{})
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for what, app := range map[string]*github.App{
		"PKCS#8":        {ID: 77, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})},
		"on one line":   {ID: 77, Key: []byte(strings.ReplaceAll(string(text), "\n", `\n`))},
		"installation":  {ID: 77, Key: text, Installation: 701},
		"other newline": {ID: 77, Key: []byte(strings.ReplaceAll(string(text), "\n", "\r\n"))},
	} {
		if _, err := byApp(t, sim, app, wire.Options{}).Head(t.Context(), "main"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	public, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]github.Options{
		"is not PEM":                  {App: &github.App{ID: 77, Key: []byte("hello")}},
		"is missing":                  {App: &github.App{ID: 77}},
		"id is 0":                     {App: &github.App{Key: text}},
		"no private key can be read":  {App: &github.App{ID: 77, Key: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})}},
		"a token and an app":          {App: &github.App{ID: 77, Key: text}, Token: "x"},
		"no private key can be read ": {App: &github.App{ID: 77, Key: text[:len(text)/2]}},
	} {
		o.Repository = simtest.Repository
		_, err := github.New(o)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) && !strings.Contains(err.Error(), "is not PEM") {
			t.Errorf("%s: %v", want, err)
		}
		var problem *release.Error
		if o.Token == "" && (!errors.As(err, &problem) || problem.Hint == "") {
			t.Errorf("%s: %#v has no hint", want, err)
		}
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	wrong := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(other)})
	clock := func(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }
	for words, app := range map[string]*github.App{
		"no app with the id 78":                 {ID: 78, Key: text},
		"the private key is not one of the app": {ID: 77, Key: wrong},
		"the app has no installation 5":         {ID: 77, Key: text, Installation: 5},
		"the clock of this machine":             {ID: 77, Key: text, Clock: clock(-20 * time.Minute)},
		"clock of this machine":                 {ID: 77, Key: text, Clock: clock(20 * time.Minute)},
	} {
		f := byApp(t, sim, app, wire.Options{})
		_, err := f.Tag(t.Context(), "v1.0.0") // must not look like a tag that is not there
		says(t, err, forge.ErrUnauthorized, words)
		if errors.Is(err, forge.ErrNotFound) {
			t.Errorf("%s: error %v is taken for a missing tag", words, err)
		}
	}
	sim.Server.Install(77, simforge.Installation{ID: 701, Account: "acme", Repositories: []string{simtest.Repository}, Suspended: true})
	_, err = byApp(t, sim, &github.App{ID: 77, Key: text}, wire.Options{}).Head(t.Context(), "main")
	says(t, err, forge.ErrUnauthorized, "suspended")
}

// A right that the app lacks is named.
func TestAppRights(t *testing.T) {
	t.Parallel()
	sim, app := appSim(t, simforge.Options{})
	sim.Server.Install(77, simforge.Installation{ID: 701, Account: "acme", Repositories: []string{simtest.Repository}, Rights: map[string]string{"contents": "read"}})
	sim.Repo.OpenIssue("maggie", "A bug", "")
	f := byApp(t, sim, app, wire.Options{})
	_, err := f.CreateComment(t.Context(), forge.Place{Issue: 1}, "hello")
	says(t, err, forge.ErrForbidden, `the right "issues: write"`)
	_, err = f.Checks(t.Context(), sim.Tags["v1.0.0"])
	says(t, err, forge.ErrForbidden, `"statuses: read"`)
	if r, err := f.Repository(t.Context()); err != nil || r.CanWrite {
		t.Errorf("Repository = %+v, %v; want no right to write", r, err)
	}
}

// Logging in gets over faults; when it does not, the call that needs it is
// certain not to have been made. A caller who goes away leaves others theirs.
func TestAppLoginFaults(t *testing.T) {
	t.Parallel()
	clock := &sleeps{}
	sim, app := appSim(t, simforge.Options{}, "any-502@1", "other-502", "any-cut-after@4")
	if _, err := byApp(t, sim, app, wire.Options{Sleep: clock.sleep}).Head(t.Context(), "main"); err != nil {
		t.Error(err)
	}
	down, app := appSim(t, simforge.Options{}, "other-502@all")
	down.Repo.OpenIssue("maggie", "A bug", "")
	_, err := byApp(t, down, app, wire.Options{Sleep: clock.sleep}).CreateComment(t.Context(), forge.Place{Issue: 1}, "x")
	says(t, err, forge.ErrUnavailable, "log in as the GitHub App 77", "after 5 tries")

	slow, app := appSim(t, simforge.Options{}, "other-slow=300ms")
	f := byApp(t, slow, app, wire.Options{})
	gone, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := f.Head(gone, "main"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who went away: %v", err)
		}
	})
	time.Sleep(20 * time.Millisecond)
	wg.Go(func() {
		if _, err := f.Head(t.Context(), "main"); err != nil {
			t.Errorf("who stayed: %v", err)
		}
	})
	wg.Wait()
	if n := slow.Server.MintedTokens(); n != 1 {
		t.Errorf("%d tokens, want 1", n)
	}
}
