package ref_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// Every form is read, and written in one way.
func TestParse(t *testing.T) {
	t.Parallel()
	const file = "github.com/acme/app/-/web/release.ocu.star"
	app := ref.Ref{Repo: "github.com/acme/app", Path: "web/release.ocu.star"}
	for in, want := range map[string]struct {
		ref   ref.Ref
		canon string // empty when it is the input
	}{
		file:                                    {ref: app},
		file + "/@":                             {ref: app.InRelease("")},
		file + "/@7":                            {app.InRelease("r7"), file + "/@r7"},
		file + "/@r7/call/build#output/tag":     {ref: app.InRelease("r7").Sub(ref.Call, "build").WithFragment("output/tag")},
		file + "/@v7/task/build#outputs/tag":    {app.InRelease("r7").Sub(ref.Call, "build").WithFragment("output/tag"), file + "/@r7/call/build#output/tag"},
		file + "/@007/call/build/1/logs":        {app.InRelease("r7").Sub(ref.Call, "build/1/logs"), file + "/@r7/call/build/1/logs"},
		file + "/@v1.2.0/commit/fa56a2":         {ref: app.InRelease("v1.2.0").Sub(ref.Commit, "fa56a2")},
		file + "/+/deploy/staging":              {ref: app.AsIntent().Sub(ref.Deploy, "staging")},
		file + "/call/build":                    {ref: app.Sub(ref.Call, "build")},
		"./call/x#output/k":                     {ref: ref.Ref{Path: ".", Kind: ref.Call, Name: "x", Fragment: "output/k"}},
		"./release#output/images/app/digest":    {ref: ref.Ref{Path: ".", Kind: ref.Release, Fragment: "output/images/app/digest"}},
		"./@/call/x":                            {ref: ref.Ref{Path: ".", Versioned: true, Kind: ref.Call, Name: "x"}},
		"./@7/call/x":                           {ref.Ref{Path: ".", Versioned: true, Release: "r7", Kind: ref.Call, Name: "x"}, "./@r7/call/x"},
		"./@1.2.0":                              {ref: ref.Ref{Path: ".", Versioned: true, Release: "1.2.0"}},
		"./@7#created":                          {ref.Ref{Path: ".", Versioned: true, Release: "r7", Fragment: "created"}, "./@r7#created"},
		"./+/custom/credential/staging":         {ref: ref.Ref{Path: ".", Versioned: true, Intent: true, Kind: ref.Custom, Name: "credential/staging"}},
		"./custom/outputs#outputs/1":            {ref: ref.Ref{Path: ".", Kind: ref.Custom, Name: "outputs", Fragment: "outputs/1"}},
		"./-/path/f.ocu.star/@/deploy/prod":     {ref: ref.Ref{Repo: ".", Path: "path/f.ocu.star", Versioned: true, Kind: ref.Deploy, Name: "prod"}},
		"./frontend/x.ocu.star":                 {ref.Ref{Path: "frontend/x.ocu.star"}, "frontend/x.ocu.star"},
		"./deploy/x.ocu.star":                   {ref.Ref{Path: "deploy/x.ocu.star"}, "deploy/x.ocu.star"},
		"./deploy/x/@7":                         {ref.Ref{Path: "deploy/x", Versioned: true, Release: "r7"}, "deploy/x/@r7"},
		"release.ocu.star/+r7/custom/ok":        {ref: ref.Ref{Path: "release.ocu.star", Versioned: true, Intent: true, Release: "r7", Kind: ref.Custom, Name: "ok"}},
		"@/environment/staging#attributes/type": {ref: ref.Global(ref.Environment, "staging").WithFragment("attributes/type")},
		"+/environment/staging":                 {ref: ref.Global(ref.Environment, "staging").AsIntent()},
		"@/custom/a/b":                          {ref: ref.Global(ref.Custom, "a/b")},
		"@/freeze/christmas":                    {ref: ref.Global(ref.Freeze, "christmas")},
		".":                                     {ref: ref.Ref{Path: "."}},
	} {
		got, err := ref.Parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if diff := cmp.Diff(fields(want.ref), fields(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
		if want.canon == "" {
			want.canon = in
		}
		if got.String() != want.canon {
			t.Errorf("%s is written %s, want %s", in, got, want.canon)
		}
	}
}

// fields has a Ref compared by field, not by its text.
func fields(r ref.Ref) any {
	type plain ref.Ref
	return plain(r)
}

// What is wrong is said with its place, and what to write instead.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                         "empty",
		"./@/call/x#output/a=b":    `unexpected "=" (character 20)`,
		"./ö/@/call/=":             `unexpected "=" (character 12)`,
		"../x.ocu.star/@7":         `".." leads nowhere in a reference (character 1); write ./-/`,
		"a/../x.ocu.star":          `".." leads nowhere in a reference (character 3)`,
		"a//b":                     "an empty part (character 3)",
		"./":                       "an empty part (character 3)",
		"/etc/passwd":              `doesn't begin with "/"`,
		"a/./b":                    `unexpected "." (character 3)`,
		"./@/cal/x":                `unknown kind "cal" (character 5); did you mean "call"?`,
		"./tsak/x":                 `unknown kind "tsak" (character 3); did you mean "task"?`,
		"./@/op/x":                 `unknown kind "op"`,
		"./@/call":                 "a call without a name (character 9)",
		"./@7/call/x/@8":           "a release inside the name (character 13)",
		"./@7/call/x#output/@8/x":  "a release inside the fragment (character 20)",
		"./@a b/call/x":            `a release can't have ' ' (character 5)`,
		"./@../call/x":             `".." is no release`,
		"./@9999999999/call/x":     "no release has the number 9999999999",
		"x.ocu.star@7/call/x":      `unexpected "@" (character 11); write a slash before it: x.ocu.star/@7`,
		"x.ocu.star#output":        "a fragment without a document (character 11)",
		"./call/x#":                "an empty part in the fragment (character 10)",
		"./call/x#a#b":             `a second "#" (character 11)`,
		"./call#output/x":          "a call without a name (character 7)",
		"-/x.ocu.star":             "no repository before",
		"a/-":                      "no file (character 4)",
		"a/-/b/-/c":                `a second "-" (character 7)`,
		"./a/-/b":                  `unexpected "-"`,
		"@":                        "nothing after",
		"@7/call/x":                "a release without its package",
		"@/call/x":                 "a call belongs to a package (character 3); write ./@/call/x",
		"./@/environment/x":        "an environment belongs to no package (character 5); write @/environment/x",
		"x.ocu.star/build":         "no release after x.ocu.star (character 12)",
		"./call/a\x00b":            "a control character '\\x00' (character 9)",
		"./call/a\xff":             "bytes that are no text (character 9)",
		strings.Repeat("a/", 600):  "has 1200 bytes; at most 1000",
		strings.Repeat("a/", 9000): "has 18000 bytes",
		strings.Repeat("a", 1001):  "has 1001 bytes; at most 1000",
	} {
		if want == "has 1200 bytes; at most 1000" {
			in += "a"
			want = "has 1201 bytes; at most 1000"
		}
		r, err := ref.Parse(in)
		if err == nil {
			t.Errorf("%.80q was read as %s", in, r)
			continue
		}
		if said := err.Error() + "; " + release.HintOf(err); !strings.Contains(said, want) || release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
			t.Errorf("%.80q: %s\nwant: %s", in, said, want)
		}
	}
}

// What was read is written so that it is read as the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"github.com/o/r/-/p/f.ocu.star/@v1/task/build#outputs/host", "./call/x", "./@7/x", "@/environment/e#a/b", "+/custom/x",
		"./-/p/@1.2.0/release#output", "./deploy/x.ocu.star", "a.ocu.star/call/b", ".", "./.", "a@b/-/c", "@/", "a/-/@", "./call/\xff=#"} {
		f.Add(s)
	}
	self, _ := ref.Parse("github.com/acme/app/-/web/release.ocu.star/@r7")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ref.Parse(s)
		if err != nil {
			return
		}
		for _, r := range []ref.Ref{r, r.In(self), r.At("github.com/acme/app", "web"), r.AsIntent(), r.InRelease("r7")} {
			if len(r.String()) > 1000 {
				continue
			}
			again, err := ref.Parse(r.String())
			if err != nil || fields(again) != fields(r) {
				t.Fatalf("%q was read as %q, and that as %q (%v)", s, r, again, err)
			}
		}
		if doc := r.Document(); strings.Contains("/"+doc+"/", "//") || strings.Contains(doc, "#") {
			t.Fatalf("%q has the document %q", s, doc)
		}
	})
}

// A relative reference means what it says in the file that it stands in.
func TestIn(t *testing.T) {
	t.Parallel()
	self := parse(t, "github.com/acme/app/-/web/release.ocu.star/@r7")
	for in, want := range map[string]string{
		"./call/x#output/k":                   "github.com/acme/app/-/web/release.ocu.star/@r7/call/x#output/k",
		"./release#output":                    "github.com/acme/app/-/web/release.ocu.star/@r7/release#output",
		"./@/call/x":                          "github.com/acme/app/-/web/release.ocu.star/@/call/x",
		"./@3/call/x":                         "github.com/acme/app/-/web/release.ocu.star/@r3/call/x",
		"./+/custom/x":                        "github.com/acme/app/-/web/release.ocu.star/+/custom/x",
		"./-/db/release.ocu.star/@/call/x":    "github.com/acme/app/-/db/release.ocu.star/@/call/x",
		"./-/web/release.ocu.star/call/x":     "github.com/acme/app/-/web/release.ocu.star/@r7/call/x",
		"./db.ocu.star/@/call/x":              "github.com/acme/app/-/web/db.ocu.star/@/call/x",
		"db.ocu.star/call/x":                  "github.com/acme/app/-/web/db.ocu.star/@/call/x",
		"./-/db.ocu.star":                     "github.com/acme/app/-/db.ocu.star",
		"@/environment/e":                     "@/environment/e",
		"example.org/x/-/y.ocu.star/@/c":      "",
		"example.org/x/-/y.ocu.star/@/call/c": "example.org/x/-/y.ocu.star/@/call/c",
	} {
		r, err := ref.Parse(in)
		if want == "" {
			if err == nil {
				t.Errorf("%s was read", in)
			}
			continue
		}
		if got := r.In(self); err != nil || got.String() != want || !got.Absolute() {
			t.Errorf("%s in %s is %s (%v), want %s", in, self, got, err, want)
		}
	}
	// A file that is evaluated for no release leaves its own references without one.
	if got := parse(t, "./call/x").In(self.Package()); got.Versioned || got.String() != "github.com/acme/app/-/web/release.ocu.star/call/x" {
		t.Errorf("%s", got)
	}
}

// On the command line, paths are relative to the current folder.
func TestAt(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"./x.ocu.star":               "r/-/web/x.ocu.star",
		"x.ocu.star/@7/call/build":   "r/-/web/x.ocu.star/@r7/call/build",
		"x.ocu.star/call/build":      "r/-/web/x.ocu.star/@/call/build",
		"./-/x.ocu.star/+/custom/ok": "r/-/x.ocu.star/+/custom/ok",
		"./@/call/x":                 "./@/call/x",
		"+/environment/e":            "+/environment/e",
		"q/-/x.ocu.star":             "q/-/x.ocu.star",
	} {
		if got := parse(t, in).At("r", "web").String(); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	if got := parse(t, "x.ocu.star").At("r", ".").String(); got != "r/-/x.ocu.star" {
		t.Errorf("at the root: %s", got)
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	r := parse(t, "r/-/x.ocu.star/@r7/call/build/1#output/tag")
	for got, want := range map[string]string{
		r.Document():                         "r/-/x.ocu.star/@r7/call/build/1",
		r.Package().String():                 "r/-/x.ocu.star",
		r.Sub(ref.Deploy, "prod").String():   "r/-/x.ocu.star/@r7/deploy/prod",
		r.Join("logs").String():              "r/-/x.ocu.star/@r7/call/build/1/logs",
		r.InRelease("r8").String():           "r/-/x.ocu.star/@r8/call/build/1#output/tag",
		r.AsIntent().Document():              "r/-/x.ocu.star/+r7/call/build/1",
		r.AsIntent().AsState().Document():    "r/-/x.ocu.star/@r7/call/build/1",
		r.Sub(ref.Release, "").Document():    "r/-/x.ocu.star/@r7/release",
		r.Package().InRelease("").Document(): "r/-/x.ocu.star/@",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for in, want := range map[string]int{"r7": 7, "r0": 0, "r123456789": 123456789, "7": -1, "v7": -1, "r07": -1, "r-1": -1, "r": -1, "": -1, "rc1": -1} {
		if n, ok := ref.Number(in); ok != (want >= 0) || ok && n != want {
			t.Errorf("Number(%q) = %d, %v", in, n, ok)
		}
	}
}

// References in documents are text.
func TestJSON(t *testing.T) {
	t.Parallel()
	type doc struct{ A, B ref.Ref }
	var d doc
	if err := json.Unmarshal([]byte(`{"A":"./@7/task/x","B":""}`), &d); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(d); err != nil || string(b) != `{"A":"./@r7/call/x","B":""}` {
		t.Errorf("%s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"A":"./@7/x=1"}`), &d); err == nil {
		t.Error("a bad reference was read")
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"build", "eu-west.1", "täglich", "build linux"} {
		if err := ref.CheckName(ok); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "a/b", "a=b", "a#b", "@7", "+x", ".", "..", "-", "a\nb", "\xff", strings.Repeat("a", 201)} {
		if err := ref.CheckName(bad); release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func parse(t *testing.T, s string) ref.Ref {
	t.Helper()
	r, err := ref.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
