package storm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// senders is how many deliveries are under way at once.
const senders = 32

// sender sends all deliveries, and each again until it is acknowledged.
type sender struct {
	world *world
	bots  *replicas
	order []int // of deliveries, each as often as it is sent
	next  atomic.Int64
	http  *http.Client

	mu           sync.Mutex
	acknowledged map[string]int // the delivery of each GUID that was
	again        int
}

func newSender(w *world, bots *replicas, o Options, random *rand.Rand) *sender {
	s := &sender{world: w, bots: bots, acknowledged: map[string]int{}, http: &http.Client{
		Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: senders, DisableCompression: true}}}
	for n := range w.deliveries {
		for range o.Times {
			s.order = append(s.order, n)
		}
	}
	random.Shuffle(len(s.order), func(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] })
	return s
}

// progress is the part of all sendings that was acknowledged.
func (s *sender) progress() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(len(s.acknowledged)) / float64(len(s.order))
}

func (s *sender) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for range senders {
		group.Go(func() error {
			for i := int(s.next.Add(1)) - 1; i < len(s.order); i = int(s.next.Add(1)) - 1 {
				if err := s.deliver(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// deliver sends until it is acknowledged. As with Gitea, each try has a GUID of
// its own.
func (s *sender) deliver(ctx context.Context, i int) error {
	const patience = time.Minute
	var last error
	for begun, try := time.Now(), 0; time.Since(begun) < patience; try++ {
		guid := fmt.Sprintf("%d-%d-%d", s.order[i], i, try)
		address := s.bots.pick(i + try)
		if address != "" {
			if last = s.post(ctx, address, guid, s.world.deliveries[s.order[i]]); last == nil {
				s.mu.Lock()
				s.acknowledged[guid] = s.order[i]
				s.mu.Unlock()
				return nil
			}
			s.mu.Lock()
			s.again++
			s.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("a delivery was not taken for %v: %w", patience, last)
}

func (s *sender) post(ctx context.Context, address, guid string, d delivery) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/webhook", bytes.NewReader(d.body))
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "X-Gitea-Event": d.event, "X-GitHub-Event": d.event,
		"X-Gitea-Delivery": guid, "X-GitHub-Delivery": guid, "X-Gitea-Signature": d.signature, "X-Hub-Signature-256": "sha256=" + d.signature} {
		req.Header.Set(name, value)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("the bot answers %d", resp.StatusCode)
	}
	return nil
}
