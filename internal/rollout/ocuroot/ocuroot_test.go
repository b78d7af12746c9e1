package ocuroot_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ocuroot"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// store is a store of testdata.
func store(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	a, err := txtar.ParseFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{}
	for _, f := range a.Files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return fsys
}

func read(t testing.TB, state, intent fs.FS) ocuroot.State {
	t.Helper()
	s, err := ocuroot.Read(t.Context(), state, intent)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func day(s string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, s)
	return t
}

func compact(m json.RawMessage) string {
	var v any
	if m == nil || json.Unmarshal(m, &v) != nil {
		return string(m)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// sameJSON compares JSON without its spaces, and text references by field.
var sameJSON = cmp.Options{
	cmp.Comparer(func(a, b json.RawMessage) bool { return compact(a) == compact(b) }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
}

// The last layout is read whole: releases in number, tags, runs with their
// chains, what is live where, and what was wished.
func TestLastLayout(t *testing.T) {
	t.Parallel()
	s := read(t, store(t, "tasks.txtar"), store(t, "intent.txtar"))
	api := ref.Ref{Repo: "github.com/acme/shop", Path: "api/release.ocu.star"}
	fn := func(name, at string, in map[string]ocuroot.Input) ocuroot.Function {
		return ocuroot.Function{Name: name, Position: "web/package.ocu.star:" + at, Inputs: in}
	}
	image := func(e, n string) map[string]ocuroot.Input {
		return map[string]ocuroot.Input{
			"environment": {Value: raw(`{"name":"` + e + `","attributes":{}}`)},
			"image":       {Ref: "github.com/acme/shop/-/api/release.ocu.star/@r" + n + "/task/build#output/image", Value: raw(`"api:` + n + `"`)},
		}
	}
	created := day("2025-12-02T08:00:00.123456789+01:00")
	root := "refs/github.com/acme/shop/-/api/release.ocu.star/@r2/"
	second := ocuroot.Release{Package: api, Number: 2, ID: "r2", Commit: "abc2", Created: created, Tags: []string{"1.2.0"}, Items: []ocuroot.Item{
		{Kind: ref.Call, Name: "build", Output: raw(`{"image":"api:2"}`), Runs: []ocuroot.Run{{
			Number: 1, Status: ocuroot.Complete, Changed: created, Output: raw(`{"image":"api:2"}`), LogFiles: []string{root + "task/build/1/logs/@object.json"},
			Functions: []ocuroot.Function{fn("build", "3:1", nil), fn("push", "7:1", map[string]ocuroot.Input{"image": {Value: raw(`"api:2"`)}})},
		}}},
		{Kind: ref.Deploy, Name: "staging", Phase: "staging", Output: raw(`{"url":"https://staging.example"}`), Runs: []ocuroot.Run{{
			Number: 1, Status: ocuroot.Complete, Changed: created, Output: raw(`{"url":"https://staging.example"}`),
			Functions: []ocuroot.Function{fn("up", "9:1", image("staging", "2"))},
		}}},
		{Kind: ref.Deploy, Name: "production", Phase: "production", Runs: []ocuroot.Run{{
			Number: 1, Status: ocuroot.Pending, Changed: created,
			Functions: []ocuroot.Function{fn("up", "9:1", map[string]ocuroot.Input{"image": {Ref: "github.com/acme/shop/-/api/release.ocu.star/@r2/task/build#output/image"}})},
		}}},
	}}
	if len(s.Releases) != 2 || s.Version != 3 {
		t.Fatalf("version %d, releases %+v", s.Version, s.Releases)
	}
	if diff := cmp.Diff(second, s.Releases[1], sameJSON); diff != "" {
		t.Errorf("release 2 (-want +got):\n%s", diff)
	}
	if got := s.Releases[0].Items; len(got) != 4 || got[3].Name != "old" || len(got[3].Runs) != 2 || !got[3].Runs[1].Down {
		t.Errorf("release 1 has not its taken-away deployment: %+v", got)
	}
	if diff := cmp.Diff([]ocuroot.Live{
		{Package: api, Environment: "production", Release: 1, Run: 1, Inputs: image("production", "1"), Output: raw(`{"url":"https://production.example"}`)},
		{Package: api, Environment: "staging", Release: 2, Run: 1, Inputs: image("staging", "2"), Output: raw(`{"url":"https://staging.example"}`)},
	}, s.Live, sameJSON); diff != "" {
		t.Errorf("live (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]ocuroot.Environment{
		{Name: "production", Attributes: map[string]string{"type": "prod", "replicas": "3"}},
		{Name: "staging", Attributes: map[string]string{"type": "staging", "replicas": "3"}},
	}, s.Environments); diff != "" {
		t.Errorf("environments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]ocuroot.Value{
		{Ref: ref.Global(ref.Custom, "team"), JSON: raw(`{"lead":"ada","size":3}`)},
		{Ref: api.InRelease("").Sub(ref.Custom, "credential/staging"), JSON: raw(`"c1"`)},
	}, s.Custom, sameJSON); diff != "" {
		t.Errorf("custom values (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]ocuroot.Intent{
		{Ref: ref.Global(ref.Custom, "team").AsIntent(), JSON: raw(`{"lead":"ada","size":4}`)},
		{Ref: ref.Global(ref.Environment, "production").AsIntent(), JSON: raw(`{"name":"production","attributes":{"type":"prod"}}`)},
		{Ref: api.AsIntent().Sub(ref.Deploy, "staging"), JSON: raw(`{"release":"github.com/acme/shop/-/api/release.ocu.star/@r2","input":{"image":{"value":"api:2"}}}`),
			Deploy: &ocuroot.DeployIntent{Release: 2, Inputs: map[string]ocuroot.Input{"image": {Value: raw(`"api:2"`)}}}},
	}, s.Intents, sameJSON); diff != "" {
		t.Errorf("intents (-want +got):\n%s", diff)
	}
	skipped(t, s, map[string]string{
		"refs/@/push/intent_commit/@object.json":                                                    "pushed",
		"refs/github.com/acme/shop/-/repo.ocu.star/@abc2/@object.json":                              "copy of repo.ocu.star",
		"refs/github.com/acme/shop/-/repo.ocu.star/@abc2/push/index/@object.json":                   "pushed",
		"intent: refs/github.com/acme/shop/-/api/release.ocu.star/@/deploy/production/@object.json": "a release that is not here",
	})
}

// In the first layout, releases that were named after their commits get numbers
// in the order of their making.
func TestFirstLayout(t *testing.T) {
	t.Parallel()
	fsys := store(t, "commits.txtar")
	s := read(t, fsys, nil)
	if len(s.Releases) != 2 || s.Version != 1 {
		t.Fatalf("%+v", s)
	}
	first, second := s.Releases[0], s.Releases[1]
	if first.Number != 1 || second.Number != 2 || first.Commit[:2] != "1f" || second.Tags[0] != "stable" || !first.Created.Equal(day("2025-07-01T10:00:00Z")) {
		t.Errorf("%+v", s.Releases)
	}
	build, staging := second.Items[0], second.Items[1]
	if compact(build.Output) != `{"number":2,"tag":"shop:2"}` || string(build.Runs[0].Functions[0].Inputs["prev"].Value) != "1" || build.Runs[0].Functions[0].Name != "build" {
		t.Errorf("build: %+v", build)
	}
	if staging.Phase != "staging" || staging.Runs[0].Status != ocuroot.Failed || staging.Output != nil {
		t.Errorf("staging: %+v", staging)
	}
	if len(s.Live) != 1 || s.Live[0].Release != 1 || s.Live[0].Run != 1 || string(s.Live[0].Inputs["tag"].Value) != `"shop:1"` {
		t.Errorf("live: %+v", s.Live)
	}
	pkg := ref.Ref{Repo: "github.com/acme/shop", Path: "web/package.ocu.star"}
	if len(s.Custom) != 1 || s.Custom[0].Ref != pkg.InRelease("r2").Sub(ref.Custom, "approval") || string(s.Custom[0].JSON) != "1" {
		t.Errorf("custom: %+v", s.Custom)
	}
	if len(s.Intents) != 2 || s.Intents[0].Deploy == nil || s.Intents[0].Deploy.Release != 1 || s.Intents[1].Ref != pkg.AsIntent().InRelease("r2").Sub(ref.Custom, "approval") {
		t.Errorf("intents: %+v", s.Intents)
	}
	skipped(t, s, map[string]string{"dependencies": "marks of what depends on what", ".github/workflows/ocuroot.yml": "no document"})
	lines, err := ocuroot.Logs(fsys, build.Runs[0])
	if diff := cmp.Diff([]ocuroot.Line{{Time: day("2025-07-02T10:00:00Z"), Text: "Building 2...", Stream: 1}}, lines, sameJSON); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// Numbers are taken over, with gaps; a retried run and the run that took its
// place are both there; numbers in outputs keep their digits.
func TestNumberedLayout(t *testing.T) {
	t.Parallel()
	s := read(t, store(t, "numbers.txtar"), nil)
	if len(s.Releases) != 2 || s.Releases[0].Number != 8 || s.Releases[1].Number != 10 {
		t.Fatalf("%+v", s.Releases)
	}
	runs := s.Releases[1].Items[0].Runs
	if len(runs) != 2 || runs[0].Status != ocuroot.Failed || !runs[0].Retried || len(runs[0].Functions) != 2 || runs[0].Functions[1].Name != "push" || runs[1].Status != ocuroot.Complete {
		t.Errorf("%+v", runs)
	}
	if got := string(s.Releases[1].Items[0].Output); !strings.Contains(got, "12345678901234567890") {
		t.Errorf("output %s", got)
	}
	skipped(t, s, map[string]string{"refs/github.com/ocuroot/example/-/release.ocu.star/@10/op/check_envs/@object.json": "had not yet carried out"})
}

func skipped(t *testing.T, s ocuroot.State, want map[string]string) {
	t.Helper()
	for _, k := range s.Skipped {
		if part, ok := want[k.Path]; !ok || !strings.Contains(k.Reason, part) {
			t.Errorf("skipped %s: %s", k.Path, k.Reason)
		}
		delete(want, k.Path)
	}
	for path := range want {
		t.Errorf("%s is neither read nor skipped", path)
	}
}

// What is no store of a known version is refused, with what to give instead.
func TestNoStore(t *testing.T) {
	t.Parallel()
	good := fstest.MapFS{".ocuroot-store": {Data: []byte(`{"version":1}`)}}
	for name, tt := range map[string]struct {
		state, intent fs.FS
		want          string
	}{
		"empty":       {fstest.MapFS{}, nil, "no Ocuroot store"},
		"unknown":     {fstest.MapFS{".ocuroot-store": {Data: []byte(`{"version":4}`)}}, nil, "version 4"},
		"no version":  {fstest.MapFS{".ocuroot-store": {Data: []byte(`{}`)}}, nil, "says no version"},
		"no JSON":     {fstest.MapFS{".ocuroot-store": {Data: []byte(`x`)}}, nil, "says no version"},
		"no intent":   {good, fstest.MapFS{}, "the intent is no Ocuroot store"},
		"bad wrapped": {fstest.MapFS{".ocuroot-store": {Data: []byte(`{"body":"x"}`)}}, nil, "says no version"},
	} {
		_, err := ocuroot.Read(t.Context(), tt.state, tt.intent)
		if err == nil || !strings.Contains(err.Error(), tt.want) || release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, release.HintOf(err))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ocuroot.Read(ctx, good, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Every file that can't be understood is named, with its reason; the rest is
// read.
func TestDamaged(t *testing.T) {
	t.Parallel()
	const p = "refs/github.com/acme/shop/-/api/release.ocu.star/"
	for name, tt := range map[string]struct{ file, data, want string }{
		"half a document":     {"refs/@/environment/x/@object.json", `{"kind":"ref"`, "no JSON"},
		"unknown kind":        {"refs/@/environment/x/@object.json", `{"kind":"blob","body":{}}`, "unknown kind"},
		"no body":             {"refs/@/environment/x/@object.json", `{"kind":"ref"}`, "no body"},
		"no target":           {p + "@9.9/@object.json", `{"kind":"link","body":{}}`, "without a target"},
		"tag for nothing":     {p + "@9.9/@object.json", `{"kind":"link","body":"x/-/y/@r1"}`, "no release here"},
		"other name":          {"refs/@/environment/x/@object.json", `{"kind":"ref","body":{"name":"y"}}`, "calls itself"},
		"attribute":           {"refs/@/environment/x/@object.json", `{"kind":"ref","body":{"attributes":{"a":{}}}}`, "no text"},
		"too large":           {"refs/@/custom/x/@object.json", `{"kind":"ref","body":"` + strings.Repeat("a", 17<<20) + `"}`, "too large"},
		"unknown status":      {p + "@r2/task/build/1/status/lost/@object.json", `{"kind":"ref","body":{}}`, "unknown status"},
		"unknown place":       {p + "@r2/task/build/1/more/@object.json", `{"kind":"ref","body":{}}`, "no place"},
		"unknown kind of ref": {p + "@r2/thing/x/@object.json", `{"kind":"ref","body":{}}`, "does not have: thing"},
		"output":              {p + "@r2/task/other/@object.json", `{"kind":"ref","body":{"output":[1]}}`, "no JSON object"},
		"orphan":              {p + "@r5/task/other/@object.json", `{"kind":"ref","body":{}}`, "no document of its own"},
		"no number":           {p + "@abc.1/@object.json", `{"kind":"ref","body":{"commit":"abc"}}`, "no number"},
		"twice":               {p + "@2/@object.json", `{"kind":"ref","body":{"commit":"abc"}}`, "two releases with the number 2"},
		"no package":          {"refs/elsewhere/@r1/@object.json", `{"kind":"ref","body":{"commit":"abc"}}`, "of no package"},
		"no release":          {"refs/elsewhere/@object.json", `{"kind":"ref","body":{}}`, "of no release"},
		"bad name":            {p + "@/custom/a=b/@object.json", `{"kind":"ref","body":1}`, `unexpected "="`},
		"live of nothing":     {p + "@/deploy/x/@object.json", `{"kind":"link","body":"` + p[5:] + `@r7/deploy/x"}`, "a release that is not here"},
		"live without item":   {p + "@/deploy/x/@object.json", `{"kind":"link","body":"` + p[5:] + `@r2/deploy/x"}`, "no such environment"},
		"intent of nothing":   {p + "+r9/custom/x/@object.json", `{"kind":"ref","body":1}`, "a release that is not here"},
		"intent of a call":    {p + "+/task/x/@object.json", `{"kind":"ref","body":1}`, "neither an environment"},
	} {
		fsys := store(t, "tasks.txtar")
		before := read(t, fsys, nil)
		fsys[tt.file] = &fstest.MapFile{Data: []byte(tt.data)}
		s := read(t, fsys, nil)
		found := false
		for _, k := range s.Skipped {
			found = found || strings.Contains(k.Reason, tt.want)
		}
		if !found || len(s.Skipped) != len(before.Skipped)+1 {
			t.Errorf("%s: want %q in one more of %+v", name, tt.want, s.Skipped)
		}
		if len(s.Releases) != len(before.Releases) || len(s.Live) != len(before.Live) {
			t.Errorf("%s: the rest is not as before", name)
		}
	}
}

// Garbage is skipped, never a panic.
func FuzzRead(f *testing.F) {
	f.Add("github.com/a/b/-/c/@r1/task/x/1", []byte(`{"kind":"ref","body":{"functions":[{"fn":{"name":"f"},"inputs":{"a":{}}}]}}`), `{"version":3}`)
	f.Add("a/-/b/@/deploy/x", []byte(`{"kind":"link","body":"a/-/b/@r1/deploy/x/1"}`), `{"body":{"version":2}}`)
	f.Add("a/-/b/@r1", []byte(`{"kind":"ref","body":{"package":{"phases":[{"work":[{},{"deploy":{}}]}]}}}`), `{"version":1}`)
	f.Add("@/environment/x", []byte(`{"kind":"ref","body":{"attributes":{"a":null}}}`), `{"version":1}`)
	f.Add("a/-/b/+r1/custom/x", []byte(`{"kind":"ref","body":null}`), `{"version":1}`)
	base := store(f, "tasks.txtar")
	f.Fuzz(func(t *testing.T, at string, doc []byte, info string) {
		fsys := fstest.MapFS{}
		for k, v := range base {
			fsys[k] = v
		}
		name := "refs/" + at + "/@object.json"
		if !fs.ValidPath(name) {
			return
		}
		fsys[name] = &fstest.MapFile{Data: doc}
		fsys[".ocuroot-store"] = &fstest.MapFile{Data: []byte(info)}
		for _, intent := range []fs.FS{nil, fsys} {
			s, err := ocuroot.Read(t.Context(), fsys, intent)
			if err != nil {
				return
			}
			for _, v := range s.Custom {
				if again, err := ref.Parse(v.Ref.String()); err != nil || again != v.Ref {
					t.Fatalf("%q gave a reference that can't be read: %v", at, err)
				}
			}
			if _, err := json.Marshal(s); err != nil {
				t.Fatal(err)
			}
		}
	})
}
