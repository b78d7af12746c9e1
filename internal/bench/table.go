package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// row is one figure of the table.
type row struct {
	what        string
	ours, rival string // what was measured, and what it is held against
	figure      string // what the goal speaks of
	goal        string // empty when none was set
	met         bool
}

// ratioRow holds medians against each other. The ratios of both's best turns
// and of their processor time are told as well: they depend less on what else
// the machine does, and say when it was too busy for the first.
func ratioRow(what string, ours, rival *contender, goal float64) row {
	ratio := per(ours.took.median(), rival.took.median())
	return row{
		what: what, ours: seconds(ours.took.median()), rival: seconds(rival.took.median()),
		figure: fmt.Sprintf("%.2f (best %.2f, cpu %.2f)", ratio, per(ours.took.best(), rival.took.best()), per(ours.cpu.sum(), rival.cpu.sum())),
		goal:   fmt.Sprintf("≤ %.3g", goal), met: ratio <= goal,
	}
}

func per(a, b time.Duration) float64 { return float64(a) / float64(b) }

// memoryRow is a peak in bytes that is to stay below a goal in bytes.
func memoryRow(what string, bytes, goal int64) row {
	return row{what: what, figure: megabytes(bytes), goal: "< " + megabytes(goal), met: bytes < goal}
}

// note is a row without a goal.
func note(what string, took times) row { return row{what: what, ours: seconds(took.median())} }

func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

// table writes Markdown whose columns stand below each other.
func table(w io.Writer, rows []row) {
	lines := [][]string{{"", "slipway", "beside it", "figure", "goal", ""}}
	for _, r := range rows {
		verdict := ""
		if r.goal != "" {
			verdict = map[bool]string{true: "met", false: "MISSED"}[r.met]
		}
		lines = append(lines, []string{r.what, r.ours, r.rival, r.figure, r.goal, verdict})
	}
	widths := make([]int, len(lines[0]))
	for _, cells := range lines {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", width)
	}
	for i, cells := range lines {
		writeLine(w, cells, widths)
		if i == 0 {
			writeLine(w, rule, widths)
		}
	}
}

func writeLine(w io.Writer, cells []string, widths []int) {
	for i, cell := range cells {
		fmt.Fprintf(w, "| %-*s ", widths[i], cell)
	}
	fmt.Fprintln(w, "|")
}
