package config

import (
	"encoding/json"
	"reflect"

	"github.com/invopop/jsonschema"

	"github.com/slipway-dev/slipway/internal/release"
)

// Schema is the JSON Schema (draft 2020-12) of the config's structure, made of
// the same types that Load reads. The same version gives the same bytes.
func Schema() ([]byte, error) {
	r := &jsonschema.Reflector{
		FieldNameTag:   "yaml",
		Anonymous:      true,
		ExpandedStruct: true,
		LookupComment: func(t reflect.Type, field string) string {
			if t.Kind() != reflect.Struct {
				return ""
			}
			f, _ := t.FieldByName(field)
			return f.Tag.Get("description")
		},
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case commandType:
				return commandSchema()
			case oneOrMoreType:
				return oneOrMoreSchema()
			}
			return nil
		},
	}
	s := r.Reflect(release.Config{})
	s.Title = "Slipway's " + FileName
	for _, section := range sections {
		if def := s.Definitions[section.typ.Name()]; def != nil {
			tighten(def, section.typ)
		}
	}
	tighten(s, reflect.TypeFor[release.Config]())
	if p, ok := s.Properties.Get("builder"); ok {
		one, ref := uint64(1), p.Ref
		p.Ref, p.OneOf = "", []*jsonschema.Schema{{Type: "string", MinLength: &one}, {Ref: ref}}
	}
	if p, ok := s.Properties.Get("promote"); ok {
		word := &jsonschema.Schema{Type: "string"}
		for _, e := range keyOf(promoteType, "bits").enum {
			word.Enum = append(word.Enum, e)
		}
		p.OneOf = []*jsonschema.Schema{word, {Ref: p.Ref}}
		p.Ref = ""
	}
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

func commandSchema() *jsonschema.Schema {
	one := uint64(1)
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Type: "string", MinLength: &one, Description: "A script for the shell."},
		{Type: "array", MinItems: &one, Items: &jsonschema.Schema{Type: "string"}, Description: "A command and its arguments, without a shell."},
	}}
}

func oneOrMoreSchema() *jsonschema.Schema {
	one := uint64(1)
	text := &jsonschema.Schema{Type: "string", MinLength: &one}
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, {Type: "array", MinItems: &one, Items: text}}}
}

// tighten adds what the types alone do not say: the values of an enum, of which
// the first is the default, and that no text is empty.
func tighten(s *jsonschema.Schema, t reflect.Type) {
	one := uint64(1)
	for _, k := range keysOf(t) {
		p, ok := s.Properties.Get(k.name)
		if !ok {
			continue
		}
		if k.typ.Kind() == reflect.String {
			p.MinLength = &one
		}
		if k.enum == nil {
			continue
		}
		values := make([]any, len(k.enum))
		for i, e := range k.enum {
			values[i] = e
		}
		if k.typ.Kind() == reflect.Slice {
			p.Items.Enum, p.Default = values, values[:1]
		} else {
			p.Enum, p.Default, p.MinLength = values, values[0], nil
		}
	}
}
