package git_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/git/gittest"
)

func tagNames(t *testing.T, r *git.Repo, mergedInto string) []string {
	t.Helper()
	var names []string
	err := r.Tags(t.Context(), mergedInto, func(tag git.Tag) error {
		names = append(names, tag.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Lightweight, annotated and nested tags all lead to their commit.
func TestTag(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	first := src.Commit("feat: one") // 00:01
	src.Tag("light")
	src.Annotate("annotated", "Version 1\n\nIt works.\n") // 00:02
	src.Annotate("nested", "again", "annotated")          // 00:03
	src.Annotate("deep", "and again", "nested")           // 00:04
	src.Tag("lights/in/folder")
	r := open(t, src.Dir)
	at := func(minute int) time.Time { return time.Date(2024, 1, 1, 0, minute, 0, 0, time.UTC) }
	for _, want := range []git.Tag{
		{Name: "light", Object: first, Time: at(1)},
		{Name: "annotated", Object: src.Git("rev-parse", "annotated"), Annotated: true, Time: at(2)},
		{Name: "nested", Object: src.Git("rev-parse", "nested"), Annotated: true, Time: at(3)},
		{Name: "deep", Object: src.Git("rev-parse", "deep"), Annotated: true, Time: at(4)},
	} {
		want.Commit, want.CommitTime = first, at(1)
		got, err := r.Tag(t.Context(), want.Name)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", want.Name, err, d)
		}
	}
	at1 := must[[]git.Tag](t)(r.TagsAt(t.Context(), first))
	names := map[string]string{}
	if err := r.TagNames(t.Context(), func(tag git.Tag) error { names[tag.Name] = tag.Commit; return nil }); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"light": first, "annotated": first, "nested": first, "deep": first, "lights/in/folder": first}
	if d := cmp.Diff(want, names); d != "" {
		t.Errorf("TagNames (-want +got):\n%s", d)
	}
	if len(at1) != 5 || at1[0].Name != "annotated" || at1[4].Name != "nested" {
		t.Errorf("TagsAt gave %+v", at1)
	}
}

// Names with shell characters and other scripts are tags like any other.
func TestTagOddNames(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	want := src.Commit("feat: one")
	r := open(t, src.Dir)
	for _, name := range []string{"v1.0.0", "cli/v1.2.0", "$(touch${IFS}x)", "a;b&c|d", "`id`", "it's", `"q"`, "%00%H", "{version}", "版本-1", "été", "@", "2024-01-02", "#1"} {
		src.Tag(name)
		tag, err := r.Tag(t.Context(), name)
		if err != nil || tag.Commit != want || tag.Name != name {
			t.Errorf("%q: %+v, %v", name, tag, err)
		}
	}
	if got := len(tagNames(t, r, "")); got != 14 {
		t.Errorf("%d tags are listed, not 14", got)
	}
}

func TestTagErrors(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	r := open(t, src.Dir)
	_, err := r.Tag(t.Context(), "v1.2.3")
	wantInvalid(t, err, "there is no tag v1.2.3", "git tag")
	src.WriteCommit("a", "content", "feat: a")
	src.Git("tag", "tree", "HEAD^{tree}")
	src.Annotate("blob", "m", "HEAD:a")
	src.Annotate("nested-blob", "m", "blob")
	src.Tag("v1.2.3")
	src.Tag("cli/v9")
	for name, words := range map[string][]string{
		"v1.2.4":      {"there is no tag v1.2.4", "did you mean v1.2.3?"},
		"1.2.3":       {"did you mean v1.2.3?"},
		"v9":          {"did you mean cli/v9?"},
		"cli":         {"there is no tag cli"},
		"zzz":         {"there is no tag zzz"},
		"tree":        {"leads to a tree"},
		"blob":        {"leads to a blob"},
		"nested-blob": {"leads to a blob"},
	} {
		_, err := r.Tag(t.Context(), name)
		wantInvalid(t, err, words...)
	}
	if got := tagNames(t, r, ""); !cmp.Equal(got, []string{"cli/v9", "v1.2.3"}) {
		t.Errorf("tags of trees and blobs are listed: %q", got)
	}
}

// Every name that git refuses is refused with a reason, and only those (and
// ours: not UTF-8, refs/ in front).
func TestCheckTagName(t *testing.T) {
	t.Parallel()
	for name, word := range map[string]string{
		"": "empty", "-v1": "start with -", "--exec=x": "start with -", "a b": "space", "a..b": "..", "a\nb": "control", "a\x00b": "control",
		"a\x7fb": "control", "a~b": "~", "a^b": "^", "a:b": ":", "a?": "?", "a*": "*", "a[b": "[", `a\b`: `\`, "a.": "end with a dot",
		"/a": "/", "a/": "/", "a//b": "//", ".a": "dot", "a/.b": "dot", "a.lock": ".lock", "a.lock/b": ".lock", "a@{1}": "@{",
		"a\xff": "UTF-8", "refs/tags/v1": "leave out refs/tags/", "../../etc": "..",
	} {
		wantInvalid(t, git.CheckTagName(name), word)
	}
	for _, name := range []string{"v1.2.3", "a/b", "@", "a@b", "a]b", "版本", "a;b", "$(x)", "v1-", "lock"} {
		if err := git.CheckTagName(name); err != nil {
			t.Errorf("%q is refused: %v", name, err)
		}
	}
}

// What CheckTagName lets through is one of git's valid names.
func FuzzCheckTagName(f *testing.F) {
	for _, s := range []string{"v1", "a..b", ".x", "x.lock/y", "@{", "a b", "é", "a\x7f"} {
		f.Add(s)
	}
	src := gittest.New(f)
	f.Fuzz(func(t *testing.T, name string) {
		if git.CheckTagName(name) != nil {
			return
		}
		gittest.At(t, src.Dir).Git("check-ref-format", "refs/tags/"+name)
	})
}

func TestTagsMerged(t *testing.T) {
	t.Parallel()
	src := gittest.New(t)
	if got := tagNames(t, open(t, src.Dir), ""); got != nil {
		t.Errorf("an empty repository has tags %q", got)
	}
	first := src.WriteCommit("a", "", "feat: a")
	src.Tag("v1")
	src.Branch("side")
	src.WriteCommit("s", "", "feat: s")
	src.Annotate("v2-side", "m")
	src.Annotate("v3-nested", "m", "v2-side")
	src.Switch("main")
	src.WriteCommit("b", "", "feat: b")
	src.Tag("v2")
	r := open(t, src.Dir)
	for into, want := range map[string][]string{
		"":     {"v1", "v2", "v2-side", "v3-nested"},
		"main": {"v1", "v2"},
		"side": {"v1", "v2-side", "v3-nested"},
		first:  {"v1"},
	} {
		if got := tagNames(t, r, into); !cmp.Equal(got, want) {
			t.Errorf("merged into %q: %q, want %q", into, got, want)
		}
	}
	n, boom := 0, errors.New("boom")
	if err := r.Tags(t.Context(), "", func(git.Tag) error { n++; return fs.SkipAll }); err != nil || n != 1 {
		t.Errorf("SkipAll stopped after %d with %v", n, err)
	}
	if err := r.Tags(t.Context(), "", func(git.Tag) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("yield's error became %v", err)
	}
}
