// Package forgetest holds the conformance suite of forge.Forge: each sentence
// of the interface's contract, checked on whatever implements it.
package forgetest

import (
	"testing"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Subject is one forge under test, with a fresh repository. Every field is
// needed, except where its comment says otherwise.
type Subject struct {
	// Forge sees the repository with a token that may write releases.
	Forge forge.Forge
	// ReadOnly sees it with a token that may only read, BadToken with one that
	// the server does not know, Public with none.
	ReadOnly, BadToken, Public forge.Forge
	// Missing sees, with the writer's token, a repository that does not exist.
	Missing forge.Forge

	// Repository is what Forge.Repository must say; Limits are not compared.
	Repository forge.Repository
	// Tags are the tags that exist, with their commits: at least v1.0.0, a
	// lightweight tag, and v1.1.0, an annotated one.
	Tags map[string]string
	// SetTag makes or moves a lightweight tag.
	SetTag func(t *testing.T, name, commit string)
	// Fill makes n published releases on tags of its own, and n assets
	// a-000.txt, a-001.txt, … of the bytes "x" in the draft with the given id.
	// Nil: the suite does it through Forge, which costs an adapter's pacing.
	Fill func(t *testing.T, n int, draftID string)

	Traits Traits
}

// Traits are the differences that the contract allows between forges.
type Traits struct {
	// PageSize is the longest page that the forge answers (GitHub 100, Gitea 50).
	PageSize int
	// ManyDrafts: a second draft for one tag is made; else ErrConflict.
	ManyDrafts bool
	// DuplicateNames: a second asset of one name is taken; else ErrConflict.
	DuplicateNames bool
	// Digests: each asset carries sha256:<hex>.
	Digests bool
	// EmptyAssets: an asset of 0 bytes is taken; else ErrRejected (GitHub says
	// "size must be greater than or equal to 1").
	EmptyAssets bool
	// MaxAssetSize is what this server takes at most, small enough to try it;
	// 0 leaves that out.
	MaxAssetSize int64
}

// GitHub and Gitea are the traits of the forges as they are.
var (
	GitHub = Traits{PageSize: 100, ManyDrafts: true, Digests: true}
	Gitea  = Traits{PageSize: 50, DuplicateNames: true, EmptyAssets: true}
)

// Run holds an implementation against the contract. The factory is called for
// each subtest, from several goroutines.
func Run(t *testing.T, factory func(t *testing.T) Subject) {
	tests := []struct {
		promise string
		run     func(*testing.T, Subject)
	}{
		{"repository tells what preflight must know", testRepository},
		{"tag resolves to its commit", testTag},
		{"no release is an empty list", testNoRelease},
		{"releases and assets are listed to the last page", testPages},
		{"releases of a tag are that tag's only, oldest first", testReleasesOfTag},
		{"a draft is unseen and makes no tag until it is published", testDraftUnseen},
		{"publishing makes a missing tag at the commit", testPublishMakesTag},
		{"update writes every field", testUpdateFields},
		{"update may be repeated", testUpdateTwice},
		{"texts are kept to the letter", testTexts},
		{"an upload arrives whole, with progress", testUpload},
		{"an empty asset", testEmptyAsset},
		{"asset names are kept", testNames},
		{"bad asset names are refused", testBadNames},
		{"a taken asset name", testTakenName},
		{"uploads at the same time", testConcurrentUploads},
		{"a body that cannot be read leaves no whole asset", testBrokenBody},
		{"too large an asset", testTooLarge},
		{"delete asset may be repeated and frees the name", testDeleteAsset},
		{"delete draft may be repeated", testDeleteDraft},
		{"delete draft refuses a published release", testDeletePublished},
		{"not found", testNotFound},
		{"a bad token is unauthorized", testBadToken},
		{"a read token is forbidden to write", testReadToken},
		{"refusals are certain and name the operation", testRefusals},
		{"a context that has ended stops every method", testEndedContext},
		{"a context that ends stops an upload", testCancelUpload},
	}
	for _, tt := range tests {
		t.Run(tt.promise, func(t *testing.T) {
			t.Parallel()
			s := factory(t)
			s.check(t)
			tt.run(t, s)
		})
	}
}

// check fails on a factory that leaves something out, so that no promise goes
// untested.
func (s Subject) check(t *testing.T) {
	t.Helper()
	if s.Forge == nil || s.ReadOnly == nil || s.BadToken == nil || s.Public == nil || s.Missing == nil || s.SetTag == nil {
		t.Fatal("the factory must give Forge, ReadOnly, BadToken, Public, Missing and SetTag")
	}
	if s.Tags["v1.0.0"] == "" || s.Tags["v1.1.0"] == "" {
		t.Fatal("the factory's repository must have the tags v1.0.0 (lightweight) and v1.1.0 (annotated)")
	}
	if s.Traits.PageSize == 0 {
		t.Fatal("Traits.PageSize is 0")
	}
}
