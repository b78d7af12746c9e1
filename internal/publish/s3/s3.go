// Package s3 is a bucket of an S3 server (Garage, MinIO, Amazon and their like) as
// a publish.Store, over minio-go, whose types never leave it.
package s3

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// Options say where a bucket is and how it is worked on.
type Options struct {
	Endpoint string // https://garage.example, with a port if need be; no path
	Region   string // empty: what the server says
	Bucket   string
	// Addressing is where the bucket's name goes: "path" (https://host/bucket/key),
	// "virtual" (https://bucket.host/key), or empty: virtual at Amazon, Google and
	// Alibaba, path elsewhere.
	Addressing string

	// Without an AccessKey nothing is signed.
	AccessKey, SecretKey, SessionToken string

	UserAgent string // "name/version", sent after the library's own; may be empty
	// PartSize is the size in bytes above which content goes in parts of about that
	// size; 0 is 16 MiB, S3's least 5 MiB. Memory is four times as much, whatever
	// is uploaded at a time.
	PartSize int64
	// PageSize is how many keys a request for a list asks for; 0 is the server's most.
	PageSize int
	// Probe is the key below which Conditional and CheckWrite try what they want to
	// know; empty is .slipway/probe. Nothing stays there.
	Probe string
	// OnRetry is told before something is tried again: what ("put <key>"), how long
	// it waits, and why. May be nil.
	OnRetry func(op string, wait time.Duration, reason string)
	// Transport carries the requests; nil is one with sensible time limits.
	Transport http.RoundTripper
}

// The sizes that S3 sets.
const (
	defaultPart = 16 << 20
	leastPart   = 5 << 20
	mostParts   = 10_000
	copyAtOnce  = 5 << 30 // what one CopyObject may copy
	parallel    = 4       // parts of content that are in memory, and sent, at a time
)

// Store is a bucket.
type Store struct {
	bucket   string
	endpoint string // for people
	region   string // as configured; empty: found out
	client   *minio.Core
	secrets  []string // kept out of errors
	// anonymous is without keys.
	anonymous bool
	partSize  int64
	pageSize  int
	probe     string
	onRetry   func(op string, wait time.Duration, reason string)
	memory    *budget

	// What tests change.
	wire      *wire
	pause     func(ctx context.Context, d time.Duration) error
	stale     time.Duration // how long an upload of other content lies before it is dropped
	copyLimit int64
	copyPart  int64

	mu          sync.Mutex
	conditional *bool // whether the server holds conditions, once that is known
}

var _ publish.Store = (*Store)(nil)

// New makes a Store of a bucket that need not exist yet. It asks nothing of the
// server. Its errors are of kind release.Invalid.
func New(o Options) (*Store, error) {
	u, err := o.check()
	if err != nil {
		return nil, err
	}
	transport := o.Transport
	if transport == nil {
		transport = newTransport()
	}
	creds := credentials.NewStatic("", "", "", credentials.SignatureAnonymous)
	if o.AccessKey != "" {
		creds = credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken)
	}
	lookup := map[string]minio.BucketLookupType{"": minio.BucketLookupAuto, "path": minio.BucketLookupPath, "virtual": minio.BucketLookupDNS}
	line := &wire{next: transport, stall: stallAfter}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds: creds, Secure: u.Scheme == "https", Region: o.Region, BucketLookup: lookup[o.Addressing],
		Transport:  line,
		MaxRetries: 1, // the retries are Store.try's, which tells of them
	})
	if err != nil {
		return nil, release.Invalidf("look at the endpoint", "the S3 endpoint %s: %v", o.Endpoint, err)
	}
	if name, version, ok := strings.Cut(o.UserAgent, "/"); ok {
		core.SetAppInfo(name, version)
	}
	s := &Store{
		anonymous: o.AccessKey == "", wire: line,
		bucket: o.Bucket, endpoint: u.Scheme + "://" + u.Host, region: o.Region, client: core,
		partSize: cmp.Or(o.PartSize, defaultPart), pageSize: o.PageSize, probe: cmp.Or(o.Probe, ".slipway/probe"), onRetry: o.OnRetry,
		pause: sleep, stale: time.Hour, copyLimit: copyAtOnce, copyPart: 512 << 20,
	}
	s.memory = newBudget(parallel * (s.partSize + partMark))
	for _, secret := range []string{o.SecretKey, o.SessionToken, o.AccessKey} {
		if secret != "" {
			s.secrets = append(s.secrets, secret)
		}
	}
	return s, nil
}

// bucketName is S3's rule, and lets older names be.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$`)

func (o Options) check() (*url.URL, error) {
	const hint = "give an address such as https://garage.example or http://127.0.0.1:3900"
	if o.Endpoint == "" {
		return nil, release.Invalidf(hint, "the S3 endpoint is missing")
	}
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil:
		return nil, release.Invalidf(hint, "the S3 endpoint is no URL") // which may have a password in it
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, release.Invalidf(hint, "the S3 endpoint %s is no http or https URL", u.Redacted())
	case u.User != nil:
		return nil, release.Invalidf("give the keys by the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "the S3 endpoint has a login in it")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return nil, release.Invalidf("give the bucket and the prefix by their own settings", "the S3 endpoint %s has more than a host", o.Endpoint)
	case o.Bucket == "":
		return nil, release.Invalidf("name the bucket", "the S3 bucket is missing")
	case !bucketName.MatchString(o.Bucket) || strings.Contains(o.Bucket, "..") || net.ParseIP(o.Bucket) != nil:
		return nil, release.Invalidf("3 to 63 letters, digits, dots and hyphens", "%q can't be the name of a bucket", o.Bucket)
	case o.Addressing != "" && o.Addressing != "path" && o.Addressing != "virtual":
		return nil, release.Invalidf(`"path" or "virtual", or leave it out`, "%q is no S3 addressing", o.Addressing)
	case o.AccessKey != "" && o.SecretKey == "":
		return nil, release.Invalidf("set both keys", "there is an S3 access key, but no secret key")
	case o.PartSize != 0 && o.PartSize < leastPart:
		return nil, release.Invalidf("5 MiB or more", "parts of %d bytes are too small for S3", o.PartSize)
	}
	return u, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 20 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     time.Minute,
		TLSHandshakeTimeout: 20 * time.Second,
		// A server that copies an object may answer only when it has.
		ResponseHeaderTimeout: 5 * time.Minute,
		DisableCompression:    true, // an object is given as it is
	}
}

// String implements publish.Store.
func (s *Store) String() string { return fmt.Sprintf("s3 bucket %s at %s", s.bucket, s.endpoint) }
