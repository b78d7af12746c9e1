package action

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sethvargo/go-githubactions"

	"github.com/slipway-dev/slipway/internal/progress"
)

// console is the log of a workflow's step. What it is given is text: lines in it
// that a runner would take for commands are changed so that it does not, and
// secrets are not in it.
type console struct {
	mu   sync.Mutex
	w    io.Writer
	mask *strings.Replacer
	rest []byte
}

// Write takes text; whole lines go on.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest = append(c.rest, p...)
	for {
		line, rest, ok := bytes.Cut(c.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		c.rest = rest
		if _, err := io.WriteString(c.w, harmless(c.mask.Replace(string(line)))+"\n"); err != nil {
			return 0, err
		}
	}
}

// flush writes a last line that has no end.
func (c *console) flush() {
	if len(c.rest) > 0 {
		_, _ = c.Write([]byte("\n"))
	}
}

// gap is a character of no width: it parts what a runner looks for.
const gap = "\u200b"

// harmless changes a line that a runner would take for a command: ::name:: at
// its begin, and ##[name] anywhere.
func harmless(line string) string {
	if strings.HasPrefix(strings.TrimSpace(line), "::") {
		line = strings.Replace(line, "::", ":"+gap+":", 1)
	}
	return strings.ReplaceAll(line, "##[", "#"+gap+"#[")
}

// groups shows stages as groups of the log, one after another, with the lines
// of progress.Lines in them.
type groups struct {
	action *githubactions.Action
	lines  progress.Reporter
}

// Note implements progress.Reporter.
func (g groups) Note(line string) { g.lines.Note(line) }

// Stage implements progress.Reporter.
func (g groups) Stage(name string) progress.Stage {
	return &group{Stage: g.lines.Stage(name), name: name, action: g.action}
}

// group is a stage. Its group begins with its first task: a stage without any
// is one line.
type group struct {
	progress.Stage
	name   string
	action *githubactions.Action
	begin  sync.Once
	begun  bool
}

// Task implements progress.Stage.
func (g *group) Task(name string, total int64) progress.Task {
	g.begin.Do(func() {
		g.action.Group(g.name)
		g.begun = true
	})
	return g.Stage.Task(name, total)
}

// Done ends the group; the stage's own line comes after it, where it is seen
// when the group is closed.
func (g *group) Done(summary string, err error) {
	g.begin.Do(func() {}) // a group that begins after its end would never end
	if g.begun {
		g.action.EndGroup()
	}
	g.Stage.Done(summary, err)
}

var (
	secretName = regexp.MustCompile(`(?i)(token|password|passwd|passphrase|secret|credential|_key$)`)
	plainWord  = regexp.MustCompile(`^[a-z]{1,7}$`)
)

// secrets are the values of this environment that nobody may see: those of
// variables whose names say so.
func secrets(environ []string, also ...string) []string {
	var out []string
	add := func(value string) {
		for _, part := range append([]string{value}, strings.Split(value, "\n")...) {
			// Less than that, and a word such as true, is found everywhere.
			if part = strings.TrimSpace(part); len(part) >= 4 && !plainWord.MatchString(part) {
				out = append(out, part)
			}
		}
	}
	for _, kv := range environ {
		if name, value, _ := strings.Cut(kv, "="); secretName.MatchString(name) && !strings.HasPrefix(value, "/") {
			add(value)
		}
	}
	for _, value := range also {
		add(value)
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) }) // one may begin another
	return slices.Compact(out)
}

func masker(secrets []string) *strings.Replacer {
	var pairs []string
	for _, s := range secrets {
		pairs = append(pairs, s, "***")
	}
	return strings.NewReplacer(pairs...)
}

// annotate tells of an error or a warning where it is in a file.
func annotate(a *githubactions.Action, file string, line, column int, format func(*githubactions.Action)) {
	fields := map[string]string{}
	if file != "" {
		fields["file"] = file
	}
	if line > 0 {
		fields["line"] = fmt.Sprint(line)
	}
	if column > 0 {
		fields["col"] = fmt.Sprint(column)
	}
	format(a.WithFieldsMap(fields))
}
