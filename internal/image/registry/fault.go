package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/release"
)

// answerError is an answer of a status that was not asked for.
type answerError struct {
	said   *transport.Error
	header http.Header
}

func (e *answerError) Error() string { return e.said.Error() }
func (e *answerError) Unwrap() error { return e.said }

// do sends a request and checks the answer's status; the caller closes the
// answer's body.
func (s *session) do(req *http.Request, want ...int) (*http.Response, error) {
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	if err := transport.CheckError(resp, want...); err != nil {
		_ = resp.Body.Close()
		var te *transport.Error
		if errors.As(err, &te) {
			return nil, &answerError{said: te, header: resp.Header}
		}
		return nil, err
	}
	return resp, nil
}

// headerOf is the header of the answer in an error; nil when there is none.
func headerOf(err error) http.Header {
	var a *answerError
	if errors.As(err, &a) {
		return a.header
	}
	return nil
}

// request sends a request without a body, or with a small one, to a path
// below /v2/<repository>/.
func (s *session) request(ctx context.Context, method, path string, header http.Header, body []byte, want ...int) (*http.Response, error) {
	u := url.URL{Scheme: s.repo.Scheme(), Host: s.repo.RegistryStr()}
	u.Path, u.RawQuery, _ = strings.Cut("/v2/"+s.repo.RepositoryStr()+"/"+path, "?")
	return s.requestURL(ctx, method, u.String(), header, body, want...)
}

func (s *session) requestURL(ctx context.Context, method, target string, header http.Header, body []byte, want ...int) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		r = strings.NewReader(string(body))
	}
	req, err := http.NewRequestWithContext(ctx, method, target, r)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	return s.do(req, want...)
}

// statusOf is the HTTP status in an error, 0 when there is none.
func statusOf(err error) int {
	var te *transport.Error
	if errors.As(err, &te) {
		return te.StatusCode
	}
	return 0
}

// fault is the error of an operation on a repository, made for the person who
// reads it. moves says that it moves or takes away a tag, which may be
// protected. It is nil for nil.
func (c *Client) fault(ctx context.Context, op string, repo name.Repository, err error, moves ...bool) error {
	if err == nil {
		return nil
	}
	var told *release.Error
	if errors.As(err, &told) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, ctx.Err())
	}
	host := hostOf(repo)
	var te *transport.Error
	if errors.As(err, &te) {
		kind := kindOf(err, te, len(moves) > 0 && moves[0])
		if kind == nil {
			return fmt.Errorf("%s: %s", op, said(te))
		}
		e := &release.Error{Kind: release.Failed, Message: op, Hint: c.hint(ctx, host, kind), Err: fmt.Errorf("%w (%s)", kind, said(te))}
		if errors.Is(kind, image.ErrUnauthorized) || errors.Is(kind, image.ErrForbidden) || errors.Is(kind, image.ErrProtected) {
			e.Kind = release.Refused
		}
		return e
	}
	if !fromNetwork(err) {
		return fmt.Errorf("%s: %w", op, err)
	}
	hint := "look whether " + host + " is up and can be reached from here"
	if isPlain(err) && !c.PlainHTTP(host) {
		hint = "if " + host + " speaks plain HTTP, set SLIPWAY_INSECURE_REGISTRIES=" + host
	}
	return &release.Error{Kind: release.Failed, Message: op, Hint: hint,
		Err: fmt.Errorf("%w: %s", image.ErrUnavailable, plainText(err))}
}

func isPlain(err error) bool {
	var refused *refusedError
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &refused) || strings.Contains(err.Error(), "plain HTTP to ")
}

func fromNetwork(err error) bool {
	var source *sourceError
	if errors.As(err, &source) {
		return false
	}
	var u *url.Error
	var n net.Error
	var still stillError
	return errors.As(err, &u) || errors.As(err, &n) || errors.As(err, &still) ||
		errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "plain HTTP to ") // ggcr's list of two tries hides its kinds
}

// How registries say that a tag is not to be moved: Harbor and ECR "immutable",
// ECR's codes TAG_IMMUTABLE and ImageTagAlreadyExists, GitLab "protected".
var protectedWords = regexp.MustCompile(`(?i)immutab|protected|ImageTagAlreadyExists|(can ?not|can't) be overwritten|tag .{0,200}already exists`)

// kindOf is what an answer means, nil when it means nothing known.
func kindOf(err error, te *transport.Error, moves bool) error {
	switch {
	case te.StatusCode == http.StatusTooManyRequests, te.StatusCode == http.StatusRequestTimeout, te.StatusCode >= 500:
		return image.ErrUnavailable
	case moves && isProtected(te):
		return image.ErrProtected
	}
	switch te.StatusCode {
	case http.StatusUnauthorized:
		if strings.Contains(strings.Join(headerOf(err).Values("Www-Authenticate"), " "), "insufficient_scope") {
			return image.ErrForbidden // the token was good, but not for this
		}
		return image.ErrUnauthorized
	case http.StatusForbidden, http.StatusMethodNotAllowed:
		return image.ErrForbidden
	case http.StatusNotFound:
		return image.ErrNotFound
	}
	return nil
}

func isProtected(te *transport.Error) bool {
	switch te.StatusCode {
	case http.StatusConflict, http.StatusPreconditionFailed:
		return true
	case http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusUnprocessableEntity:
	default:
		return false
	}
	for _, d := range te.Errors {
		if protectedWords.MatchString(string(d.Code)) || protectedWords.MatchString(d.Message) {
			return true
		}
	}
	return false
}

// said is what an answer says, in a line: "401: authentication required".
func said(te *transport.Error) string {
	s := fmt.Sprint(te.StatusCode)
	for _, d := range te.Errors {
		text := d.Message
		if text == "" {
			text = string(d.Code)
		}
		if text != "" {
			return s + ": " + oneLine(text)
		}
	}
	return s + " " + http.StatusText(te.StatusCode)
}

func (c *Client) hint(ctx context.Context, host string, kind error) string {
	cred, _ := c.keys.find(ctx, host, "") // its fault would have come first
	login := "`docker login " + host + "`, or SLIPWAY_REGISTRY_USER and SLIPWAY_REGISTRY_PASSWORD"
	switch {
	case errors.Is(kind, image.ErrUnauthorized) && cred.None():
		return "log in: " + login
	case errors.Is(kind, image.ErrUnauthorized):
		return host + " does not take " + cred.String() + "; log in again: " + login
	case errors.Is(kind, image.ErrForbidden) && cred.None():
		return "nobody is logged in to " + host + ": " + login
	case errors.Is(kind, image.ErrForbidden):
		return cred.String() + " has no right to do that in this repository"
	case errors.Is(kind, image.ErrProtected):
		return "the registry's rules keep this tag as it is; give the image another tag, or change the rule"
	case errors.Is(kind, image.ErrNotFound):
		return "look whether the repository exists; some registries want it, or its project, to be made first, and hide what the login may not see"
	case errors.Is(kind, image.ErrUnavailable):
		return "run it again later: nothing is sent twice"
	}
	return ""
}

// oneLine makes a foreign text fit for a message: its first line, no control
// characters, at most 200 characters.
func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(strings.ToValidUTF8(s, "?")), "\n")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	const most = 200
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return s
}
