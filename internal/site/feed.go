package site

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The parts of RFC 4287 that the feed has.
type atomFeed struct {
	XMLName  xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	ID       string      `xml:"id"`
	Title    string      `xml:"title"`
	Subtitle string      `xml:"subtitle,omitempty"`
	Updated  string      `xml:"updated"`
	Links    []atomLink  `xml:"link"`
	Author   atomPerson  `xml:"author"`
	Entries  []atomEntry `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr,omitempty"`
	Href string `xml:"href,attr"`
}

type atomPerson struct {
	Name string `xml:"name"`
}

type atomEntry struct {
	ID        string       `xml:"id"`
	Title     string       `xml:"title"`
	Published string       `xml:"published"`
	Updated   string       `xml:"updated"`
	Links     []atomLink   `xml:"link"`
	Category  atomCategory `xml:"category"`
	Content   atomContent  `xml:"content"`
}

type atomCategory struct {
	Term  string `xml:"term,attr"`
	Label string `xml:"label,attr,omitempty"`
}

type atomContent struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// feed makes the feed of the newest releases.
func (p *pages) feed() {
	s := p.site
	out := atomFeed{ID: s.tagURI(""), Title: s.title(), Subtitle: visible(s.Description, mostReason), Author: atomPerson{Name: visible(s.Project, mostText)}}
	out.Links = []atomLink{{Rel: "self", Type: TypeAtom, Href: s.URL(s.Atom)}}
	if s.HTML != "" {
		out.Links = append(out.Links, atomLink{Rel: "alternate", Type: "text/html", Href: s.URL(s.HTML)})
	}
	names := map[string]string{}
	for _, sh := range p.layout.shelves {
		names[sh.Class] = sh.Name
	}
	var updated time.Time
	for _, e := range p.layout.feed() {
		entry, at, err := p.entry(e)
		if err != nil {
			p.give(Page{}, err)
			return
		}
		entry.Category = atomCategory{Term: e.Class, Label: names[e.Class]}
		out.Entries = append(out.Entries, entry)
		if at.After(updated) {
			updated = at
		}
	}
	out.Updated = atomTime(updated)
	text, err := xml.MarshalIndent(out, "", " ")
	if err != nil {
		p.give(Page{}, fmt.Errorf("make %s: %w", s.Atom, err))
		return
	}
	text = append([]byte(xml.Header), append(text, '\n')...)
	p.give(Page{Key: s.Atom, Type: TypeAtom, Content: text}, nil)
}

func (p *pages) entry(e *entry) (out atomEntry, updated time.Time, err error) {
	s := p.site
	v := viewer{site: s}
	view := v.release(e)
	for i := range view.Builds {
		b := &view.Builds[i]
		b.First.Href = s.whole(b.First.Href)
		for j := range b.Rest {
			b.Rest[j].Href = s.whole(b.Rest[j].Href)
		}
	}
	view.Notes, view.CutNotes, err = renderNotes(e.Notes, 3, feedNotes)
	if err != nil {
		return out, updated, fmt.Errorf("%s: %w", e.Name, err)
	}
	content, err := fill("entry", s.Atom, view)
	if err != nil {
		return out, updated, err
	}
	updated = e.Time
	out = atomEntry{ID: s.tagURI(e.Name), Title: visible(s.Project, mostText) + " " + view.Name,
		Published: atomTime(e.Time), Content: atomContent{"html", string(bytes.TrimSpace(content))}}
	if w := e.Withdrawn; w != nil {
		out.Title += " (withdrawn)"
		if w.Time.After(updated) {
			updated = w.Time
		}
	}
	out.Updated = atomTime(updated)
	switch {
	case view.Page != "":
		out.Links = []atomLink{{"alternate", "text/html", view.Page}}
	case s.HTML != "":
		out.Links = []atomLink{{"alternate", "text/html", s.URL(s.HTML) + "#" + url.PathEscape(view.ID)}}
	}
	return out, updated, nil
}

// whole makes a link that is relative to the site's base a whole one.
func (s Site) whole(link string) string {
	if link == "" || webLink(link) != "" {
		return link
	}
	return s.Base + strings.TrimPrefix(link, "./")
}

// tagURI is a name (RFC 4151) for a release of the site, or for its feed, that
// stays the same wherever the page will lie below the host.
func (s Site) tagURI(release string) string {
	host := "localhost"
	for _, address := range []string{s.Base, s.Source} {
		if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
			host = strings.ToLower(u.Hostname())
			break
		}
	}
	id := "tag:" + host + ",2026:" + anchor(s.Project) + "/releases"
	if release != "" {
		id += "/" + anchor(release)
	}
	return id
}

func atomTime(t time.Time) string {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return t.UTC().Format(time.RFC3339)
}
