// Package report renders a Report: for people as text and tables, for machines
// as JSON.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// JSON writes one Report as indented JSON with a final newline.
func JSON(w io.Writer, r release.Report) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// Text writes how an operation went, for a person to read at its end. It does
// not repeat the error, which the caller shows last; of release packages it also
// tells when they failed or wait.
func Text(w io.Writer, r release.Report) {
	switch r.Outcome {
	case release.Published:
		fmt.Fprintf(w, "%s is published as %s: %s\n", r.Plan.Tag, r.Plan.Class, r.Release.URL)
		if r.Plan.Promoted != nil {
			fmt.Fprintf(w, "it has the bits of %s: nothing was built; %s\n", r.Plan.Promoted.From, oldVersion(r.Plan))
		}
		Images(w, r.Images)
		assets(w, r)
		places(w, r)
	case release.Placed:
		placed(w, r)
	case release.Unchanged:
		if r.PromotedFrom != nil && r.Plan.Promoted == nil {
			fmt.Fprintf(w, "%s is published already, with the bits of %s: nothing to do\n%s\n", r.Plan.Tag, r.PromotedFrom.Tag, r.Release.URL)
		} else {
			fmt.Fprintf(w, "%s is published already and equal to the plan: nothing to do\n%s\n", r.Plan.Tag, r.Release.URL)
		}
		Images(w, r.Images)
		places(w, r)
	case release.Built:
		fmt.Fprintf(w, "built %s %s; nothing was published\n", r.Plan.Project, r.Plan.Version)
		assets(w, r)
	case release.Planned:
		if r.Plan != nil {
			Plan(w, r)
		}
	case release.Checked:
		fmt.Fprintf(w, "%s %s passes its checks\n", r.Plan.Project, r.Plan.Version)
	case release.RolledOut, release.Waits, release.Stopped:
		rollouts(w, r)
	case release.Skipped:
		fmt.Fprintf(w, "nothing to release: %s\n", r.Decision.Reason)
	}
}

func assets(w io.Writer, r release.Report) {
	if len(r.Assets) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.TrimRight("ASSET\tSIZE\tSHA-256\t"+stateTitle(r), "\t"))
	for _, a := range r.Assets {
		row := fmt.Sprintf("%s\t%s\t%.12s…\t%s", a.Name, progress.Bytes(a.Size), strings.TrimPrefix(a.Digest, "sha256:"), a.Action)
		fmt.Fprintln(t, strings.TrimRight(row, "\t"))
	}
	_ = t.Flush()
	for _, s := range r.Steps {
		if s.Outcome == "skipped" {
			on := ""
			if s.Platform != nil {
				on = " on " + s.Platform.String()
			}
			fmt.Fprintf(w, "\ncheck %s%s was skipped: %s", s.Name, on, s.Reason)
		}
	}
	if r.Dist != "" {
		fmt.Fprintf(w, "\nfiles are in %s\n", r.Dist)
	}
}

// stateTitle heads the column that tells what happened to an asset; nothing
// did when nothing was published.
func stateTitle(r release.Report) string {
	if r.Outcome == release.Published {
		return "STATE"
	}
	return ""
}

// Plan writes what would exist.
func Plan(w io.Writer, r release.Report) {
	p := r.Plan
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("class", "%s%s", p.Class, flags(p))
	row("why", "%s", r.Decision.Reason)
	row("version", "%s", p.Version)
	row("tag", "%s%s", p.Tag, map[bool]string{true: " (made by the release)"}[(p.Branch != "" || p.MakesTag) && !p.Snapshot])
	row("commit", "%s of %s", p.Commit, p.Time.Format("2006-01-02 15:04:05 MST"))
	if p.Target != nil {
		row("target", "%s", p.Target)
	} else {
		row("target", "none: no forge repository was found or asked for")
	}
	row("notes", "since %s (%s)", orElse(p.Notes.Previous, "the first commit"), p.Notes.Reason)
	if p.Promoted != nil {
		row("promotes", "the bits of %s: nothing is built", p.Promoted.From)
		row("", "%s", oldVersion(p))
	}
	for _, s := range p.Steps {
		on := ""
		if s.Platform != nil {
			on = " on " + s.Platform.String()
		}
		row("check", "%s%s", s.Name, on)
	}
	for _, b := range p.Builds {
		row("build", "%s for %s (%s)", b.ID, b.Platform, how(b))
	}
	for i, img := range p.Images {
		imageRows(row, img)
		if i < len(r.Ways) {
			row("", "%s: %s", way(r.Ways[i]), r.Ways[i].Reason)
		}
	}
	for _, a := range p.Assets {
		row("asset", "%s", a.Name)
	}
	for _, f := range p.Files {
		row("asset", "%s", f)
	}
	for _, pl := range p.Places {
		placeRows(row, pl)
	}
	row("hash", "%s", r.PlanHash)
	_ = t.Flush()
}

// oldVersion says what a promotion does not change.
func oldVersion(p *release.Plan) string {
	return fmt.Sprintf("binaries and images still say version %s of themselves (%s)", p.Promoted.Version, release.RebuildHint)
}

func flags(p *release.Plan) string {
	var f []string
	if p.Prerelease {
		f = append(f, "prerelease")
	}
	if p.Latest {
		f = append(f, "latest")
	}
	if len(f) == 0 {
		return ""
	}
	return " (" + strings.Join(f, ", ") + ")"
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
