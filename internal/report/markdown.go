package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// Markdown writes how an operation went as a job's summary: what was released,
// tables of its assets and images, its notes, how long each stage took, and why
// it failed, if it did.
func Markdown(w io.Writer, r release.Report, failed error) {
	fmt.Fprintf(w, "## %s\n\n", cell(headline(r, failed)))
	if failed != nil {
		if len(r.Rollouts) == 0 { // else the tables tell it
			fmt.Fprintf(w, "%s\n\n", fence(failed.Error()))
		}
		if hint := release.HintOf(failed); hint != "" {
			fmt.Fprintf(w, "%s\n\n", cell(hint))
		}
	}
	if r.Outcome == release.Skipped {
		fmt.Fprintf(w, "%s\n\n", cell(r.Decision.Reason))
	}
	if p := r.Plan; p != nil {
		fmt.Fprintf(w, "%s `%s`, version `%s`, tag `%s`, commit `%.12s`. %s\n\n", cell(p.Project), code(p.Class), code(p.Version), code(p.Tag), p.Commit, cell(r.Decision.Reason))
	}
	if r.Plan != nil && r.Plan.Promoted != nil {
		fmt.Fprintf(w, "Promotes the bits of `%s`: nothing is built. %s.\n\n", code(r.Plan.Promoted.From), cell(upperFirst(oldVersion(r.Plan))))
	}
	if r.Outcome == release.Planned && r.Plan != nil {
		var b strings.Builder
		Plan(&b, r)
		fmt.Fprintf(w, "%s\n\n", fence(b.String()))
	}
	assetTable(w, r)
	imageTable(w, r)
	placeTable(w, r)
	stepTable(w, r)
	rolloutTables(w, r)
	if r.Notes != "" {
		fmt.Fprintf(w, "<details><summary>Notes</summary>\n\n%s\n\n</details>\n\n", strings.TrimSpace(r.Notes))
	}
	if len(r.Stages) > 0 {
		fmt.Fprintf(w, "| stage | time |\n| --- | ---: |\n")
		for _, s := range r.Stages {
			fmt.Fprintf(w, "| %s | %s |\n", cell(s.Stage), s.Duration.Round(time.Millisecond))
		}
		fmt.Fprintln(w)
	}
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func headline(r release.Report, failed error) string {
	what := "Slipway"
	if r.Plan != nil {
		what = r.Plan.Project + " " + r.Plan.Version
	}
	switch {
	case failed != nil && len(r.Rollouts) > 0:
		return "The rollout " + map[bool]string{true: "waits", false: "failed"}[release.RolloutStatus(r.Rollouts) == string(release.Waits)]
	case failed != nil:
		return what + " failed"
	case r.Outcome == release.Published:
		return what + " is published"
	case r.Outcome == release.Unchanged:
		return what + " is published already"
	case r.Outcome == release.Placed:
		return what + " is put there"
	case r.Outcome == release.Built:
		return what + " is built"
	case r.Outcome == release.Checked:
		return what + " passes its checks"
	case r.Outcome == release.Planned:
		return what + " is planned"
	case r.Outcome == release.Skipped:
		return "Nothing to release"
	case r.Outcome == release.RolledOut:
		return "Rolled out"
	case r.Outcome == release.Waits:
		return "The rollout waits"
	}
	return what
}

func assetTable(w io.Writer, r release.Report) {
	if len(r.Assets) == 0 {
		return
	}
	fmt.Fprintf(w, "| asset | size | SHA-256 | |\n| --- | ---: | --- | --- |\n")
	for _, a := range r.Assets {
		name := "`" + code(a.Name) + "`"
		if a.URL != "" {
			name = "[" + name + "](" + linked(a.URL) + ")"
		}
		fmt.Fprintf(w, "| %s | %s | `%s` | %s |\n", name, progress.Bytes(a.Size), strings.TrimPrefix(a.Digest, "sha256:"), a.Action)
	}
	fmt.Fprintln(w)
}

func imageTable(w io.Writer, r release.Report) {
	if len(r.Images) == 0 {
		return
	}
	fmt.Fprintf(w, "| image | platforms | digest | tags |\n| --- | --- | --- | --- |\n")
	for _, img := range r.Images {
		var on []string
		for _, m := range img.Manifests {
			on = append(on, m.Platform.String())
		}
		for _, repository := range img.Repositories {
			fmt.Fprintf(w, "| `%s` | %s | `%s` | %s |\n", code(repository), strings.Join(on, ", "), img.Digest, cell(strings.Join(img.Tags, ", ")))
		}
	}
	fmt.Fprintln(w)
}

func stepTable(w io.Writer, r release.Report) {
	if len(r.Steps) == 0 {
		return
	}
	fmt.Fprintf(w, "| check | platform | | |\n| --- | --- | --- | --- |\n")
	for _, s := range r.Steps {
		on := ""
		if s.Platform != nil {
			on = s.Platform.String()
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", cell(s.Name), on, s.Outcome, cell(s.Reason))
	}
	fmt.Fprintln(w)
}

// cell makes text of somebody else's plain text in Markdown, on one line.
func cell(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "|", `\|`, "<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`, "*", `\*`, "_", `\_`, "#", `\#`, "@", "@\u200b").Replace(s)
}

// code is text between backticks.
func code(s string) string {
	return strings.NewReplacer("`", "'", "|", `\|`, "\n", " ", "\r", " ").Replace(s)
}

// fence is a block of text as it is.
func fence(s string) string {
	mark := "```"
	for strings.Contains(s, mark) {
		mark += "`"
	}
	return mark + "text\n" + strings.TrimRight(s, "\n") + "\n" + mark
}
