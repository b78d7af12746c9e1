package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// places tells where else the release is.
func places(w io.Writer, r release.Report) {
	for _, p := range r.Places {
		fmt.Fprintf(w, "\n%s: %s%s\n", p.Where, Count(len(p.Files), "file"), put(p))
		for _, u := range []struct{ what, url string }{{"page", p.Page}, {"list", p.List}, {"feed", p.Feed}} {
			if u.url != "" {
				fmt.Fprintf(w, "  %s  %s\n", u.what, u.url)
			}
		}
	}
}

// Count is a number of things in words.
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// put says how many of a place's files this run brought there.
func put(p release.ReportPlace) string {
	n := 0
	for _, f := range p.Files {
		if f.Action != "kept" {
			n++
		}
	}
	if n == len(p.Files) {
		return ""
	}
	return fmt.Sprintf(", of which %d were put there now", n)
}

// placed tells of files that were put somewhere by hand.
func placed(w io.Writer, r release.Report) {
	fmt.Fprintf(w, "%s is there\n", r.Plan.Tag)
	Images(w, r.Images)
	if len(r.Places) == 0 {
		return
	}
	for _, p := range r.Places {
		fmt.Fprintf(w, "\n%s:\n", p.Where)
		for _, f := range p.Files {
			fmt.Fprintf(w, "  %s  %s  %s\n", f.URL, progress.Bytes(f.Size), f.Action)
		}
	}
	fmt.Fprintf(w, "\nno list names it yet, unless it did before: slipway publish index --tag %s\n", r.Plan.Tag)
}

func placeTable(w io.Writer, r release.Report) {
	for _, p := range r.Places {
		if len(p.Files) == 0 {
			continue
		}
		head := cell(p.Where)
		for _, u := range []struct{ what, url string }{{"page", p.Page}, {"list", p.List}, {"feed", p.Feed}} {
			if u.url != "" {
				head += fmt.Sprintf(" · [%s](%s)", u.what, linked(u.url))
			}
		}
		fmt.Fprintf(w, "%s\n\n| file | size | SHA-256 | |\n| --- | ---: | --- | --- |\n", head)
		for _, f := range p.Files {
			on := ""
			if f.Platform != nil && !strings.Contains(f.Name, f.Platform.Slug()) {
				on = " " + f.Platform.String()
			}
			fmt.Fprintf(w, "| [`%s`](%s)%s | %s | `%s` | %s |\n", code(f.Name), linked(f.URL), on, progress.Bytes(f.Size), strings.TrimPrefix(f.Digest, "sha256:"), f.Action)
		}
		fmt.Fprintln(w)
	}
}

// placeRows tell in a plan where else the release will be.
func placeRows(row func(name, format string, args ...any), p release.PlanPlace) {
	row(p.Kind, "%s: %s/", p.Where, p.Assets)
	for _, b := range p.Binaries {
		row("", "%s", b.Key)
	}
	row("", "named by %s, %s and %s", p.Index.JSON, p.Index.HTML, p.Index.Atom)
}
