package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// value is a node behind its anchors, aliases and tags.
type value struct {
	node   ast.Node
	asText bool // tagged !!str
}

type kind int

const (
	isNull kind = iota
	isText
	isNumber
	isBool
	isList
	isMap
	isOther
)

func kindOf(v value) kind {
	if v.asText {
		return isText
	}
	switch v.node.(type) {
	case nil, *ast.NullNode:
		return isNull
	case *ast.StringNode, *ast.LiteralNode:
		return isText
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return isNumber
	case *ast.BoolNode:
		return isBool
	case *ast.SequenceNode:
		return isList
	case *ast.MappingNode, *ast.MappingValueNode:
		return isMap
	}
	return isOther
}

// text is a scalar's text.
func (v value) text() string {
	switch n := v.node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.NullNode:
		return ""
	}
	return v.source()
}

// source is a plain scalar as the file has it.
func (v value) source() string {
	if t := v.node.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

// isFlow reports whether a map is written in braces.
func (v value) isFlow() bool {
	m, ok := v.node.(*ast.MappingNode)
	return ok && m.IsFlowStyle
}

// describe says what was found, in a person's words.
func (d *decoder) describe(v value) string {
	switch k := kindOf(v); {
	case !d.secret:
	case k == isText:
		return "text"
	case k == isNumber:
		return "a number"
	}
	switch kindOf(v) {
	case isNull:
		return "nothing"
	case isText:
		return "the text " + strconv.Quote(short(v.text()))
	case isNumber:
		return "the number " + short(v.source())
	case isBool:
		return "the boolean " + v.source()
	case isList:
		return "a list"
	case isMap:
		return "a map"
	}
	return "this"
}

// said is a word of the file as a problem repeats it.
func (d *decoder) said(word string) string {
	if d.secret {
		return "…"
	}
	return word
}

func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

func listOf(elem reflect.Type) string {
	if elem.Kind() == reflect.String {
		return "a list of strings"
	}
	return "a list"
}

// startOf is where a node begins. A block map has its first colon as its token.
func startOf(v value) place {
	switch n := v.node.(type) {
	case nil:
		return place{1, 1}
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return startOf(value{node: n.Values[0]})
		}
	case *ast.MappingValueNode:
		return placeOf(n.Key.GetToken())
	}
	return placeOf(v.node.GetToken())
}

// valuePlace is where a problem with a value is shown: at the value when it
// stands beside its key, else at the key.
func valuePlace(key place, v value) place {
	if start := startOf(v); start.line == key.line {
		return start
	}
	return key
}

// bind finds for every alias the anchor before it. anchors are those seen so
// far.
func (d *decoder) bind(node ast.Node, anchors map[string]ast.Node) {
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, e := range n.Values {
			d.bind(e, anchors)
		}
	case *ast.MappingValueNode:
		d.bind(n.Key, anchors)
		d.bind(n.Value, anchors)
	case *ast.MappingKeyNode:
		d.bind(n.Value, anchors)
	case *ast.SequenceNode:
		for _, e := range n.Values {
			d.bind(e, anchors)
		}
	case *ast.TagNode:
		d.bind(n.Value, anchors)
	case *ast.AnchorNode:
		d.bind(n.Value, anchors)
		// Only now: an anchor inside its own value would have no end.
		anchors[nameOf(n.Name)] = n.Value
	case *ast.AliasNode:
		if to, ok := anchors[nameOf(n.Value)]; ok {
			d.bindings[n] = to
		}
	}
}

func nameOf(n ast.Node) string {
	if n == nil || n.GetToken() == nil {
		return ""
	}
	return n.GetToken().Value
}

// resolve goes through anchors, aliases and tags to the value itself; false
// when a problem was found on the way.
func (d *decoder) resolve(field string, node ast.Node) (value, bool) {
	v := value{node: node}
	for {
		switch n := v.node.(type) {
		case *ast.AnchorNode:
			v.node = n.Value
		case *ast.AliasNode:
			to, ok := d.bindings[n]
			if !ok {
				d.fail(placeOf(n.GetToken()), field, "put & and the name before the value that is meant, above this line; quote a text that begins with *",
					"there is no anchor &%s above", d.said(nameOf(n.Value)))
				return v, false
			}
			v.node = to
		case *ast.TagNode:
			tag := n.Start.Value
			switch tag {
			case "!!str":
				_, collection := n.Value.(ast.MapNode)
				_, list := n.Value.(*ast.SequenceNode)
				v.asText = !collection && !list
			case "!!map", "!!seq", "!!bool", "!!null", "!!int", "!!float":
			default:
				d.fail(placeOf(n.GetToken()), field, "leave the tag out", "the YAML tag %s means nothing here", d.said(tag))
				return v, false
			}
			v.node = n.Value
		default:
			return v, true
		}
	}
}

// entry is one key of a map with its value.
type entry struct {
	name  string
	at    place // of the key
	value ast.Node
}

// entries are a map's keys in order, merge keys (<<) filled in: what the map
// says itself wins over what it merges, and an earlier merge over a later one.
func (d *decoder) entries(field string, v value) []entry {
	own, merged := d.split(field, v)
	lines := map[string]int{}
	out := own[:0:0]
	for _, e := range own {
		if first, twice := lines[e.name]; twice {
			d.fail(e.at, join(field, e.name), "keep one of them", "`%s` is given twice, first on line %d", e.name, first)
			continue
		}
		lines[e.name] = e.at.line
		out = append(out, e)
	}
	for _, m := range merged {
		for _, e := range m {
			if _, have := lines[e.name]; !have {
				lines[e.name] = e.at.line
				out = append(out, e)
			}
		}
	}
	return out
}

func (d *decoder) split(field string, v value) (own []entry, merged [][]entry) {
	m, ok := v.node.(ast.MapNode)
	if !ok {
		return nil, nil
	}
	for it := m.MapRange(); it.Next(); {
		k, at := it.Key(), startOf(value{node: it.KeyValue()})
		if !d.spend(at, field) {
			break
		}
		if k.IsMergeKey() {
			merged = append(merged, d.merges(field, it.Value())...)
			continue
		}
		if name, ok := d.keyName(field, k); ok {
			own = append(own, entry{name, at, it.Value()})
		}
	}
	return own, merged
}

// merges reads what stands behind <<: a map, or a list of maps.
func (d *decoder) merges(field string, node ast.Node) [][]entry {
	v, ok := d.resolve(field, node)
	if !ok {
		return nil
	}
	if kindOf(v) == isMap {
		return [][]entry{d.entries(field, v)}
	}
	if list, ok := v.node.(*ast.SequenceNode); ok {
		var out [][]entry
		for _, n := range list.Values {
			if e, ok := d.resolve(field, n); ok && kindOf(e) == isMap {
				out = append(out, d.entries(field, e))
			} else if ok {
				d.fail(startOf(e), field, "", "<< takes maps, not %s", d.describe(e))
			}
		}
		return out
	}
	d.fail(startOf(v), field, "write <<: *name", "<< takes a map, not %s", d.describe(v))
	return nil
}

// keyName is a key's text; a key that is no scalar is a problem.
func (d *decoder) keyName(field string, k ast.MapKeyNode) (string, bool) {
	var node ast.Node = k
	if q, ok := k.(*ast.MappingKeyNode); ok {
		node = q.Value
	}
	v, ok := d.resolve(field, node)
	if !ok {
		return "", false
	}
	switch kindOf(v) {
	case isText:
		return v.text(), true
	case isNumber, isBool:
		return v.source(), true
	}
	d.fail(placeOf(k.GetToken()), field, "", "a key must be a word, not %s", d.describe(v))
	return "", false
}

func index(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

// last is the last word of a field, as messages name it.
func last(field string) string {
	name := field[strings.LastIndexByte(field, '.')+1:]
	if i := strings.IndexByte(name, '['); i > 0 && strings.HasSuffix(name, "]") {
		return "an entry of " + name[:i]
	}
	return name
}
