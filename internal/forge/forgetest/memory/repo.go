package memory

import (
	"context"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Options make a repository. The zero value of a field means: the dialect's
// default, or none.
type Options struct {
	Dialect  Dialect
	FullName string // owner/name
	// Refs are its tags, branches and commits; nil makes a [MemoryRefs] with
	// one commit on main.
	Refs Refs
	// Dir is where assets are kept, as <Dir>/<tag>/<name>; empty keeps them in
	// memory.
	Dir string
	// Clock is the forge's clock; nil is the machine's.
	Clock func() time.Time
	// Limits replace the dialect's own, field by field.
	Limits forge.Limits
	// Immutable is GitHub's setting of that name.
	Immutable bool
	Archived  bool
	// Missing makes every call answer that there is no such repository.
	Missing bool
	// ProtectedTags are patterns (as in path.Match) of tags that a token may
	// not create.
	ProtectedTags []string
	// Private hides the repository from those who have no permission.
	Private bool
	// People are the server's accounts; nil makes new ones.
	People *People
	// PublicURL is the address of the repository's page.
	PublicURL string
	// IDs numbers releases and assets; nil starts anew. Repositories of one
	// server share one, as they do on the real forges.
	IDs *Sequence
	// OnChange sees, after each change and before anybody else can look, what
	// the public sees from then on. It must not call back.
	OnChange func(public []forge.Release)
	// OnEvent hears, after each change, what webhooks would be told. It may look
	// at the repository, and is called by whoever made the change.
	OnEvent func(Happening)
	// OnTalk sees a comment after each change of it or of its reactions. It must
	// not call back.
	OnTalk func(Comment)
}

// Sequence hands out ids.
type Sequence struct{ release, asset, other atomic.Int64 }

func (s *Sequence) nextRelease() int64 { return 1000 + s.release.Add(1) }
func (s *Sequence) nextAsset() int64   { return 5000 + s.asset.Add(1) }

// nextOther numbers everything else: comments, statuses, runs, hooks …
func (s *Sequence) nextOther() int64 { return 90000 + s.other.Add(1) }

// Repo is one repository on a forge, as the forge itself has it. Its methods
// may be called from several goroutines.
type Repo struct {
	dialect  Dialect
	fullName string
	refs     Refs
	clock    func() time.Time
	limits   forge.Limits
	url      string
	ids      *Sequence
	onChange func([]forge.Release)
	onEvent  func(Happening)
	onTalk   func(Comment)
	people   *People
	private  bool
	missing  bool
	store    store

	mu sync.Mutex
	desk
	immutable bool
	archived  bool
	protected []string
	releases  []*storedRelease // oldest first
	latest    int64            // id that make_latest chose
	// burnt are tags that an immutable release has used, for ever.
	burnt map[string]bool
	// tagRows are, on Gitea, the rows that a deleted release leaves behind for
	// its tag: the next release for it gets the same id.
	tagRows map[string]int64
}

// desk is all that a repository has besides releases.
type desk struct {
	grants      map[string]forge.Permission // by lower-case login
	issues      []*Issue                    // number 1 first
	comments    []*Comment                  // oldest first
	statuses    []Status                    // oldest first
	checkRuns   []CheckRun
	workflows   []Workflow
	runs        []*Run // oldest first
	deployments []Deployment
	hooks       []Hook
	deliveries  []HookDelivery // oldest first
	untold      []Happening
}

// New makes a repository without releases.
func New(o Options) *Repo {
	r := &Repo{
		dialect: o.Dialect, fullName: o.FullName, refs: o.Refs, clock: o.Clock, url: o.PublicURL,
		limits: o.Dialect.enforced(), ids: o.IDs, onChange: o.OnChange, onEvent: o.OnEvent, onTalk: o.OnTalk, people: o.People, private: o.Private,
		desk: desk{grants: map[string]forge.Permission{}}, store: store{dir: o.Dir}, missing: o.Missing,
		immutable: o.Immutable, archived: o.Archived, protected: o.ProtectedTags,
		burnt: map[string]bool{}, tagRows: map[string]int64{},
	}
	if r.dialect == "" {
		r.dialect = GitHub
		r.limits = GitHub.enforced()
	}
	if r.fullName == "" {
		r.fullName = "acme/hello"
	}
	if r.url == "" {
		r.url = "https://forge.example/" + r.fullName
	}
	if r.clock == nil {
		r.clock = time.Now
	}
	if r.people == nil {
		r.people = NewPeople(r.dialect)
	}
	if r.ids == nil {
		r.ids = &Sequence{}
	}
	if r.refs == nil {
		refs := NewRefs()
		refs.SetBranch("main", Hash("first commit"))
		r.refs = refs
	}
	if o.Limits.Assets > 0 {
		r.limits.Assets = o.Limits.Assets
	}
	if o.Limits.AssetSize > 0 {
		r.limits.AssetSize = o.Limits.AssetSize
	}
	if o.Limits.NotesSize > 0 {
		r.limits.NotesSize = o.Limits.NotesSize
	}
	return r
}

func (r *Repo) FullName() string { return r.fullName }
func (r *Repo) Refs() Refs       { return r.refs }

// SetArchived and SetImmutable change the repository's settings.
func (r *Repo) SetArchived(on bool)  { r.mu.Lock(); r.archived = on; r.mu.Unlock() }
func (r *Repo) SetImmutable(on bool) { r.mu.Lock(); r.immutable = on; r.mu.Unlock() }

func (r *Repo) archivedNow() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.archived
}

// Info is what a forge tells of the repository itself.
type Info struct {
	DefaultBranch string
	Empty         bool
	Archived      bool
	Immutable     bool
	Private       bool
	Releases      int // published ones
}

// Info reads it.
func (r *Repo) Info(ctx context.Context) (Info, error) {
	branch, err := r.refs.DefaultBranch(ctx)
	if err != nil {
		return Info{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	in := Info{DefaultBranch: branch, Empty: branch == "", Archived: r.archived, Immutable: r.immutable && r.dialect == GitHub, Private: r.private}
	if in.Empty {
		in.DefaultBranch = "main"
	}
	for _, rel := range r.releases {
		if !rel.Draft {
			in.Releases++
		}
	}
	return in, nil
}

// isProtected says whether creating the tag is forbidden.
func (r *Repo) isProtected(tag string) bool {
	for _, p := range r.protected {
		if ok, err := path.Match(p, tag); ok && err == nil {
			return true
		}
	}
	return false
}

// DeleteTag removes a tag as a push would: a release that was published on it
// turns back into a draft, on both forges. An immutable release's tag stays.
func (r *Repo) DeleteTag(ctx context.Context, name string) error {
	r.mu.Lock()
	for _, rel := range r.releases {
		if rel.Tag == name && rel.Immutable {
			r.mu.Unlock()
			return invalid(forge.ErrImmutable, Detail{Resource: "Reference", Code: "custom", Message: "tag is used by an immutable release"})
		}
	}
	r.mu.Unlock()
	if err := r.refs.DeleteTag(ctx, name); err != nil {
		return err
	}
	return r.Settle(ctx)
}

// Settle does what a forge does after a push: releases whose tag is gone turn
// into drafts.
func (r *Repo) Settle(ctx context.Context) error {
	tags, err := r.refs.Matching(ctx, "refs/tags/")
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, t := range tags {
		have[t.Name] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := false
	for _, rel := range r.releases {
		if !rel.Draft && !have["refs/tags/"+rel.Tag] {
			rel.Draft = true
			changed = true
		}
	}
	if changed {
		r.changed()
	}
	return nil
}
