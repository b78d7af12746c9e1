package report

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
)

// Answer is a comment that tells of one operation, or of one that is over. All
// of its texts are plain; Comment makes them harmless in Markdown.
type Answer struct {
	Operation int64 // by which the comment is found again
	Sign      string
	Headline  string
	Link      string   // the headline's address, empty when it has none
	Lines     []string // sentences below the headline
	Table     string   // Markdown of our own making, shown as it is
	Hint      string   // what would help
	Stages    []AnswerStage
	Report    *release.Report // of a release or a plan
	Log       string          // the end of what a failed command wrote
}

// AnswerStage is a stage of a release on its way.
type AnswerStage struct {
	Name, State, Summary string
}

// Comment writes an answer as Markdown. It begins with a mark that no reader
// sees, by which CommentOf knows it again.
func Comment(w io.Writer, a Answer) {
	fmt.Fprintf(w, "<!-- slipway operation %d -->\n", a.Operation)
	headline := "**" + cell(a.Headline) + "**"
	if a.Link != "" {
		headline = "[" + headline + "](" + linked(a.Link) + ")"
	}
	fmt.Fprintf(w, "%s %s\n\n", a.Sign, headline)
	for _, line := range a.Lines {
		fmt.Fprintf(w, "%s\n\n", cell(line))
	}
	if a.Hint != "" {
		fmt.Fprintf(w, "%s\n\n", cell(a.Hint))
	}
	if a.Table != "" {
		fmt.Fprintf(w, "%s\n\n", strings.TrimSpace(a.Table))
	}
	if len(a.Stages) > 0 {
		fmt.Fprintf(w, "| stage | | |\n| --- | --- | --- |\n")
		for _, s := range a.Stages {
			fmt.Fprintf(w, "| %s | %s | %s |\n", cell(s.Name), cell(s.State), cell(s.Summary))
		}
		fmt.Fprintln(w)
	}
	if a.Log != "" {
		fmt.Fprintf(w, "%s\n\n", fence(a.Log))
	}
	if r := a.Report; r != nil {
		if r.Outcome == release.Planned && r.Plan != nil {
			var b strings.Builder
			Plan(&b, *r)
			fmt.Fprintf(w, "%s\n\n", fence(b.String()))
		} else if len(r.Assets)+len(r.Images) > 0 {
			fmt.Fprintf(w, "<details><summary>%s</summary>\n\n", counted(len(r.Assets), "asset"))
			assetTable(w, *r)
			imageTable(w, *r)
			fmt.Fprintf(w, "</details>\n")
		}
	}
}

// linked is an address between the parentheses of a link.
func linked(url string) string {
	return strings.NewReplacer("(", "%28", ")", "%29", " ", "%20", "<", "%3C", ">", "%3E", "\n", "").Replace(url)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

var answerMark = regexp.MustCompile(`^<!-- slipway operation ([0-9]{1,18}) -->`)

// CommentOf is the operation that a comment of ours tells of.
func CommentOf(body string) (operation int64, ok bool) {
	m := answerMark.FindStringSubmatch(body)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	return n, err == nil
}

// StatusRow is one release in a table of them.
type StatusRow struct {
	Ref, Commit, State, Actor, Summary string
	At                                 time.Time
}

// StatusTable is a Markdown table of releases; empty without any.
func StatusTable(rows []StatusRow) string {
	if len(rows) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| release | commit | state | asked for by | when | |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s |\n", code(r.Ref), code(r.Commit), cell(r.State), cell(r.Actor), r.At.UTC().Format(time.DateTime), cell(r.Summary))
	}
	return b.String()
}
