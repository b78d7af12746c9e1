package shelf

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// atOnce is how many files are looked at, sent or copied at a time.
const atOnce = 8

// Check finds why the release could not go there.
func (s *Shelf) Check(ctx context.Context, p release.Plan) error {
	if err := s.Store.CheckWrite(ctx); err != nil {
		return err
	}
	r, _, err := s.readRecord(ctx, p.ReleaseName())
	if err != nil {
		return err
	}
	return s.checkSame(r, p, nil)
}

// Stage puts every file's content where no list leads.
func (s *Shelf) Stage(ctx context.Context, d publish.Delivery, st progress.Stage) (string, error) {
	files, place := s.wanted(d)
	if place == nil {
		return "nothing goes there", nil
	}
	r, _, err := s.readRecord(ctx, d.Plan.ReleaseName())
	if err != nil {
		return "", err
	}
	if err := s.checkSame(r, d.Plan, files); err != nil {
		return "", err
	}
	var mu sync.Mutex
	var sent, kept int
	var bytes int64
	g, inGroup := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, w := range files {
		g.Go(func() error {
			there, err := s.there(inGroup, w)
			if err == nil && !there {
				there, err = s.staged(inGroup, w)
			}
			if err == nil && !there {
				err = s.send(inGroup, w, st)
			}
			mu.Lock()
			defer mu.Unlock()
			if there {
				kept++
			} else {
				sent++
				bytes += w.Size
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return "", err
	}
	summary := fmt.Sprintf("%d files", sent)
	if kept > 0 {
		summary += fmt.Sprintf(", %d kept", kept)
	}
	return summary + fmt.Sprintf(" (%s sent)", progress.Bytes(bytes)), nil
}

// there says whether a file lies in its place already. Another one in its place
// is refused.
func (s *Shelf) there(ctx context.Context, w wanted) (bool, error) {
	o, err := s.Store.Stat(ctx, w.key)
	if errors.Is(err, publish.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	equal := o.Size == w.Size && o.Digest == w.Digest
	if o.Size == w.Size && o.Digest == "" {
		if equal, err = s.equal(ctx, w); err != nil {
			return false, err
		}
	}
	if !equal {
		return false, release.Refuse("look who put it there; delete it if nobody uses it, or make a new tag",
			"another file lies at %s in %s already", w.key, s.Store)
	}
	return true, nil
}

// equal reads an object whose digest nobody noted.
func (s *Shelf) equal(ctx context.Context, w wanted) (bool, error) {
	from, _, err := s.Store.Open(ctx, w.key)
	if err != nil {
		return false, err
	}
	defer from.Close()
	h := sha256.New()
	if _, err := io.Copy(h, from); err != nil {
		return false, fmt.Errorf("read %s: %w", w.key, err)
	}
	return "sha256:"+hex.EncodeToString(h.Sum(nil)) == w.Digest, nil
}

// staged says whether a file's content waits already.
func (s *Shelf) staged(ctx context.Context, w wanted) (bool, error) {
	o, err := s.Store.Stat(ctx, s.stagedKey(w.Digest))
	if errors.Is(err, publish.ErrNotFound) {
		return false, nil
	}
	return err == nil && o.Size == w.Size, err
}

func (s *Shelf) send(ctx context.Context, w wanted, st progress.Stage) error {
	task := st.Task(w.key, w.Size)
	_, err := s.Store.Put(ctx, s.stagedKey(w.Digest), publish.Content{Size: w.Size, Digest: w.Digest, Type: publish.MediaType(w.key), Open: w.Open, Progress: task.At}, publish.PutOptions{})
	task.Done(progress.Bytes(w.Size), err)
	return err
}
