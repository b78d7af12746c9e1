package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/fatih/color"
)

// Option changes what a reporter shows.
type Option func(*shown)

// Verbose shows what the work itself writes, such as a compiler.
func Verbose(on bool) Option { return func(s *shown) { s.output = on } }

// Indent has everything but headings begin with a margin.
func Indent(margin string) Option { return func(s *shown) { s.margin = margin } }

// shown is what a reporter shows besides what ends.
type shown struct {
	output  bool
	margin  string
	speaker any // the task whose output came last
}

// indented puts the margin before each line of a text.
func (s *shown) indented(text string) string {
	if s.margin == "" {
		return text
	}
	return s.margin + strings.ReplaceAll(text, "\n", "\n"+s.margin)
}

func newShown(options []Option) (s shown) {
	for _, o := range options {
		o(&s)
	}
	return s
}

// said gives the lines for a line that a task wrote, with the task's name above
// when another one spoke before it.
func (s *shown) said(task any, name, line string, m marks) (text string) {
	if s.speaker != task {
		text = fmt.Sprintf("  %s\n", m.dim("> "+name))
	}
	s.speaker = task
	return text + "    " + line
}

// Lines writes one plain line for each thing that ends: for logs.
func Lines(w io.Writer, options ...Option) Teller {
	return &lines{w: w, marks: plainMarks, shown: newShown(options)}
}

type lines struct {
	mu    sync.Mutex
	w     io.Writer
	marks marks
	shown shown
}

// marks are how the ends of stages and tasks look.
type marks struct{ ok, failed, dim, note, head func(string) string }

func plain(s string) string { return s }

var plainMarks = marks{ok: plain, failed: plain, dim: plain, note: plain, head: plain}

func colourMarks() marks {
	paint := func(attrs ...color.Attribute) func(string) string {
		c := color.New(attrs...)
		c.EnableColor()
		return func(s string) string { return c.Sprint(s) }
	}
	return marks{ok: paint(color.FgGreen), failed: paint(color.FgRed, color.Bold), dim: paint(color.Faint), note: paint(color.FgYellow), head: paint(color.Bold)}
}

func (l *lines) Head(line string) { l.write(l.marks.head(line)) }

func (l *lines) Say(line string) { l.print(line) }

func (l *lines) Note(line string) { l.print(l.marks.note("! ") + line) }

func (l *lines) Stage(name string) Stage {
	return &lineStage{lines: l, name: name, begun: time.Now()}
}

func (l *lines) print(line string) { l.write(l.shown.indented(line)) }

func (l *lines) write(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown.speaker = nil
	fmt.Fprintln(l.w, line)
}

func (l *lines) output(task any, name, line string) {
	if !l.shown.output {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.w, l.shown.indented(l.shown.said(task, name, line, l.marks)))
}

type lineStage struct {
	*lines
	name  string
	begun time.Time
}

func (s *lineStage) Done(summary string, err error) {
	s.print(s.marks.ending(s.name, summary, err, time.Since(s.begun)))
}

func (s *lineStage) Task(name string, _ int64) Task {
	return &lineTask{stage: s, name: name, begun: time.Now()}
}

type lineTask struct {
	stage *lineStage
	name  string
	begun time.Time
}

func (t *lineTask) At(int64) {}

func (t *lineTask) Output(line string) { t.stage.output(t, t.name, line) }

func (t *lineTask) Done(summary string, err error) {
	t.stage.print(t.stage.marks.taskEnding(t.name, summary, err, time.Since(t.begun)))
}

// ending is the line that a finished stage leaves behind.
func (m marks) ending(name, summary string, err error, took time.Duration) string {
	if err != nil {
		return fmt.Sprintf("%s %-9s %s", m.failed("✗"), name, m.dim(short(took)))
	}
	return fmt.Sprintf("%s %-9s %s  %s", m.ok("✓"), name, summary, m.dim(short(took)))
}

func (m marks) taskEnding(name, summary string, err error, took time.Duration) string {
	if err != nil {
		return fmt.Sprintf("  %s %s  %s", m.failed("✗"), name, m.dim(short(took)))
	}
	if summary != "" {
		summary = "  " + summary
	}
	return fmt.Sprintf("  %s %s%s  %s", m.ok("·"), name, summary, m.dim(short(took)))
}

// short gives a duration as a person says it: 40ms, 3.2s, 4m10s.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
