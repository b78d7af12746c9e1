package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// What a flood is made of.
const (
	floodSecret      = "the secret of all webhooks"
	floodConnections = 64
	floodSize        = 30_000 // bytes of a body, about
	floodBodies      = 64     // different ones
)

// delivery is a signed push as GitHub sends it.
type delivery struct{ body, signature []byte }

// pushes are deliveries of pushes to branches that release nothing, of twenty
// repositories: what most of a bot's deliveries are.
func pushes() ([]delivery, error) {
	random := rand.New(rand.NewPCG(5, 30_000))
	hash := func() string {
		var sum [20]byte
		for i := range sum {
			sum[i] = byte(random.Uint32())
		}
		return hex.EncodeToString(sum[:])
	}
	all := make([]delivery, floodBodies)
	for i := range all {
		body, err := json.Marshal(pushOf(fmt.Sprintf("acme/r%d", i%20), hash))
		if err != nil {
			return nil, err
		}
		mac := hmac.New(sha256.New, []byte(floodSecret))
		mac.Write(body)
		all[i] = delivery{body, hex.AppendEncode([]byte("sha256="), mac.Sum(nil))}
	}
	return all, nil
}

// pushOf is a push of as many commits as make it large enough.
func pushOf(repository string, hash func() string) map[string]any {
	page := "https://github.com/" + repository
	person := map[string]any{"name": "A Maintainer", "email": "maintainer@example.org", "username": "maintainer"}
	account := map[string]any{"login": "maintainer", "id": 21031067, "node_id": "MDQ6VXNlcjIxMDMxMDY3", "type": "User", "site_admin": false,
		"url": "https://api.github.com/users/maintainer", "html_url": "https://github.com/maintainer", "avatar_url": "https://avatars.githubusercontent.com/u/21031067?v=4"}
	var commits []any
	size := 3000 // of what is around them
	for i := 0; size < floodSize; i++ {
		id := hash()
		commit := map[string]any{
			"id": id, "tree_id": hash(), "distinct": true, "message": fmt.Sprintf("feat(harbour): lift crane %d\n\nIt stood in the way of ship %s.", i, hash()),
			"timestamp": "2026-05-15T15:20:30Z", "url": page + "/commit/" + id, "author": person, "committer": person,
			"added": []string{"docs/" + hash() + ".md"}, "removed": []string{}, "modified": []string{"harbour/crane.go", "harbour/" + hash() + ".go"},
		}
		text, _ := json.Marshal(commit) // strings only
		size += len(text) + 1
		commits = append(commits, commit)
	}
	last, _ := commits[len(commits)-1].(map[string]any)
	return map[string]any{
		"ref": "refs/heads/topic", "before": hash(), "after": last["id"], "base_ref": nil, "created": false, "deleted": false, "forced": false,
		"compare": page + "/compare/topic", "commits": commits, "head_commit": last, "sender": account,
		"pusher": map[string]any{"name": "maintainer", "email": "maintainer@example.org"},
		"repository": map[string]any{"id": 186853002, "node_id": "MDEwOlJlcG9zaXRvcnkxODY4NTMwMDI=", "name": repository[len("acme/"):], "full_name": repository,
			"private": false, "html_url": page, "url": page, "clone_url": page + ".git", "default_branch": "main", "master_branch": "main", "fork": false,
			"created_at": 1557933565, "updated_at": "2026-05-15T15:20:41Z", "pushed_at": 1557933657, "size": 0, "owner": account},
	}
}

// flooded is what came of a flood.
type flooded struct {
	took      time.Duration
	latencies []time.Duration // of those that were answered with 2xx
	accepted  []string        // their GUIDs
	refused   int
}

func (f flooded) perSecond() float64 { return float64(len(f.accepted)) / f.took.Seconds() }

// flood sends a number of deliveries to a receiver over connections that are
// kept open. It costs little, because it shares the machine with the receiver.
func flood(ctx context.Context, address string, all []delivery, count int) (flooded, error) {
	var next atomic.Int64
	parts := make([]flooded, floodConnections)
	group, ctx := errgroup.WithContext(ctx)
	begun := time.Now()
	for i := range parts {
		group.Go(func() error {
			c, err := dialFlood(ctx, address)
			if err != nil {
				return err
			}
			defer c.Close()
			for n := next.Add(1); n <= int64(count); n = next.Add(1) {
				if err := c.send(all[n%int64(len(all))], guid(n), &parts[i]); err != nil {
					return fmt.Errorf("delivery %d: %w", n, err)
				}
			}
			return nil
		})
	}
	err := group.Wait()
	whole := flooded{took: time.Since(begun)}
	for _, p := range parts {
		whole.latencies = append(whole.latencies, p.latencies...)
		whole.accepted = append(whole.accepted, p.accepted...)
		whole.refused += p.refused
	}
	return whole, err
}

func guid(n int64) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

type floodConn struct {
	net.Conn
	answers *bufio.Reader
	head    []byte
}

func dialFlood(ctx context.Context, address string) (*floodConn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = c.Close() })
	return &floodConn{Conn: c, answers: bufio.NewReader(c)}, nil
}

func (c *floodConn) send(d delivery, guid string, to *flooded) error {
	c.head = fmt.Appendf(c.head[:0], "POST /webhook HTTP/1.1\r\nHost: bot\r\nUser-Agent: GitHub-Hookshot/044aadd\r\nAccept: */*\r\nContent-Type: application/json\r\n"+
		"X-GitHub-Event: push\r\nX-GitHub-Delivery: %s\r\nX-GitHub-Hook-ID: 292430182\r\nX-Hub-Signature-256: %s\r\nContent-Length: %d\r\n\r\n", guid, d.signature, len(d.body))
	begun := time.Now()
	if _, err := (&net.Buffers{c.head, d.body}).WriteTo(c.Conn); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close() // was read to its end
	if answer.StatusCode >= 300 {
		to.refused++
		return err
	}
	to.latencies = append(to.latencies, time.Since(begun))
	to.accepted = append(to.accepted, guid)
	return err
}

// percentile of times that are not sorted; 0 without any.
func percentile(all []time.Duration, p float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(p*float64(len(sorted)-1))]
}
