package build

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/slipway-dev/slipway/internal/release"
)

// outputMark is the placeholder that a plan leaves open.
const outputMark = "{output}"

// outputInScript replaces {output} in a shell script by a reference to
// $SLIPWAY_OUTPUT, quoted for the place where it stands, so that the path is
// one word there whatever it holds and never becomes shell text.
func outputInScript(script string) (string, error) {
	if !strings.Contains(script, outputMark) {
		return script, nil
	}
	// The shell may be any; the Bash grammar takes in POSIX's.
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash), syntax.KeepComments(true)).Parse(strings.NewReader(script), "run")
	if err != nil {
		return "", release.Invalidf("mend the script; it runs with `sh -c`", "the script can't be read as a shell's: %v", err)
	}
	s := &outputScan{script: script, at: map[int]string{}}
	syntax.Walk(file, s.visit)
	if len(s.at) != strings.Count(script, outputMark) {
		return "", release.Invalidf(`write "$SLIPWAY_OUTPUT" there`, "the script has {output} where no path can be filled in, such as in a quoted here-document")
	}
	var out strings.Builder
	last := 0
	for _, at := range sortedKeys(s.at) {
		out.WriteString(script[last:at] + s.at[at])
		last = at + len(outputMark)
	}
	return out.String() + script[last:], nil
}

func sortedKeys(m map[int]string) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// outputScan finds every {output} and what to write in its place.
type outputScan struct {
	script string
	at     map[int]string // offset in script → replacement
	open   []syntax.Node  // from the file down to the node that is visited
}

func (s *outputScan) visit(n syntax.Node) bool {
	if n == nil {
		s.open = s.open[:len(s.open)-1]
		return true
	}
	switch n := n.(type) {
	case *syntax.Comment:
		s.replace(n, outputMark)
	case *syntax.Lit:
		switch s.quoting() {
		case bare:
			s.replace(n, `"${SLIPWAY_OUTPUT}"`)
		case expanding:
			s.replace(n, `${SLIPWAY_OUTPUT}`)
		}
	case *syntax.SglQuoted:
		if s.quoting() == bare {
			again := `'`
			if n.Dollar {
				again = `$'`
			}
			s.replace(n, `'"${SLIPWAY_OUTPUT}"`+again)
		}
	}
	s.open = append(s.open, n)
	return true
}

type quoting int

const (
	bare      quoting = iota // words are split: quotes are needed
	expanding                // inside double quotes or a here-document
	verbatim                 // nothing is expanded
)

// quoting says what holds at the node that is visited: the nearest thing
// around it that quotes, or that begins a command anew.
func (s *outputScan) quoting() quoting {
	for i := len(s.open) - 1; i >= 0; i-- {
		switch n := s.open[i].(type) {
		case *syntax.CmdSubst, *syntax.ProcSubst:
			return bare
		case *syntax.DblQuoted:
			return expanding
		case *syntax.Redirect:
			if i+1 < len(s.open) && n.Hdoc != nil && s.open[i+1] == syntax.Node(n.Hdoc) {
				return heredoc(n)
			}
		}
	}
	return bare
}

// heredoc: a delimiter with quotes keeps the body as it is.
func heredoc(r *syntax.Redirect) quoting {
	for _, p := range r.Word.Parts {
		if l, ok := p.(*syntax.Lit); !ok || strings.Contains(l.Value, `\`) {
			return verbatim
		}
	}
	return expanding
}

func (s *outputScan) replace(n syntax.Node, with string) {
	from, to := int(n.Pos().Offset()), int(n.End().Offset())
	if from > to || to > len(s.script) {
		return
	}
	for {
		i := strings.Index(s.script[from:to], outputMark)
		if i < 0 {
			return
		}
		s.at[from+i] = with
		from += i + len(outputMark)
	}
}
