package simforge

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// App is a GitHub App that a server knows.
type App struct {
	ID            int64
	Slug          string
	Keys          []*rsa.PublicKey // any of them is good
	Installations []Installation
}

// Installation is where an app is installed.
type Installation struct {
	ID           int64
	Account      string   // the owner of the repositories
	Repositories []string // full names
	// Rights are what it may do ("contents": "write"); nil is all that a
	// release bot needs.
	Rights    map[string]string
	Suspended bool
}

// installationTokens begin so on GitHub, and end after an hour.
const (
	installationTokens = "ghs_"
	installationLasts  = time.Hour
	longestAssertion   = 10 * time.Minute
)

// allRights are what a release bot needs.
var allRights = map[string]string{
	"actions": "write", "checks": "read", "contents": "write", "deployments": "write", "issues": "write", "members": "read",
	"metadata": "read", "pull_requests": "write", "repository_hooks": "read", "statuses": "write",
}

// may says whether the installation has a right.
func (in *Installation) may(right string, write bool) bool {
	has := in.rights()[right]
	return has == "write" || has == "read" && !write || right == "metadata" && !write
}

func (in *Installation) rights() map[string]string {
	if in.Rights == nil {
		return allRights
	}
	return in.Rights
}

func (in *Installation) covers(repository string) bool {
	for _, name := range in.Repositories {
		if strings.EqualFold(name, repository) {
			return true
		}
	}
	return false
}

// apps are the apps of a server and the tokens that it gave them.
type apps struct {
	mu     sync.Mutex
	known  []*App
	tokens map[string]appToken
	hooks  map[int64]appHook // by the webhook's number
	made   int
}

type appToken struct {
	app          *App
	installation *Installation
	ends         time.Time
}

// AddApp makes an app known.
func (s *Server) AddApp(a App) {
	s.apps.mu.Lock()
	defer s.apps.mu.Unlock()
	a.Installations = append([]Installation(nil), a.Installations...)
	s.apps.known = append(s.apps.known, &a)
}

// Install changes an app's installations; those with the number of one that is
// there replace it.
func (s *Server) Install(app int64, in Installation) {
	s.apps.mu.Lock()
	defer s.apps.mu.Unlock()
	for _, a := range s.apps.known {
		if a.ID == app {
			a.Installations = append(a.without(in.ID), in)
		}
	}
}

// Uninstall takes an installation away, and its tokens.
func (s *Server) Uninstall(app, installation int64) {
	s.apps.mu.Lock()
	defer s.apps.mu.Unlock()
	for _, a := range s.apps.known {
		if a.ID == app {
			a.Installations = a.without(installation)
		}
	}
	for token, t := range s.apps.tokens {
		if t.installation.ID == installation {
			delete(s.apps.tokens, token)
		}
	}
}

func (a *App) without(id int64) []Installation {
	var out []Installation
	for _, in := range a.Installations {
		if in.ID != id {
			out = append(out, in)
		}
	}
	return out
}

// RevokeTokens ends all tokens of apps before their time.
func (s *Server) RevokeTokens() {
	s.apps.mu.Lock()
	defer s.apps.mu.Unlock()
	clear(s.apps.tokens)
}

// MintedTokens is how many tokens apps were given.
func (s *Server) MintedTokens() int {
	s.apps.mu.Lock()
	defer s.apps.mu.Unlock()
	return s.apps.made
}

// mint gives an installation a token.
func (ap *apps) mint(a *App, in *Installation, now time.Time) (string, time.Time) {
	var b [18]byte
	_, _ = rand.Read(b[:]) // never fails
	token, ends := installationTokens+hex.EncodeToString(b[:]), now.Add(installationLasts).Truncate(time.Second)
	ap.mu.Lock()
	defer ap.mu.Unlock()
	if ap.tokens == nil {
		ap.tokens = map[string]appToken{}
	}
	ap.tokens[token] = appToken{a, in, ends}
	ap.made++
	return token, ends
}

// find looks an app's installation up by what fits.
func (ap *apps) find(app int64, fits func(*Installation) bool) (*Installation, bool) {
	ap.mu.Lock()
	defer ap.mu.Unlock()
	for _, a := range ap.known {
		for i := range a.Installations {
			if a.ID == app && fits(&a.Installations[i]) {
				in := a.Installations[i]
				return &in, true
			}
		}
	}
	return nil, false
}

// installations lists an app's, oldest first.
func (ap *apps) installations(app int64) []Installation {
	ap.mu.Lock()
	defer ap.mu.Unlock()
	for _, a := range ap.known {
		if a.ID == app {
			return append([]Installation(nil), a.Installations...)
		}
	}
	return nil
}

// installation knows a token of an app.
func (s *Server) installation(token string) (appToken, bool) {
	s.apps.mu.Lock()
	defer s.apps.mu.Unlock()
	t, ok := s.apps.tokens[token]
	return t, ok && s.clock().Before(t.ends)
}

// assertion checks what an app signed, in GitHub's words.
func (s *Server) assertion(token string) (*App, error) {
	refuse := func(message string) error {
		return &memory.Refusal{Status: http.StatusUnauthorized, Message: message, Kind: forge.ErrUnauthorized}
	}
	var claims jwt.RegisteredClaims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	if _, _, err := parser.ParseUnverified(token, &claims); err != nil {
		return nil, refuse("A JSON web token could not be decoded")
	}
	app := s.app(claims.Issuer)
	if app == nil {
		return nil, &memory.Refusal{Status: http.StatusNotFound, Message: "Integration not found", Kind: forge.ErrNotFound}
	}
	signed := errors.New("no key")
	for _, key := range app.Keys {
		if _, signed = parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return key, nil }); signed == nil {
			break
		}
	}
	now := s.clock()
	switch {
	case signed != nil:
		return nil, refuse("A JSON web token could not be decoded")
	case claims.IssuedAt == nil || claims.IssuedAt.After(now):
		return nil, refuse("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case claims.ExpiresAt == nil || !claims.ExpiresAt.After(now):
		return nil, refuse("'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires")
	case claims.ExpiresAt.Sub(now) > longestAssertion:
		return nil, refuse("'Expiration time' claim ('exp') is too far in the future")
	}
	return app, nil
}

func (s *Server) app(issuer string) *App {
	s.apps.mu.Lock()
	defer s.apps.mu.Unlock()
	for _, a := range s.apps.known {
		if strconv.FormatInt(a.ID, 10) == issuer {
			return a
		}
	}
	return nil
}

// authenticateApp knows the two ways in which an app asks: signed by itself,
// and with an installation's token.
func (c *call) authenticateApp(token string) bool {
	if c.s.dialect != memory.GitHub {
		return false
	}
	if strings.Count(token, ".") == 2 {
		c.access = memory.BadToken
		c.app, c.appFault = c.s.assertion(token)
		return true
	}
	t, ok := c.s.installation(token)
	if !ok {
		return false
	}
	c.app, c.installation, c.access = t.app, t.installation, memory.ReadOnly
	if t.installation.may("contents", true) {
		c.access = memory.Writer
	}
	c.login = c.s.people.Add(t.app.Slug + "[bot]").Login
	return true
}

// within narrows an installation's rights to its repositories: of others it
// sees what everybody sees.
func (c *call) within() {
	if c.installation == nil || c.installation.covers(c.repo().FullName()) {
		return
	}
	c.installation = &Installation{ID: c.installation.ID, Rights: map[string]string{}}
	if in, err := c.repo().Info(c.r.Context()); err == nil && in.Private {
		c.access = memory.Anonymous
	} else {
		c.access = memory.ReadOnly
	}
}
