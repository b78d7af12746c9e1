package site

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
)

// maxListed is how long one release may be in a list, in bytes.
const maxListed = 32 << 20

// DecodeList reads a list: one that EncodeList wrote, or one of Garage's, which
// has fewer fields. It never holds more than what it has understood and one
// release more. An error says what is wrong where.
func DecodeList(r io.Reader, s Site) (*Index, error) {
	in := &bounded{from: r, left: maxListed}
	l := listReader{site: s, in: in, json: json.NewDecoder(in), ix: &Index{}}
	if err := l.list(); err != nil {
		return nil, fmt.Errorf("the list of releases%s: %w", l.place(), err)
	}
	return l.ix, nil
}

// bounded gives so much at most until it is given more.
type bounded struct {
	from io.Reader
	left int
}

var errTooLong = fmt.Errorf("a release is longer than %d MB", maxListed>>20)

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.from.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

type listReader struct {
	site    Site
	in      *bounded
	json    *json.Decoder
	ix      *Index
	group   int    // which is read, from 1
	name    string // of it, as far as it is known
	release int    // which is read, from 1; 0 outside
}

func (l *listReader) place() string {
	var at strings.Builder
	if l.group > 0 {
		fmt.Fprintf(&at, ", group %d", l.group)
		if l.name != "" {
			fmt.Fprintf(&at, " (%s)", short(l.name))
		}
	}
	if l.release > 0 {
		fmt.Fprintf(&at, ", release %d", l.release)
	}
	return at.String()
}

func (l *listReader) list() error {
	if err := l.delim('[', "it is no array of groups"); err != nil {
		return err
	}
	for l.json.More() {
		l.group++
		l.name, l.release = "", 0
		if err := l.oneGroup(); err != nil {
			return err
		}
	}
	l.group, l.release = 0, 0
	if _, err := l.token(); err != nil {
		return err
	}
	if _, err := l.json.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something stands behind its end")
	}
	return nil
}

// oneGroup reads a group. Its name may stand behind its releases.
func (l *listReader) oneGroup() error {
	if err := l.delim('{', "it is no object"); err != nil {
		return err
	}
	var class string
	var nameless []Release // without a class of their own
	for l.json.More() {
		key, err := l.token()
		if err != nil {
			return err
		}
		switch key {
		case "name":
			err = l.value("name", &l.name)
		case "class":
			err = l.value("class", &class)
		case "builds":
			nameless, err = l.releases(nameless)
		default:
			var ignored json.RawMessage
			err = l.value(fmt.Sprint(key), &ignored)
		}
		if err != nil {
			return err
		}
	}
	if _, err := l.token(); err != nil {
		return err
	}
	if class == "" {
		class = l.classOf(l.name)
	}
	for _, r := range nameless {
		r.Class = class
		l.ix.put(r, false)
	}
	return nil
}

// classOf is the class whose group has a name.
func (l *listReader) classOf(name string) string {
	for _, g := range l.site.Groups {
		if g.Name == name {
			return g.Class
		}
	}
	return strings.ToLower(name)
}

func (l *listReader) releases(nameless []Release) ([]Release, error) {
	if err := l.delim('[', "its builds are no array"); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, r := range nameless {
		seen[r.Name] = true
	}
	for l.json.More() {
		l.release++
		l.in.left = maxListed
		var in listedRelease
		if err := l.json.Decode(&in); err != nil {
			return nil, l.explain(err)
		}
		r, err := l.understand(in)
		if err != nil {
			return nil, err
		}
		if _, has := l.ix.byName[r.Name]; has || seen[r.Name] {
			return nil, fmt.Errorf("%s stands there twice", short(r.Name))
		}
		if r.Class == "" {
			seen[r.Name] = true
			nameless = append(nameless, r)
			continue
		}
		l.ix.put(r, in.Notes != nil)
	}
	l.release = 0
	_, err := l.token()
	return nameless, err
}

// listedRelease is a release as the list has it.
type listedRelease struct {
	Version    string              `json:"version"`
	Builds     []listedFile        `json:"builds"`
	Files      []listedFile        `json:"files"`
	Class      string              `json:"class"`
	Tag        string              `json:"tag"`
	Number     string              `json:"number"`
	Commit     string              `json:"commit"`
	Prerelease bool                `json:"prerelease"`
	Time       time.Time           `json:"time"`
	Schema     string              `json:"schema"`
	PlanHash   string              `json:"planHash"`
	Page       string              `json:"page"`
	Stamp      string              `json:"stamp"`
	Docs       []Link              `json:"docs"`
	Images     []release.MadeImage `json:"images"`
	Withdrawn  *release.Withdrawn  `json:"withdrawn"`
	Notes      *string             `json:"notes"`
}

type listedFile struct {
	Date      string    `json:"date"`
	Time      string    `json:"time"`
	Size      bytecount `json:"size"`
	Path      string    `json:"path"`
	Platform  string    `json:"platform"`
	Binary    string    `json:"binary"`
	URL       string    `json:"url"`
	Kind      string    `json:"kind"`
	Digest    string    `json:"digest"`
	Undated   bool      `json:"undated"`
	Modified  string    `json:"modified"`
	Elsewhere bool      `json:"elsewhere"`
}

// bytecount is a number of bytes, which Garage writes as a string.
type bytecount int64

func (n *bytecount) UnmarshalJSON(b []byte) error {
	text := string(bytes.Trim(b, `"`))
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil || size < 0 {
		return fmt.Errorf("%s is no size in bytes", short(string(b)))
	}
	*n = bytecount(size)
	return nil
}

func (l *listReader) understand(in listedRelease) (Release, error) {
	if in.Version == "" {
		return Release{}, errors.New("it has no version")
	}
	r := Release{
		Schema: in.Schema, Name: in.Version, Tag: in.Tag, Version: in.Number, Class: in.Class, Commit: in.Commit,
		Prerelease: in.Prerelease, Time: in.Time.UTC(), PlanHash: in.PlanHash, Page: in.Page, Docs: in.Docs,
		Images: in.Images, Withdrawn: in.Withdrawn, Stamp: in.Stamp,
	}
	if in.Tag == in.Version {
		r.Tag = r.Name
	}
	if in.Notes != nil {
		r.Notes = *in.Notes
	}
	if n := len(in.Builds) + len(in.Files); n > 0 {
		r.Files = make([]File, 0, n)
	}
	for i, listed := range [][]listedFile{in.Builds, in.Files} {
		for _, f := range listed {
			file, err := l.file(f, i == 0)
			if err != nil {
				return Release{}, fmt.Errorf("%s: %s: %w", short(in.Version), short(f.Binary), err)
			}
			r.Files = append(r.Files, file)
		}
	}
	if in.Class == "" && r.Time.IsZero() {
		l.guess(&r)
	}
	return r, nil
}

// guess fills in what a plain list leaves out.
func (l *listReader) guess(r *Release) {
	for _, f := range r.Files {
		if f.Time.After(r.Time) {
			r.Time = f.Time
		}
	}
	if isCommit(r.Name) {
		r.Commit = r.Name
		return
	}
	r.Tag, r.Version = r.Name, release.ParseTag(r.Name).Version
}

func (l *listReader) file(in listedFile, build bool) (File, error) {
	f := File{Name: in.Binary, Key: in.Path, Kind: release.ArtifactKind(in.Kind), Size: int64(in.Size), Digest: in.Digest}
	if err := checkKey(in.Path); err != nil {
		return f, err
	}
	if in.Path == "" || in.Elsewhere {
		f.URL = in.URL
	}
	if f.Kind == "" && build {
		f.Kind = release.KindBinary
	}
	if p, ok := ParseTarget(in.Platform); ok {
		f.Platform = &p
	}
	var err error
	switch {
	case in.Undated:
	case in.Modified != "":
		f.Time, err = time.Parse(time.RFC3339Nano, in.Modified)
	case in.Date != "" || in.Time != "":
		f.Time, err = time.Parse(time.DateTime, in.Date+" "+in.Time)
	}
	if err != nil {
		return f, fmt.Errorf("%s is no date and time", short(strings.TrimSpace(in.Modified+" "+in.Date+" "+in.Time)))
	}
	f.Time = f.Time.UTC()
	return f, nil
}

// checkKey refuses what is no key of a place.
func checkKey(key string) error {
	if key == "" {
		return nil
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("%s is no path below the site", short(key))
		}
	}
	return nil
}

func (l *listReader) delim(want json.Delim, problem string) error {
	t, err := l.token()
	if err != nil {
		return err
	}
	if t != want {
		return errors.New(problem)
	}
	return nil
}

func (l *listReader) token() (json.Token, error) {
	t, err := l.json.Token()
	return t, l.explain(err)
}

func (l *listReader) value(key string, to any) error {
	l.in.left = maxListed
	if err := l.json.Decode(to); err != nil {
		return fmt.Errorf("%s: %w", short(key), l.explain(err))
	}
	return nil
}

func (l *listReader) explain(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends in the middle")
	case errors.As(err, &syntax):
		return fmt.Errorf("it is no JSON at byte %d: %w", syntax.Offset, err)
	case errors.As(err, &kind):
		return fmt.Errorf("%s holds a JSON %s where another type belongs", kind.Field, kind.Value)
	}
	return err
}

// short quotes a text for an error.
func short(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}
