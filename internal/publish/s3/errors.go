package s3

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/minio/minio-go/v7"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// explain makes an error for people: the operation, the key, what the server said,
// and what to do.
func (s *Store) explain(op, key string, err error, said *answer, tried int) error {
	var final *finalError
	if errors.As(err, &final) {
		return final.error
	}
	what := strings.TrimSpace(op+" "+key) + " in " + s.String()
	e, answered := serverSaid(err)
	if !answered {
		return s.explainSilence(what, err, tried)
	}
	code := e.Code
	told := &release.Error{Kind: release.Failed, Message: what + ": the server says " + s.reason(err)}
	isAny := func(codes ...string) bool { return slices.Contains(codes, code) }
	switch {
	case isAny("NoSuchBucket"):
		told.Kind, told.Err = release.Invalid, publish.ErrNotFound
		told.Hint = fmt.Sprintf("make the bucket %s, or look at the bucket's name and the endpoint", s.bucket)
	case isAny("NoSuchKey", "NotFound", "NoSuchUpload") || e.StatusCode == http.StatusNotFound:
		told.Err = publish.ErrNotFound
	case isAny("PreconditionFailed") || e.StatusCode == http.StatusPreconditionFailed:
		told.Err = publish.ErrConflict
	case isAny("RequestTimeTooSkewed", "RequestExpired"):
		told.Hint = "set this machine's clock" + clockSays(said, time.Now()) + "; S3 refuses what is signed more than 15 minutes off"
	case isAny("AuthorizationHeaderMalformed", "InvalidRegion", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException", "MovedPermanently") ||
		e.StatusCode >= 300 && e.StatusCode < 400:
		told.Kind, told.Hint = release.Invalid, "set the region that the server wants, or use the endpoint of the bucket's region"
		if e.Region != "" {
			told.Hint = "set the region to " + printable(e.Region)
		}
	case s.unknownLogin(e):
		told.Kind, told.Err = release.Refused, publish.ErrUnauthorized
		told.Hint = s.loginHint(code)
	case isAny("AccessDenied", "AllAccessDisabled", "AccountProblem") || e.StatusCode == http.StatusForbidden:
		told.Kind, told.Err = release.Refused, publish.ErrForbidden
		told.Hint = "let the key list, read, write and delete in the bucket (in Garage: garage bucket allow --read --write)"
	case isAny("EntityTooLarge", "QuotaExceeded", "StorageFull", "XMinioStorageFull", "InsufficientStorage"):
		told.Hint = "make room in the bucket, or raise its quota"
	case isAny("ObjectParentIsFile", "ObjectExistsAsDirectory", "ExistingObjectIsDirectory"):
		told.Kind, told.Hint = release.Invalid, "this server keeps objects as files: no key can be the folder of another"
	default:
		if again, _ := s.retryable(err); again {
			told.Message += fmt.Sprintf(", %d times", tried)
			told.Err, told.Hint = publish.ErrUnavailable, "try again later"
		}
	}
	return told
}

// unknownLogin also knows the words of servers that say AccessDenied to all.
func (s *Store) unknownLogin(e minio.ErrorResponse) bool {
	switch e.Code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired",
		"InvalidSecurity", "NotSignedUp", "MissingAuthenticationToken", "XMinioInvalidAccessKey", "Unauthorized":
		return true
	case "AccessDenied":
		m := strings.ToLower(e.Message)
		return s.anonymous || strings.Contains(m, "no such key") || strings.Contains(m, "invalid signature")
	}
	return e.StatusCode == http.StatusUnauthorized
}

func (s *Store) loginHint(code string) string {
	if s.anonymous {
		return "set an access key and a secret key: there are none"
	}
	switch code {
	case "SignatureDoesNotMatch":
		return "look at the secret key; if it is right, a proxy in between changes requests"
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return "the session has ended: get new keys"
	}
	return "look at the access key, the secret key, and whether they belong to this endpoint"
}

// clockSays tells how far off this machine's clock is, if the answer had a date.
func clockSays(said *answer, now time.Time) string {
	if said == nil || said.date.IsZero() {
		return ""
	}
	off, way := now.Sub(said.date), "ahead of"
	if off < 0 {
		off, way = -off, "behind"
	}
	if off < time.Minute {
		return ""
	}
	return fmt.Sprintf(", which is %s %s the server's", strings.TrimSuffix(off.Round(time.Minute).String(), "0s"), way)
}

// explainSilence is for what never got an answer.
func (s *Store) explainSilence(what string, err error, tried int) error {
	told := &release.Error{Kind: release.Failed, Message: what + ": " + s.reason(err)}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		told.Hint = "let this machine trust the server's certificate authority (SSL_CERT_FILE)"
	case errors.As(err, &name):
		told.Hint = `look at the endpoint; with a bucket's name in the host, set the addressing to "path"`
	case errors.As(err, &invalid):
		told.Hint = "look at the server's certificate and at this machine's clock"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		told.Kind, told.Hint = release.Invalid, "the server speaks plain HTTP: give the endpoint as http://…"
	default:
		told.Err, told.Hint = publish.ErrUnavailable, "look at the endpoint and the network"
		if tried > 1 {
			told.Message += fmt.Sprintf(" (tried %d times)", tried)
		}
	}
	return told
}

// reason is what went wrong, on one line, without a secret.
func (s *Store) reason(err error) string {
	text := ""
	if e, ok := serverSaid(err); ok {
		text = e.Code
		if message := e.Error(); message != "" && message != e.Code {
			text += ": " + message
		}
		if e.StatusCode != 0 && !strings.Contains(text, fmt.Sprint(e.StatusCode)) {
			text += fmt.Sprintf(" (status %d)", e.StatusCode)
		}
	} else {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		text = err.Error()
		if strings.HasPrefix(text, "Connection closed by foreign host") || strings.HasSuffix(text, "EOF") {
			text = "the connection was cut"
		}
	}
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return printable(signatures.ReplaceAllString(text, "$1***"))
}

// signatures are what a server may give back of a request that it does not take.
var signatures = regexp.MustCompile(`(?i)((?:x-amz-)?(?:signature|credential|security-token)\s*[=:]\s*)[^\s,&<]+`)

// printable is a server's text as one line of a bearable length.
func printable(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + "…"
	}
	return text
}
