package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/slipway-dev/slipway/internal/release"
)

// decoder walks the YAML along the Go types. It goes on after a problem.
type decoder struct {
	config     release.Config
	sections   []section // the maps that there are, for hints
	example    string    // of a line
	secret     bool      // no problem repeats a value: it may be one that nobody is to read
	partial    bool      // what is missing may come from elsewhere
	problems   release.Problems
	seen       map[seenProblem]bool
	places     map[string]place // of every field that the file gives
	bindings   map[*ast.AliasNode]ast.Node
	values     int
	unreadable bool // there is nothing to look at beyond the problems
}

var (
	commandType   = reflect.TypeFor[release.Command]()
	oneOrMoreType = reflect.TypeFor[release.OneOrMore]()
	builderType   = reflect.TypeFor[release.Builder]()
	promoteType   = reflect.TypeFor[release.Promote]()
	durationType  = reflect.TypeFor[time.Duration]()
	excludeType   = reflect.TypeFor[*string]() // a text that may be empty
)

// key is one key of a struct: what the tags of release.Config say.
type key struct {
	name        string
	index       []int
	required    bool
	enum        []string
	description string
	typ         reflect.Type
}

func keysOf(t reflect.Type) []key {
	var out []key
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "-" {
			continue
		}
		if options == "inline" {
			for _, k := range keysOf(f.Type) {
				k.index = append(slices.Clone(f.Index), k.index...)
				out = append(out, k)
			}
			continue
		}
		k := key{name: name, index: f.Index, required: !strings.Contains(options, "omitempty"),
			description: f.Tag.Get("description"), typ: f.Type}
		if e := f.Tag.Get("enum"); e != "" {
			k.enum = strings.Split(e, ",")
		}
		out = append(out, k)
	}
	return out
}

// keyOf is one key of a struct by its name.
func keyOf(t reflect.Type, name string) key {
	keys := keysOf(t)
	return keys[slices.IndexFunc(keys, func(k key) bool { return k.name == name })]
}

func names(keys []key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.name
	}
	return out
}

func (d *decoder) root(body ast.Node, into any) {
	v, ok := d.resolve("", body)
	if !ok {
		return
	}
	if kindOf(v) != isMap {
		d.fail(startOf(v), "", "write `key: value` lines, such as `"+d.example+"`", "a config is a map of keys, not %s", d.describe(v))
		d.unreadable = true
		return
	}
	d.fields("", place{1, 1}, v, reflect.ValueOf(into).Elem())
}

// value reads a node into a Go value. at is where its key stands.
func (d *decoder) value(field string, at place, node ast.Node, k key, into reflect.Value) {
	if !d.spend(at, field) {
		return
	}
	v, ok := d.resolve(field, node)
	if !ok {
		return
	}
	d.places[field] = valuePlace(at, v)
	if kindOf(v) == isNull {
		d.places[field] = at
		d.fail(at, field, emptyHint(into.Type()), "%s has no value", last(field))
		return
	}
	switch {
	case into.Type() == commandType:
		d.command(field, v, into)
	case into.Type() == oneOrMoreType && kindOf(v) == isText:
		var one string
		d.string(field, v, k, reflect.ValueOf(&one).Elem())
		into.Set(reflect.ValueOf(release.OneOrMore{one}))
	case into.Type() == durationType:
		d.duration(field, v, into)
	case into.Type() == builderType && kindOf(v) == isText:
		d.string(field, v, k, into.FieldByName("Name"))
	case into.Type() == promoteType && kindOf(v) == isText:
		d.string(field, v, keyOf(promoteType, "bits"), into.FieldByName("Bits"))
	case into.Type() == excludeType && kindOf(v) == isText && v.text() == "":
		into.Set(reflect.ValueOf(new(string)))
	case into.Kind() == reflect.Pointer:
		p, before := reflect.New(into.Type().Elem()), len(d.problems)
		d.valueOf(field, v, k, p.Elem())
		if len(d.problems) == before {
			into.Set(p)
		}
	default:
		d.valueOf(field, v, k, into)
	}
}

func (d *decoder) valueOf(field string, v value, k key, into reflect.Value) {
	switch into.Kind() {
	case reflect.String:
		d.string(field, v, k, into)
	case reflect.Bool:
		d.bool(field, v, into)
	case reflect.Slice:
		d.list(field, v, k, into)
	case reflect.Int, reflect.Int64:
		d.int(field, v, into)
	case reflect.Map:
		d.namedValues(field, v, into)
	case reflect.Struct:
		if kindOf(v) != isMap {
			d.wrongType(field, v, into.Type(), "a map")
			return
		}
		d.fields(field, d.places[field], v, into)
	}
}

// spend counts a value; false when there have been too many: aliases of aliases
// can make millions out of a few lines.
func (d *decoder) spend(at place, field string) bool {
	d.values++
	if d.values == maxValues+1 {
		d.fail(at, field, "", "the file has more than %d values once aliases are followed", maxValues)
		d.unreadable = true
	}
	return d.values <= maxValues
}

func (d *decoder) wrongType(field string, v value, t reflect.Type, wanted string) {
	d.fail(startOf(v), field, d.typeHint(v, wanted, t), "%s must be %s, not %s", last(field), wanted, d.describe(v))
}

func (d *decoder) string(field string, v value, k key, into reflect.Value) {
	switch {
	case kindOf(v) == isMap || kindOf(v) == isList:
		d.wrongType(field, v, into.Type(), "text")
	case kindOf(v) != isText:
		hint := "quote it: \"" + v.source() + "\""
		if d.secret {
			hint = "put it into quotes"
		}
		d.fail(startOf(v), field, hint, "%s must be text, not %s", last(field), d.describe(v))
	case v.text() == "" && k.name != "":
		d.fail(startOf(v), field, emptyHint(into.Type()), "%s is empty", last(field))
	case k.enum != nil && !slices.Contains(k.enum, v.text()):
		given := strconv.Quote(v.text())
		if d.secret {
			given = "that"
		}
		d.fail(startOf(v), field, enumHint(v.text(), k.enum), "%s is not one of %s", given, strings.Join(k.enum, ", "))
		into.SetString(v.text()) // so that the default does not stand for it
	default:
		into.SetString(v.text())
	}
}

func (d *decoder) bool(field string, v value, into reflect.Value) {
	if kindOf(v) != isBool {
		d.wrongType(field, v, into.Type(), "true or false")
		return
	}
	into.SetBool(strings.EqualFold(v.source(), "true"))
}

func (d *decoder) list(field string, v value, k key, into reflect.Value) {
	seq, ok := v.node.(*ast.SequenceNode)
	if !ok {
		d.wrongType(field, v, into.Type(), listOf(into.Type().Elem()))
		return
	}
	entry := key{enum: k.enum, typ: into.Type().Elem()}
	out := reflect.MakeSlice(into.Type(), len(seq.Values), len(seq.Values))
	for i, node := range seq.Values {
		d.value(index(field, i), startOf(value{node: node}), node, entry, out.Index(i))
	}
	into.Set(out)
}

func (d *decoder) int(field string, v value, into reflect.Value) {
	n, err := strconv.ParseInt(v.source(), 10, into.Type().Bits())
	if kindOf(v) != isNumber || err != nil {
		d.wrongType(field, v, into.Type(), "a whole number")
		return
	}
	into.SetInt(n)
}

// namedValues reads a map from names to texts, or to lists of them.
func (d *decoder) namedValues(field string, v value, into reflect.Value) {
	entry := into.Type().Elem()
	if kindOf(v) != isMap {
		d.wrongType(field, v, into.Type(), "a map of names to "+map[bool]string{true: "lists", false: "texts"}[entry.Kind() == reflect.Slice])
		return
	}
	out := reflect.MakeMap(into.Type())
	for _, e := range d.entries(field, v) {
		one := reflect.New(entry).Elem()
		place := release.FieldKey(field, e.name)
		d.value(place, e.at, e.value, key{}, one)
		d.places[place] = e.at // what release.Validate dislikes is the key
		out.SetMapIndex(reflect.ValueOf(e.name), one)
	}
	into.Set(out)
}

func (d *decoder) command(field string, v value, into reflect.Value) {
	var c release.Command
	switch kindOf(v) {
	case isText:
		if c.Script = v.text(); c.Script == "" {
			d.fail(startOf(v), field, "write the command", "%s is empty", last(field))
		}
	case isList:
		d.list(field, v, key{}, reflect.ValueOf(&c.Args).Elem())
		if len(c.Args) == 0 {
			d.fail(startOf(v), field, "write the command and its arguments", "%s is an empty list", last(field))
		}
	default:
		d.wrongType(field, v, into.Type(), "text for the shell, or a list of arguments")
	}
	into.Set(reflect.ValueOf(c))
}

// fields reads a map into a struct.
func (d *decoder) fields(field string, at place, v value, into reflect.Value) {
	keys := keysOf(into.Type())
	given := map[string]bool{}
	for _, e := range d.entries(field, v) {
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == e.name })
		if i < 0 {
			d.fail(e.at, join(field, e.name), d.unknownKeyHint(into.Type(), e.name), "unknown key `%s`", e.name)
			continue
		}
		given[e.name] = true
		d.value(join(field, e.name), e.at, e.value, keys[i], into.FieldByIndex(keys[i].index))
	}
	for _, k := range keys {
		if k.required && !given[k.name] && !d.partial {
			d.fail(at, join(field, k.name), "", "%s is missing: %s", k.name, firstSentence(k.description))
		}
	}
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return release.FieldKey(field, name)
}
