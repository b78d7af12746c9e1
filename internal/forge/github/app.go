package github

import (
	"bytes"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
	"github.com/slipway-dev/slipway/internal/release"
)

// App is a GitHub App. It asks by its installation on a repository, with
// tokens that end after an hour. Repositories that share an *App share its
// tokens: each installation has one at a time, however many goroutines ask.
type App struct {
	ID  int64
	Key []byte // the private key, PEM (PKCS#1 or PKCS#8)
	// Installation is the number of the one that is meant; 0 finds it by the
	// repository.
	Installation int64
	// Clock is nil for the machine's.
	Clock func() time.Time

	mu     sync.Mutex
	signer *rsa.PrivateKey
	found  map[string]int64        // installations by server and repository
	tokens map[string]installation // by server and installation
	mints  singleflight.Group
}

// installation is an app's installation with its token of the moment.
type installation struct {
	token  string
	ends   time.Time
	rights map[string]string // "contents": "write"
}

// How long an app's signature holds, on both sides of now, so that clocks may
// differ by as much. GitHub takes ten minutes from iat to exp.
const (
	signedBefore = time.Minute
	signedFor    = 5 * time.Minute
)

// key reads the private key, once.
func (a *App) key() (*rsa.PrivateKey, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.signer != nil {
		return a.signer, nil
	}
	const hint = "give the whole text of the .pem file that GitHub made under the app's settings, \"Private keys\", from the line BEGIN to the line END"
	switch {
	case a.ID <= 0:
		return nil, release.Invalidf("take the number from \"App ID\" in the app's settings", "the GitHub App's id is %d", a.ID)
	case len(bytes.TrimSpace(a.Key)) == 0:
		return nil, release.Invalidf(hint, "the private key of the GitHub App %d is missing", a.ID)
	}
	text := a.Key
	if !bytes.Contains(bytes.TrimSpace(text), []byte("\n")) {
		// Environment variables and secrets often have it on one line.
		text = bytes.ReplaceAll(text, []byte(`\n`), []byte("\n"))
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(text)
	switch {
	case errors.Is(err, jwt.ErrKeyMustBePEMEncoded):
		return nil, release.Invalidf(hint, "the private key of the GitHub App %d is not PEM", a.ID)
	case errors.Is(err, jwt.ErrNotRSAPrivateKey):
		return nil, release.Invalidf(hint, "the private key of the GitHub App %d is no RSA key", a.ID)
	case err != nil: // its text could have parts of the key
		return nil, release.Invalidf(hint, "the private key of the GitHub App %d is PEM, but no private key can be read from it", a.ID)
	}
	a.signer = key
	return key, nil
}

func (a *App) now() time.Time {
	if a.Clock != nil {
		return a.Clock()
	}
	return time.Now()
}

// sign makes the header's value by which the app speaks for itself.
func (a *App) sign(context.Context, string) (string, error) {
	key, err := a.key()
	if err != nil {
		return "", err
	}
	now := a.now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer:    strconv.FormatInt(a.ID, 10),
		IssuedAt:  jwt.NewNumericDate(now.Add(-signedBefore)),
		ExpiresAt: jwt.NewNumericDate(now.Add(signedFor)),
	}).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign as the GitHub App %d: %w", a.ID, err)
	}
	return "Bearer " + token, nil
}

// explain adds to GitHub's refusals of the app itself which setting is wrong.
func (a *App) explain(ans wire.Answer) (error, string) {
	kind, message := wire.KindOf(ans), ans.Message
	said := strings.ToLower(message)
	switch {
	case ans.Status == http.StatusUnauthorized && (strings.Contains(said, "'exp'") || strings.Contains(said, "'iat'")):
		message += ": the clock of this machine differs from GitHub's"
	case ans.Status == http.StatusUnauthorized && strings.Contains(said, "could not be decoded"):
		message += fmt.Sprintf(": the private key is not one of the app %d, or was removed from it", a.ID)
	case said == "integration not found", ans.Status == http.StatusUnauthorized:
		kind = forge.ErrUnauthorized
		message += fmt.Sprintf(": there is no app with the id %d on this server, or the key is not its own", a.ID)
	case ans.Status == http.StatusForbidden && strings.Contains(said, "suspended"):
		message += ": the owner of the repository can take the suspension back under Settings, GitHub Apps"
	}
	return kind, message
}

// kept is an installation's token that can still be used for so long.
func (a *App) kept(key string, left time.Duration, refused string) (installation, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	in, ok := a.tokens[key]
	return in, ok && in.token != refused && in.ends.Sub(a.now()) > left
}

func (a *App) keep(key string, in installation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tokens == nil {
		a.tokens = map[string]installation{}
	}
	a.tokens[key] = in
}

func (a *App) foundAt(repository string) (int64, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, ok := a.found[repository]
	return id, ok
}

// remember keeps which installation a repository has; 0 forgets it.
func (a *App) remember(repository string, id int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.found == nil {
		a.found = map[string]int64{}
	}
	if a.found[repository] = id; id == 0 {
		delete(a.found, repository)
	}
}
