package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
)

// mostItems bounds what is shown of a large release package; JSON has all.
const mostItems = 100

// rolloutTitle names a release of a release package.
func rolloutTitle(r release.ReportRollout) string {
	switch {
	case len(r.Registered) > 0:
		return r.Package + ": registered " + strings.Join(r.Registered, ", ")
	case r.Release == "":
		return r.Package + ": " + r.Status
	}
	return fmt.Sprintf("release %s of %s, commit %s: %s", r.Release, r.Package, release.ShortCommit(r.Commit), r.Status)
}

// rollouts writes how release packages went, for a person.
func rollouts(w io.Writer, r release.Report) {
	for _, ro := range r.Rollouts {
		fmt.Fprintln(w, rolloutTitle(ro))
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		rows, more := itemRows(ro)
		for _, it := range rows {
			row := fmt.Sprintf("  %s\t%s\t%s\t%s\t%s", itemSign(it.Status), it.Name, it.Status, took(it.Duration), oneLine(it.Note))
			fmt.Fprintln(t, strings.TrimRight(row, "\t "))
		}
		_ = t.Flush()
		if more > 0 {
			fmt.Fprintf(w, "  … and %d more\n", more)
		}
	}
}

// rolloutTables writes how release packages went, a table for each.
func rolloutTables(w io.Writer, r release.Report) {
	for _, ro := range r.Rollouts {
		fmt.Fprintf(w, "### %s\n\n", cell(rolloutTitle(ro)))
		for _, p := range ro.Problems {
			fmt.Fprintf(w, "%s\n\n", fence(p.Error()))
		}
		for _, wait := range ro.Waits {
			fmt.Fprintf(w, "- waits: %s\n", cell(wait))
		}
		if len(ro.Waits) > 0 {
			fmt.Fprintln(w)
		}
		if len(ro.Phases) == 0 {
			continue
		}
		fmt.Fprintf(w, "| phase | item | | time | |\n| --- | --- | --- | ---: | --- |\n")
		left := mostItems
		for _, p := range ro.Phases {
			phase := p.Name
			for _, it := range p.Items[:min(len(p.Items), left)] {
				name := "`" + code(it.Name) + "`"
				if it.URL != "" {
					name = "[" + name + "](" + linked(it.URL) + ")"
				}
				fmt.Fprintf(w, "| %s | %s | %s %s | %s | %s |\n", cell(phase), name, itemSign(it.Status), it.Status, took(it.Duration), cell(clipped(it.Note, 200)))
				phase = ""
			}
			left = max(left-len(p.Items), 0)
		}
		fmt.Fprintln(w)
		if _, more := itemRows(ro); more > 0 {
			fmt.Fprintf(w, "… and %d more\n\n", more)
		}
	}
}

func itemRows(ro release.ReportRollout) (rows []release.ReportItem, more int) {
	for _, p := range ro.Phases {
		rows = append(rows, p.Items...)
	}
	shown := rows[:min(len(rows), mostItems)]
	return shown, len(rows) - len(shown)
}

func itemSign(status string) string {
	switch status {
	case "complete", "removed":
		return "✓"
	case "failed":
		return "✗"
	case "running":
		return "›"
	case "waiting":
		return "…"
	}
	return "-"
}

func took(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

func oneLine(s string) string { return clipped(strings.Join(strings.Fields(s), " "), 160) }

func clipped(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
