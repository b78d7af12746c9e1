package lang

import (
	"fmt"
	"strings"

	starlarkjson "go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// What one step may make, whatever the limits of the whole are.
const (
	mostText     = 16 << 20  // bytes of a string
	mostElements = 4_000_000 // of a list
	mostRange    = 1_000_000 // of range(…)
	mostBits     = 1 << 20   // of a number
	mostDigits   = 10_000    // of a number to read
)

func tooMuch(what string) error {
	return &fault{message: what, hint: "keep large data in files, and hand on their paths"}
}

// boundedBuiltins are Starlark's own built-ins behind a check of what they are given.
func boundedBuiltins() starlark.StringDict {
	names := starlark.StringDict{
		nameAdd:     starlark.NewBuiltin("+", operator),
		nameTimes:   starlark.NewBuiltin("*", operator),
		nameFormat:  starlark.NewBuiltin("%", operator),
		nameMethod:  starlark.NewBuiltin("getattr", boundedMethod),
		nameChecked: starlark.NewBuiltin("checked", checked),
		"getattr":   starlark.NewBuiltin("getattr", boundedGetattr),
		"range":     behind("range", checkRange),
		"int":       behind("int", checkInt),
		"zip":       behind("zip", checkZip),
	}
	for _, name := range []string{"list", "tuple", "set", "dict", "sorted", "reversed", "enumerate", "max", "min", "any", "all", "bytes"} {
		names[name] = behind(name, checkElements)
	}
	for _, name := range []string{"str", "repr", "print", "fail"} {
		names[name] = behind(name, checkWeight)
	}
	members := starlark.StringDict{}
	for name, v := range starlarkjson.Module.Members {
		members[name] = v
		if b, ok := v.(*starlark.Builtin); ok && strings.HasPrefix(name, "encode") {
			members[name] = behindBuiltin(b, checkWeight)
		} else if ok {
			members[name] = behindBuiltin(b, checkJSON)
		}
	}
	names["json"] = &starlarkstruct.Module{Name: "json", Members: members}
	return names
}

type check func(args starlark.Tuple, kwargs []starlark.Tuple) error

func behind(name string, c check) *starlark.Builtin {
	b, _ := starlark.Universe[name].(*starlark.Builtin)
	return behindBuiltin(b, c)
}

func behindBuiltin(b *starlark.Builtin, c check) *starlark.Builtin {
	return starlark.NewBuiltin(b.Name(), func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := c(args, kwargs); err != nil {
			return nil, err
		}
		return b.CallInternal(thread, args, kwargs)
	})
}

func checkRange(args starlark.Tuple, _ []starlark.Tuple) error {
	bounds := []int{0, 0, 1}
	for i, a := range args {
		n, err := starlark.AsInt32(a)
		if err != nil || i > 2 {
			if _, isInt := a.(starlark.Int); isInt {
				return tooMuch(fmt.Sprintf("range(…) has more than %d numbers", mostRange))
			}
			return nil // range says what is wrong
		}
		if len(args) == 1 {
			i = 1
		}
		bounds[i] = n
	}
	step := max(bounds[2], -bounds[2], 1)
	if span := max(bounds[1]-bounds[0], bounds[0]-bounds[1]); span/step > mostRange {
		return tooMuch(fmt.Sprintf("range(…) has more than %d numbers", mostRange))
	}
	return nil
}

func checkInt(args starlark.Tuple, _ []starlark.Tuple) error {
	if len(args) > 0 {
		if s, ok := args[0].(starlark.String); ok && len(s) > mostDigits {
			return tooMuch(fmt.Sprintf("a number of more than %d digits", mostDigits))
		}
	}
	return nil
}

// checkJSON bounds what is read as JSON, whose values take more than its text.
func checkJSON(args starlark.Tuple, _ []starlark.Tuple) error {
	for _, a := range args {
		if s, ok := a.(starlark.String); ok && len(s) > mostBody {
			return tooMuch(fmt.Sprintf("JSON of more than %d MiB", mostBody>>20))
		}
	}
	return nil
}

// elements counts what a value yields, up to one more than a limit.
func elements(v starlark.Value) int {
	if n := starlark.Len(v); n >= 0 {
		return n
	}
	iterable, ok := v.(starlark.Iterable)
	if !ok {
		return 0
	}
	iter := iterable.Iterate()
	defer iter.Done()
	var x starlark.Value
	n := 0
	for n <= mostElements && iter.Next(&x) {
		n++
	}
	return n
}

func checkElements(args starlark.Tuple, _ []starlark.Tuple) error {
	for _, a := range args {
		if _, isText := a.(starlark.String); isText {
			continue
		}
		if elements(a) > mostElements {
			return tooMuch(fmt.Sprintf("more than %d elements", mostElements))
		}
	}
	return nil
}

func checkZip(args starlark.Tuple, kwargs []starlark.Tuple) error {
	if err := checkElements(args, kwargs); err != nil {
		return err
	}
	total := 0
	for _, a := range args {
		if total += elements(a); total > mostElements {
			return tooMuch(fmt.Sprintf("more than %d elements", mostElements))
		}
	}
	return nil
}

func checkWeight(args starlark.Tuple, kwargs []starlark.Tuple) error {
	left := mostText
	for _, a := range args {
		weigh(a, &left, 0)
	}
	for _, kv := range kwargs {
		weigh(kv[1], &left, 0)
	}
	if left < 0 {
		return tooMuch(fmt.Sprintf("a text of more than %d MiB", mostText>>20))
	}
	return nil
}

// weigh takes from left about as many bytes as a value has when it is written,
// and ends when there is nothing left.
func weigh(v starlark.Value, left *int, depth int) {
	if *left -= 8; *left < 0 {
		return
	}
	if depth > 10_000 {
		*left = -1
		return
	}
	switch v := v.(type) {
	case starlark.String:
		*left -= len(v)
	case starlark.Bytes:
		*left -= len(v)
	case starlark.Int:
		*left -= 1 + v.BigInt().BitLen()/3
	case *starlark.Dict:
		for k, x := range v.Entries() {
			if *left < 0 {
				return
			}
			weigh(k, left, depth+1)
			weigh(x, left, depth+1)
		}
	case *starlarkstruct.Struct:
		for _, name := range v.AttrNames() {
			if x, err := v.Attr(name); err == nil && x != nil && *left >= 0 {
				weigh(x, left, depth+1)
			}
		}
	case *inputs:
		for _, x := range v.values {
			weigh(x, left, depth+1)
		}
	case starlark.Indexable:
		if _, isRange := v.(starlark.Sequence); !isRange {
			return
		}
		for i := 0; i < v.Len() && *left >= 0; i++ {
			weigh(v.Index(i), left, depth+1)
		}
	case *starlark.Set:
		*left -= 8 * v.Len()
	}
}

// operators are those that are guarded.
var operators = map[string]struct {
	token syntax.Token
	check func(x, y starlark.Value) error
}{"+": {syntax.PLUS, checkAdd}, "*": {syntax.STAR, checkTimes}, "%": {syntax.PERCENT, checkPercent}}

// operator is x + y, x * y or x % y.
func operator(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	op := operators[b.Name()]
	if err := op.check(args[0], args[1]); err != nil {
		return nil, err
	}
	return starlark.Binary(op.token, args[0], args[1])
}

// checked is y, where x op= y may be.
func checked(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	name, _ := starlark.AsString(args[0])
	return args[2], operators[name].check(args[1], args[2])
}

func checkAdd(x, y starlark.Value) error {
	switch x.(type) {
	case starlark.String, starlark.Bytes:
		if starlark.Len(x)+max(starlark.Len(y), 0) > mostText {
			return tooMuch(fmt.Sprintf("a text of more than %d MiB", mostText>>20))
		}
	case *starlark.List, starlark.Tuple:
		if _, ok := y.(starlark.Iterable); ok && starlark.Len(x)+elements(y) > mostElements {
			return tooMuch(fmt.Sprintf("more than %d elements", mostElements))
		}
	}
	return nil
}

func checkTimes(x, y starlark.Value) error {
	a, aIsInt := x.(starlark.Int)
	b, bIsInt := y.(starlark.Int)
	switch {
	case aIsInt && bIsInt:
		if a.BigInt().BitLen()+b.BigInt().BitLen() > mostBits {
			return tooMuch("a number of more than 300,000 digits")
		}
	case aIsInt:
		return checkRepeat(y, a)
	case bIsInt:
		return checkRepeat(x, b)
	}
	return nil
}

func checkRepeat(v starlark.Value, n starlark.Int) error {
	most, what := mostElements, fmt.Sprintf("more than %d elements", mostElements)
	switch v.(type) {
	case starlark.String, starlark.Bytes:
		most, what = mostText, fmt.Sprintf("a text of more than %d MiB", mostText>>20)
	case *starlark.List, starlark.Tuple:
	default:
		return nil
	}
	length := starlark.Len(v)
	count, ok := n.Int64()
	if length > 0 && n.Sign() > 0 && (!ok || count > int64(most/length)) {
		return tooMuch(what)
	}
	return nil
}

func checkPercent(x, y starlark.Value) error {
	if s, ok := x.(starlark.String); ok {
		// %(name)s may name one value often.
		return checkFormat(string(s), strings.Count(string(s), "%("), starlark.Tuple{y}, nil)
	}
	return nil
}

func checkFormat(format string, uses int, args starlark.Tuple, kwargs []starlark.Tuple) error {
	left := mostText
	for _, a := range args {
		weigh(a, &left, 0)
	}
	for _, kv := range kwargs {
		weigh(kv[1], &left, 0)
	}
	if left < 0 || (mostText-left)*max(uses, 1)+len(format) > mostText {
		return tooMuch(fmt.Sprintf("a text that may have more than %d MiB", mostText>>20))
	}
	return nil
}

// boundedMethods are methods of strings with the checks of their arguments.
var boundedMethods = map[string]func(s string, args starlark.Tuple, kwargs []starlark.Tuple) error{
	"format": func(s string, args starlark.Tuple, kwargs []starlark.Tuple) error {
		return checkFormat(s, strings.Count(s, "{"), args, kwargs)
	},
	"join":       checkJoin,
	"replace":    checkReplace,
	"split":      checkSplit,
	"rsplit":     checkSplit,
	"splitlines": checkSplit,
	"elems":      checkSplit,
	"codepoints": checkSplit,
	"extend":     nil, // of lists
}

func checkJoin(s string, args starlark.Tuple, _ []starlark.Tuple) error {
	if len(args) != 1 {
		return nil
	}
	iterable, ok := args[0].(starlark.Iterable)
	if !ok {
		return nil
	}
	iter := iterable.Iterate()
	defer iter.Done()
	var x starlark.Value
	for total := 0; iter.Next(&x); {
		part, _ := starlark.AsString(x)
		if total += len(part) + len(s); total > mostText {
			return tooMuch(fmt.Sprintf("a text of more than %d MiB", mostText>>20))
		}
	}
	return nil
}

func checkReplace(s string, args starlark.Tuple, _ []starlark.Tuple) error {
	if len(args) < 2 {
		return nil
	}
	from, _ := starlark.AsString(args[0])
	to, _ := starlark.AsString(args[1])
	if len(to) <= len(from) {
		return nil
	}
	if n := strings.Count(s, from); n > 0 && len(to)-len(from) > (mostText-min(len(s), mostText))/n {
		return tooMuch(fmt.Sprintf("a text of more than %d MiB", mostText>>20))
	}
	return nil
}

func checkSplit(s string, _ starlark.Tuple, _ []starlark.Tuple) error {
	if len(s) > mostElements {
		return tooMuch(fmt.Sprintf("a text of more than %d bytes to take apart", mostElements))
	}
	return nil
}

// boundedGetattr is getattr(x, name), which finds methods too.
func boundedGetattr(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) > 1 {
		name, _ := starlark.AsString(args[1])
		_, isText := args[0].(starlark.String)
		_, isList := args[0].(*starlark.List)
		if isText && boundedMethods[name] != nil || isList && name == "extend" {
			return boundedMethod(thread, b, args, nil)
		}
	}
	getattr, _ := starlark.Universe["getattr"].(*starlark.Builtin)
	return getattr.CallInternal(thread, args, kwargs)
}

// boundedMethod is x.name, for the names of boundedMethods.
func boundedMethod(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	name, _ := starlark.AsString(args[1])
	s, ok := args[0].(starlark.String)
	if list, isList := args[0].(*starlark.List); isList && name == "extend" {
		return extend(list)
	}
	if !ok || boundedMethods[name] == nil {
		getattr, _ := starlark.Universe["getattr"].(*starlark.Builtin)
		v, err := getattr.CallInternal(thread, args, nil)
		if err != nil {
			return nil, &fault{message: strings.TrimPrefix(err.Error(), "getattr: ")}
		}
		return v, nil
	}
	v, err := s.Attr(name)
	b, isBuiltin := v.(*starlark.Builtin)
	if err != nil || !isBuiltin {
		return v, err
	}
	return behindBuiltin(b, func(args starlark.Tuple, kwargs []starlark.Tuple) error {
		return boundedMethods[name](string(s), args, kwargs)
	}), nil
}

// extend is the method of a list, which may be given the list itself.
func extend(list *starlark.List) (starlark.Value, error) {
	v, err := list.Attr("extend")
	b, ok := v.(*starlark.Builtin)
	if err != nil || !ok {
		return v, err
	}
	return behindBuiltin(b, func(args starlark.Tuple, _ []starlark.Tuple) error {
		if len(args) == 1 {
			return checkAdd(list, args[0])
		}
		return nil
	}), nil
}
