package config

import (
	"errors"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
)

// Read reads another YAML file as strictly as Load reads its own: into is a
// pointer to a struct with tags as release.Config has them (yaml, enum), whose
// fields are texts, whole numbers, durations, structs and lists of these. What
// is missing is no problem: it may come from elsewhere. No problem repeats a
// value of the file. example is a line of such a file, for a hint.
func Read(name string, data []byte, into any, example string) (Places, release.Problems) {
	t := reflect.TypeOf(into).Elem()
	d := newDecoder(append([]section{{t, "the top level"}}, sectionsOf(t, "")...), example)
	d.secret, d.partial = true, true
	d.decode(data, into)
	return Places{name, d}, d.shown(name)
}

// sectionsOf are the maps inside of a struct.
func sectionsOf(t reflect.Type, inside string) []section {
	var out []section
	for _, k := range keysOf(t) {
		typ, called := k.typ, "`"+k.name+"`"+inside
		if typ.Kind() == reflect.Slice {
			typ, called = typ.Elem(), "an entry of "+called
		}
		if typ.Kind() == reflect.Struct {
			out = append(out, section{typ, called})
			out = append(out, sectionsOf(typ, " of "+called)...)
		}
	}
	return out
}

// Places are where the fields of a file stand.
type Places struct {
	name    string
	decoder *decoder
}

// Has reports whether the file gives the field, such as "forges[0].token".
func (p Places) Has(field string) bool {
	if p.decoder == nil {
		return false
	}
	_, ok := p.decoder.places[field]
	return ok
}

// Put gives a problem its place in the file: that of its field, or of what the
// field would stand in. It is false for a problem that only follows from
// another one of the file.
func (p Places) Put(problem *release.Problem) bool {
	if p.decoder == nil {
		return true
	}
	if follows(*problem, p.decoder.problems, p.decoder.places) {
		return false
	}
	at := p.decoder.nearest(problem.Field)
	problem.File, problem.Line, problem.Column = p.name, at.line, at.column
	return true
}

// duration reads 90s, 10m, 1h30m or 7d.
func (d *decoder) duration(field string, v value, into reflect.Value) {
	if kindOf(v) != isText && kindOf(v) != isNumber {
		d.wrongType(field, v, into.Type(), "a duration")
		return
	}
	got, err := ParseDuration(v.text())
	if err != nil {
		d.fail(startOf(v), field, DurationHint, "%s: %v", last(field), err)
		return
	}
	into.SetInt(int64(got))
}

// DurationHint says how a duration is written.
const DurationHint = "write it with its unit, such as 90s, 10m, 1h30m or 7d"

var days = regexp.MustCompile(`^([0-9]{1,5})d$`)

// ParseDuration reads a duration above zero as time.ParseDuration does, and days.
func ParseDuration(text string) (time.Duration, error) {
	if m := days.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err == nil && n > 0 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil && wholeNumber.MatchString(text):
		return 0, errors.New("the number has no unit")
	case err != nil:
		return 0, errors.New("that is no duration")
	case d <= 0:
		return 0, errors.New("the duration is not above zero")
	}
	return d, nil
}

var wholeNumber = regexp.MustCompile(`^[0-9]{1,9}$`)
