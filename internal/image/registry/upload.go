package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// CheckPush finds whether an image may be pushed, by an upload that is begun
// and dropped.
func (c *Client) CheckPush(ctx context.Context, repository string) error {
	repo, err := c.repository(repository)
	if err != nil {
		return err
	}
	op := "push " + display(repo)
	s, err := c.session(ctx, repo, push)
	if err != nil {
		return c.fault(ctx, op, repo, err)
	}
	location, _, err := s.begin(ctx, blob{})
	if err != nil {
		return c.fault(ctx, op, repo, err)
	}
	// Not every registry can drop an upload; it forgets it later.
	resp, err := s.requestURL(once(ctx), http.MethodDelete, location, nil, nil, http.StatusNoContent, http.StatusOK, http.StatusAccepted)
	if err == nil {
		_ = resp.Body.Close()
	}
	return nil
}

// blob is a layer or a config to send.
type blob struct {
	digest string
	size   int64
	open   func() (io.ReadCloser, error)
	what   string           // layer or config
	from   *name.Repository // another repository of the same registry that has it
}

func (s *session) hasBlob(ctx context.Context, digest string) (bool, error) {
	resp, err := s.request(ctx, http.MethodHead, "blobs/"+digest, nil, nil, http.StatusOK)
	if err == nil {
		return true, resp.Body.Close()
	}
	// Some registries hide with 403 what is not there; beginning the upload
	// tells whether it is allowed.
	if status := statusOf(err); status == http.StatusNotFound || status == http.StatusForbidden {
		return false, nil
	}
	return false, err
}

// begin begins an upload. location is empty when the blob was mounted from
// another repository instead.
func (s *session) begin(ctx context.Context, b blob) (location string, mounted bool, err error) {
	path := "blobs/uploads/"
	if b.from != nil {
		path += "?" + url.Values{"mount": {b.digest}, "from": {b.from.RepositoryStr()}}.Encode()
	}
	resp, err := s.request(ctx, http.MethodPost, path, nil, nil, http.StatusAccepted, http.StatusCreated)
	if err != nil {
		if b.from != nil && ctx.Err() == nil { // a registry that mounts nothing, or not from there
			b.from = nil
			return s.begin(ctx, b)
		}
		return "", false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusCreated && b.from != nil {
		return "", true, nil
	}
	location, err = nextLocation(resp)
	return location, false, err
}

// nextLocation is where an upload goes on.
func nextLocation(resp *http.Response) (string, error) {
	u, err := resp.Location()
	if err != nil {
		return "", fmt.Errorf("the registry does not say where the upload goes on: %w", err)
	}
	return u.String(), checkHop(resp.Request.URL, u)
}

// upload is one blob on its way, over all its tries.
type upload struct {
	c        *Client
	s        *session
	b        blob
	task     progress.Task
	location string // where its next bytes go; empty when it is to be begun
	resumed  bool   // bytes of an earlier try are in it
}

// run sends the blob unless it is there, and says what was done.
func (u *upload) run(ctx context.Context) (string, error) {
	for try := 1; ; try++ {
		done, err := u.try(ctx, try)
		if err == nil {
			return done, nil
		}
		wait := u.c.wire.wait(try, statusOf(err), headerOf(err))
		if !u.again(ctx, err) || try == tries || wait > longestAsked {
			return "", err
		}
		what := u.b.what + " " + shortDigest(u.b.digest)
		if err := u.c.wire.pause(ctx, u.s.host, what+": "+reasonOf(statusOf(err), err), wait, try); err != nil {
			return "", err
		}
	}
}

// again says whether another try may succeed, and forgets the upload if it must
// begin anew.
func (u *upload) again(ctx context.Context, err error) bool {
	var source *sourceError
	var told *release.Error
	if errors.As(err, &source) && !fromNetwork(source.err) || errors.As(err, &told) {
		return false
	}
	var te *transport.Error
	if !errors.As(err, &te) {
		return passing(ctx, nil, err)
	}
	if passingStatus(te.StatusCode) {
		return true
	}
	lost := te.StatusCode == http.StatusRequestedRangeNotSatisfiable
	for _, d := range te.Errors {
		switch d.Code {
		case transport.BlobUploadInvalidErrorCode, transport.BlobUploadUnknownErrorCode:
			lost = true
		case transport.DigestInvalidErrorCode:
			lost = lost || u.resumed // the parts did not fit together
		}
	}
	if lost {
		u.location = ""
	}
	return lost
}

func (u *upload) try(ctx context.Context, try int) (string, error) {
	// After a fault it may have arrived, and only the answer was lost.
	there, err := u.s.hasBlob(once(ctx), u.b.digest)
	if err != nil {
		return "", err
	}
	if there {
		if try > 1 {
			return "uploaded", nil
		}
		return "there already", nil
	}
	offset := u.offset(ctx)
	u.resumed = offset > 0
	if offset == 0 {
		location, mounted, err := u.s.begin(once(ctx), u.b)
		if err != nil {
			return "", err
		}
		if mounted {
			return "mounted from " + u.b.from.RepositoryStr(), nil
		}
		u.location = location
	}
	if offset < u.b.size {
		if err := u.send(ctx, offset); err != nil {
			return "", err
		}
	}
	if err := u.commit(ctx); err != nil {
		return "", err
	}
	if u.resumed {
		return fmt.Sprintf("uploaded, resumed at %d%%", offset*100/u.b.size), nil
	}
	return "uploaded", nil
}

// offset asks how much of an upload that was cut has arrived; 0 means that it
// must be begun anew.
func (u *upload) offset(ctx context.Context) int64 {
	if u.location == "" {
		return 0
	}
	resp, err := u.s.requestURL(ctx, http.MethodGet, u.location, nil, nil, http.StatusNoContent, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return 0 // forgotten, or a registry that can't tell
	}
	defer resp.Body.Close()
	if next, err := nextLocation(resp); err == nil {
		u.location = next
	}
	got, ok := received(resp.Header.Get("Range"))
	if !ok || got > u.b.size {
		return 0
	}
	return got
}

// received reads the header Range of an upload's state, "0-1023", as the
// number of bytes that have arrived. 0-0 is said of none and of one.
func received(header string) (int64, bool) {
	first, last, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	if !ok || first != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(last, 10, 62)
	if err != nil || n == 0 {
		return 0, false
	}
	return int64(n) + 1, true
}

// send sends the blob from offset on to its end.
func (u *upload) send(ctx context.Context, offset int64) error {
	body := &blobBody{b: u.b, offset: offset, task: u.task}
	req, err := http.NewRequestWithContext(once(ctx), http.MethodPatch, u.location, body)
	if err != nil {
		return err
	}
	req.GetBody = func() (io.ReadCloser, error) {
		return &blobBody{b: u.b, offset: offset, task: u.task, fault: &body.failed}, nil
	}
	req.ContentLength = u.b.size - offset
	req.Header.Set("Content-Type", "application/octet-stream")
	if offset > 0 {
		req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", offset, u.b.size-1))
	}
	resp, err := u.s.do(req, http.StatusAccepted, http.StatusNoContent, http.StatusCreated, http.StatusOK)
	if failed := body.failed.Load(); failed != nil && err != nil {
		return failed
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	u.location, err = nextLocation(resp)
	return err
}

// commit ends an upload: the registry holds what it has against the digest.
func (u *upload) commit(ctx context.Context) error {
	target, err := url.Parse(u.location)
	if err != nil {
		return err
	}
	q := target.Query()
	q.Set("digest", u.b.digest)
	target.RawQuery = q.Encode()
	resp, err := u.s.requestURL(once(ctx), http.MethodPut, target.String(),
		http.Header{"Content-Type": {"application/octet-stream"}}, nil, http.StatusCreated, http.StatusOK, http.StatusNoContent)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	return stored(resp.Header, u.b.digest)
}

// putSmallBlob sends a blob from memory.
func (s *session) putSmallBlob(ctx context.Context, content []byte) error {
	d := digest.FromBytes(content).String()
	if there, err := s.hasBlob(ctx, d); err != nil || there {
		return err
	}
	location, _, err := s.begin(ctx, blob{})
	if err != nil {
		return err
	}
	u := &upload{s: s, location: location, task: progress.Discard.Stage("").Task("", 0), b: blob{digest: d, size: int64(len(content)),
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}}
	if err := u.send(ctx, 0); err != nil {
		return err
	}
	return u.commit(ctx)
}

func shortDigest(d string) string {
	_, hex, _ := strings.Cut(d, ":")
	return hex[:min(len(hex), 12)]
}
