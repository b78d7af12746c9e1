package site

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// atomRead is a feed as a reader takes it.
type atomRead struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Updated string   `xml:"updated"`
	Author  []struct {
		Name string `xml:"name"`
	} `xml:"author"`
	Links   []atomLink `xml:"link"`
	Entries []struct {
		ID      string     `xml:"id"`
		Title   string     `xml:"title"`
		Updated string     `xml:"updated"`
		Links   []atomLink `xml:"link"`
		Content struct {
			Type string `xml:"type,attr"`
			Text string `xml:",chardata"`
		} `xml:"content"`
	} `xml:"entry"`
}

// A feed has what RFC 4287 asks for: ids that are URIs and unique, titles, dates,
// an author, and a link of each entry; its dates are the releases'.
func TestFeed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		site    Site
		ix      *Index
		entries int
		updated string
	}{
		"sample":  {sampleSite(), NewIndex(sampleReleases()...), 7, "2026-04-13T09:30:00Z"},
		"empty":   {sampleSite(), &Index{}, 0, "1970-01-01T00:00:00Z"},
		"hostile": {hostileSite(), NewIndex(hostileReleases()...), 4, "2026-03-05T09:30:00Z"},
		"many":    {sampleSite(), NewIndex(many(60)...), 50, "2026-04-30T09:30:00Z"},
	} {
		var got atomRead
		text := allPages(t, c.site, c.ix)[c.site.Atom]
		d := xml.NewDecoder(strings.NewReader(string(text.Content)))
		d.Strict = true
		if err := d.Decode(&got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text.Type != "application/atom+xml" || got.Title == "" || len(got.Author) != 1 || got.Author[0].Name == "" || got.Updated != c.updated || len(got.Entries) != c.entries {
			t.Errorf("%s: the feed is %q of %d entries, updated %s", name, got.Title, len(got.Entries), got.Updated)
		}
		if len(got.Links) != 2 || got.Links[0].Rel != "self" || got.Links[0].Href != "https://hello.example/_releases.atom" {
			t.Errorf("%s: its links are %v", name, got.Links)
		}
		ids := map[string]bool{got.ID: true}
		for i, e := range got.Entries {
			if ids[e.ID] || !strings.HasPrefix(e.ID, "tag:hello.example,2026:") || strings.ContainsAny(e.ID, " <>\"") {
				t.Errorf("%s: the id %q is there twice, or is none", name, e.ID)
			}
			ids[e.ID] = true
			if _, err := time.Parse(time.RFC3339, e.Updated); err != nil || e.Title == "" || e.Content.Type != "html" {
				t.Errorf("%s: entry %d is %+v", name, i, e)
			}
			if len(e.Links) != 1 || !strings.HasPrefix(e.Links[0].Href, "http") || strings.Contains(e.Content.Text, "<script") {
				t.Errorf("%s: entry %d leads to %v and says %q", name, i, e.Links, e.Content.Text)
			}
			if _, err := html.Parse(strings.NewReader(e.Content.Text)); err != nil {
				t.Errorf("%s: entry %d: %v", name, i, err)
			}
		}
	}
}

// A feed of development builds alone has those; else they would drown the rest.
func TestFeedOfCommits(t *testing.T) {
	t.Parallel()
	s := sampleSite()
	s.Groups = s.Groups[2:]
	ix := NewIndex(built("development", day(0)))
	if text := string(allPages(t, s, ix)[s.Atom].Content); strings.Count(text, "<entry>") != 1 {
		t.Errorf("the feed is %s", text)
	}
}
