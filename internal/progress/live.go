package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// For gives the reporter that fits a stream: a live view when it is a terminal
// that can show one, plain lines otherwise. close ends the view and must be
// called before anything else is written to the terminal.
func For(f *os.File, options ...Option) (r Teller, close func()) {
	if !Terminal(f) {
		return Lines(f, options...), func() {}
	}
	return Live(f, options...)
}

// Terminal reports whether a stream is a terminal that understands cursor
// movement.
func Terminal(f *os.File) bool {
	return isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
}

// Coloured reports whether colours belong on a stream (https://no-color.org).
func Coloured(f *os.File) bool { return Terminal(f) && os.Getenv("NO_COLOR") == "" }

// Live shows what is going on below the lines of what has ended.
func Live(f *os.File, options ...Option) (r Teller, close func()) {
	m := plainMarks
	if Coloured(f) {
		m = colourMarks()
	}
	p := mpb.New(mpb.WithOutput(f), mpb.WithWidth(24), mpb.WithRefreshRate(100*time.Millisecond), mpb.WithAutoRefresh())
	l := &live{bars: p, marks: m, shown: newShown(options)}
	return l, func() { p.Wait() }
}

type live struct {
	bars  *mpb.Progress
	marks marks

	mu    sync.Mutex
	shown shown
}

func (l *live) Head(line string) { l.write(l.marks.head(line)) }

func (l *live) Say(line string) { l.print(line) }

func (l *live) Note(line string) { l.print(l.marks.note("! ") + line) }

func (l *live) print(line string) { l.write(l.shown.indented(line)) }

func (l *live) write(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown.speaker = nil
	_, _ = io.WriteString(l.bars, line+"\n")
}

func (l *live) output(task any, name, line string) {
	if !l.shown.output {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.bars, l.shown.indented(l.shown.said(task, name, line, l.marks))+"\n")
}

func (l *live) Stage(name string) Stage {
	bar := l.bars.New(0, mpb.SpinnerStyle("⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏").PositionLeft(),
		mpb.BarRemoveOnComplete(), mpb.BarWidth(1),
		mpb.AppendDecorators(decor.Name(fmt.Sprintf("%-9s", name)), decor.Elapsed(decor.ET_STYLE_GO, decor.WCSyncSpace)))
	return &liveStage{live: l, bar: bar, name: name, begun: time.Now()}
}

type liveStage struct {
	*live
	bar   *mpb.Bar
	name  string
	begun time.Time
}

func (s *liveStage) Done(summary string, err error) {
	s.bar.Abort(true)
	s.print(s.marks.ending(s.name, summary, err, time.Since(s.begun)))
}

func (s *liveStage) Task(name string, total int64) Task {
	label := decor.Name("    "+name, decor.WCSyncSpaceR)
	options := []mpb.BarOption{mpb.BarRemoveOnComplete(), mpb.PrependDecorators(label)}
	var bar *mpb.Bar
	if total > 0 {
		options = append(options, mpb.AppendDecorators(decor.CountersKiloByte("% .1f / % .1f", decor.WCSyncSpace)))
		bar = s.bars.New(total, mpb.BarStyle().Lbound("").Rbound("").Filler("━").Tip("━").Padding("─"), options...)
	} else {
		options = append(options, mpb.BarWidth(1), mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO, decor.WCSyncSpace)))
		bar = s.bars.New(0, mpb.NopStyle(), options...)
	}
	return &liveTask{stage: s, bar: bar, name: name, begun: time.Now()}
}

type liveTask struct {
	stage *liveStage
	bar   *mpb.Bar
	name  string
	begun time.Time
}

func (t *liveTask) At(done int64) { t.bar.SetCurrent(done) }

func (t *liveTask) Output(line string) { t.stage.output(t, t.name, line) }

func (t *liveTask) Done(summary string, err error) {
	t.bar.Abort(true)
	t.stage.print(t.stage.marks.taskEnding(t.name, summary, err, time.Since(t.begun)))
}
