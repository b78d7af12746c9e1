package realtest

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/slipway-dev/slipway/internal/proc"
)

// S3Server is a real S3 server on a loopback port, with its state in a
// temporary directory. It speaks HTTP and takes buckets in the path.
type S3Server struct {
	Endpoint  string // http://127.0.0.1:PORT, no slash at the end
	AccessKey string
	SecretKey string
	Region    string
	// Domain is HOST:PORT by which the bucket may be in the host's name, too:
	// http://BUCKET.HOST:PORT. No resolver knows it; a client dials the Endpoint.
	Domain string

	srv *server
	bin string
}

// S3 returns the S3 server that all tests of the package share. It starts with
// the first call and ends with the test process, however that ends. Tests give
// each other room by working in buckets of their own (Bucket).
func S3(t testing.TB) S3Server {
	t.Helper()
	s, err := sharedS3(need(t, s3Part()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var sharedS3 = once(startS3)

// StartS3 is for programs that are no tests: it returns a server of their own,
// which stop ends, as does the end of the process. What making the part prints
// goes to log.
func StartS3(ctx context.Context, log io.Writer) (s S3Server, stop func(), err error) {
	made, err := s3Part().Make(ctx, log)
	if err != nil {
		return S3Server{}, nil, err
	}
	if s, err = startS3(made.Dir); err != nil {
		return S3Server{}, nil, err
	}
	return s, s.srv.stop, nil
}

func startS3(part string) (S3Server, error) {
	s := S3Server{
		AccessKey: "harbour", SecretKey: "harbour-master-1", Region: "us-east-1",
		bin: filepath.Join(part, "versitygw"),
	}
	srv, err := launch{
		name: "s3",
		prepare: func(dir string) (args, env []string, err error) {
			port, err := freePort()
			if err != nil {
				return nil, nil, err
			}
			address := net.JoinHostPort("127.0.0.1", port)
			s.Endpoint, s.Domain = "http://"+address, "s3.test:"+port
			data, meta, users := filepath.Join(dir, "data"), filepath.Join(dir, "meta"), filepath.Join(dir, "users")
			if err := errors.Join(os.Mkdir(data, 0o700), os.Mkdir(meta, 0o700), os.Mkdir(users, 0o700)); err != nil {
				return nil, nil, err
			}
			args = []string{s.bin, "--port", address, "--region", s.Region, "--virtual-domain", s.Domain,
				"--iam-dir", users, "--health", "/-/health", "--keep-alive", "--quiet", "posix"}
			// An object's ETag and metadata lie in its file's attributes, where
			// the file system has them: then they appear together with it.
			if syscall.Setxattr(data, "user.slipway", []byte("1"), 0) != nil {
				args = append(args, "--sidecar", meta)
			}
			return append(args, data), []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey}, nil
		},
		ready: func(ctx context.Context) error { return answers(ctx, s.Endpoint+"/-/health") },
	}.start()
	if err != nil {
		return S3Server{}, err
	}
	s.srv = srv
	return s, nil
}

// Bucket makes an empty bucket and returns its name.
func (s S3Server) Bucket(t testing.TB) string {
	t.Helper()
	name, err := s.MakeBucket(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// Open lets anybody read what is in a bucket, as its web page does.
func (s S3Server) Open(t testing.TB, bucket string) {
	t.Helper()
	c, err := s.client()
	if err != nil {
		t.Fatal(err)
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::` + bucket + `/*"]}]}`
	if err := c.SetBucketPolicy(t.Context(), bucket, policy); err != nil {
		t.Fatal(err)
	}
}

// MakeBucket is Bucket for programs that are no tests.
func (s S3Server) MakeBucket(ctx context.Context) (string, error) {
	c, err := s.client()
	if err != nil {
		return "", err
	}
	name := "releases-" + strings.ToLower(rand.Text())
	return name, c.MakeBucket(ctx, name, minio.MakeBucketOptions{})
}

func (s S3Server) client() (*minio.Client, error) {
	return minio.New(strings.TrimPrefix(s.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region,
	})
}

// Stranger makes a user who has no rights to any bucket, and returns the keys.
func (s S3Server) Stranger(t testing.TB) (accessKey, secretKey string) {
	t.Helper()
	accessKey, secretKey = "stranger-"+rand.Text(), rand.Text()
	_, err := proc.Output(t.Context(), proc.Cmd{
		Args: []string{s.bin, "admin", "--endpoint-url", s.Endpoint, "create-user", "--access", accessKey, "--secret", secretKey, "--role", "user"},
		Env:  []string{"ADMIN_ACCESS_KEY_ID=" + s.AccessKey, "ADMIN_SECRET_ACCESS_KEY=" + s.SecretKey, "ADMIN_REGION=" + s.Region},
	})
	if err != nil {
		t.Fatal(err)
	}
	return accessKey, secretKey
}
