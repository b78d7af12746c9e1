package publish

import (
	"context"
	"io"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// Place is where a release goes besides the forge. The engine calls Check before
// anything is built, Stage while the release is still unseen, Shelve and Index once
// the forge shows it; it may call any of them again, also in another process, and
// then the place ends where an undisturbed run ends.
type Place interface {
	// Kind is one of the plan's kinds of places, such as s3.
	Kind() string
	// Check finds, without leaving a trace, why the release could not go there.
	Check(ctx context.Context, p release.Plan) error
	// Stage brings what the release consists of to the place, where no reader
	// sees it. What is there already and equal is not sent again. The summary is a
	// few words.
	Stage(ctx context.Context, d Delivery, st progress.Stage) (summary string, err error)
	// Shelve brings the files to where they belong, and what Stage did not bring or
	// was taken away since; no list names them before Index.
	Shelve(ctx context.Context, d Delivery, st progress.Stage) (release.ReportPlace, error)
	// Index makes the release public with one write of the list, and then adds page,
	// list and feed to the report of Shelve.
	Index(ctx context.Context, r release.ReportPlace, st progress.Stage) (release.ReportPlace, error)
	// Withdraw marks a release, by its name there, as one that nobody should take
	// any more, and says whether that was news. ErrNotFound when it never went there.
	Withdraw(ctx context.Context, name string, why release.Withdrawn, st progress.Stage) (bool, error)
}

// Delivery is a release as a place gets it.
type Delivery struct {
	Plan   release.Plan
	Files  []File
	Images []release.MadeImage
	Notes  string // Markdown
	Page   string // URL of the release on its forge; empty while it is not known
}

// File is an asset of the release, or one of its bare binaries.
type File struct {
	Name     string // asset name, or the binary's file name
	Kind     release.ArtifactKind
	Platform *release.Platform
	Build    string // of a bare binary: the id of its build; empty for an asset
	Size     int64
	Digest   string // sha256:<64 hex digits>
	Open     func(context.Context) (io.ReadCloser, error)
}
