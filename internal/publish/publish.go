// Package publish puts releases where people download them, besides the forge: a
// bucket, a folder, a branch of pages. What it needs of such a place is Store.
package publish

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Store is a place for files by key, such as an S3 bucket. A key is a path of
// segments joined by slashes, without a slash at its ends, "." or "..".
//
// Every method may be called from several goroutines and processes at once.
// Methods retry what may be over the next time, within bounds; what Put, Copy and
// Delete have returned for is there for every later reader. A reader sees an
// object as it was or as it is, never a part.
type Store interface {
	// Stat looks an object up: ErrNotFound when it is not there.
	Stat(ctx context.Context, key string) (Object, error)
	// Open reads an object; the caller closes it. ErrNotFound.
	Open(ctx context.Context, key string) (io.ReadCloser, Object, error)
	// List gives the objects whose keys begin with prefix (any prefix, not only
	// whole segments), in the order of their keys' bytes, without holding all of
	// them. An error is the last that it gives.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Put writes an object whole. Content of many bytes goes in parts, and a later
	// Put of the same content to the same key goes on with the parts that are
	// there. ErrConflict when o.If is not met; then nothing is written.
	Put(ctx context.Context, key string, c Content, o PutOptions) (Object, error)
	// Copy makes to an equal object of from, digest and content type included,
	// without the bytes passing through here. ErrNotFound when from is gone.
	Copy(ctx context.Context, from, to string) (Object, error)
	// Delete removes objects; one that is gone already is no error.
	Delete(ctx context.Context, keys ...string) error
	// Conditional says whether the place holds conditions of Put against writers
	// on other machines. Where it does not, a writer must look after its write
	// whether another one came between.
	Conditional(ctx context.Context) (bool, error)
	// CheckWrite finds, before anything is done, why objects could not be written:
	// ErrUnauthorized, ErrForbidden, ErrNotFound (no such bucket). Nothing is left behind.
	CheckWrite(ctx context.Context) error
	// String names the place for people, without a secret: "s3 bucket releases at https://garage.example".
	String() string
}

// Object is what lies at a key.
type Object struct {
	Key      string
	Size     int64
	Version  string // opaque (an ETag); changes when the content does
	Digest   string // sha256:<64 hex digits> as the writer gave it; empty when unknown, and always in a List
	Modified time.Time
}

// Content is what an object will hold.
type Content struct {
	Size   int64
	Digest string // sha256:<64 hex digits>; checked against the bytes that Open gives
	Type   string // media type; empty: told from the key
	// Open opens the content anew for each try.
	Open func(context.Context) (io.ReadCloser, error)
	// Progress is told the bytes sent so far; nil is allowed.
	Progress func(sent int64)
}

// PutOptions are what a Put may depend on, and how its object is served.
type PutOptions struct {
	If    string // condition: IfAny (the zero value), IfAbsent, or a Version that the object must have
	Cache string // Cache-Control; empty: none
}

// Conditions of Put that are no version.
const (
	IfAny    = ""
	IfAbsent = "absent"
)

// The kinds of failure that callers tell apart, for errors.Is.
var (
	ErrNotFound     = errors.New("not found")
	ErrConflict     = errors.New("another writer was first")
	ErrUnauthorized = errors.New("the credentials are not accepted") // 403 InvalidAccessKeyId, SignatureDoesNotMatch; 401
	ErrForbidden    = errors.New("not allowed")
	ErrUnavailable  = errors.New("it is not available now") // after all retries
)
