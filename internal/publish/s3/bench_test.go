package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/publish/publishtest"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// BenchmarkPut puts 40 objects of 5 MB, eight at a time, and one of 300 MB, and tells
// how much longer that takes than plain signed requests with the same bytes, and
// the most memory of the process, which holds one object's content itself.
func BenchmarkPut(b *testing.B) {
	server := realtest.S3(b)
	for _, bb := range []struct {
		name    string
		objects int
		size    int64
		at      int // a time
	}{
		{"40 of 5 MB", 40, 5_000_000, 8},
		{"1 of 300 MB", 1, 300_000_000, 1},
	} {
		b.Run(bb.name, func(b *testing.B) {
			o := options(b)
			o.PartSize, o.PageSize = 0, 0
			s := open(b, o)
			data := publishtest.Random(1, bb.size)
			digest := publish.DigestOf(data)
			each := func(n, at int, do func(ctx context.Context, key string) error) time.Duration {
				start := time.Now()
				group, ctx := errgroup.WithContext(b.Context())
				group.SetLimit(at)
				for i := range n {
					group.Go(func() error { return do(ctx, strconv.Itoa(i)) })
				}
				if err := group.Wait(); err != nil {
					b.Fatal(err)
				}
				return time.Since(start)
			}
			var ours, plain time.Duration
			for i := range b.N {
				ours += each(bb.objects, bb.at, func(ctx context.Context, key string) error {
					c := publish.Content{Size: bb.size, Digest: digest, Open: func(context.Context) (io.ReadCloser, error) {
						return io.NopCloser(bytes.NewReader(data)), nil
					}}
					_, err := s.Put(ctx, fmt.Sprintf("ours/%d/%s", i, key), c, publish.PutOptions{})
					return err
				})
				plain += each(bb.objects, bb.at, func(ctx context.Context, key string) error {
					return plainPut(ctx, server, o.Bucket, fmt.Sprintf("plain/%d/%s", i, key), data)
				})
			}
			b.SetBytes(bb.size * int64(bb.objects))
			b.ReportMetric(float64(ours)/float64(plain), "times-plain")
			b.ReportMetric(peakMB(), "peak-MB")
		})
	}
}

// plainPut is a PUT as curl --aws-sigv4 does it: signed with its bytes' sum, and
// nothing more.
func plainPut(ctx context.Context, server realtest.S3Server, bucket, key string, data []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, server.Endpoint+"/"+bucket+"/"+key, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("X-Amz-Content-Sha256", sum(data))
	resp, err := http.DefaultClient.Do(signer.SignV4(*req, server.AccessKey, server.SecretKey, "", server.Region))
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // there is nothing in it
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("PUT %s: %s", key, resp.Status)
	}
	return nil
}

// peakMB is the most memory that this process had.
func peakMB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return 0
	}
	return kb / 1024
}
