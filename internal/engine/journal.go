package engine

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/state"
)

// Journal is what a run leaves for the next one. It only saves work: a rerun
// without it looks at the forge itself and ends in the same place.
type Journal struct {
	Schema   string                  `json:"schema"` // slipway.journal/v1
	Tag      string                  `json:"tag"`
	PlanHash string                  `json:"planHash"`
	Checks   map[string]bool         `json:"checks,omitempty"` // sets of checks that passed, by their identity
	Assets   map[string]JournalAsset `json:"assets,omitempty"` // by asset name
	// Images that lie in all their registries, by the identity of what they are
	// made of.
	Images map[string]release.MadeImage `json:"images,omitempty"`
	// Tags that the release moves, by repository:tag, and the digest that each
	// had before; empty when it was not there.
	Tags map[string]string `json:"tags,omitempty"`
}

// JournalAsset is an asset that the forge confirmed.
type JournalAsset struct {
	ID     string `json:"id"`
	Digest string `json:"digest"`
}

const journalSchema = "slipway.journal/v1"

// journal keeps a Journal in a store, safe for several goroutines.
type journal struct {
	store   state.Store
	ref     string
	mu      sync.Mutex
	value   Journal
	version string
}

// openJournal reads the journal of a plan. One of another plan is begun anew,
// but what it knows of uploaded assets is kept: their digests are still true.
func openJournal(ctx context.Context, store state.Store, p release.Plan) (*journal, error) {
	j := &journal{store: store, ref: "builds/" + p.Commit + "/journal"}
	if p.Target != nil {
		j.ref = "releases/" + p.Target.String() + "/" + p.Tag + "/journal"
	}
	var err error
	if j.version, err = state.Load(ctx, store, j.ref, &j.value); err != nil {
		if j.version == "" {
			return nil, err
		}
		j.value = Journal{} // unreadable: it only saves work
	}
	if j.value.PlanHash != p.Hash() {
		j.value = Journal{Assets: j.value.Assets, Images: j.value.Images, Tags: j.value.Tags}
	}
	j.value.Schema, j.value.Tag, j.value.PlanHash = journalSchema, p.Tag, p.Hash()
	return j, nil
}

// update changes the journal and writes it down. When another process wrote
// in between, that process's entries are taken over first.
func (j *journal) update(ctx context.Context, change func(*Journal)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		change(&j.value)
		v, err := state.Save(ctx, j.store, j.ref, j.value, j.version)
		if err == nil {
			j.version = v
			return nil
		}
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
		var theirs Journal
		if j.version, err = state.Load(ctx, j.store, j.ref, &theirs); err != nil {
			return err
		}
		if theirs.PlanHash == j.value.PlanHash {
			j.value = theirs
		}
	}
}

func (j *journal) read() Journal {
	j.mu.Lock()
	defer j.mu.Unlock()
	v := j.value
	v.Assets, v.Images, v.Tags = maps.Clone(v.Assets), maps.Clone(v.Images), maps.Clone(v.Tags)
	return v
}

func (j *journal) uploaded(ctx context.Context, name string, a JournalAsset) error {
	return j.update(ctx, func(v *Journal) {
		if v.Assets == nil {
			v.Assets = map[string]JournalAsset{}
		}
		v.Assets[name] = a
	})
}

func (j *journal) passed(ctx context.Context, checks string) error {
	return j.update(ctx, func(v *Journal) {
		if v.Checks == nil {
			v.Checks = map[string]bool{}
		}
		v.Checks[checks] = true
	})
}

// tagged remembers where a tag was before the release moves it; the first time
// counts.
func (j *journal) tagged(ctx context.Context, tag, before string) error {
	return j.update(ctx, func(v *Journal) {
		if v.Tags == nil {
			v.Tags = map[string]string{}
		}
		if _, known := v.Tags[tag]; !known {
			v.Tags[tag] = before
		}
	})
}

func (j *journal) untagged(ctx context.Context, tag string) error {
	return j.update(ctx, func(v *Journal) { delete(v.Tags, tag) })
}
