package site

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"fmt"
	"html/template"
	"iter"
	"strconv"
)

// Page is a file of the site.
type Page struct {
	Key     string
	Type    string // media type
	Content []byte
}

// Media types of what a site consists of.
const (
	TypeHTML = "text/html; charset=utf-8"
	TypeJSON = "application/json"
	TypeAtom = "application/atom+xml"
)

// Pages makes the pages of older releases, the feed and the page, one after
// another, and what is linked to before what links to it. All depend on the
// releases alone, so what has not changed has the same bytes as before: of the
// older pages a new release changes the newest of its class, and what lists
// them. An error ends it.
func Pages(s Site, ix *Index) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		p := &pages{site: s, layout: s.layout(ix), yield: yield}
		if s.HTML != "" {
			for i := range p.layout.shelves {
				p.older(&p.layout.shelves[i])
			}
		}
		if s.Atom != "" {
			p.feed()
		}
		if s.HTML != "" {
			p.first()
		}
	}
}

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string

	templates = template.Must(template.New("page").Parse(pageHTML))

	// policy lets the page do what it does itself, and nothing else.
	policy = "default-src 'none'; style-src '" + hash(pageCSS) + "'; script-src '" + hash(pageJS) + "'; img-src data:; base-uri 'none'; form-action 'none'"
)

func hash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

type pages struct {
	site   Site
	layout layout
	yield  func(Page, error) bool
	ended  bool
}

// frame is what all pages have.
type frame struct {
	Policy, Title, Description string
	SiteTitle                  string
	Feed, List, First          string
	Style                      template.CSS
	Script                     template.JS
}

func (p *pages) frame(key, title string) frame {
	f := frame{
		Policy: policy, Title: title, SiteTitle: p.site.title(), List: relative(key, p.site.JSON), First: relative(key, p.site.HTML),
		Style: template.CSS(pageCSS), Script: template.JS(pageJS), //nolint:gosec // they are ours
	}
	if p.site.Atom != "" {
		f.Feed = relative(key, p.site.Atom)
	}
	return f
}

func (s Site) title() string {
	if s.Title != "" {
		return visible(s.Title, mostText)
	}
	return visible(s.Project, mostText) + " releases"
}

// give hands a page, or why there is none, to who asked for pages.
func (p *pages) give(page Page, err error) {
	if !p.ended {
		p.ended = !p.yield(page, err) || err != nil
	}
}

// fill fills a template in.
func fill(name, key string, data any) ([]byte, error) {
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, data); err != nil {
		return nil, fmt.Errorf("make %s: %w", key, err)
	}
	return out.Bytes(), nil
}

// page makes a page of a template.
func page(name, key string, data any) (Page, error) {
	content, err := fill(name, key, data)
	return Page{Key: key, Type: TypeHTML, Content: content}, err
}

type firstView struct {
	frame
	Source  string
	Hero    *releaseView
	Empty   bool
	Shelves []shelfView
}

type shelfView struct {
	ID, Title, Description string
	Fold, None             bool
	Count                  string
	Newest                 *dateView
	Above                  *releaseView
	Releases               []releaseView
	Older                  *olderLinks
}

type olderLinks struct {
	Newest, Index string
	Pages         int
}

// first makes the page itself.
func (p *pages) first() {
	key := p.site.HTML
	v := viewer{site: p.site, page: key}
	out := firstView{frame: p.frame(key, p.site.title()), Source: webLink(p.site.Source), Empty: true}
	out.Description = visible(p.site.Description, mostReason)
	here := map[string]bool{} // what can be linked to on this page
	for _, sh := range p.layout.shelves {
		out.Empty = out.Empty && len(sh.all) == 0
		for _, e := range sh.first {
			here[e.Name] = true
		}
	}
	if e := p.layout.hero; e != nil {
		here[e.Name] = true
		hero, err := v.onFirst(e, here, 3, heroNotes)
		if err != nil {
			p.give(Page{}, err)
			return
		}
		hero.Hero = true
		hero.Install = p.site.install(e.Files)
		out.Hero = &hero
	}
	for i, sh := range p.layout.shelves {
		view, err := p.shelf(v, &sh, here)
		if err != nil {
			p.give(Page{}, err)
			return
		}
		if i == p.layout.heroOf {
			view.Above = out.Hero
		}
		out.Shelves = append(out.Shelves, view)
	}
	if out.Empty {
		out.Shelves = nil // each would only say the same
	}
	p.give(page("first", key, out))
}

func (p *pages) shelf(v viewer, sh *shelf, here map[string]bool) (shelfView, error) {
	out := shelfView{ID: "group:" + anchor(sh.Class), Title: sh.heading(), Description: visible(sh.Description, mostReason),
		Fold: sh.Hide && len(sh.all) > 0, None: len(sh.all) == 0, Count: count(len(sh.all), "build")}
	if len(sh.all) > 0 && !sh.all[0].Time.IsZero() {
		newest := date(sh.all[0].Time)
		out.Newest = &newest
	}
	most := shownNotes
	if sh.Hide {
		most = foldedNotes
	}
	for _, e := range sh.first {
		r, err := v.onFirst(e, here, 4, most)
		if err != nil {
			return out, err
		}
		out.Releases = append(out.Releases, r)
	}
	if n := len(sh.older); n > 0 {
		out.Older = &olderLinks{Newest: relative(v.page, p.site.olderKey(sh.Class, n)), Pages: n}
		if n > 1 {
			out.Older.Index = relative(v.page, p.site.olderIndexKey(sh.Class))
		}
	}
	return out, nil
}

// onFirst is a release on the first page.
func (v viewer) onFirst(e *entry, here map[string]bool, level, most int) (releaseView, error) {
	out := v.release(e)
	if e.by != nil && e.Withdrawn == nil {
		out.Superseded = &linkView{Name: visible(e.by.Name, mostText)}
		if here[e.by.Name] {
			out.Superseded.Href = "#" + anchor(e.by.Name)
		}
	}
	var err error
	out.Notes, out.CutNotes, err = renderNotes(e.Notes, level, most)
	if err != nil {
		return out, fmt.Errorf("%s: %w", e.Name, err)
	}
	return out, nil
}

// heading is what a group is called on the page.
func (g Group) heading() string { return visible(g.Name, mostText) + " builds" }

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text + " " + what
}
