package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// tokenUser is what a helper says instead of a name when the secret is an
// identity token.
const tokenUser = "<token>"

// ask gets a login from a credential helper, or from what it said before.
func (k *keychain) ask(ctx context.Context, f *authFile, helper, host string) (Credential, error) {
	key := helper + " " + host
	k.mu.Lock()
	known, ok := k.helped[key]
	k.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.cred, nil
	}
	program, err := helperProgram(ctx, f, helper)
	if err != nil {
		return Credential{}, err
	}
	server := host
	if host == dockerHub {
		server = "https://index.docker.io/v1/" // as `docker login` writes it
	}
	said, err := client.Get(program, server)
	var cred Credential
	switch {
	case credentials.IsErrCredentialsNotFound(err):
	case err != nil:
		return Credential{}, helperFault(ctx, f, helper, err)
	default:
		cred = Credential{User: said.Username, Password: said.Secret, Source: "docker-credential-" + helper}
		if said.Username == tokenUser {
			cred.User, cred.Password, cred.IdentityToken = "", "", said.Secret
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.helped[key] = helped{cred: cred, until: time.Now().Add(helpedFor)}
	return cred, nil
}

// listHelper gives the servers that a helper has logins for.
func listHelper(ctx context.Context, f *authFile, helper string) (map[string]string, error) {
	program, err := helperProgram(ctx, f, helper)
	if err != nil {
		return nil, err
	}
	list, err := client.List(program)
	if err != nil {
		return nil, helperFault(ctx, f, helper, err)
	}
	return list, nil
}

func helperProgram(ctx context.Context, f *authFile, helper string) (client.ProgramFunc, error) {
	if strings.ContainsAny(helper, `/\`) {
		return nil, release.Invalidf("it is the end of a program's name: ecr-login for docker-credential-ecr-login",
			"%s names the credential helper %q", f.source, helper)
	}
	return func(args ...string) client.Program {
		cmd := proc.Cmd{Args: append([]string{"docker-credential-" + helper}, args...)}
		return &helperRun{run: func(in io.Reader) ([]byte, error) {
			cmd.Stdin = in
			return proc.Output(ctx, cmd)
		}}
	}, nil
}

// helperRun is one run of a helper, as its library wants it.
type helperRun struct {
	run   func(in io.Reader) ([]byte, error)
	input io.Reader
}

func (h *helperRun) Input(in io.Reader) { h.input = in }

func (h *helperRun) Output() ([]byte, error) {
	out, err := h.run(h.input)
	// A helper that fails says why on stdout; one that prints a login and
	// then fails must not have it end in an error.
	if err != nil && bytes.ContainsRune(out, '{') {
		out = nil
	}
	return out, err
}

func helperFault(ctx context.Context, f *authFile, helper string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	hint := "run it by hand: echo registry.example | docker-credential-" + helper + " get; or set SLIPWAY_REGISTRY_USER and SLIPWAY_REGISTRY_PASSWORD"
	if errors.Is(err, proc.ErrNotFound) || strings.Contains(err.Error(), "executable file not found") {
		return release.Invalidf("install it, take it out of the file, or set SLIPWAY_REGISTRY_USER and SLIPWAY_REGISTRY_PASSWORD",
			"%s names the credential helper docker-credential-%s, which is not installed", f.source, helper)
	}
	return release.Invalidf(hint, "the credential helper docker-credential-%s of %s fails: %s", helper, f.source, oneLine(err.Error()))
}
