package s3

import (
	"testing"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/publish/publishtest"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// options are those of a new bucket of the real server.
func options(t testing.TB) Options {
	t.Helper()
	server := realtest.S3(t)
	return Options{
		Endpoint: server.Endpoint, Region: server.Region, Bucket: server.Bucket(t),
		AccessKey: server.AccessKey, SecretKey: server.SecretKey, PartSize: leastPart, PageSize: 7,
		OnRetry: nil,
	}
}

func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The contract of all stores, on a real server.
func TestConformance(t *testing.T) {
	t.Parallel()
	publishtest.Conformance(t, func(t *testing.T) publish.Store { return open(t, options(t)) })
}
