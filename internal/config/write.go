package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

const writtenHead = `# What Slipway ships from this repository.
# All keys: docs/config.md, or slipway schema > .slipway.schema.json for an
# editor, with this as the first line:
#   yaml-language-server: $schema=.slipway.schema.json
`

// samples are shown, commented out, for the keys that a config leaves out.
var samples = map[string]string{
	"project":     "project: hello",
	"description": "description: Says hello",
	"homepage":    "homepage: https://hello.example",
	"license":     "license: Apache-2.0",
	"maintainer":  "maintainer: Acme <release@acme.example>",
	"classes":     "classes:\n  - {name: stable, tag: 'v[0-9]+\\.[0-9]+\\.[0-9]+'}",
	"test":        "test:\n  - {name: vet, run: go vet ./...}\n  - {name: unit, run: go test ./...}\n  - {name: integration, run: 'go test -tags integration ./...', on: release, platforms: [linux/amd64, linux/386]}",
	"builds":      "builds:\n  - {id: hello, main: ./cmd/hello}",
	"archives":    "archives:\n  - {formats: [tar.gz]}",
	"packages":    "packages:\n  - {formats: [deb, rpm]}",
	"images":      "images:\n  - {id: hello, repository: registry.example/acme/hello}",
	"builder":     "builder: unix:///run/buildkit/buildkitd.sock",
	"assets":      "assets: [install.sh]",
	"notes":       "notes:\n  exclude: ['^chore']",
	"publish":     "publish:\n  s3: {endpoint: 'https://garage.example', bucket: releases}",
	"promote":     "promote:\n  require: [build, 'ci/**']",
	"schedule":    "schedule:\n  - {cron: '0 3 * * 1', timezone: Europe/Paris}",
	"commands":    "commands:\n  promote: {permission: maintain}",
	"rollout":     "rollout:\n  - {package: release.ocu.star, classes: [stable]}",
}

// Write gives a config as YAML with a comment above each key, and keys that are
// not set as comments. Load reads it back to the same config.
func Write(cfg release.Config) []byte {
	w := &writer{}
	w.b.WriteString(writtenHead)
	v := reflect.ValueOf(cfg)
	for _, k := range keysOf(v.Type()) {
		w.b.WriteString("\n")
		for _, line := range wrap(k.description, 90) {
			w.b.WriteString("# " + line + "\n")
		}
		f := v.FieldByIndex(k.index)
		if omitted(f) {
			w.b.WriteString("#" + strings.ReplaceAll(samples[k.name], "\n", "\n#") + "\n")
			continue
		}
		w.field(0, k.name, f)
	}
	return []byte(w.b.String())
}

// omitted reports whether a value is as if its key were not there. An empty
// list that is not nil is one that was written.
func omitted(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice:
		return v.IsNil()
	case reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		if c, ok := reflect.TypeAssert[release.Command](v); ok {
			return c.IsZero()
		}
		for _, k := range keysOf(v.Type()) {
			if !omitted(v.FieldByIndex(k.index)) {
				return false
			}
		}
		return true
	}
	return v.IsZero()
}

type writer struct{ b strings.Builder }

func (w *writer) field(indent int, name string, v reflect.Value) {
	pad := strings.Repeat(" ", indent)
	if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		v = v.Elem()
	}
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && v.Len() > 0:
		w.b.WriteString(pad + name + ":\n")
		for i := range v.Len() {
			w.entry(indent+2, v.Index(i))
		}
	case v.Kind() == reflect.Struct && v.Type() != commandType && omitted(v):
		w.b.WriteString(pad + name + ": {}\n")
	case v.Kind() == reflect.Struct && v.Type() != commandType:
		w.b.WriteString(pad + name + ":\n")
		w.fields(indent+2, v)
	case v.Kind() == reflect.Map:
		w.b.WriteString(pad + name + ":\n")
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			fmt.Fprintf(&w.b, "%s  %s: %s\n", pad, scalar(k.String()), w.entryOf(v.MapIndex(k)))
		}
	default:
		fmt.Fprintf(&w.b, "%s%s: %s\n", pad, name, w.inline(indent, v))
	}
}

func (w *writer) fields(indent int, v reflect.Value) {
	for _, k := range keysOf(v.Type()) {
		if f := v.FieldByIndex(k.index); !omitted(f) {
			w.field(indent, k.name, f)
		}
	}
}

// entry writes a struct as an entry of a list: its first line after the dash.
func (w *writer) entry(indent int, v reflect.Value) {
	inner := &writer{}
	inner.fields(indent+2, v)
	text := inner.b.String()
	if text == "" {
		text = strings.Repeat(" ", indent+2) + "{}\n"
	}
	w.b.WriteString(strings.Repeat(" ", indent) + "- " + text[indent+2:])
}

// entryOf writes the value of a map's entry.
func (w *writer) entryOf(v reflect.Value) string {
	if list, ok := reflect.TypeAssert[[]string](v); ok {
		return flow(list)
	}
	return scalar(v.String())
}

func (w *writer) inline(indent int, v reflect.Value) string {
	if c, ok := reflect.TypeAssert[release.Command](v); ok {
		if c.Script == "" {
			return flow(c.Args)
		}
		return block(indent, c.Script)
	}
	if list, ok := reflect.TypeAssert[[]string](v); ok {
		return flow(list)
	}
	switch {
	case v.Type() == oneOrMoreType && v.Len() > 0:
		return flow(v.Convert(reflect.TypeFor[[]string]()).Interface().([]string)) //nolint:errcheck,forcetypeassert // it was just converted to that
	case v.Kind() == reflect.Pointer:
		return w.inline(indent, v.Elem())
	case v.Kind() == reflect.Int:
		return strconv.FormatInt(v.Int(), 10)
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case v.Kind() == reflect.Slice: // of structs, and empty: field writes the others
		return "[]"
	}
	return block(indent, v.String())
}

func flow(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = scalar(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

var (
	// plain is what YAML reads as text in every place without quotes.
	plain = regexp.MustCompile(`^[A-Za-z./][A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+=-]+)*$`)
	// word is what looks plain but is another type to some reader of YAML.
	word = regexp.MustCompile(`(?i)^(null|true|false|yes|no|on|off|y|n|\.inf|\.nan|\.[0-9.]+)$`)
	// quiet has nothing that needs an escape.
	quiet = regexp.MustCompile(`^[^\p{C}\x{2028}\x{2029}]*$`)
)

func scalar(s string) string {
	switch {
	case plain.MatchString(s) && !word.MatchString(s):
		return s
	case quiet.MatchString(s):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return strconv.QuoteToASCII(s)
}

// block writes a text of several lines as one, where YAML gives it back as it
// was.
func block(indent int, s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	if len(lines) < 2 || strings.HasPrefix(s, " ") || slices.ContainsFunc(lines, func(l string) bool {
		return l == "" || strings.HasSuffix(l, " ") || !quiet.MatchString(l)
	}) {
		return scalar(s)
	}
	head := "|-"
	if strings.HasSuffix(s, "\n") {
		head = "|"
	}
	pad := "\n" + strings.Repeat(" ", indent+2)
	return head + pad + strings.Join(lines, pad)
}

func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && len(line)+1+len(w) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}
