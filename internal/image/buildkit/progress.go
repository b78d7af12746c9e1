package buildkit

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	bxprogress "github.com/docker/buildx/util/progress"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-dev/slipway/internal/progress"
)

// steps follows the steps of a build: it tells those that run to a stage, and
// keeps the last output of each for an error. It is buildx's progress.Writer.
type steps struct {
	image   string
	stage   progress.Stage
	mask    *strings.Replacer
	warning string // begins lines of output that are warnings; empty: none does

	mu       sync.Mutex
	all      map[digest.Digest]*step
	sources  map[digest.Digest]any // whose output of a step counts, when several tell it
	warnings []string
}

type step struct {
	name  string // as BuildKit writes it: "[linux/arm64 build 2/5] RUN make"
	task  progress.Task
	ended bool
	bytes map[string]int64 // downloads, by layer
	tail  tail
	rest  []byte // the begin of a line of output
}

func newSteps(r Request, mask *strings.Replacer) *steps {
	if r.Stage == nil {
		r.Stage = progress.Discard.Stage("")
	}
	return &steps{image: r.Name, stage: r.Stage, mask: mask, warning: r.WarningMark,
		all: map[digest.Digest]*step{}, sources: map[digest.Digest]any{}}
}

// writer is the steps as buildx takes them; a nil view is discarded.
func (s *steps) writer() bxprogress.Writer {
	if s == nil {
		return newSteps(Request{}, strings.NewReplacer())
	}
	return s
}

// Write is called by buildx with what has changed.
func (s *steps) Write(st *client.SolveStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range st.Vertexes {
		s.vertex(v)
	}
	for _, v := range st.Statuses {
		p := s.step(v.Vertex)
		if v.Total == 0 || p.task == nil || p.ended {
			continue
		}
		p.bytes[v.ID] = v.Current
		var done int64
		for _, n := range p.bytes {
			done += n
		}
		p.task.At(done)
	}
	for _, l := range st.Logs {
		p := s.step(l.Vertex)
		p.tail.write(l.Data)
		s.output(p, l.Data)
	}
	for _, w := range st.Warnings {
		s.warnings = append(s.warnings, string(w.Short))
	}
}

// output hands on the whole lines of what a step wrote.
func (s *steps) output(p *step, data []byte) {
	p.rest = append(p.rest, data...)
	for {
		line, rest, ok := bytes.Cut(p.rest, []byte("\n"))
		if !ok {
			break
		}
		p.rest = rest
		s.line(p, line)
	}
	if len(p.rest) > tailBytes {
		s.line(p, p.rest)
		p.rest = nil
	}
}

// line hands on one line: what a terminal would be left with, without secrets.
func (s *steps) line(p *step, line []byte) {
	line = bytes.TrimRight(line, "\r")
	line = line[bytes.LastIndexByte(line, '\r')+1:]
	text := s.mask.Replace(strings.Map(printable, string(line)))
	if warning, ok := strings.CutPrefix(text, s.warning); ok && s.warning != "" {
		s.warnings = append(s.warnings, warning)
	} else if p.task != nil && !p.ended {
		p.task.Output(text)
	}
}

// printable drops what could move a terminal's cursor or change its colours.
func printable(r rune) rune {
	if r != '\t' && unicode.IsControl(r) {
		return -1
	}
	return r
}

func (s *steps) step(d digest.Digest) *step {
	p := s.all[d]
	if p == nil {
		p = &step{bytes: map[string]int64{}}
		s.all[d] = p
	}
	return p
}

func (s *steps) vertex(v *client.Vertex) {
	p := s.step(v.Digest)
	p.name = v.Name
	name := shortStep(v.Name)
	if name == "" || v.Started == nil || p.ended {
		return
	}
	if v.Completed != nil && len(p.rest) > 0 {
		s.line(p, p.rest)
		p.rest = nil
	}
	if p.task == nil {
		if v.Cached {
			p.ended = true
			return
		}
		p.task = s.stage.Task(strings.TrimSpace(s.image+" "+name), 0)
	}
	switch {
	case v.Cached:
		p.task.Done("cached", nil)
		p.ended = true
	case v.Error != "":
		p.task.Done("", errStep(firstLine(v.Error)))
		p.ended = true
	case v.Completed != nil:
		p.task.Done("", nil)
		p.ended = true
	}
}

// end closes the tasks of steps that were cut off.
func (s *steps) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.all {
		if p.task != nil && !p.ended {
			p.task.Done("", err)
			p.ended = true
		}
	}
}

// warned gives BuildKit's warnings so far.
func (s *steps) warned() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.warnings)
}

// find gives a step's name and its last lines of output.
func (s *steps) find(d digest.Digest) (name string, output []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.all[d]; p != nil {
		return p.name, p.tail.lines()
	}
	return "", nil
}

// WriteBuildRef and the next two are buildx's; references of builds are for
// docker desktop.
func (s *steps) WriteBuildRef(string, string) {}

// ValidateLogSource lets one of several builds tell the output of a step that
// they share.
func (s *steps) ValidateLogSource(d digest.Digest, source any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.sources[d]; ok {
		return first == source
	}
	s.sources[d] = source
	return true
}

// ClearLogSource forgets a source that has ended.
func (s *steps) ClearLogSource(source any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d, first := range s.sources {
		if first == source {
			delete(s.sources, d)
		}
	}
}

type errStep string

func (e errStep) Error() string { return string(e) }

var stepName = regexp.MustCompile(`^\[([^\]]*)\] (.*)$`)

// shortStep is a step's name for a live view: the platform, when BuildKit
// names it, and the instruction. It is empty for BuildKit's internal steps.
func shortStep(name string) string {
	m := stepName.FindStringSubmatch(firstLine(name))
	if m == nil {
		return cutTo(firstLine(name), 60)
	}
	words := strings.Fields(m[1])
	platform := ""
	for i, w := range words {
		// [internal] …, [auth] …, and what is sent to the builder:
		// [context binaries] load from client.
		if w == "internal" || w == "auth" || i == 0 && w == "context" {
			return ""
		}
		if isPlatform(w) {
			platform = w + " "
		}
	}
	return cutTo(platform+bare(m[2]), 60)
}

// bare leaves of an instruction what tells a person what it does.
func bare(instruction string) string {
	instruction = flags.ReplaceAllString(strings.Join(strings.Fields(instruction), " "), "$1 ")
	if m := script.FindStringSubmatch(instruction); m != nil {
		return m[1]
	}
	return setUp.ReplaceAllString(instruction, "RUN ")
}

// script is a shell script that says in its first line what it does.
var script = regexp.MustCompile(`^RUN \["sh", "-[a-z]+", "# ([^\\"]+)`)

// flags are an instruction's own, which tell nobody what happens.
var flags = regexp.MustCompile(`^([A-Z]+)(?: --[a-z]+(?:=\S+)?)+ `)

// setUp is what a shell script begins with to get ready.
var setUp = regexp.MustCompile(`^RUN (?:(?:set -[a-z]+|eval "[^"]*"|export [^;]*|mkdir [^;]*|[a-z]+=[^;]*|case [^;]+ in .*? esac); )+`)

// stepPlatform is the platform in a step's name, if it has one.
func stepPlatform(name string) string {
	m := stepName.FindStringSubmatch(firstLine(name))
	if m == nil {
		return ""
	}
	for _, w := range strings.Fields(m[1]) {
		if isPlatform(w) {
			return w
		}
	}
	return ""
}

// isPlatform tells linux/arm64 from a stage's place, 2/5.
func isPlatform(w string) bool {
	os, _, ok := strings.Cut(w, "/")
	return ok && os != "" && (os[0] < '0' || os[0] > '9')
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

func cutTo(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// tail keeps the last lines that a step wrote.
type tail struct {
	buf []byte
	cut bool
}

const (
	tailBytes = 8 << 10
	tailLines = 20
)

func (t *tail) write(p []byte) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
		t.cut = true
	}
}

// lines are the last lines, without the half of one that was cut: it may
// begin with the half of a secret, which nobody would find.
func (t *tail) lines() []string {
	text := strings.TrimRight(strings.ToValidUTF8(string(t.buf), "�"), "\r\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	if t.cut && len(lines) > 1 {
		lines = lines[1:]
	} else if t.cut {
		_, lines[0], _ = strings.Cut(lines[0], " ")
	}
	return lines[max(0, len(lines)-tailLines):]
}
