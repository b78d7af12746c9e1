// Package forge says what Slipway needs of a forge, in domain types only.
// Adapters (github, gitea) speak each forge's wire; forgetest holds the
// in-memory forge and the conformance suite that all of them run.
package forge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Forge is one repository on one forge, seen with one token.
//
// Every method may be called from several goroutines. Methods that only read,
// and Update, DeleteAsset and DeleteDraft, retry passing faults (5xx, cut
// connections, rate limits) by themselves, as long as the context lives.
// CreateDraft and Upload retry only answers which say that nothing was done
// (rate limits, or no connection at all): after any other fault they return an
// error for which Uncertain is true, and the caller must look at what is there
// before it tries again.
//
// Errors satisfy errors.Is with ErrNotFound, ErrUnauthorized, ErrForbidden,
// ErrConflict, ErrTooLarge, ErrRejected, ErrImmutable or ErrNotForge where
// they apply, and their text names the operation and says what the forge
// answered. Lists are complete: adapters follow every page.
type Forge interface {
	// Repository reads what preflight must know.
	Repository(ctx context.Context) (Repository, error)

	// Tag finds what a tag points at on the forge, annotated tags resolved to
	// their commit. ErrNotFound when there is no such tag.
	Tag(ctx context.Context, name string) (Tag, error)

	// Releases lists every release for the tag, drafts included, oldest first,
	// each with all its assets, broken ones included. No release is an empty
	// list, not an error. (GitHub allows several drafts for one tag.)
	Releases(ctx context.Context, tag string) ([]Release, error)

	// CreateDraft makes a draft release. It stays unseen by the public until
	// Update publishes it, and makes no tag until then.
	CreateDraft(ctx context.Context, d Draft) (Release, error)

	// Update changes a release's texts and, with Publish set, makes it public:
	// the one moment at which readers see it, whole. Repeating it is harmless.
	Update(ctx context.Context, id string, u Update) (Release, error)

	// Upload attaches a file to a release, streamed, never held in memory. The
	// name must pass release.CheckAssetName. ErrConflict when the forge refuses
	// a name that is taken; some forges accept a second asset of the same name,
	// so the caller deletes the old one first.
	Upload(ctx context.Context, releaseID string, u Upload) (Asset, error)

	// DeleteAsset removes an asset; one that is gone already is no error.
	DeleteAsset(ctx context.Context, releaseID string, a Asset) error

	// OpenAsset reads an asset's content; the caller closes it.
	OpenAsset(ctx context.Context, releaseID string, a Asset) (io.ReadCloser, error)

	// DeleteDraft removes a draft with its assets; one that is gone already is
	// no error. A published release is never deleted: ErrConflict.
	DeleteDraft(ctx context.Context, id string) error
}

// Repository is what preflight must know of a repository.
type Repository struct {
	FullName      string // owner/name as the forge spells it
	DefaultBranch string
	CanWrite      bool // the token may write releases, as far as the forge tells
	Archived      bool
	Empty         bool
	Immutable     bool // publishing freezes tag and assets (GitHub's immutable releases)
	Limits        Limits
}

// Limits are what the forge takes; 0 means that no limit is known.
type Limits struct {
	Assets    int   // assets in one release
	AssetSize int64 // bytes in one asset
	NotesSize int   // characters in a release's body
}

// Tag is a tag on the forge.
type Tag struct {
	Name   string
	Commit string // full hash
}

// Release is a release as the forge has it.
type Release struct {
	ID         string
	Tag        string
	Target     string // commit or branch for a tag that does not exist yet
	Title      string
	Body       string
	Draft      bool
	Prerelease bool
	Immutable  bool
	URL        string // the page
	UploadURL  string // GitHub's upload_url template, empty elsewhere
	Assets     []Asset
	Created    time.Time
}

// Asset is a file of a release.
type Asset struct {
	ID     string
	Name   string // as the forge stored it
	Size   int64
	Digest string // sha256:<hex>, empty where the forge gives none
	Broken bool   // an upload that never ended (GitHub's state "starter")
	URL    string // download
}

// Draft is a release to be made.
type Draft struct {
	Tag        string
	Commit     string // for a tag that does not exist yet
	Title      string
	Body       string
	Prerelease bool
}

// Update changes a release. Every field is written.
type Update struct {
	Draft
	Publish bool // false leaves it a draft
	Latest  bool // with Publish: make it the forge's latest release, where the forge lets one say
}

// Upload is a file to attach.
type Upload struct {
	Name string
	Size int64
	// Open opens the content anew for each try.
	Open func() (io.ReadCloser, error)
	// Progress is told the bytes sent so far; nil is allowed. A new try starts
	// again at 0.
	Progress func(sent int64)
}

// The kinds of failure that callers tell apart, for errors.Is.
var (
	ErrNotFound     = errors.New("not found")
	ErrUnauthorized = errors.New("the token is not accepted")
	ErrForbidden    = errors.New("the token may not do this")
	ErrConflict     = errors.New("it exists already")
	ErrTooLarge     = errors.New("it is larger than the forge takes")
	ErrRejected     = errors.New("the forge rejects it")
	ErrImmutable    = errors.New("the tag belongs to an immutable release")
	ErrNotForge     = errors.New("the server does not answer like this forge")
	ErrUnavailable  = errors.New("the forge is not available")
)

// Error is a call to a forge that did not succeed.
type Error struct {
	Op      string // "upload hello.tar.gz", "read tag v1.2.3"
	Status  int    // HTTP status, 0 when there was no answer
	Message string // what the forge said, one line
	Kind    error  // one of the Err values above, or nil
	// MaybeDone is true when the forge may have done it all the same.
	MaybeDone bool
	Err       error // the cause below HTTP, if there is one
}

func (e *Error) Error() string {
	s := e.Op + ": "
	switch {
	case e.Message != "" && e.Status != 0:
		s += fmt.Sprintf("%s (HTTP %d)", e.Message, e.Status)
	case e.Message != "":
		s += e.Message
	case e.Status != 0:
		s += fmt.Sprintf("HTTP %d", e.Status)
	case e.Err != nil:
		return s + e.Err.Error()
	case e.Kind != nil:
		return s + e.Kind.Error()
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap lets errors.Is find the kind and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// Uncertain says whether the operation may have taken effect although it
// returned an error.
func Uncertain(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.MaybeDone
}
