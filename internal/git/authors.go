package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
)

// KnownAuthors reports which of the addresses (as Log gives them, upper and
// lower case alike) have written a commit in before's history, itself included;
// with an empty before, none has. It reads the history until all are found.
// When one isn't, all of it was read, and the addresses are kept in
// <CommonDir>/slipway/authors, so that the next call reads only what is new.
func (r *Repo) KnownAuthors(ctx context.Context, before string, emails []string) (map[string]bool, error) {
	known := make(map[string]bool, len(emails))
	if before == "" || len(emails) == 0 {
		return known, nil
	}
	tip, err := r.resolve(ctx, before)
	if err != nil {
		return nil, err
	}
	missing := map[string]bool{}
	for _, e := range emails {
		missing[strings.ToLower(e)] = true
	}
	if err := r.findAuthors(ctx, tip, missing); err != nil {
		return nil, fmt.Errorf("read the authors before %s: %w", before, err)
	}
	for _, e := range emails {
		if !missing[strings.ToLower(e)] {
			known[e] = true
		}
	}
	return known, nil
}

// findAuthors takes the addresses out of missing that are in tip's history.
func (r *Repo) findAuthors(ctx context.Context, tip string, missing map[string]bool) error {
	// The mailmap is the tip's own, so that what is kept for this tip is good.
	kept, ok := r.readAuthors()
	if ok && kept.tip == tip && !r.IsShallow() {
		kept.strike(missing)
		return nil
	}
	if ok { // whether it is good for tip is asked only when it is needed
		if err := r.findRecent(ctx, tip, missing); err != nil || len(missing) == 0 {
			return err
		}
	}
	cache, err := r.loadAuthors(ctx, tip)
	if err != nil {
		return err
	}
	cache.strike(missing)
	if len(missing) == 0 || cache.tip == tip {
		return nil
	}
	revs := []string{tip}
	if cache.tip != "" {
		revs = append(revs, "^"+cache.tip)
	}
	c := r.command(append(append([]string{"log", "--format=%aE", "--end-of-options"}, revs...), "--")...)
	c.Env = r.mailmapEnv(tip)
	seen := map[string]bool{} // as written, to lower each once
	err = r.eachRecord(ctx, c, '\n', func(b []byte) error {
		if seen[string(b)] {
			return nil
		}
		seen[string(b)] = true
		email := strings.ToLower(validUTF8(b))
		cache.emails[email] = true
		delete(missing, email)
		if len(missing) == 0 {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil || len(missing) == 0 {
		return err // what was not read to its end must not be kept
	}
	cache.tip = tip
	r.saveAuthors(cache)
	return nil
}

// recent is how many commits are read before the cache is looked at: people who
// come back have mostly been there a short while ago.
const recent = 1000

// findRecent takes the addresses out of missing that are near tip.
func (r *Repo) findRecent(ctx context.Context, tip string, missing map[string]bool) error {
	c := r.command("log", "--format=%aE", "--max-count="+strconv.Itoa(recent), "--end-of-options", tip, "--")
	c.Env = r.mailmapEnv(tip)
	return r.eachRecord(ctx, c, '\n', func(b []byte) error {
		delete(missing, strings.ToLower(validUTF8(b)))
		if len(missing) == 0 {
			return fs.SkipAll
		}
		return nil
	})
}

// authorCache is the set of authors of tip's whole history.
type authorCache struct {
	tip     string // full hash, empty for a new one
	mailmap string // hash of the .mailmap that the addresses went through
	emails  map[string]bool
}

// strike takes the authors out of missing.
func (c authorCache) strike(missing map[string]bool) {
	for e := range missing {
		if c.emails[e] {
			delete(missing, e)
		}
	}
}

const authorsHeader = "slipway authors 1"

// encode gives the cache's file: header, tip, mailmap, a checksum of the rest,
// and the addresses, one a line.
func (c authorCache) encode() []byte {
	emails := strings.Join(slices.Sorted(maps.Keys(c.emails)), "\n")
	return fmt.Appendf(nil, "%s\n%s\n%s\n%s\n%s", authorsHeader, c.tip, c.mailmap, c.checksum(emails), emails)
}

func (c authorCache) checksum(emails string) string {
	sum := sha256.Sum256([]byte(c.tip + "\n" + c.mailmap + "\n" + emails))
	return hex.EncodeToString(sum[:])
}

// decodeAuthors reads what encode wrote; ok is false for anything else.
func decodeAuthors(b []byte) (c authorCache, ok bool) {
	f := strings.SplitN(string(b), "\n", 5)
	if len(f) != 5 || f[0] != authorsHeader {
		return c, false
	}
	c = authorCache{tip: f[1], mailmap: f[2], emails: map[string]bool{}}
	if !fullHash.MatchString(c.tip) || c.checksum(f[4]) != f[3] {
		return authorCache{}, false
	}
	for e := range strings.SplitSeq(f[4], "\n") {
		c.emails[e] = true
	}
	return c, true
}

func (r *Repo) authorsFile() string { return filepath.Join(r.commonDir, "slipway", "authors") }

// loadAuthors gives the kept authors when they are good for tip: whole, made
// with the same mailmap, and of a commit in tip's history. Otherwise it gives
// a new, empty cache.
func (r *Repo) loadAuthors(ctx context.Context, tip string) (authorCache, error) {
	mailmap, err := r.line(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", tip+":.mailmap")
	if err != nil && exitCode(err) != 1 {
		return authorCache{}, err
	}
	c, ok := r.readAuthors()
	if ok && c.mailmap == mailmap && !r.IsShallow() {
		// A tip that is gone (rewritten and collected) makes git fail: not good either.
		if good, err := r.IsAncestor(ctx, c.tip, tip); err == nil && good {
			return c, nil
		}
	}
	return authorCache{mailmap: mailmap, emails: map[string]bool{}}, ctx.Err()
}

// readAuthors gives what was kept; ok is false when nothing that can be read was.
func (r *Repo) readAuthors() (c authorCache, ok bool) {
	b, err := os.ReadFile(r.authorsFile())
	if err != nil {
		return authorCache{}, false
	}
	return decodeAuthors(b)
}

// saveAuthors keeps the authors, as far as that can be done: a repository that
// can't be written to only makes the next run slower. A shallow clone doesn't
// know all of its authors, and keeps none.
func (r *Repo) saveAuthors(c authorCache) {
	if r.IsShallow() {
		return
	}
	file := r.authorsFile()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return
	}
	_ = renameio.WriteFile(file, c.encode(), 0o644)
}
