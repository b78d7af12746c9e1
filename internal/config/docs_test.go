package config

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/release"
)

var update = flag.Bool("update", false, "write the reference in docs/config.md anew")

const docsFile = "../../docs/config.md"

func readDocs(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The reference in docs/config.md says what the types say.
func TestDocsReference(t *testing.T) {
	t.Parallel()
	docs := readDocs(t)
	begin, end := strings.Index(docs, "<!-- reference:"), strings.Index(docs, "<!-- end of reference -->")
	if begin < 0 || end < begin {
		t.Fatal("docs/config.md has no place for the reference")
	}
	begin += strings.Index(docs[begin:], "\n") + 1
	want := reference()
	if docs[begin:end] == want {
		return
	}
	if !*update {
		t.Fatalf("docs/config.md is out of date: go test ./internal/config -run Docs -update\nwant:\n%s", want)
	}
	if err := os.WriteFile(docsFile, []byte(docs[:begin]+want+docs[end:]), 0o644); err != nil {
		t.Fatal(err)
	}
}

func reference() string {
	titles := []string{"Top level", "classes[]", "test[]", "builds[]", "archives[]", "packages[]", "packages[].contents[]", "packages[].scripts", "images[]", "images[].source", "images[].s2i", "images[].secrets[]", "images[].cache", "builder", "builder.nodes[]", "notes", "notes.groups[]", "publish", "publish.s3", "publish.folder", "publish.index", "promote", "schedule[]", "commands", "commands.*", "rollout[]"}
	var b strings.Builder
	for i, s := range sections {
		title := titles[i]
		if i > 0 {
			title = "`" + title + "`"
		}
		fmt.Fprintf(&b, "\n### %s\n\n| key | value | |\n|---|---|---|\n", title)
		for _, k := range keysOf(s.typ) {
			name := "`" + k.name + "`"
			if k.required {
				name = "**" + name + "**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", name, wording(k), markdown(k.description))
		}
	}
	return b.String() + "\n"
}

// wording is a type in a reader's words.
func wording(k key) string {
	t := k.typ
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	one := ""
	if k.enum != nil {
		one = "`" + strings.Join(k.enum, "`, `") + "`"
	}
	switch {
	case t == commandType:
		return "text or list"
	case t.Name() == "OneOrMore":
		return "text or list of text"
	case t.Name() == "Builder", t == promoteType:
		return "text or map"
	case t.Kind() == reflect.Int:
		return "number"
	case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Slice:
		return "map of lists"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Map:
		return "map of text"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return "list of maps"
	case t.Kind() == reflect.Slice && one != "":
		return "list of " + one
	case t.Kind() == reflect.Slice:
		return "list of text"
	case t.Kind() == reflect.Struct:
		return "map"
	case one != "":
		return one
	}
	return "text"
}

var templates = regexp.MustCompile(`[A-Za-z-]*(\{[a-z]+\}[-_]?)+`)

func markdown(s string) string {
	s = strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;").Replace(s)
	return templates.ReplaceAllString(s, "`$0`")
}

// Every example in docs/config.md is a config without a problem, and the first
// one uses every section.
func TestDocsExamples(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(readDocs(t), -1)
	if len(blocks) < 6 {
		t.Fatalf("only %d examples", len(blocks))
	}
	for i, b := range blocks {
		cfg, problems := Load(fmt.Sprintf("example %d", i+1), []byte(b[1]))
		if len(problems) > 0 {
			t.Errorf("%v\n%s", problems, b[1])
		}
		if _, problems = Complete(cfg, Facts{RepositoryName: "hello", HasGoMod: true, GoMains: []GoMain{{".", "hello"}}}); len(problems) > 0 {
			t.Errorf("completed: %v\n%s", problems, b[1])
		}
		v := reflect.ValueOf(cfg)
		for _, k := range keysOf(v.Type()) {
			if i == 0 && omitted(v.FieldByIndex(k.index)) {
				t.Errorf("the first example leaves out %s", k.name)
			}
		}
	}
}

// Every placeholder in the table of docs/config.md exists where it says, and
// the table has all of them.
func TestDocsPlaceholders(t *testing.T) {
	t.Parallel()
	docs := readDocs(t)
	table := docs[strings.Index(docs, "| placeholder |"):]
	table, _, _ = strings.Cut(table, "\n\n")
	listed := map[string]bool{}
	for _, row := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(row, "|")
		for _, m := range regexp.MustCompile(`\{[a-z]+\}`).FindAllString(cells[1], -1) {
			listed[m] = true
			for where, cfg := range placeholderUses(m) {
				want := strings.HasPrefix(strings.TrimSpace(cells[3]), "everywhere") || strings.Contains(cells[3], where)
				if m == "{output}" {
					want = where == "`run` of a build"
				} else if where == "`run` of a build" {
					want = true
				}
				fatal, _ := release.Validate(cfg).Split()
				if (len(fatal) == 0) != want {
					t.Errorf("%s in %s: %v", m, where, fatal)
				}
			}
		}
	}
	problems := release.Validate(placeholderUses("{zzzzzzzzzzzzzzzzz}")["builds"])
	for _, m := range regexp.MustCompile(`\{[a-y_]+\}`).FindAllString(problems.Error(), -1) {
		if !listed[m] {
			t.Errorf("the table has no %s", m)
		}
	}
}

func placeholderUses(p string) map[string]release.Config {
	linux := []string{"linux/amd64"}
	build := release.Build{ID: "a", Builder: "command", Run: release.Command{Args: []string{"make", "{output}"}}, Platforms: linux}
	flags, run := build, build
	flags.Env = map[string]string{"A": p}
	run.Run = release.Command{Args: []string{"make", p, "$SLIPWAY_OUTPUT"}}
	return map[string]release.Config{
		"builds":           {Project: "p", Builds: []release.Build{flags}},
		"archives":         {Project: "p", Builds: []release.Build{build}, Archives: []release.Archive{{Name: "x{platform}" + p}}},
		"on: release":      {Project: "p", Builds: []release.Build{build}, Test: []release.Step{{Run: release.Command{Args: []string{"x", p}}, On: "release"}}},
		"`run` of a build": {Project: "p", Builds: []release.Build{run}},
	}
}
