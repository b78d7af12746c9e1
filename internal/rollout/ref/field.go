package ref

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// Field gives a field of a document, just as it is written there: "output/tag"
// walks objects by key and arrays by index. A key that has slashes is found as
// well. The empty fragment is the document itself.
func Field(doc json.RawMessage, fragment string) (json.RawMessage, bool) {
	if !json.Valid(doc) {
		return nil, false
	}
	if fragment == "" {
		return bytes.TrimSpace(doc), true
	}
	return field(doc, strings.Split(fragment, "/"))
}

func field(doc json.RawMessage, parts []string) (json.RawMessage, bool) {
	doc = bytes.TrimSpace(doc)
	if len(parts) == 0 {
		return doc, true
	}
	switch {
	case len(doc) == 0:
		return nil, false
	case doc[0] == '{':
		var object map[string]json.RawMessage
		if json.Unmarshal(doc, &object) != nil {
			return nil, false
		}
		for n := 1; n <= len(parts); n++ {
			if v, ok := object[strings.Join(parts[:n], "/")]; ok {
				if found, ok := field(v, parts[n:]); ok {
					return found, true
				}
			}
		}
	case doc[0] == '[':
		var list []json.RawMessage
		i, err := strconv.Atoi(parts[0])
		if err != nil || strconv.Itoa(i) != parts[0] || json.Unmarshal(doc, &list) != nil || i < 0 || i >= len(list) {
			return nil, false
		}
		return field(list[i], parts[1:])
	}
	return nil, false
}
