package bot

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slipway-dev/slipway/internal/config"
	"github.com/slipway-dev/slipway/internal/ledger"
)

var update = flag.Bool("update", false, "write the reference in docs/bot.md anew")

const docsFile = "../docs/bot.md"

// between is the part of docs/bot.md from the line that begins a part to its end.
func between(t *testing.T, part string) (docs string, begin, end int) {
	t.Helper()
	data, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	docs = string(data)
	begin, end = strings.Index(docs, "<!-- "+part+":"), strings.Index(docs, "<!-- end of "+part+" -->")
	if begin < 0 || end < begin {
		t.Fatalf("docs/bot.md has no place for the %s", part)
	}
	return docs, begin + strings.Index(docs[begin:], "\n") + 1, end
}

// The reference in docs/bot.md says what the types say.
func TestDocsReference(t *testing.T) {
	t.Parallel()
	docs, begin, end := between(t, "reference")
	want := reference(reflect.TypeFor[Config](), "", "SLIPWAY_BOT_") + "\n"
	if docs[begin:end] == want {
		return
	}
	if !*update {
		t.Fatalf("docs/bot.md is out of date: go test ./bot -run Docs -update\nwant:\n%s", want)
	}
	if err := os.WriteFile(docsFile, []byte(docs[:begin]+want+docs[end:]), 0o644); err != nil {
		t.Fatal(err)
	}
}

// reference is the table of a struct's keys, and then those of the structs in it.
func reference(typ reflect.Type, field, variable string) string {
	title := "Top level"
	if field != "" {
		title = "`" + field + "`"
	}
	var b, below strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\nVariables: `%s…`\n\n| key | value | variable | |\n|---|---|---|---|\n", title, variable)
	for _, f := range reflect.VisibleFields(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		key := "`" + name + "`"
		if options == "" {
			key = "**" + key + "**"
		}
		in, at, kind := name, f.Tag.Get("envPrefix"), f.Type
		if kind.Kind() == reflect.Slice {
			in, at, kind = name+"[]", at+"_0_", kind.Elem()
		}
		if field != "" {
			in = field + "." + in
		}
		own := "`" + f.Tag.Get("env") + "`"
		if kind.Kind() == reflect.Struct {
			below.WriteString(reference(kind, in, variable+at))
			own = "`" + at + "…`"
		}
		description := strings.NewReplacer("|", `\|`, "*", `\*`).Replace(f.Tag.Get("description"))
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", key, wording(f), own, description)
	}
	return b.String() + below.String()
}

// wording is a type in a reader's words.
func wording(f reflect.StructField) string {
	switch {
	case f.Tag.Get("enum") != "":
		return "`" + strings.ReplaceAll(f.Tag.Get("enum"), ",", "`, `") + "`"
	case f.Type == reflect.TypeFor[time.Duration]():
		return "duration"
	case f.Type.Kind() == reflect.Struct:
		return "map"
	case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
		return "list of maps"
	case f.Type.Kind() == reflect.Slice:
		return "list of text"
	case f.Type.Kind() == reflect.Int || f.Type.Kind() == reflect.Int64:
		return "number"
	}
	return "text"
}

// Each variable of the reference is one that is read.
func TestDocsVariables(t *testing.T) {
	t.Parallel()
	v := &checker{config: &Config{}}
	v.environment([]string{"SLIPWAY_BOT_FORGES_0_NAME=x", "SLIPWAY_BOT_REPOSITORIES_0_MATCH=x/y"})
	docs, begin, end := between(t, "reference")
	prefix, n := "", 0
	for line := range strings.Lines(docs[begin:end]) {
		if m := regexp.MustCompile("^Variables: `([A-Z0-9_]+)…`").FindStringSubmatch(line); m != nil {
			prefix = m[1]
		}
		if m := regexp.MustCompile("^\\| [^|]+ \\| [^|]+ \\| `([A-Z0-9_]+)` \\|").FindStringSubmatch(line); m != nil {
			n++
			if !v.asked[prefix+m[1]] {
				t.Errorf("nobody reads %s%s", prefix, m[1])
			}
		}
	}
	if n != len(v.asked) {
		t.Errorf("%d variables are told of, and %d are read", n, len(v.asked))
	}
}

// Each example of a bot's config in docs/bot.md is one, and each of a
// repository's.
func TestDocsExamples(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	own, others := 0, 0
	dir := configFolder(t)
	for _, m := range regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```").FindAllStringSubmatch(string(data), -1) {
		text := regexp.MustCompile(`(?m)^`+m[1]).ReplaceAllString(m[2], "")
		var keys map[string]any
		if err := yaml.Unmarshal([]byte(text), &keys); err != nil {
			t.Fatal(err)
		}
		if _, ok := keys["forges"]; !ok {
			others++
			if _, problems := config.Load("example", []byte(text)); len(problems) > 0 {
				t.Errorf("%v\n%s", problems, text)
			}
			continue
		}
		own++
		text = strings.ReplaceAll(text, "/etc/slipway/app.pem", "DIR/key")
		if _, err := load(t, dir, text, "GITEA_TOKEN=t", "WEBHOOK_SECRET=s"); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
	if own < 2 || others < 3 {
		t.Errorf("only %d and %d examples", own, others)
	}
}

// The table of answers has those that the code gives, and no other.
func TestDocsAnswers(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("ingest.go")
	if err != nil {
		t.Fatal(err)
	}
	statuses := map[string]int{"OK": 200, "NoContent": 204, "BadRequest": 400, "Unauthorized": 401, "MethodNotAllowed": 405, "RequestEntityTooLarge": 413, "ServiceUnavailable": 503}
	want := []string{"202 accepted"}
	for _, m := range regexp.MustCompile(`refuse\(http\.Status(\w+), "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		if http.StatusText(statuses[m[1]]) == "" {
			t.Fatalf("the test does not know %s", m[1])
		}
		want = append(want, fmt.Sprintf("%d %s", statuses[m[1]], m[2]))
	}
	slices.Sort(want)
	docs, begin, end := between(t, "answers")
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| ([0-9]{3}) \\| `([a-z-]+)` \\|").FindAllStringSubmatch(docs[begin:end], -1) {
		got = append(got, m[1]+" "+m[2])
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
		t.Errorf("answers (-code +docs):\n%s", diff)
	}
}

// The table of metrics has all of them.
func TestDocsMetrics(t *testing.T) {
	t.Parallel()
	m := newMetrics(func(context.Context) (ledger.Stats, error) { return ledger.Stats{}, nil })
	descs := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(descs)
	close(descs)
	var want []string
	form := regexp.MustCompile(`fqName: "(slipway_[a-z_]+)", help: "([^"]*)", unit: "", constLabels: \{\}, variableLabels: \{([a-z,]*)\}`)
	for d := range descs {
		if f := form.FindStringSubmatch(d.String()); f != nil {
			want = append(want, strings.ReplaceAll(fmt.Sprintf("| `%s` | %s | %s |", f[1], strings.ReplaceAll(f[3], ",", ", "), f[2]), "|  |", "| |"))
		}
	}
	docs, begin, end := between(t, "metrics")
	got := regexp.MustCompile("(?m)^\\| `slipway_.*$").FindAllString(docs[begin:end], -1)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(got) < 8 {
		t.Errorf("metrics (-code +docs):\n%s", diff)
	}
}

// The events that doctor asks for are those that the table names.
func TestDocsEvents(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	row := "| needed |"
	for _, kind := range []string{"github", "gitea"} {
		row += " `" + strings.Join(wanted(kind), "`, `") + "` |"
	}
	if !strings.Contains(string(data), row) {
		t.Errorf("docs/bot.md has no row %s", row)
	}
}
