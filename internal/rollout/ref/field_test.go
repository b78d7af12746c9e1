package ref_test

import (
	"encoding/json"
	"testing"

	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// A field is given as it was written: numbers keep their digits.
func TestField(t *testing.T) {
	t.Parallel()
	doc := json.RawMessage(` {"output": {"n": 12345678901234567890123, "f": 1.50, "images": {"app": {"digest": "sha256:1"}},
		"items": ["a", {"k": null}], "a/b": 1, "a": {"c": 2}, "x/y/z": {"deep": true}, "": 3}} `)
	for in, want := range map[string]string{
		"output/n":                 "12345678901234567890123",
		"output/f":                 "1.50",
		"output/images/app/digest": `"sha256:1"`,
		"output/items/0":           `"a"`,
		"output/items/1/k":         "null",
		"output/a/b":               "1",
		"output/a/c":               "2",
		"output/x/y/z/deep":        "true",
		"output/items/2":           "",
		"output/items/-1":          "",
		"output/items/00":          "",
		"output/items/n":           "",
		"output/n/x":               "",
		"nothing":                  "",
	} {
		if got, ok := ref.Field(doc, in); string(got) != want || ok != (want != "") {
			t.Errorf("%s: %s, %v; want %s", in, got, ok, want)
		}
	}
	if got, ok := ref.Field(doc, ""); !ok || got[0] != '{' {
		t.Errorf("the whole: %s", got)
	}
	if _, ok := ref.Field(json.RawMessage(`{"a": 1`), "a"); ok {
		t.Error("half a document was read")
	}
}

func FuzzField(f *testing.F) {
	f.Add([]byte(`{"a":[{"b/c":1}]}`), "a/0/b/c")
	f.Add([]byte(`[`), "0")
	f.Fuzz(func(t *testing.T, doc []byte, fragment string) {
		if v, ok := ref.Field(doc, fragment); ok && !json.Valid(v) {
			t.Fatalf("%q of %q is %q", fragment, doc, v)
		}
	})
}
