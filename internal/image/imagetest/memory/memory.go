// Package memory is a registry in memory that behaves: it implements
// image.Registry for tests of what uses one, with faults on demand.
package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/release"
)

// Op is one call, or one document that is put in.
type Op struct {
	Name       string // CheckPush, Find, Tag, Untag, Put
	Repository string
	Reference  string // tag or digest
}

// Registry keeps documents and tags. Its zero value is an empty registry that
// takes everything; set the fields before it is used.
type Registry struct {
	// Before is asked before a call takes effect, After once it has: what they
	// return is the call's error. Nil lets everything through.
	Before, After func(Op) error
	// NoDeletes is a registry that deletes nothing.
	NoDeletes bool
	// Immutable keeps every tag where it was set first.
	Immutable bool

	mu     sync.Mutex
	repos  map[string]*repo
	writes int64
}

type repo struct {
	docs map[string]doc
	tags map[string]string
}

type doc struct {
	mediaType string
	raw       []byte
}

var _ image.Registry = (*Registry)(nil)

// Put stores a document by its digest, as a maker does, and returns that.
func (r *Registry) Put(repository, mediaType string, raw []byte) (string, error) {
	d := digest.FromBytes(raw).String()
	err := r.do(Op{"Put", repository, d}, func(at *repo) error {
		if _, ok := at.docs[d]; !ok {
			at.docs[d] = doc{mediaType, slices.Clone(raw)}
			r.writes++
		}
		return nil
	})
	return d, err
}

// Tags gives the tags of a repository and what they point at.
func (r *Registry) Tags(repository string) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.at(repository).tags)
}

// Digests gives the documents of a repository, sorted.
func (r *Registry) Digests(repository string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.at(repository).docs))
}

// Writes counts the changes so far.
func (r *Registry) Writes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writes
}

func (r *Registry) CheckPush(ctx context.Context, repository string) error {
	return r.call(ctx, Op{Name: "CheckPush", Repository: repository}, func(*repo) error { return nil })
}

func (r *Registry) Find(ctx context.Context, repository, reference string) (found image.Found, err error) {
	op := Op{"Find", repository, reference}
	err = r.call(ctx, op, func(at *repo) error {
		d := reference
		if !strings.Contains(d, ":") {
			d = at.tags[d]
		}
		is, ok := at.docs[d]
		if !ok {
			return fault(op, release.Failed, image.ErrNotFound)
		}
		var own struct {
			Annotations map[string]string `json:"annotations"`
		}
		if err := json.Unmarshal(is.raw, &own); err != nil {
			return fmt.Errorf("the document %s is no manifest: %w", d, err)
		}
		found = image.Found{Digest: d, MediaType: is.mediaType, Size: int64(len(is.raw)), Annotations: own.Annotations}
		return nil
	})
	return found, err
}

func (r *Registry) Tag(ctx context.Context, repository, digest, tag string) error {
	op := Op{"Tag", repository, tag}
	return r.call(ctx, op, func(at *repo) error {
		if err := checkTag(tag); err != nil {
			return err
		}
		if at.tags[tag] == digest {
			return nil
		}
		if _, ok := at.docs[digest]; !ok {
			return fault(op, release.Failed, image.ErrNotFound)
		}
		if r.Immutable && at.tags[tag] != "" {
			return fault(op, release.Refused, image.ErrProtected)
		}
		at.tags[tag] = digest
		r.writes++
		return nil
	})
}

func (r *Registry) Untag(ctx context.Context, repository, tag string) error {
	op := Op{"Untag", repository, tag}
	return r.call(ctx, op, func(at *repo) error {
		if err := checkTag(tag); err != nil {
			return err
		}
		switch {
		case at.tags[tag] == "":
			return nil
		case r.NoDeletes:
			return fault(op, release.Failed, image.ErrUnsupported)
		case r.Immutable:
			return fault(op, release.Refused, image.ErrProtected)
		}
		delete(at.tags, tag)
		r.writes++
		return nil
	})
}

func (r *Registry) call(ctx context.Context, op Op, f func(*repo) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	named, err := reference.ParseNormalizedNamed(op.Repository)
	if err != nil || !reference.IsNameOnly(named) || named.String() != op.Repository {
		return release.Invalidf("", "%q is not the canonical name of a repository", op.Repository)
	}
	return r.do(op, f)
}

func (r *Registry) do(op Op, f func(*repo) error) error {
	if r.Before != nil {
		if err := r.Before(op); err != nil {
			return err
		}
	}
	r.mu.Lock()
	err := f(r.at(op.Repository))
	r.mu.Unlock()
	if err == nil && r.After != nil {
		err = r.After(op)
	}
	return err
}

func (r *Registry) at(repository string) *repo {
	if r.repos == nil {
		r.repos = map[string]*repo{}
	}
	if r.repos[repository] == nil {
		r.repos[repository] = &repo{docs: map[string]doc{}, tags: map[string]string{}}
	}
	return r.repos[repository]
}

func fault(op Op, kind release.Kind, is error) error {
	return &release.Error{Kind: kind, Message: fmt.Sprintf("%s %s:%s", op.Name, op.Repository, op.Reference), Err: is}
}

func checkTag(tag string) error {
	if loc := reference.TagRegexp.FindStringIndex(tag); loc == nil || loc[0] != 0 || loc[1] != len(tag) {
		return release.Invalidf("", "%q can't be a tag", tag)
	}
	return nil
}
