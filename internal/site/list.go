package site

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/release"
)

// The list is an array of groups. What Garage's list has stands first in each
// object, in its spelling; installers need no more. All else is what DecodeList
// needs to give back the releases as they were.
//
//	[{"name":"Release","hide":false,"type":"tag","description":"…","class":"stable","builds":[
//	  {"version":"v1.2.3","builds":[{"date":"2021-09-10","time":"22:12:15","size":"18394",…}],"class":"stable",…}
//	]},…]
//
// Withdrawn releases stand in a last group of their own, where no installer
// looks, which is there when a release is withdrawn.
const (
	withdrawnGroup       = "Withdrawn"
	withdrawnDescription = "Releases that were taken back. Do not use them any more."
)

// EncodeList writes the list of all releases as JSON. Notes are in it of the
// releases that Shown names. The same releases give the same bytes.
func EncodeList(w io.Writer, s Site, ix *Index) error {
	notes := map[string]bool{}
	for _, name := range ix.Shown(s) {
		notes[name] = true
	}
	l := listWriter{site: s, notes: notes, to: bufio.NewWriterSize(w, 1<<16)}
	groups := s.groups(ix)
	l.text("[")
	for i, g := range groups {
		if i > 0 {
			l.text(",")
		}
		l.group(g, g.Class, false, ix.line(g.Class))
	}
	if ix.anyWithdrawn() {
		if len(groups) > 0 {
			l.text(",")
		}
		l.open(Group{Name: withdrawnGroup, Hide: true, Type: TypeTag, Description: withdrawnDescription})
		first := true
		for _, g := range groups {
			first = l.releases(ix.line(g.Class), true, first)
		}
		l.text("\n]}")
	}
	l.text("]\n")
	if l.err == nil {
		l.err = l.to.Flush()
	}
	if l.err != nil {
		return fmt.Errorf("write the list of releases: %w", l.err)
	}
	return nil
}

func (ix *Index) anyWithdrawn() bool {
	for _, e := range ix.byName {
		if e.Withdrawn != nil {
			return true
		}
	}
	return false
}

type listWriter struct {
	site  Site
	notes map[string]bool
	to    *bufio.Writer
	buf   []byte // of one release
	err   error
}

func (l *listWriter) text(s string) {
	if l.err == nil {
		_, l.err = l.to.WriteString(s)
	}
}

func (l *listWriter) open(g Group) {
	b := append(l.buf[:0], "{\"name\":"...)
	b = appendString(b, g.Name)
	b = append(b, `,"hide":`...)
	b = strconv.AppendBool(b, g.Hide)
	b = field(b, "type", g.Type)
	b = append(b, `,"description":`...)
	b = appendString(b, g.Description)
	b = field(b, "class", g.Class)
	b = append(b, `,"builds":[`...)
	l.buf = b
	if l.err == nil {
		_, l.err = l.to.Write(b)
	}
}

func (l *listWriter) group(g Group, class string, withdrawn bool, all []*entry) {
	g.Class = class
	l.open(g)
	if l.releases(all, withdrawn, true) {
		l.text("]}")
		return
	}
	l.text("\n]}")
}

// releases writes those that are, or are not, withdrawn, a line each; first says
// whether none stands before them, and is given back.
func (l *listWriter) releases(all []*entry, withdrawn, first bool) bool {
	for _, e := range all {
		if (e.Withdrawn != nil) != withdrawn || l.err != nil {
			continue
		}
		b := l.buf[:0]
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '\n')
		b, l.err = l.release(b, e)
		l.buf = b
		if l.err == nil {
			_, l.err = l.to.Write(b)
		}
	}
	return first
}

func (l *listWriter) release(b []byte, e *entry) ([]byte, error) {
	r := &e.Release
	b = append(b, `{"version":`...)
	b = appendString(b, r.Name)
	root := ""
	builds, files := split(r.Files)
	b = append(b, `,"builds":[`...)
	for i, f := range builds {
		if i > 0 {
			b = append(b, ',')
		}
		root = rootOf(f.Key, r.Name)
		b = l.file(b, r, f, root, true)
	}
	b = append(b, ']')
	if len(files) > 0 {
		b = append(b, `,"files":[`...)
		for i, f := range files {
			if i > 0 {
				b = append(b, ',')
			}
			b = l.file(b, r, f, "", false)
		}
		b = append(b, ']')
	}
	b = field(b, "class", r.Class)
	b = field(b, "tag", r.Tag)
	b = field(b, "number", r.Version)
	b = field(b, "commit", r.Commit)
	if r.Prerelease {
		b = append(b, `,"prerelease":true`...)
	}
	if !r.Time.IsZero() {
		b = field(b, "time", r.Time.UTC().Format(time.RFC3339Nano))
	}
	b = field(b, "schema", r.Schema)
	b = field(b, "planHash", r.PlanHash)
	b = field(b, "page", r.Page)
	b = field(b, "stamp", r.Stamp)
	if e.by != nil {
		b = field(b, "superseded", e.by.Name)
	}
	return l.rest(b, e)
}

// rest are the fields that few releases have, or few have many of.
func (l *listWriter) rest(b []byte, e *entry) ([]byte, error) {
	if len(e.Docs) > 0 {
		docs := make([]listLink, len(e.Docs))
		for i, d := range e.Docs {
			docs[i] = listLink{Link: d, URL: l.site.URL(d.Key)}
		}
		text, err := json.Marshal(docs)
		if err != nil {
			return b, err
		}
		b = append(append(b, `,"docs":`...), text...)
	}
	if len(e.Images) > 0 {
		text, err := json.Marshal(e.Images)
		if err != nil {
			return b, fmt.Errorf("images of %s: %w", e.Name, err)
		}
		b = append(append(b, `,"images":`...), text...)
	}
	if e.Withdrawn != nil {
		text, err := json.Marshal(e.Withdrawn)
		if err != nil {
			return b, fmt.Errorf("withdrawal of %s: %w", e.Name, err)
		}
		b = append(append(b, `,"withdrawn":`...), text...)
	}
	if e.told && (l.notes[e.Name] || e.Notes == "") {
		// Empty ones, too: so it is known that there are none.
		b = append(b, `,"notes":`...)
		b = appendString(b, e.Notes)
	}
	return append(b, '}'), nil
}

// file writes a file; an inner build has all of Garage's fields.
func (l *listWriter) file(b []byte, r *Release, f *File, root string, build bool) []byte {
	at := f.Time.UTC()
	if f.Time.IsZero() {
		at = r.Time.UTC()
	}
	b = append(b, `{"date":"`...)
	b = at.AppendFormat(b, "2006-01-02")
	b = append(b, `","time":"`...)
	b = at.AppendFormat(b, "15:04:05")
	b = append(b, `","size":"`...)
	b = strconv.AppendInt(b, f.Size, 10)
	b = append(b, '"')
	if build || f.Key != "" {
		b = append(b, `,"path":`...)
		b = appendString(b, f.Key)
	}
	if build {
		b = append(b, `,"root":`...)
		b = appendString(b, root)
		b = append(b, `,"version":`...)
		b = appendString(b, r.Name)
	}
	if f.Platform != nil {
		b = append(b, `,"platform":`...)
		b = appendString(b, targetName(*f.Platform))
	}
	b = append(b, `,"binary":`...)
	b = appendString(b, f.Name)
	b = append(b, `,"url":`...)
	b = l.address(b, f)
	if !build || f.Kind != release.KindBinary {
		b = field(b, "kind", string(f.Kind))
	}
	b = field(b, "digest", f.Digest)
	switch {
	case f.Time.IsZero():
		b = append(b, `,"undated":true`...)
	case f.Time.Nanosecond() != 0:
		b = field(b, "modified", at.Format(time.RFC3339Nano))
	}
	if f.Key != "" && f.URL != "" {
		b = append(b, `,"elsewhere":true`...) // url is not that of path
	}
	return append(b, '}')
}

func (l *listWriter) address(b []byte, f *File) []byte {
	if f.URL != "" {
		return appendString(b, f.URL)
	}
	b = appendString(b, l.site.Base)
	b = b[:len(b)-1] // its closing quote
	b = appendPath(b, f.Key)
	return append(b, '"')
}

// listLink is a Link with its whole URL.
type listLink struct {
	Link
	URL string `json:"url"`
}

// URL is the whole address of a key.
func (s Site) URL(key string) string { return s.Base + escapePath(key) }

// escapePath makes a key the path of a URL.
func escapePath(key string) string {
	for i := range len(key) {
		if !plainInPath(key[i]) {
			return (&url.URL{Path: key}).EscapedPath()
		}
	}
	return key
}

// appendPath is escapePath inside a JSON string.
func appendPath(b []byte, key string) []byte { return append(b, escapePath(key)...) }

func plainInPath(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '/' || c == '-' || c == '_' || c == '.' || c == '~'
}

// rootOf is the folder of all releases that a key lies below.
func rootOf(key, name string) string {
	if i := strings.Index(key, "/"+name+"/"); i >= 0 {
		return key[:i]
	}
	root, _, _ := strings.Cut(key, "/")
	return root
}

// field appends a further field of an object, unless it is empty.
func field(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return appendString(b, value)
}

// appendString appends a JSON string, as encoding/json writes it.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == 0x7f {
			text, _ := json.Marshal(s) // a string has no error
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
