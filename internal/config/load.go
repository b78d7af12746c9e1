package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/schedule"
)

// FileName is where the config lies in a repository.
const FileName = ".slipway.yaml"

// What a file may hold at most. Real ones stay far below; the limits keep a
// hostile one from costing more than a second.
const (
	maxSize   = 1 << 20 // bytes
	maxTokens = 20_000
	maxDepth  = 64
	maxValues = 50_000 // once aliases are followed
	maxShown  = 100    // problems
)

// Load reads a config from YAML; name is the file's, for the problems. All
// problems are found in one go and come in the file's order: those of the
// syntax, of the structure (unknown keys, wrong types), of the meaning
// (release.Validate), and warnings of classes that can never match. An empty
// file is the empty config. The config is as written, without defaults
// (see Complete), and is to be used only when no problem but warnings is left.
func Load(name string, data []byte) (release.Config, release.Problems) {
	d := decode(data)
	if !d.unreadable {
		d.meaning()
	}
	return d.config, d.shown(name)
}

// shown are the problems in the file's order, with its name.
func (d *decoder) shown(name string) release.Problems {
	slices.SortStableFunc(d.problems, func(a, b release.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if more := len(d.problems) - maxShown; more > 0 {
		d.problems = append(d.problems[:maxShown:maxShown], release.Problem{Message: fmt.Sprintf("there are %d more problems", more)})
	}
	for i := range d.problems {
		d.problems[i].File = name
	}
	return d.problems
}

// decode does all of Load that the JSON schema does too.
func decode(data []byte) *decoder {
	d := newDecoder(sections, "project: hello")
	d.decode(data, &d.config)
	return d
}

func newDecoder(sections []section, example string) *decoder {
	return &decoder{sections: sections, example: example,
		places: map[string]place{}, seen: map[seenProblem]bool{}, bindings: map[*ast.AliasNode]ast.Node{}}
}

func (d *decoder) decode(data []byte, into any) {
	if body := d.parse(data); body != nil {
		d.bind(body, map[string]ast.Node{})
		d.root(body, into)
	}
}

// place is a position in the file, counted from 1.
type place struct{ line, column int }

func placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// parse gives the body of the only document; nil when there is none or when a
// problem was found.
func (d *decoder) parse(data []byte) ast.Node {
	text, ok := d.text(data)
	if !ok {
		return nil
	}
	tokens := lexer.Tokenize(text)
	if !d.bounded(tokens) {
		return nil
	}
	file, err := parseTokens(tokens)
	if err != nil {
		d.syntaxError(text, err)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.DirectiveType:
		case body == nil:
			body = doc.Body
		default:
			start := doc.Start
			if start == nil {
				start = doc.Body.GetToken()
			}
			d.fail(placeOf(start), "", "put everything into one document", "a second document begins here")
			d.unreadable = true
			return nil
		}
	}
	return body
}

// parseTokens is the parser with its panics as errors: it has had some on
// input that is no YAML.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("it can't be read")
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// text refuses what is no text, and makes line ends alike.
func (d *decoder) text(data []byte) (string, bool) {
	d.unreadable = true
	switch {
	case len(data) > maxSize:
		d.fail(place{1, 1}, "", "", "the file has %d bytes; a config has at most %d", len(data), maxSize)
		return "", false
	case bytes.HasPrefix(data, []byte{0xFE, 0xFF}), bytes.HasPrefix(data, []byte{0xFF, 0xFE}):
		d.fail(place{1, 1}, "", "save it as UTF-8", "the file is UTF-16")
		return "", false
	}
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	p := place{1, 1}
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			d.fail(p, "", "save it as UTF-8", "the file is not UTF-8: byte 0x%02X stands here", rest[0])
			return "", false
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7F:
			d.fail(p, "", "remove it", "a control character (U+%04X) stands here", r)
			return "", false
		}
		if p.column++; r == '\n' {
			p = place{p.line + 1, 1}
		}
		rest = rest[size:]
	}
	d.unreadable = false
	return strings.ReplaceAll(string(data), "\r\n", "\n"), true
}

// bounded refuses a file before the parser, which recurses, sees it.
func (d *decoder) bounded(tokens token.Tokens) bool {
	d.unreadable = true
	if len(tokens) > maxTokens {
		d.fail(placeOf(tokens[maxTokens]), "", "", "the file has more than %d words and signs; no config has so many", maxTokens)
		return false
	}
	flow, line := 0, 0
	var indents []int // the columns of the blocks that are open
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		}
		if at := placeOf(t); at.line != line || t.Type == token.SequenceEntryType || t.Type == token.MappingKeyType {
			line = at.line
			for len(indents) > 0 && indents[len(indents)-1] >= at.column {
				indents = indents[:len(indents)-1]
			}
			indents = append(indents, at.column)
		}
		if flow > maxDepth || len(indents) > maxDepth {
			d.fail(placeOf(t), "", "", "the file is nested more than %d deep here; no config is so deep", maxDepth)
			return false
		}
	}
	d.unreadable = false
	return true
}

// meaning adds what release.Validate finds, leaving out what follows only from
// a problem of the structure: a field that could not be read, or one that is
// missing where a key could not be understood.
func (d *decoder) meaning() {
	found := release.Validate(d.config)
	found = append(found, release.Unreachable(d.config.Classes)...)
	found = append(found, times(d.config.Schedule)...)
	structural := slices.Clone(d.problems)
	for _, p := range found {
		if follows(p, structural, d.places) {
			continue
		}
		at := d.nearest(p.Field)
		p.Line, p.Column = at.line, at.column
		d.problems = append(d.problems, p)
	}
}

// times finds what is wrong with the times and time zones of schedules.
func times(list []release.Schedule) release.Problems {
	var out release.Problems
	for i, s := range list[:min(len(list), release.MostSchedules)] {
		if s.Cron == "" {
			continue
		}
		_, err := schedule.Parse(s.Cron, s.Timezone)
		var problems release.Problems
		errors.As(err, &problems)
		for _, p := range problems {
			p.Field = index("schedule", i) + "." + p.Field
			out = append(out, p)
		}
	}
	return out
}

func follows(p release.Problem, structural release.Problems, places map[string]place) bool {
	_, written := places[p.Field]
	for _, s := range structural {
		if p.Field == s.Field || strings.HasPrefix(p.Field, s.Field+".") || strings.HasPrefix(p.Field, s.Field+"[") {
			return true
		}
		if !written && parent(p.Field) == parent(s.Field) {
			return true
		}
	}
	return false
}

// nearest is the place of a field, or of what it would stand in.
func (d *decoder) nearest(field string) place {
	for ; field != ""; field = parent(field) {
		if at, ok := d.places[field]; ok {
			return at
		}
	}
	return place{1, 1}
}

// parent is the field that a field stands in: "a[1].b" is in "a[1]" is in "a".
func parent(field string) string {
	if strings.HasSuffix(field, `"]`) {
		if i := strings.Index(field, `["`); i >= 0 {
			return field[:i]
		}
	}
	return field[:max(strings.LastIndexAny(field, ".["), 0)]
}

func (d *decoder) fail(at place, field, hint, format string, args ...any) {
	p := release.Problem{Line: at.line, Column: at.column, Field: field, Message: fmt.Sprintf(format, args...), Hint: hint}
	// What an alias leads to is read as often as it is used.
	if key := (seenProblem{at, p.Message}); !d.seen[key] {
		d.seen[key] = true
		d.problems = append(d.problems, p)
	}
}

type seenProblem struct {
	at      place
	message string
}
