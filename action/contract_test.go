package action

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

var update = flag.Bool("update", false, "write the tables of inputs and outputs in docs/action.md anew")

const (
	metadataFile = "../action.yml"
	docsFile     = "../docs/action.md"
)

// metadata is action.yml, in the order of the file.
type metadata struct {
	Inputs  yaml.MapSlice `yaml:"inputs"`
	Outputs yaml.MapSlice `yaml:"outputs"`
	Runs    struct {
		Using, Image string
	} `yaml:"runs"`
}

func readMetadata(t *testing.T) metadata {
	t.Helper()
	b, err := os.ReadFile(metadataFile)
	if err != nil {
		t.Fatal(err)
	}
	var m metadata
	if err := yaml.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func keys(m yaml.MapSlice) []string {
	var out []string
	for _, item := range m {
		out = append(out, fmt.Sprint(item.Key))
	}
	slices.Sort(out)
	return out
}

func field(item yaml.MapItem, name string) string {
	fields, ok := item.Value.(map[string]any)
	if !ok || fields[name] == nil {
		return ""
	}
	return fmt.Sprint(fields[name])
}

// action.yml has exactly the inputs that are read, and its defaults are taken.
func TestInputsAreThoseOfMetadata(t *testing.T) {
	t.Parallel()
	m := readMetadata(t)
	defaults := map[string]string{}
	for _, item := range m.Inputs {
		defaults[variable(fmt.Sprint(item.Key))] = field(item, "default")
	}
	asked := map[string]bool{}
	_, err := readInputs(func(name string) string {
		asked[name] = true
		return defaults[name]
	}, nil, nil)
	if err != nil {
		t.Errorf("the defaults of action.yml: %v", err)
	}
	var want []string
	for _, name := range keys(m.Inputs) {
		want = append(want, variable(name))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(asked))); diff != "" {
		t.Errorf("action.yml and readInputs differ: %s", diff)
	}
	for _, item := range m.Inputs {
		if name := fmt.Sprint(item.Key); name == "command" {
			for _, c := range commands {
				if !strings.Contains(field(item, "description"), c) {
					t.Errorf("the description of command does not tell of %s", c)
				}
			}
		}
	}
}

// action.yml has exactly the outputs that are written.
func TestOutputsAreThoseOfMetadata(t *testing.T) {
	t.Parallel()
	full := release.Report{
		Outcome: release.Published, Plan: &release.Plan{}, Release: &release.ForgeRelease{ID: "1"},
		Images: []release.ReportImage{{MadeImage: release.MadeImage{Digest: "sha256:1"}}},
		Assets: []release.ReportAsset{{Artifact: release.Artifact{Kind: release.KindChecksums}}, {Artifact: release.Artifact{Kind: release.KindDigests}}},
	}
	got, err := outputs(full, "/workspace")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys(readMetadata(t).Outputs), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("action.yml and outputs differ: %s", diff)
	}
	none, err := outputs(release.Report{}, "/workspace")
	if err != nil {
		t.Fatal(err)
	}
	for name := range none {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is there only when nothing was released", name)
		}
	}
}

// The tables of docs/action.md say what action.yml says.
func TestDocsTables(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	docs, m := string(b), readMetadata(t)
	var in, out strings.Builder
	in.WriteString("| input | default | |\n|---|---|---|\n")
	for _, item := range m.Inputs {
		def := field(item, "default")
		if def != "" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(&in, "| `%s` | %s | %s |\n", item.Key, def, field(item, "description"))
	}
	out.WriteString("| output | |\n|---|---|\n")
	for _, item := range m.Outputs {
		fmt.Fprintf(&out, "| `%s` | %s |\n", item.Key, field(item, "description"))
	}
	want := between(t, between(t, docs, "inputs", in.String()), "outputs", out.String())
	if want == docs {
		return
	}
	if !*update {
		t.Fatalf("docs/action.md is out of date: go test ./action -run Docs -update\n%s", cmp.Diff(docs, want))
	}
	if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// between puts a table where the comments of that name are.
func between(t *testing.T, docs, name, table string) string {
	t.Helper()
	begin, end := "<!-- "+name+": go test ./action -run Docs -update -->\n", "<!-- end of "+name+" -->"
	before, rest, ok := strings.Cut(docs, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("docs/action.md has no place for the table of %s", name)
	}
	return before + begin + "\n" + table + "\n" + end + after
}
