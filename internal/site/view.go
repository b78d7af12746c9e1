package site

import (
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/release"
)

// Bounds of what a page shows of one release.
const (
	mostText   = 200 // runes of a name
	mostReason = 600
	mostImages = 20
	mostLinks  = 10 // of a kind
)

// releaseView is a release as the templates show it.
type releaseView struct {
	ID, Name, Class string
	Date            dateView
	Hero            bool
	Install         string // command that installs it
	Prerelease      bool
	Withdrawn       *withdrawnView
	Superseded      *linkView
	Builds, Others  []platformView
	OthersName      string // what they are, in words
	More            int    // files that are not shown
	List            string // where those are
	Images          []imageView
	Docs, Links     []linkView
	Notes           template.HTML // of renderNotes
	CutNotes        bool
	Page            string // the release on its forge
}

type dateView struct{ Words, Stamp string }

type withdrawnView struct {
	Reason, By string
	Date       dateView
}

// platformView is the files for one platform.
type platformView struct {
	Words, Platform string // in plain words, and os/arch, which is empty for files for all
	First           fileView
	Rest            []fileView
	Rows            int // 0 for one alone
}

type fileView struct {
	Href, Name, Size string
	Sum              string // 64 hex digits, or empty
}

type imageView struct {
	Pulls     []string
	Digest    string
	Platforms string
}

// viewer makes views for one page.
type viewer struct {
	site Site
	page string // its key
}

func (v viewer) release(e *entry) releaseView {
	r := &e.Release
	out := releaseView{
		ID: anchor(r.Name), Name: visible(r.Name, mostText), Class: visible(r.Class, mostText), Date: date(r.Time),
		Prerelease: r.Prerelease, List: relative(v.page, v.site.JSON), Page: webLink(r.Page),
	}
	if isCommit(r.Name) {
		out.Name = r.Name[:12]
	}
	if w := r.Withdrawn; w != nil {
		out.Withdrawn = &withdrawnView{Reason: visible(w.Reason, mostReason), By: visible(w.By, mostText), Date: date(w.Time)}
	}
	v.files(&out, r)
	for _, i := range r.Images[:min(len(r.Images), mostImages)] {
		out.Images = append(out.Images, image(i))
	}
	for _, d := range r.Docs[:min(len(r.Docs), mostLinks)] {
		out.Docs = append(out.Docs, linkView{visible(d.Name, mostText), relative(v.page, d.Key)})
	}
	out.Links = v.site.sources(r)
	return out
}

// files shows as many as the page bears.
func (v viewer) files(out *releaseView, r *Release) {
	builds, others := split(r.Files)
	weight := 0
	out.Builds = v.platforms(builds, &weight, &out.More)
	out.Others = v.platforms(others, &weight, &out.More)
	out.OthersName = kindWords(others, len(builds) > 0)
}

func (v viewer) platforms(files []*File, weight, more *int) (out []platformView) {
	for i, f := range files {
		if *weight += f.weight(); *weight > mostWeight {
			*more++
			continue
		}
		if i > 0 && samePlatform(files[i-1].Platform, f.Platform) {
			last := &out[len(out)-1]
			last.Rest = append(last.Rest, v.file(f))
			last.Rows = 1 + len(last.Rest)
			continue
		}
		p := platformView{Words: "All platforms", First: v.file(f)}
		if f.Platform != nil {
			p.Words, p.Platform = platformWords(*f.Platform), f.Platform.String()
		}
		out = append(out, p)
	}
	return out
}

func (v viewer) file(f *File) fileView {
	out := fileView{Name: visible(f.Name, mostText), Size: size(f.Size), Sum: sum(f.Digest)}
	switch {
	case f.Key != "":
		out.Href = relative(v.page, f.Key)
	case f.URL != "":
		out.Href = webLink(f.URL)
	}
	return out
}

// kindWords says what files are: "Archives, packages and checksums".
func kindWords(files []*File, more bool) string {
	if len(files) == 0 {
		return ""
	}
	has := map[release.ArtifactKind]bool{}
	for _, f := range files {
		has[f.Kind] = true
	}
	var words []string
	for _, k := range []struct {
		word  string
		kinds []release.ArtifactKind
	}{
		{"archives", []release.ArtifactKind{release.KindArchive}},
		{"packages", []release.ArtifactKind{release.KindPackage}},
		{"checksums", []release.ArtifactKind{release.KindChecksums}},
	} {
		for _, kind := range k.kinds {
			if has[kind] {
				words = append(words, k.word)
				delete(has, kind)
			}
		}
	}
	if len(has) > 0 {
		words = append(words, map[bool]string{true: "further files", false: "files"}[more || len(words) > 0])
	}
	text := words[len(words)-1]
	if n := len(words) - 1; n > 0 {
		text = strings.Join(words[:n], ", ") + " and " + text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func image(i release.MadeImage) imageView {
	out := imageView{Digest: visible(i.Digest, mostText)}
	for _, repository := range i.Repositories[:min(len(i.Repositories), mostLinks)] {
		ref := repository + "@" + i.Digest
		if len(i.Tags) > 0 {
			ref = repository + ":" + i.Tags[0]
		}
		out.Pulls = append(out.Pulls, visible(ref, 2*mostText))
	}
	names := make([]string, 0, len(i.Manifests))
	for _, m := range i.Manifests {
		if m.Platform != (release.Platform{}) {
			names = append(names, m.Platform.String())
		}
	}
	out.Platforms = visible(strings.Join(names, ", "), 2*mostText)
	return out
}

func date(t time.Time) dateView {
	if t.IsZero() {
		return dateView{}
	}
	t = t.UTC()
	return dateView{Words: t.Format("2 January 2006"), Stamp: t.Format(time.RFC3339)}
}

// size is a number of bytes as people read it.
func size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		f /= 1000
		switch {
		case f < 9.95:
			return fmt.Sprintf("%.1f %s", f, unit)
		case f < 999.5:
			return fmt.Sprintf("%.0f %s", f, unit)
		}
	}
	return fmt.Sprintf("%.0f PB", f/1000)
}

// sum is what a digest says of SHA-256; empty when it says nothing of it.
func sum(digest string) string {
	hex, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(hex) != 64 || strings.Trim(hex, "0123456789abcdefABCDEF") != "" {
		return ""
	}
	return hex
}

// visible is a text of at most so many runes, in which what can't be seen and
// turns other text around is shown by its number.
func visible(s string, most int) string {
	plain := len(s) <= most
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] < 0x7f
	}
	if plain {
		return s
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			b.WriteRune('…')
			break
		}
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case r != zeroWidthNonJoiner && r != zeroWidthJoiner && unicode.In(r, unicode.Cf, unicode.Cc):
			fmt.Fprintf(&b, "[U+%04X]", r)
		case r == utf8.RuneError:
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// What joins and parts letters in some scripts, and is harmless.
const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)
