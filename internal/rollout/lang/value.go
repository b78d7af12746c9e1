package lang

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"sort"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// encoder writes Starlark's values as JSON. Keys are sorted.
type encoder struct {
	b     bytes.Buffer
	most  int // bytes
	depth int
}

// mostNested is how deep lists and dicts may lie in each other.
const mostNested = 100

// unwritable is a part of a value that JSON can't hold, and where it is.
type unwritable struct {
	path    string // [2].name
	message string
}

func (u *unwritable) Error() string {
	if u.path == "" {
		return "it " + u.message
	}
	return strings.TrimPrefix(u.path, ".") + " " + u.message
}

func cannot(format string, args ...any) *unwritable {
	return &unwritable{message: fmt.Sprintf(format, args...)}
}

// toJSON writes a value, or says what in it can't be written.
func toJSON(v starlark.Value, most int) (json.RawMessage, error) {
	e := encoder{most: most}
	if u := e.value(v); u != nil {
		if e.b.Len() > most || e.depth >= mostNested {
			u.path = "" // it is about the whole
		}
		return nil, u
	}
	return e.b.Bytes(), nil
}

func (e *encoder) value(v starlark.Value) *unwritable {
	if e.b.Len() > e.most {
		return cannot("has more than %d bytes as JSON", e.most)
	}
	if e.depth >= mostNested {
		return cannot("is nested more than %d deep, or contains itself", mostNested)
	}
	e.depth++
	switch v := v.(type) {
	case *starlark.List:
		return e.leave(e.sequence(v))
	case starlark.Tuple:
		return e.leave(e.sequence(v))
	case *starlark.Dict:
		return e.leave(e.dict(v))
	case *environment:
		return e.leave(e.dict(v.dict()))
	case *inputs:
		return e.leave(e.members(v.names, v.Attr))
	case *starlarkstruct.Struct:
		return e.leave(e.members(v.AttrNames(), v.Attr))
	}
	return e.leave(e.plain(v))
}

// leave keeps the depth of what failed.
func (e *encoder) leave(u *unwritable) *unwritable {
	if u == nil {
		e.depth--
	}
	return u
}

// plain writes a value without parts.
func (e *encoder) plain(v starlark.Value) *unwritable {
	switch v := v.(type) {
	case starlark.NoneType:
		e.b.WriteString("null")
	case starlark.Bool:
		fmt.Fprintf(&e.b, "%t", bool(v))
	case starlark.Int:
		e.b.WriteString(v.String())
	case starlark.Float:
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return cannot("is %v, which JSON can't hold", v)
		}
		return e.any(float64(v))
	case starlark.String:
		if len(v) > e.most {
			return cannot("has more than %d bytes as JSON", e.most)
		}
		return e.any(string(v))
	case *starlark.Set:
		return cannot("is a set, and JSON has none: write list(…)")
	case *inputValue, *gateValue:
		return cannot("is %s(…) inside of another value, where nothing resolves it: make it an input of its own", v.Type())
	default:
		return cannot("is %s, which JSON can't hold", describe(v))
	}
	return nil
}

func (e *encoder) any(v any) *unwritable {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return cannot("can't be written: %v", err)
	}
	e.b.Write(bytes.TrimRight(b.Bytes(), "\n"))
	return nil
}

func (e *encoder) sequence(v starlark.Indexable) *unwritable {
	e.b.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			e.b.WriteByte(',')
		}
		if u := e.value(v.Index(i)); u != nil {
			u.path = fmt.Sprintf("[%d]%s", i, u.path)
			return u
		}
	}
	e.b.WriteByte(']')
	return nil
}

func (e *encoder) dict(d *starlark.Dict) *unwritable {
	names := make([]string, 0, d.Len())
	for _, k := range d.Keys() {
		name, ok := starlark.AsString(k)
		if !ok {
			return cannot("has the key %s: keys must be strings", show(k, 40))
		}
		names = append(names, name)
	}
	sort.Strings(names)
	return e.members(names, func(name string) (starlark.Value, error) {
		v, _, err := d.Get(starlark.String(name))
		return v, err
	})
}

func (e *encoder) members(names []string, get func(string) (starlark.Value, error)) *unwritable {
	e.b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			e.b.WriteByte(',')
		}
		if u := e.any(name); u != nil {
			return u
		}
		e.b.WriteByte(':')
		v, err := get(name)
		if err != nil {
			return cannot("can't be read: %v", err)
		}
		if u := e.value(v); u != nil {
			u.path = "." + clip(name, 40) + u.path
			return u
		}
	}
	e.b.WriteByte('}')
	return nil
}

// fromJSON reads JSON as Starlark's values, frozen.
func fromJSON(raw json.RawMessage) (starlark.Value, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := decode(d)
	if err != nil {
		return nil, err
	}
	v.Freeze()
	return v, nil
}

func decode(d *json.Decoder) (starlark.Value, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case nil:
		return starlark.None, nil
	case bool:
		return starlark.Bool(t), nil
	case string:
		return starlark.String(t), nil
	case json.Number:
		return number(t)
	case json.Delim:
		if t == '[' {
			return decodeList(d)
		}
		return decodeDict(d)
	}
	return nil, fmt.Errorf("unexpected %v", token)
}

func decodeList(d *json.Decoder) (starlark.Value, error) {
	list := starlark.NewList(nil)
	for d.More() {
		v, err := decode(d)
		if err != nil {
			return nil, err
		}
		if err := list.Append(v); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return list, err
}

func decodeDict(d *json.Decoder) (starlark.Value, error) {
	dict := starlark.NewDict(0)
	for d.More() {
		key, err := decode(d)
		if err != nil {
			return nil, err
		}
		v, err := decode(d)
		if err != nil {
			return nil, err
		}
		if err := dict.SetKey(key, v); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return dict, err
}

func number(n json.Number) (starlark.Value, error) {
	s := n.String()
	if !strings.ContainsAny(s, ".eE") {
		if i, intErr := n.Int64(); intErr == nil {
			return starlark.MakeInt64(i), nil
		}
		if len(s) > 10_000 {
			return nil, fmt.Errorf("a number of %d digits", len(s))
		}
		b, ok := new(big.Int).SetString(s, 10)
		if !ok {
			return nil, fmt.Errorf("%q is no number", clip(s, 40))
		}
		return starlark.MakeBigInt(b), nil
	}
	f, err := n.Float64()
	return starlark.Float(f), err
}

// describe names a value's type as people do: "a string", "None".
func describe(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.NoneType:
		return "None"
	case *starlark.Builtin:
		return "the built-in function " + v.Name()
	}
	t := v.Type()
	if strings.ContainsRune("aeiou", rune(t[0])) {
		return "an " + t
	}
	return "a " + t
}

// text lists strings from a value, for arguments such as by= and tags=.
func text(v starlark.Value) ([]string, error) {
	if v == nil || v == starlark.None {
		return nil, nil
	}
	iterable, ok := v.(starlark.Iterable)
	if _, isDict := v.(*starlark.Dict); !ok || isDict {
		return nil, fmt.Errorf("is %s, not a list of strings", describe(v))
	}
	var out []string
	iter := iterable.Iterate()
	defer iter.Done()
	var item starlark.Value
	for i := 0; iter.Next(&item); i++ {
		s, ok := starlark.AsString(item)
		if !ok {
			return nil, fmt.Errorf("has %s at [%d], not a string", describe(item), i)
		}
		out = append(out, s)
		if len(out) > 1000 {
			return nil, fmt.Errorf("has more than 1000 strings")
		}
	}
	return slices.Clip(out), nil
}

// show is a value for a message. It may be anything, so it is written only when
// it is small.
func show(v starlark.Value, most int) string {
	left := 4096
	weigh(v, &left, 0)
	if left < 0 {
		return describe(v)
	}
	return clip(v.String(), most)
}
