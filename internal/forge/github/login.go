package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// How long a token must still last: for a call, and for git, which may clone
// for a while.
const (
	lastsForCall = time.Minute
	lastsForGit  = 10 * time.Minute
	// mintTime bounds how long a new token is waited for, retries and all.
	mintTime = 2 * time.Minute
)

// login asks for an app's tokens for one repository, or, when an installation
// is named, for that.
type login struct {
	app          *App
	api          *api // as the app itself
	server       string
	owner, name  string
	installation int64
}

func newLogin(o Options, server *url.URL) (*login, error) {
	if _, err := o.App.key(); err != nil {
		return nil, err
	}
	return &login{
		app: o.App, server: server.String(), installation: o.App.Installation,
		api: newAPI(o, server, wire.Dialect{Authorize: o.App.sign, Explain: o.App.explain}),
	}, nil
}

func (l *login) repository() string { return l.server + "/" + strings.ToLower(l.owner+"/"+l.name) }

// authorize gives the header's value of a call.
func (l *login) authorize(ctx context.Context, refused string) (string, error) {
	in, err := l.token(ctx, lastsForCall, strings.TrimPrefix(refused, "Bearer "))
	return "Bearer " + in.token, err
}

// token gives a token that is not the refused one and lasts for so long.
func (l *login) token(ctx context.Context, left time.Duration, refused string) (in installation, err error) {
	for range 2 {
		id, err := l.find(ctx)
		if err != nil {
			return installation{}, loginFault(err)
		}
		in, err = l.shared(ctx, id, left, refused)
		switch gone := errors.Is(err, forge.ErrNotFound); {
		case gone && l.installation == 0:
			l.app.remember(l.repository(), 0) // it was taken away, and perhaps made anew
		case gone:
			_, call := wire.Begin(ctx, l.op())
			return in, call.Fail(forge.ErrUnauthorized, fmt.Sprintf("the app has no installation %d: take the number"+
				" from the address of the installation's settings, or leave it out, and it is found by the repository", id))
		case err != nil, in.token != refused:
			return in, loginFault(err)
		}
	}
	return in, loginFault(err)
}

// loginFault is a login's error as that of the call that needs it: "not found"
// is not said of what the call asks for, and nothing of the call was sent.
func loginFault(err error) error {
	var e *forge.Error
	if !errors.As(err, &e) {
		return err
	}
	out := *e
	out.MaybeDone = false
	for _, refusal := range []error{forge.ErrNotFound, forge.ErrForbidden, forge.ErrConflict, forge.ErrRejected} {
		if errors.Is(e.Kind, refusal) {
			out.Kind = forge.ErrUnauthorized
		}
	}
	return &out
}

func (l *login) op() string { return fmt.Sprintf("log in as the GitHub App %d", l.app.ID) }

// shared gives the token that is kept, or a new one that all who ask at the
// same time wait for.
func (l *login) shared(ctx context.Context, id int64, left time.Duration, refused string) (installation, error) {
	key := fmt.Sprintf("%s#%d", l.server, id)
	if in, ok := l.app.kept(key, left, refused); ok {
		return in, nil
	}
	result := l.app.mints.DoChan(key, func() (any, error) {
		if in, ok := l.app.kept(key, left, refused); ok {
			return in, nil
		}
		// The end of one who asks is not the end of those who wait with it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mintTime)
		defer cancel()
		in, err := l.mint(ctx, id)
		if err == nil {
			l.app.keep(key, in)
		}
		return in, err
	})
	select {
	case r := <-result:
		in, _ := r.Val.(installation)
		return in, r.Err
	case <-ctx.Done():
		return installation{}, ctx.Err()
	}
}

// mint asks for a new token.
func (l *login) mint(ctx context.Context, id int64) (installation, error) {
	ctx, call := wire.Begin(ctx, l.op())
	call.Repeatable()
	var answer struct {
		Token     string            `json:"token"`
		ExpiresAt time.Time         `json:"expires_at"`
		Rights    map[string]string `json:"permissions"`
	}
	_, err := l.api.do(ctx, call, http.MethodPost, fmt.Sprintf("app/installations/%d/access_tokens", id), nil, &answer)
	switch {
	case err != nil:
		return installation{}, err
	case answer.Token == "" || answer.ExpiresAt.IsZero():
		return installation{}, call.NotForge("the answer has no token in it")
	}
	return installation{answer.Token, answer.ExpiresAt, answer.Rights}, nil
}

// find gives the installation's number.
func (l *login) find(ctx context.Context) (int64, error) {
	if l.installation != 0 {
		return l.installation, nil
	}
	if id, ok := l.app.foundAt(l.repository()); ok {
		return id, nil
	}
	ctx, call := wire.Begin(ctx, fmt.Sprintf("find the GitHub App %d on %s/%s", l.app.ID, l.owner, l.name))
	var answer struct {
		ID int64 `json:"id"`
	}
	_, err := l.api.do(ctx, call, http.MethodGet, fmt.Sprintf("repos/%s/%s/installation", l.owner, l.name), nil, &answer)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		return 0, l.notInstalled(ctx, call)
	case err != nil:
		return 0, err
	case answer.ID == 0:
		return 0, call.NotForge("the answer has no installation in it")
	}
	l.app.remember(l.repository(), answer.ID)
	return answer.ID, nil
}

// notInstalled says what to do, with the page for it when GitHub tells it.
func (l *login) notInstalled(ctx context.Context, call *wire.Call) error {
	at := "from the app's page"
	if about, err := l.about(ctx, call); err == nil && about.HTMLURL != "" {
		at = "at " + about.HTMLURL + "/installations/new"
	}
	return call.Fail(forge.ErrNotFound, fmt.Sprintf(
		"the app is not installed on %s/%s, or there is no such repository: install it %s, and give it this repository", l.owner, l.name, at))
}

type appAnswer struct {
	Slug    string `json:"slug"`
	HTMLURL string `json:"html_url"`
}

// about reads what the app is called.
func (l *login) about(ctx context.Context, call *wire.Call) (appAnswer, error) {
	var answer appAnswer
	_, err := l.api.do(ctx, call, http.MethodGet, "app", nil, &answer)
	if err == nil && answer.Slug == "" {
		err = call.NotForge("the answer names no app")
	}
	return answer, err
}

// mayWrite says whether the app may write releases.
func (l *login) mayWrite(ctx context.Context) (bool, error) {
	in, err := l.token(ctx, lastsForCall, "")
	return in.rights["contents"] == "write", err
}

// Login is for git over HTTPS: GitHub takes any name with a token. Without a
// token both are empty, which is enough to read what is public.
func (f *Forge) Login(ctx context.Context) (user, password string, err error) {
	password = f.token
	if f.app != nil {
		in, err := f.app.token(ctx, lastsForGit, "")
		if err != nil {
			return "", "", err
		}
		password = in.token
	}
	if password == "" {
		return "", "", nil
	}
	return "x-access-token", password, nil
}
