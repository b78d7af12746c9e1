// Package image is the contract between the engine and what makes images and
// keeps them: registries, and makers that put an image together in process or
// with buildx.
package image

import (
	"context"
	"errors"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// Order is one image to make.
type Order struct {
	Image    release.PlanImage
	Project  string
	Time     time.Time // the commit's; every date in the image is this one
	Source   string    // folder with the commit's files; it is never written to
	Binaries []release.Binary
	// Load and Archive put the image somewhere else than into its repositories:
	// into the docker engine under this name, or into a tar with an OCI layout.
	// An image of builds goes to its repositories alone.
	Load, Archive string
	// NoCache makes every step anew.
	NoCache bool
	// GoModCache and CargoHome are folders on this machine with dependencies
	// that seed a first build of sources; empty means none.
	GoModCache, CargoHome string
	Stage                 progress.Stage
	Warn                  func(release.Problem) // hears of what went wrong and does no harm
}

// Maker makes images. Its methods may be called from several goroutines.
type Maker interface {
	// Way says how an image will be made. It asks the builder what it is, and
	// no registry. An error is release.Invalid when a builder is needed and
	// there is none, or when the one that was asked for can't be used.
	Way(ctx context.Context, img release.PlanImage) (release.ImageWay, error)
	// Check finds, with reads alone, why an image could not be made: a platform
	// that the builder or the base image does not have, images that are not
	// there. source is the folder with the commit's files.
	Check(ctx context.Context, img release.PlanImage, source string) error
	// Make makes the image and puts it, by its digest and without a tag, into
	// all its repositories. What is there already is not sent again. Made again
	// of the same order it has the same digest.
	Make(ctx context.Context, o Order) (release.MadeImage, error)
}

// Found is a manifest or an index as a registry has it.
type Found struct {
	Digest      string // sha256:<64 hex digits>
	MediaType   string
	Size        int64
	Annotations map[string]string // the document's own
}

// Registry keeps images. A repository is written registry.example/acme/hello.
// Methods retry what may be over the next time (ErrUnavailable, a cut
// connection) within bounds, may be called from several goroutines, and name
// the repository in their errors, never a credential.
type Registry interface {
	// CheckPush finds whether an image may be pushed: ErrUnauthorized,
	// ErrForbidden. It begins an upload and drops it; nothing is left behind.
	CheckPush(ctx context.Context, repository string) error
	// Find looks a tag or a digest up: ErrNotFound when it is not there.
	Find(ctx context.Context, repository, reference string) (Found, error)
	// Tag points a tag at a digest that is there. Pointing it where it points
	// already does nothing.
	Tag(ctx context.Context, repository, digest, tag string) error
	// Untag takes a tag away and leaves what it pointed at. ErrUnsupported when
	// the registry deletes nothing.
	Untag(ctx context.Context, repository, tag string) error
}

// Errors of registries, to be found with errors.Is.
var (
	ErrNotFound     = errors.New("not found")
	ErrUnauthorized = errors.New("not logged in")                      // 401
	ErrForbidden    = errors.New("not allowed")                        // 403, 405 on a write
	ErrProtected    = errors.New("the tag may not be changed")         // 409, 412, or a registry's own words for it
	ErrUnavailable  = errors.New("the registry can't do it now")       // 5xx, 429, no connection, after all retries
	ErrUnsupported  = errors.New("the registry does not support that") // no deletion
)
