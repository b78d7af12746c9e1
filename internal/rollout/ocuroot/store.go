package ocuroot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

const (
	infoFile     = ".ocuroot-store"
	refsFolder   = "refs"
	markerFolder = "dependencies"
	objectFile   = "@object.json" // with "@", so that it is no part of a reference

	mostBytes     = 16 << 20 // of a document
	mostDocuments = 2_000_000
)

// object is the envelope of a document.
type object struct {
	Kind string          `json:"kind"` // "ref" or "link"
	Body json.RawMessage `json:"body"`
}

// readInfo checks that a folder is a store. Version 1 was written by the file
// store, 2 and 3 by what replaced it, with the same documents. On a branch that
// 2 and 3 wrote, the information has an envelope too.
func readInfo(fsys fs.FS, what string) (int, error) {
	const hint = "give the folder that repo.ocu.star names in store.fs, or the branch that it names in store.git"
	b, err := readFile(fsys, infoFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, release.Invalidf(hint, "%s is no Ocuroot store: it has no file %s", what, infoFile)
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", infoFile, err)
	}
	var info struct {
		Version *int            `json:"version"`
		Body    json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(b, &info); err == nil && info.Version == nil && info.Body != nil {
		if err := json.Unmarshal(info.Body, &info); err != nil {
			info.Version = nil
		}
	}
	switch {
	case info.Version == nil:
		return 0, release.Invalidf(hint, "%s is no Ocuroot store: its file %s says no version", what, infoFile)
	case *info.Version < 1 || *info.Version > 3:
		return 0, release.Invalidf("Slipway reads versions 1 to 3, which Ocuroot 0.3 wrote; open it with that version of Ocuroot once",
			"%s is an Ocuroot store of version %d, which is not known", what, *info.Version)
	}
	return *info.Version, nil
}

var errTooLarge = errors.New("the file is too large")

func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	if err == nil && len(b) > mostBytes {
		err = errTooLarge
	}
	return b, err
}

// walk gives every document to take, one after another.
func walk(ctx context.Context, fsys fs.FS, c *collector, take func(document)) error {
	documents := 0
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.skip(name, "it can't be read: "+err.Error())
			if d == nil || d.IsDir() && name != "." {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return c.enter(name)
		}
		if path.Base(name) != objectFile || !strings.HasPrefix(name, refsFolder+"/") {
			if name != infoFile {
				c.skip(name, "it is no document of Ocuroot's state")
			}
			return nil
		}
		if documents++; documents > mostDocuments {
			return release.Invalidf("import the packages of one repository at a time", "the store has more than %d documents", mostDocuments)
		}
		doc := document{fsys: fsys, file: name, place: locate(path.Dir(strings.TrimPrefix(name, refsFolder+"/")))}
		if doc.isLog() {
			take(doc) // read when it is asked for
			return nil
		}
		if err := doc.read(d); err != nil {
			c.skip(name, err.Error())
			return nil
		}
		take(doc)
		return nil
	})
}

// enter says whether to look into a folder.
func (c *collector) enter(name string) error {
	switch name {
	case ".git":
		return fs.SkipDir
	case markerFolder:
		c.skip(name, "marks of what depends on what: Slipway finds that out from the packages")
		return fs.SkipDir
	}
	return nil
}

// document is a file of the store.
type document struct {
	fsys fs.FS
	file string
	place
	link string          // target; empty for a document of its own
	body json.RawMessage // of a document of its own
}

func (d *document) read(entry fs.DirEntry) error {
	if !entry.Type().IsRegular() {
		return errors.New("it is no regular file")
	}
	b, err := readFile(d.fsys, d.file)
	if err != nil {
		return fmt.Errorf("it can't be read: %w", err)
	}
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		return fmt.Errorf("it is no JSON of Ocuroot's: %w", err)
	}
	switch o.Kind {
	case "ref":
		d.body = bytes.TrimSpace(o.Body)
		if len(d.body) == 0 {
			return errors.New("it has no body")
		}
		return nil
	case "link":
		if err := json.Unmarshal(o.Body, &d.link); err != nil || d.link == "" {
			return errors.New("it is a link without a target")
		}
		return nil
	}
	return fmt.Errorf("it has the unknown kind %.40q", o.Kind)
}
