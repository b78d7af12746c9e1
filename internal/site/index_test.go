package site

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/release"
)

// names of a class, newest first.
func namesOf(ix *Index, class string) []string {
	var out []string
	for _, e := range ix.line(class) {
		out = append(out, e.Name)
	}
	return out
}

// Releases stand in the order of their versions, else of their times, whatever
// order they come in.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, oldestFirst, want string }{
		{"versions by number, not as strings", "v0.10.0 v0.9.0 v1.0.0 v0.9.10 v0.9.9", "v1.0.0 v0.10.0 v0.9.10 v0.9.9 v0.9.0"},
		{"a prerelease before its release", "v1.0.0 v1.0.0-rc2 v1.0.0-rc10 v1.0.0-beta.2 v1.0.0-beta.10", "v1.0.0 v1.0.0-rc2 v1.0.0-rc10 v1.0.0-beta.10 v1.0.0-beta.2"},
		{"four numbers", "v1.2.3.4 v1.2.3.10 v1.2.3 v1.2.4", "v1.2.4 v1.2.3.10 v1.2.3.4 v1.2.3"},
		{"a fix of an old line", "v1.0.0 v2.0.0 v1.0.1", "v2.0.0 v1.0.1 v1.0.0"},
		{"no versions: by time", "b a c", "c a b"},
		{"both: versions by version, at places by time", "test-a v1.1.0-rc1 test-b v1.0.0-rc1", "v1.1.0-rc1 test-b v1.0.0-rc1 test-a"},
		{"numbers beyond all bounds: by time", "v1.99999999999999999999.0 v1.2.0", "v1.2.0 v1.99999999999999999999.0"},
	} {
		var releases []Release
		for i, name := range strings.Fields(c.oldestFirst) {
			releases = append(releases, tagged(name, "x", day(i)))
		}
		want := strings.Fields(c.want)
		for range 10 {
			if got := namesOf(NewIndex(releases...), "x"); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", c.name, got, want)
				break
			}
			rand.Shuffle(len(releases), func(i, j int) { releases[i], releases[j] = releases[j], releases[i] })
		}
	}
}

// A release is superseded by the newest of its line, else by the newest; never
// by one that is withdrawn, and a release not by a prerelease.
func TestSuperseded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, oldestFirst, want string }{
		{"the newest is not", "v1.0.0", "v1.0.0:"},
		{"by its line", "v1.0.0 v1.0.1 v1.1.0 v1.0.2", "v1.0.0:v1.0.2 v1.0.1:v1.0.2 v1.0.2:v1.1.0 v1.1.0:"},
		{"not by a withdrawn one", "v1.0.0 v1.0.1! v1.1.0!", "v1.0.0: v1.0.1!: v1.1.0!:"},
		{"a withdrawn one, too", "v1.0.0! v1.0.1", "v1.0.0!:v1.0.1 v1.0.1:"},
		{"a release not by a prerelease", "v1.0.0 v1.1.0-rc1~ v1.1.0-rc2~", "v1.0.0: v1.1.0-rc1~:v1.1.0-rc2~ v1.1.0-rc2~:"},
		{"a prerelease by its release", "v1.1.0-rc1~ v1.1.0", "v1.1.0-rc1~:v1.1.0 v1.1.0:"},
		{"each series for itself", "cli/v1.0.0 lib/v2.0.0 cli/v1.1.0", "cli/v1.0.0:cli/v1.1.0 lib/v2.0.0: cli/v1.1.0:"},
		{"with and without v they are one series", "v1.0.0 1.1.0", "v1.0.0:1.1.0 1.1.0:"},
		{"without a version: by any newer", "test-a v1.0.0-rc1 test-b", "test-a:test-b v1.0.0-rc1: test-b:"},
	} {
		ix := &Index{}
		for i, word := range strings.Fields(c.oldestFirst) {
			r := tagged(strings.TrimRight(word, "!~"), "stable", day(i))
			r.Prerelease = strings.HasSuffix(word, "~")
			if strings.HasSuffix(word, "!") {
				r.Withdrawn = &release.Withdrawn{Reason: "it is bad", Time: day(50)}
			}
			ix.Put(r)
		}
		for _, pair := range strings.Fields(c.want) {
			name, want, _ := strings.Cut(pair, ":")
			want = strings.TrimRight(want, "!~")
			if got := ix.SupersededBy(strings.TrimRight(name, "!~")); got != want {
				t.Errorf("%s: %s is superseded by %q, want %q", c.name, name, got, want)
			}
		}
	}
}

// The latest goes back when a release is withdrawn, and comes again when it is
// put back.
func TestLatest(t *testing.T) {
	t.Parallel()
	ix := NewIndex(sampleReleases()...)
	is := func(want string) {
		t.Helper()
		if r, ok := ix.Latest("stable"); r.Name != want || ok != (want != "") {
			t.Errorf("the latest is %q, want %q", r.Name, want)
		}
	}
	is("v1.2.3")
	r, _ := ix.Get("v1.2.3")
	r.Withdrawn = &release.Withdrawn{Reason: "it is bad", Time: day(50)}
	ix.Put(r)
	is("v1.2.2")
	r.Withdrawn = nil
	ix.Put(r)
	is("v1.2.3")
	rc := tagged("v2.0.0-rc1", "stable", day(60))
	rc.Prerelease = true
	ix.Put(rc)
	is("v1.2.3")
	for _, name := range ix.Names() {
		if name != "v2.0.0-rc1" {
			ix.Remove(name)
		}
	}
	is("v2.0.0-rc1")
	ix.Remove("v2.0.0-rc1")
	ix.Remove("v2.0.0-rc1")
	is("")
	if ix.Len() != 0 {
		t.Errorf("%d releases are left", ix.Len())
	}
}

// A release that changes its class stands there once.
func TestPutReplaces(t *testing.T) {
	t.Parallel()
	ix := NewIndex(tagged("v1.0.0", "extra", day(0)), tagged("v1.1.0", "extra", day(1)))
	ix.Put(tagged("v1.0.0", "stable", day(0)))
	if got := append(namesOf(ix, "stable"), namesOf(ix, "extra")...); !slices.Equal(got, []string{"v1.0.0", "v1.1.0"}) || ix.Len() != 2 {
		t.Errorf("there are %q", got)
	}
}

// An installer is offered each binary of a platform once, or the archives of a
// release that has no binary.
func TestSplit(t *testing.T) {
	t.Parallel()
	linux, windows := &release.Platform{OS: "linux", Arch: "amd64"}, &release.Platform{OS: "windows", Arch: "amd64"}
	file := func(name string, kind release.ArtifactKind, p *release.Platform, content string) File {
		f := File{Name: name, Key: "r/" + name, Kind: kind, Platform: p}
		if content != "" {
			f.Digest = digestOf(content)
		}
		return f
	}
	elsewhere := file("app", release.KindBinary, linux, "a")
	elsewhere.Key, elsewhere.URL = "", "https://forge.example/app"
	for _, c := range []struct {
		name  string
		files []File
		want  string
	}{
		{"a binary before its archive", []File{file("app.tar.gz", release.KindArchive, linux, "z"), file("app", release.KindBinary, linux, "a"), file("checksums.txt", release.KindChecksums, nil, "c")}, "app"},
		{"two builds", []File{file("app", release.KindBinary, linux, "a"), file("tool", release.KindBinary, linux, "b")}, "app tool"},
		{"one build twice: by its plain name", []File{file("app_linux_amd64", release.KindBinary, linux, "a"), file("app", release.KindBinary, linux, "a")}, "app"},
		{"one build twice: what lies here", []File{elsewhere, file("app_linux_amd64", release.KindBinary, linux, "a")}, "app_linux_amd64"},
		{"no digests: by name", []File{file("app", release.KindBinary, linux, ""), elsewhere}, "app app"},
		{"archives alone: one format of each", []File{file("app.zip", release.KindArchive, linux, "1"), file("app.tar.zst", release.KindArchive, linux, "2"), file("app.tar.gz", release.KindArchive, linux, "3"), file("tool.zip", release.KindArchive, linux, "4")}, "app.tar.gz tool.zip"},
		{"zip on Windows", []File{file("app.zip", release.KindArchive, windows, "1"), file("app.tar.gz", release.KindArchive, windows, "2")}, "app.zip"},
		{"one kind for all platforms", []File{file("app", release.KindBinary, linux, "a"), file("app.zip", release.KindArchive, windows, "b")}, "app"},
		{"packages alone: none", []File{file("app.deb", release.KindPackage, linux, "a")}, ""},
		{"none", nil, ""},
	} {
		slices.SortFunc(c.files, compareFiles)
		builds, others := split(c.files)
		var got []string
		for _, f := range builds {
			got = append(got, f.Name)
		}
		if strings.Join(got, " ") != c.want || len(builds)+len(others) != len(c.files) {
			t.Errorf("%s: got %q and %d others, want %q", c.name, got, len(others), c.want)
		}
	}
}

// Groups are named as Garage's are; only what is stable is not folded.
func TestDefaultGroups(t *testing.T) {
	t.Parallel()
	classes := append(release.DefaultClasses("main"), release.Class{Name: "nightly", Branch: "next"}, release.Class{Name: "release", Tag: "x"})
	var got []string
	for _, g := range DefaultGroups(classes) {
		got = append(got, g.Class+"="+g.Name+" "+g.Type+map[bool]string{true: " hidden"}[g.Hide])
	}
	want := []string{"stable=Release tag", "extra=Extra tag hidden", "development=Development commit hidden", "nightly=Nightly commit hidden", "release=release tag hidden"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if g := DefaultGroups([]release.Class{{Name: "all", Tag: ".+"}}); g[0].Hide {
		t.Error("the only group is folded")
	}
}
