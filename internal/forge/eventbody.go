package forge

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// EventError makes a fault of encoding/json in an event's document one that a
// person can mend: what is wrong, and at which line and column (both from 1).
// It also refuses "null", which encoding/json takes for anything; else nil
// stays nil. The error is of kind release.Invalid.
func EventError(name string, body []byte, err error) error {
	trimmed := bytes.TrimSpace(body)
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case len(trimmed) == 0:
		return eventProblem(name, "is empty")
	case err == nil && string(trimmed) == "null":
		return eventProblem(name, "is null, not an object")
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		line, column := position(body, syntax.Offset)
		return eventProblem(name, "is not JSON: %s at line %d, column %d", clip(err.Error()), line, column)
	case errors.As(err, &shape) && shape.Field == "":
		return eventProblem(name, "is not an object but of the type %s", clip(shape.Value))
	case errors.As(err, &shape):
		line, column := position(body, shape.Offset)
		return eventProblem(name, "has a value of the type %s at %q, which takes another (line %d, column %d)",
			clip(shape.Value), clip(shape.Field), line, column)
	}
	return eventProblem(name, "has another shape than expected: %s", clip(err.Error()))
}

// position finds the last byte that encoding/json had read at an offset.
func position(body []byte, offset int64) (line, column int) {
	before := body[:min(max(offset-1, 0), int64(len(body)))]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')
}

// EventInputs reads the inputs of a workflow_dispatch, a JSON object or null.
// Runners write text, yes/no and numbers; all of it becomes text, null becomes
// "".
func EventInputs(name string, raw json.RawMessage) (map[string]string, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var values map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		return nil, eventProblem(name, "has inputs that are not an object")
	}
	if len(values) == 0 {
		return nil, nil
	}
	inputs := make(map[string]string, len(values))
	for key, value := range values {
		switch v := value.(type) {
		case nil:
			inputs[key] = ""
		case string:
			inputs[key] = v
		case bool:
			inputs[key] = strconv.FormatBool(v)
		case json.Number:
			inputs[key] = v.String()
		default:
			return nil, eventProblem(name, "has the input %q, which is neither text, a number nor yes or no", clip(key))
		}
	}
	return inputs, nil
}
