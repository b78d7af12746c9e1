package config

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An editor with the schema and Load agree on which files are well formed.
func TestSchemaAgreesWithLoad(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	good := []string{
		"{}", "project: hello", "classes: []", "builds: [{id: a}]", "builds: [{id: a, run: make, builder: command}]", "builds: [{id: a, run: [make]}]",
		"builds: [{id: a, cgo: true, static: false, env: {A: '', 'b c': d}, ldflags: [], platforms: [x]}]", "archives: [{}]", "archives: [{formats: [zip, binary]}]",
		"test: [{run: [a, '']}]", "test: [{run: a, on: release}]", "notes: {}", "notes: {groups: [{types: [docs]}]}", "notes: {groups: [{title: a}], exclude: [''], paths: [a], template: b}",
		"classes: [{name: a, tag: b, branch: c, version: d, release-tag: e, prerelease: true}]", "assets: [a, b]", "builds: [&a {id: a}, {<<: *a, id: b}]",
		"promote: same", "promote: {}", "promote: {bits: rebuild, require: [a], version: next, class: b}", "schedule: [{cron: '@daily', timezone: a, branch: b, class: c}]",
		"commands: {}", "commands: {help: {}, hold: {permission: read, teams: [a]}}", "rollout: [{package: a.star}, {package: b.star, classes: [stable]}]",
	}
	bad := []string{
		"[]", "hello", "projekt: x", "project: 1", "project: true", "project: ''", "project: ~", "project: [a]", "project: {a: b}",
		"builds: {id: a}", "builds: [a]", "builds: [{}]", "builds: [~]", "builds: [{id: a, platforms: linux/amd64}]", "builds: [{id: a, platforms: [1]}]",
		"builds: [{id: a, cgo: 'true'}]", "builds: [{id: a, static: 1}]", "builds: [{id: a, env: [A=b]}]", "builds: [{id: a, env: {A: 1}}]", "builds: [{id: a, env: {A: ~}}]",
		"builds: [{id: a, run: []}]", "builds: [{id: a, run: ''}]", "builds: [{id: a, run: [1]}]", "builds: [{id: a, run: {a: b}}]", "builds: [{id: a, run: ~}]",
		"builds: [{id: a, builder: rust}]", "builds: [{id: a, goos: [linux]}]", "archives: [{formats: tar.gz}]", "archives: [{formats: [tgz]}]",
		"test: [{name: a}]", "test: [{run: a, on: push}]", "test: {}", "notes: []", "notes: {groups: [{title: 1}]}", "notes: {groups: [{title: a, types: feat}]}",
		"classes: [{tag: a}]", "classes: [{name: a, prerelease: yes}]", "assets: a", "assets: [~]", "assets: {a: b}", "notes: {template: 1.5}",
		"promote: anew", "promote: ''", "promote: [same]", "promote: {bits: anew}", "promote: {version: 1.0}", "schedule: '@daily'", "schedule: [{branch: main}]", "schedule: [{cron: 5}]",
		"commands: [promote]", "commands: {promote: write}", "commands: {promot: {}}", "commands: {hold: {permission: all}}", "commands: {hold: {teams: a}}", "rollout: [a.star]", "rollout: [{classes: [stable]}]", "rollout: [{package: a.star, classes: stable}]",
	}
	check := func(text string, want bool) {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		asJSON, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(instance); (err == nil) != want {
			t.Errorf("schema on %s: %v", text, err)
		}
		if d := decode([]byte(text)); (len(d.problems) == 0) != want {
			t.Errorf("Load on %s: %v", text, d.problems)
		}
	}
	for _, text := range good {
		check(text, true)
	}
	for _, text := range bad {
		check(text, false)
	}
}

// The schema is the same each time, explains every key and lets no other in.
func TestSchemaIsCompleteAndStable(t *testing.T) {
	t.Parallel()
	a, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Schema()
	if !bytes.Equal(a, b) {
		t.Error("two calls give two schemas")
	}
	var doc struct {
		Schema string         `json:"$schema"`
		Defs   map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(a, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != "https://json-schema.org/draft/2020-12/schema" || len(doc.Defs) != len(sections)-1 {
		t.Errorf("schema %s with %d definitions", doc.Schema, len(doc.Defs))
	}
	for _, s := range sections {
		for _, k := range keysOf(s.typ) {
			if k.name == "" || k.description == "" {
				t.Errorf("%s has a key without name or description: %+v", s.name, k)
			}
		}
	}
}
