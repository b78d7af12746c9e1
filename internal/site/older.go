package site

import (
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

type olderView struct {
	frame
	Heading             string
	From, To, Dates     string
	Newer, Older, Index string
	Releases            []releaseView
}

type olderIndexView struct {
	frame
	Heading string
	Pages   []olderLine
}

type olderLine struct{ Href, From, To, Dates string }

// older makes the pages of a group's older releases, and what lists them.
func (p *pages) older(sh *shelf) {
	if len(sh.older) == 0 {
		return
	}
	// Several at once, because they are most of the work, and then in their order.
	type result struct {
		page Page
		err  error
	}
	results := make([]result, runtime.GOMAXPROCS(0))
	for from := 0; from < len(sh.older) && !p.ended; from += len(results) {
		batch := results[:min(len(results), len(sh.older)-from)]
		var done sync.WaitGroup
		for i := range batch {
			done.Go(func() { batch[i].page, batch[i].err = p.olderPage(sh, from+i+1) })
		}
		done.Wait()
		for _, r := range batch {
			p.give(r.page, r.err)
		}
	}
	if p.ended {
		return
	}
	key := p.site.olderIndexKey(sh.Class)
	heading := "Older " + lower(sh.heading())
	out := olderIndexView{frame: p.frame(key, heading+" · "+p.site.title()), Heading: heading}
	for i := len(sh.older); i > 0; i-- {
		all := sh.older[i-1]
		newest, oldest := all[0], all[len(all)-1]
		out.Pages = append(out.Pages, olderLine{
			Href: relative(key, p.site.olderKey(sh.Class, i)),
			From: shown(oldest), To: shown(newest), Dates: span(oldest, newest),
		})
	}
	p.give(page("index", key, out))
}

func (p *pages) olderPage(sh *shelf, n int) (Page, error) {
	all := sh.older[n-1]
	key := p.site.olderKey(sh.Class, n)
	heading := "Older " + lower(sh.heading()) + ", page " + strconv.Itoa(n)
	newest, oldest := all[0], all[len(all)-1]
	out := olderView{frame: p.frame(key, heading+" · "+p.site.title()), Heading: heading, Index: relative(key, p.site.olderIndexKey(sh.Class))}
	out.From, out.To, out.Dates = shown(oldest), shown(newest), span(oldest, newest)
	if n < len(sh.older) {
		out.Newer = relative(key, p.site.olderKey(sh.Class, n+1))
	}
	if n > 1 {
		out.Older = relative(key, p.site.olderKey(sh.Class, n-1))
	}
	v := viewer{site: p.site, page: key}
	for _, e := range all {
		r := v.release(e)
		if e.by != nil && e.Withdrawn == nil {
			// Nothing that a later release would change: it would change all pages.
			r.Superseded = &linkView{Href: out.First}
		}
		out.Releases = append(out.Releases, r)
	}
	return page("older", key, out)
}

// shown is how a release's name is shown.
func shown(e *entry) string {
	if isCommit(e.Name) {
		return e.Name[:12]
	}
	return visible(e.Name, mostText)
}

// span is the time between two releases, in words.
func span(oldest, newest *entry) string {
	const month = "January 2006"
	a, b := oldest.Time.UTC().Format(month), newest.Time.UTC().Format(month)
	if a == b {
		return a
	}
	return a + " to " + b
}

// lower makes a heading the rest of another; an abbreviation stays.
func lower(heading string) string {
	if len(heading) > 1 && unicode.IsLower(rune(heading[1])) {
		return strings.ToLower(heading[:1]) + heading[1:]
	}
	return heading
}
