// Package site makes what people, installers and feed readers see of a project's
// releases: the page (HTML), the list (JSON, in Garage's format) and the feed
// (Atom). It is pure: releases in, files out.
package site

import (
	"time"

	"github.com/slipway-dev/slipway/internal/release"
)

// Site is what does not change from release to release.
type Site struct {
	Project     string
	Title       string // of the page; empty: "<project> releases"
	Description string // a sentence below it; may be empty
	// Base is the URL that keys are relative to, with a slash at its end. Links of
	// the pages are relative where they can be; the list and the feed have whole ones.
	Base string
	// Source is the URL of the repository on its forge, without a slash at its end;
	// empty when there is none.
	Source string
	Groups []Group
	// Keys of the three; JSON is always set, an empty HTML or Atom makes none.
	HTML, JSON, Atom string
	// Script is the key of the newest release's installer, which is always at the
	// same place; empty when releases have none.
	Script string
}

// Group is how the releases of one class are shown.
type Group struct {
	Class       string // whose releases are in it
	Name        string // "Release", "Extra", "Development"; what installers look for
	Hide        bool   // folded on the page
	Type        string // tag or commit: what its releases are named by
	Description string
}

// Release is one release as a site knows it: its record.
type Release struct {
	Schema string `json:"schema"` // slipway.record/v1
	// Name is what it is called in paths and in the list: its tag, or for a branch
	// class its full commit. Unique in a site.
	Name       string    `json:"name"`
	Tag        string    `json:"tag,omitempty"`
	Version    string    `json:"version,omitempty"`
	Class      string    `json:"class"`
	Commit     string    `json:"commit,omitempty"`
	Prerelease bool      `json:"prerelease,omitempty"`
	Time       time.Time `json:"time"` // the commit's, UTC; for files that nobody recorded, the newest file's
	PlanHash   string    `json:"planHash,omitempty"`
	// Page is the release on its forge; Docs are its documentation sites, by name.
	Page   string              `json:"page,omitempty"`
	Docs   []Link              `json:"docs,omitempty"`
	Notes  string              `json:"notes,omitempty"` // Markdown
	Files  []File              `json:"files,omitempty"`
	Images []release.MadeImage `json:"images,omitempty"`
	// Withdrawn is set when users should not take it any more.
	Withdrawn *release.Withdrawn `json:"withdrawn,omitempty"`

	// Stamp is the version (ETag) of the record that this was read from; empty when
	// there is no record, but only files. It is kept in the list alone, so that
	// what has not changed need not be read again.
	Stamp string `json:"-"`
}

// RecordSchema names the format of a record.
const RecordSchema = "slipway.record/v1"

// Link is a named address.
type Link struct {
	Name string `json:"name"`
	Key  string `json:"key"` // relative to the site's base
}

// File is one file of a release.
type File struct {
	Name string `json:"name"` // file name
	Key  string `json:"key"`  // where it lies, relative to the site's base; empty when only URL leads to it
	// URL is set where the file does not lie beside the site (a forge's asset).
	URL      string               `json:"url,omitempty"`
	Kind     release.ArtifactKind `json:"kind"`
	Platform *release.Platform    `json:"platform,omitempty"`
	Size     int64                `json:"size"`
	Digest   string               `json:"digest,omitempty"` // sha256:<64 hex digits>; empty when nobody recorded it
	Time     time.Time            `json:"time,omitzero"`    // when it was put there
}
