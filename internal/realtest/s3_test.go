package realtest

import (
	"net/http"
	"testing"
)

// The shared server is one, asks for a signature, and each test has a bucket of
// its own.
func TestS3(t *testing.T) {
	t.Parallel()
	s := S3(t)
	if again := S3(t); again != s {
		t.Errorf("a second call started a second server: %s and %s", s.Endpoint, again.Endpoint)
	}
	a, b := s.Bucket(t), s.Bucket(t)
	if a == b {
		t.Errorf("two buckets of one name: %s", a)
	}
	resp, err := http.Get(s.Endpoint + "/" + a)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a reader without a signature gets %s, want 403", resp.Status)
	}
}
