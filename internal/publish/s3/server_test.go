package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/publish/publishtest"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// dialing has all connections go to one address, whatever the URL's host.
func dialing(address string) *http.Transport {
	t := newTransport()
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	return t
}

// smoke puts, reads, copies, lists and deletes.
func smoke(t *testing.T, s *Store) {
	t.Helper()
	if err := s.CheckWrite(t.Context()); err != nil {
		t.Fatalf("CheckWrite: %v", err)
	}
	for i, size := range []int64{10, 6 << 20} {
		c := publish.Bytes(publishtest.Random(uint64(i), size))
		if _, err := s.Put(t.Context(), "dir/a b+ü", c, publish.PutOptions{}); err != nil {
			t.Fatalf("Put: %v", err)
		}
		if o, err := s.Copy(t.Context(), "dir/a b+ü", "copy"); err != nil || o.Digest != c.Digest {
			t.Errorf("Copy: %+v, %v", o, err)
		}
		r, _, err := s.Open(t.Context(), "copy")
		if err != nil || digestOf(t, r) != c.Digest {
			t.Errorf("Open: %v", err)
		}
		n := 0
		for _, err := range s.List(t.Context(), "") {
			if n++; err != nil {
				t.Errorf("List: %v", err)
			}
		}
		if err := s.Delete(t.Context(), "copy", "dir/a b+ü"); err != nil || n != 2 {
			t.Errorf("%d objects; Delete: %v", n, err)
		}
	}
}

// Buckets in the path and in the host's name, with and without a region.
func TestAddressing(t *testing.T) {
	t.Parallel()
	server := realtest.S3(t)
	for _, addressing := range []string{"", "path", "virtual"} {
		for _, region := range []string{"", server.Region} {
			t.Run(fmt.Sprintf("%s region %s", addressing, region), func(t *testing.T) {
				t.Parallel()
				o := options(t)
				var hosts, buckets atomic.Int32
				transport := dialing(strings.TrimPrefix(server.Endpoint, "http://"))
				o.Endpoint, o.Region, o.Addressing = "http://"+server.Domain+"/", region, addressing
				o.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
					if strings.HasPrefix(req.URL.Host, o.Bucket+".") {
						hosts.Add(1)
					} else if strings.HasPrefix(req.URL.Path, "/"+o.Bucket+"/") {
						buckets.Add(1)
					}
					return transport.RoundTrip(req)
				})
				smoke(t, open(t, o))
				if (hosts.Load() > 0) != (addressing == "virtual") || (buckets.Load() > 0) == (addressing == "virtual") {
					t.Errorf("%d requests have the bucket in the host, %d in the path", hosts.Load(), buckets.Load())
				}
			})
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A server with TLS works; one whose certificate nobody vouches for is named.
func TestTLS(t *testing.T) {
	t.Parallel()
	o := options(t)
	secure := httptest.NewUnstartedServer(publishtest.NewProxy(t, o.Endpoint, nil))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	o.Endpoint = secure.URL
	if _, err := open(t, o).Stat(t.Context(), "x"); err == nil || !strings.Contains(release.HintOf(err), "certificate authority") {
		t.Errorf("an unknown authority: %v (%s)", err, release.HintOf(err))
	}
	transport := newTransport()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	o.Transport = transport
	smoke(t, open(t, o))

	plain := options(t)
	plain.Endpoint = strings.Replace(plain.Endpoint, "http:", "https:", 1)
	if _, err := open(t, plain).Stat(t.Context(), "x"); err == nil {
		t.Error("https to a server of http goes through")
	}
}

// A server that ignores conditions of Put, as Garage does, and one that refuses them.
func TestLikeGarage(t *testing.T) {
	t.Parallel()
	server := realtest.S3(t)
	ignores := roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPut && req.Header.Get("If-Match")+req.Header.Get("If-None-Match") != "" {
			req = req.Clone(req.Context())
			for _, name := range []string{"If-Match", "If-None-Match", "Authorization"} {
				req.Header.Del(name)
			}
			req = signer.SignV4(*req, server.AccessKey, server.SecretKey, "", server.Region)
		}
		return http.DefaultTransport.RoundTrip(req)
	})
	refuses := roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPut && req.Header.Get("If-Match")+req.Header.Get("If-None-Match") != "" {
			return &http.Response{StatusCode: http.StatusNotImplemented, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
		}
		return http.DefaultTransport.RoundTrip(req)
	})
	for name, transport := range map[string]http.RoundTripper{"ignores": ignores, "refuses": refuses} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			o.Transport = transport
			if ok, err := open(t, o).Conditional(t.Context()); ok || err != nil {
				t.Errorf("Conditional: %t, %v", ok, err)
			}
			if name == "refuses" {
				smoke(t, open(t, o))
				return
			}
			publishtest.Conformance(t, func(t *testing.T) publish.Store {
				o := options(t)
				o.Transport = transport
				return open(t, o)
			})
		})
	}
}

// Whether the server holds conditions is asked for once, below the probe's key alone.
func TestConditionalAsksOnce(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Probe = "_releases/.slipway/probe"
	s, p := through(t, o)
	for range 3 {
		if ok, err := s.Conditional(t.Context()); !ok || err != nil {
			t.Errorf("Conditional: %t, %v", ok, err)
		}
	}
	requests := p.Requests()
	if len(requests) != 4 { // put, two conditions, delete
		t.Errorf("the requests are %q", publishtest.Methods(requests))
	}
	for _, r := range requests {
		if !strings.HasPrefix(r.Path, "/"+o.Bucket+"/"+o.Probe) {
			t.Errorf("it touches %s", r.Path)
		}
	}
}

// What the server refuses is said with what to do, and without the keys.
func TestRefusals(t *testing.T) {
	t.Parallel()
	good := options(t)
	stranger, secret := realtest.S3(t).Stranger(t)
	for name, tt := range map[string]struct {
		change func(*Options)
		is     error
		kind   release.Kind
		hint   string
	}{
		"no such bucket":  {func(o *Options) { o.Bucket = "releases-of-nobody" }, publish.ErrNotFound, release.Invalid, "make the bucket releases-of-nobody"},
		"unknown key":     {func(o *Options) { o.AccessKey = "GKnobody" }, publish.ErrUnauthorized, release.Refused, "look at the access key"},
		"wrong secret":    {func(o *Options) { o.SecretKey = "another-secret-1" }, publish.ErrUnauthorized, release.Refused, "look at the secret key"},
		"no keys":         {func(o *Options) { o.AccessKey, o.SecretKey = "", "" }, publish.ErrUnauthorized, release.Refused, "there are none"},
		"a stranger":      {func(o *Options) { o.AccessKey, o.SecretKey = stranger, secret }, publish.ErrForbidden, release.Refused, "let the key"},
		"another region":  {func(o *Options) { o.Region = "eu-west-3" }, nil, release.Invalid, "region"},
		"nobody is there": {func(o *Options) { o.Endpoint = "http://127.0.0.1:1" }, publish.ErrUnavailable, release.Failed, "look at the endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := good
			tt.change(&o)
			s := open(t, o)
			s.pause = func(context.Context, time.Duration) error { return nil }
			_, put := s.Put(t.Context(), "dir/x", publish.Bytes([]byte("x")), publish.PutOptions{})
			for what, err := range map[string]error{"CheckWrite": s.CheckWrite(t.Context()), "Put": put} {
				if err == nil || tt.is != nil && !errors.Is(err, tt.is) || release.KindOf(err) != tt.kind || !strings.Contains(release.HintOf(err), tt.hint) {
					t.Errorf("%s: %v\nkind %d, hint %q; want %v, kind %d, hint %q", what, err, release.KindOf(err), release.HintOf(err), tt.is, tt.kind, tt.hint)
				}
				if err != nil && (!strings.Contains(err.Error(), o.Bucket) || strings.Contains(err.Error()+release.HintOf(err), o.SecretKey) && o.SecretKey != "") {
					t.Errorf("%s says %v", what, err)
				}
			}
		})
	}
}

// answering is a server that gives one answer to everything.
func answering(t *testing.T, answer http.HandlerFunc) Options {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return Options{Endpoint: server.URL, Bucket: "releases", Region: "garage", AccessKey: "GK0123456789", SecretKey: "secret-secret-1", SessionToken: "token-token-1"}
}

// The answers of servers that can't be had here, and of what is no S3 server.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status     int
		body       string
		is         error
		kind       release.Kind
		said, hint string
	}{
		"clock": {403, "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large</Message></Error>", nil, release.Failed,
			"RequestTimeTooSkewed", "set this machine's clock, which is 2h0m ahead of the server's"},
		"Garage's key": {403, "<Error><Code>AccessDenied</Code><Message>Forbidden: No such key: GK0123456789</Message></Error>", publish.ErrUnauthorized, release.Refused,
			"No such key: ***", "look at the access key"},
		"Garage's signature": {403, "<Error><Code>AccessDenied</Code><Message>Forbidden: Invalid signature</Message></Error>", publish.ErrUnauthorized, release.Refused, "Invalid signature", "look at"},
		"session":            {400, "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>", publish.ErrUnauthorized, release.Refused, "ExpiredToken", "get new keys"},
		"region":             {400, "<Error><Code>AuthorizationHeaderMalformed</Code><Message>unexpected scope</Message><Region>paris</Region></Error>", nil, release.Invalid, "unexpected scope", "set the region to paris"},
		"full":               {507, "<Error><Code>InsufficientStorage</Code><Message>quota</Message></Error>", nil, release.Failed, "quota", "make room"},
		"echo": {400, "<Error><Code>Odd</Code><Message>Authorization: AWS4-HMAC-SHA256 Credential=GK0123456789/20260101, Signature=0123abcd secret-secret-1 token-token-1</Message></Error>", nil, release.Failed,
			"Credential=***, Signature=*** *** ***", ""},
		"no S3":    {404, "<html>\x1b[31m" + strings.Repeat("not here ", 1000) + "</html>", publish.ErrNotFound, release.Failed, "", ""},
		"redirect": {307, "", nil, release.Invalid, "", "region"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var elsewhere atomic.Int32
			other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
			t.Cleanup(other.Close)
			o := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat))
				w.Header().Set("Location", other.URL+"/releases/x")
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			})
			s := open(t, o)
			_, err := s.Put(t.Context(), "x", publish.Bytes([]byte("x")), publish.PutOptions{})
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || release.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.said) || !strings.Contains(release.HintOf(err), tt.hint) {
				t.Fatalf("%v\nkind %d, hint %q", err, release.KindOf(err), release.HintOf(err))
			}
			all := err.Error() + release.HintOf(err) + s.String()
			for _, secret := range []string{o.AccessKey, o.SecretKey, o.SessionToken, "0123abcd", "\x1b"} {
				if strings.Contains(all, secret) {
					t.Errorf("%q is in %q", secret, all)
				}
			}
			if len(all) > 1000 || elsewhere.Load() > 0 {
				t.Errorf("%d bytes of text, %d requests to another host", len(all), elsewhere.Load())
			}
		})
	}
}

// What can't be is said before anything is asked, and never with a password.
func TestOptions(t *testing.T) {
	t.Parallel()
	good := Options{Endpoint: "https://garage.example:3900", Bucket: "releases"}
	if s := open(t, good); s.String() != "s3 bucket releases at https://garage.example:3900" {
		t.Errorf("it is called %s", s)
	}
	for name, change := range map[string]func(*Options){
		"no endpoint":       func(o *Options) { o.Endpoint = "" },
		"no scheme":         func(o *Options) { o.Endpoint = "garage.example" },
		"another scheme":    func(o *Options) { o.Endpoint = "ftp://garage.example" },
		"no host":           func(o *Options) { o.Endpoint = "https://" },
		"a path":            func(o *Options) { o.Endpoint = "https://garage.example/releases" },
		"a query":           func(o *Options) { o.Endpoint = "https://garage.example?x=1" },
		"a login":           func(o *Options) { o.Endpoint = "https://me:secret-1@garage.example" },
		"a broken login":    func(o *Options) { o.Endpoint = "https://me:secret-1%zz@garage.example" },
		"no bucket":         func(o *Options) { o.Bucket = "" },
		"a bucket's path":   func(o *Options) { o.Bucket = "../x" },
		"an address":        func(o *Options) { o.Bucket = "127.0.0.1" },
		"odd addressing":    func(o *Options) { o.Addressing = "host" },
		"half a login":      func(o *Options) { o.AccessKey = "x" },
		"parts for nothing": func(o *Options) { o.PartSize = 1 << 20 },
	} {
		o := good
		change(&o)
		s, err := New(o)
		if release.KindOf(err) != release.Invalid || release.HintOf(err) == "" || strings.Contains(err.Error()+release.HintOf(err), "secret-1") {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}
