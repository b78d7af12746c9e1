package memory

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Ref is a tag or branch with the object it names.
type Ref struct {
	Name   string // refs/tags/v1.0.0
	Object string // hash of the tag object or the commit
	Type   string // "commit" or "tag"
}

// TagObject is an annotated tag's object.
type TagObject struct {
	Hash, Name, Message, Tagger, Email string
	Date                               time.Time
	Target                             string // hash of what it points at
	TargetType                         string
}

// Commit is a commit, as far as a forge's releases need it.
type Commit struct {
	Hash    string
	Time    time.Time // committer's
	Message string
}

// Refs are a repository's tags, branches and commits. Not found is false or
// empty, never an error.
type Refs interface {
	// Matching lists refs whose full name starts with prefix, sorted.
	Matching(ctx context.Context, prefix string) ([]Ref, error)
	// Peel resolves refs/tags/… to its commit.
	Peel(ctx context.Context, ref string) (Commit, bool, error)
	// TagObject reads an annotated tag's object.
	TagObject(ctx context.Context, hash string) (TagObject, bool, error)
	// Commit finds a full hash or a branch.
	Commit(ctx context.Context, rev string) (Commit, bool, error)
	// SetTag makes or moves a lightweight tag.
	SetTag(ctx context.Context, name, commit string) error
	// DeleteTag removes a tag; one that is gone is no error.
	DeleteTag(ctx context.Context, name string) error
	// DefaultBranch is empty in a repository without commits.
	DefaultBranch(ctx context.Context) (string, error)
	// Fork makes a commit that differs from the given one and is not on any
	// branch; a tag can be moved there.
	Fork(ctx context.Context, commit string) (string, error)
	// Merge makes a merge commit of head into a branch, and moves the branch
	// there.
	Merge(ctx context.Context, branch, head, message string) (string, error)
}

// MemoryRefs are refs without git.
type MemoryRefs struct {
	mu      sync.Mutex
	branch  string
	refs    map[string]Ref
	tags    map[string]TagObject
	commits map[string]Commit
}

// NewRefs has no commit yet: the repository is empty until SetBranch.
func NewRefs() *MemoryRefs {
	return &MemoryRefs{refs: map[string]Ref{}, tags: map[string]TagObject{}, commits: map[string]Commit{}}
}

// Hash makes a stable, made-up object name out of a word.
func Hash(word string) string {
	sum := sha1.Sum([]byte(word))
	return hex.EncodeToString(sum[:])
}

// AddCommit makes a commit known.
func (m *MemoryRefs) AddCommit(c Commit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commits[c.Hash] = c
}

// SetBranch points a branch at a commit; the first one is the default branch.
func (m *MemoryRefs) SetBranch(name, commit string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.know(commit)
	m.refs["refs/heads/"+name] = Ref{Name: "refs/heads/" + name, Object: commit, Type: "commit"}
	if m.branch == "" {
		m.branch = name
	}
}

func (m *MemoryRefs) know(commit string) {
	if _, ok := m.commits[commit]; !ok {
		m.commits[commit] = Commit{Hash: commit, Message: "commit " + commit[:min(7, len(commit))]}
	}
}

// SetAnnotatedTag makes or moves an annotated tag.
func (m *MemoryRefs) SetAnnotatedTag(name, commit, message string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.know(commit)
	obj := TagObject{
		Hash: Hash("tag " + name + " " + commit + " " + message), Name: name, Message: message,
		Tagger: "A Maintainer", Email: "maintainer@example.org", Date: m.commits[commit].Time,
		Target: commit, TargetType: "commit",
	}
	m.tags[obj.Hash] = obj
	m.refs["refs/tags/"+name] = Ref{Name: "refs/tags/" + name, Object: obj.Hash, Type: "tag"}
}

func (m *MemoryRefs) SetTag(_ context.Context, name, commit string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.know(commit)
	m.refs["refs/tags/"+name] = Ref{Name: "refs/tags/" + name, Object: commit, Type: "commit"}
	return nil
}

func (m *MemoryRefs) DeleteTag(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.refs, "refs/tags/"+name)
	return nil
}

func (m *MemoryRefs) Matching(_ context.Context, prefix string) ([]Ref, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Ref
	for _, name := range slices.Sorted(maps.Keys(m.refs)) {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			out = append(out, m.refs[name])
		}
	}
	return out, nil
}

func (m *MemoryRefs) Peel(_ context.Context, ref string) (Commit, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.refs[ref]
	if !ok {
		return Commit{}, false, nil
	}
	hash := r.Object
	if r.Type == "tag" {
		hash = m.tags[hash].Target
	}
	c, ok := m.commits[hash]
	return c, ok, nil
}

func (m *MemoryRefs) TagObject(_ context.Context, hash string) (TagObject, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tags[hash]
	return t, ok, nil
}

func (m *MemoryRefs) Commit(_ context.Context, rev string) (Commit, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.refs["refs/heads/"+rev]; ok {
		rev = r.Object
	}
	c, ok := m.commits[rev]
	return c, ok, nil
}

func (m *MemoryRefs) DefaultBranch(context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.branch, nil
}

func (m *MemoryRefs) Fork(_ context.Context, commit string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.commits[commit]
	if !ok {
		return "", fmt.Errorf("no commit %s", commit)
	}
	c.Hash = Hash("fork of " + commit)
	m.commits[c.Hash] = c
	return c.Hash, nil
}

func (m *MemoryRefs) Merge(_ context.Context, branch, head, message string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	base, ok := m.refs["refs/heads/"+branch]
	at, known := m.commits[base.Object]
	if !ok || !known {
		return "", fmt.Errorf("no branch %s", branch)
	}
	c := Commit{Hash: Hash("merge of " + head + " into " + base.Object), Time: at.Time, Message: message}
	m.commits[c.Hash] = c
	m.refs["refs/heads/"+branch] = Ref{Name: base.Name, Object: c.Hash, Type: "commit"}
	return c.Hash, nil
}
