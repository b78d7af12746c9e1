package site

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

func encode(t testing.TB, s Site, ix *Index) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := EncodeList(&out, s, ix); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// plain is Garage's list: what its installers read.
type plain []struct {
	Name, Type, Description string
	Hide                    bool
	Builds                  []struct {
		Version    string
		Superseded string
		Builds     []struct{ Date, Time, Size, Path, Root, Version, Platform, Binary, URL string }
	}
}

func readPlain(t *testing.T, list []byte) plain {
	t.Helper()
	var out plain
	if err := json.Unmarshal(list, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// An installer's jq line gives one URL: of the newest stable release that is not
// withdrawn.
func TestInstallersLine(t *testing.T) {
	t.Parallel()
	jq := realtest.Program(t, "jq", "jq")
	list := encode(t, sampleSite(), NewIndex(sampleReleases()...))
	for _, p := range release.DefaultPlatforms {
		out, err := proc.Output(t.Context(), proc.Cmd{Stdin: bytes.NewReader(list), Args: []string{jq, "-r",
			`.[] | select(.name=="Release") | .builds[0].builds[] | select(.platform=="` + p.Target() + `") | .url`}})
		if err != nil {
			t.Fatal(err)
		}
		if want := "https://hello.example/_releases/v1.2.3/" + p.Target() + "/hello\n"; string(out) != want {
			t.Errorf("jq gives %q, want %q", out, want)
		}
	}
}

// Groups and inner builds are spelt as Garage spells them.
func TestGaragesSpelling(t *testing.T) {
	t.Parallel()
	got := readPlain(t, encode(t, sampleSite(), NewIndex(sampleReleases()...)))
	var groups, versions []string
	for _, g := range got {
		groups = append(groups, g.Name+" "+g.Type+map[bool]string{true: " hidden"}[g.Hide])
		for _, r := range g.Builds {
			versions = append(versions, r.Version+" < "+r.Superseded)
		}
	}
	if want := []string{"Release tag", "Extra tag hidden", "Development commit hidden", "Withdrawn tag hidden"}; !slices.Equal(groups, want) {
		t.Errorf("groups are %q, want %q", groups, want)
	}
	newer, older := commitOf(day(41).String()), commitOf(day(33).String())
	want := []string{"v1.2.3 < ", "v1.2.2 < v1.2.3", "v0.10.0 < v1.2.3", "v0.9.0 < v1.2.3", "test-s3 < ", "v1.2.3-rc1 < ", newer + " < ", older + " < " + newer, "v1.3.0 < "}
	if !slices.Equal(versions, want) {
		t.Errorf("versions are %q, want %q", versions, want)
	}
	b := got[0].Builds[0].Builds[0]
	if b.Date != "2026-04-01" || b.Time != "09:40:00" || b.Size != "7134456" || b.Path != "_releases/v1.2.3/x86_64-unknown-linux-musl/hello" ||
		b.Root != "_releases" || b.Version != "v1.2.3" || b.Platform != "x86_64-unknown-linux-musl" || b.Binary != "hello" || b.URL != "https://hello.example/"+b.Path {
		t.Errorf("the first build is %+v", b)
	}
}

// Everything but the notes of what is not shown comes back.
func TestListRoundTrip(t *testing.T) {
	t.Parallel()
	s := sampleSite()
	releases := sampleReleases()
	odd := tagged("cli/v1.0.0+\"odd\" <tag> \u2028é", "stable", time.Date(2020, 1, 1, 0, 0, 0, 123456789, time.UTC))
	odd.Notes, odd.Page = "<b>&amp;\x00\x7f", ""
	odd.Files[0].Time = time.Time{}
	odd.Files[1].Time = odd.Time
	odd.Files[2].Key, odd.Files[2].URL, odd.Files[2].Digest = "", "https://forge.example/a?b=c&d", ""
	odd.Files[3].URL = "https://mirror.example/x"
	odd.Files[3].Platform = &release.Platform{OS: "plan9", Arch: "amd64", Variant: "v3"}
	bare := Release{Name: "bare", Class: "gone"}
	for i := range 100 { // so that not all are shown
		r := tagged("v0.0."+string(rune('0'+i/10))+string(rune('0'+i%10)), "stable", day(-200+i))
		r.Notes = "unseen"
		releases = append(releases, r)
	}
	ix := NewIndex(append(releases, odd, bare)...)
	list := encode(t, s, ix)
	back, err := DecodeList(bytes.NewReader(list), s)
	if err != nil {
		t.Fatal(err)
	}
	shown := ix.Shown(s)
	var want []Release
	for r := range ix.All() {
		if !slices.Contains(shown, r.Name) {
			r.Notes = ""
		}
		if r.Name == odd.Name { // as JSON has it
			r.Notes = strings.ToValidUTF8(r.Notes, "\uFFFD")
		}
		want = append(want, r)
	}
	if diff := cmp.Diff(want, slices.Collect(back.All())); diff != "" {
		t.Errorf("the list does not give back the releases (-want +got):\n%s", diff)
	}
	if again := encode(t, s, back); !bytes.Equal(list, again) {
		t.Error("the list of what was read from a list is another one")
	}
}

// The order in which releases and files come makes no difference.
func TestListIsDeterministic(t *testing.T) {
	t.Parallel()
	s := sampleSite()
	want := encode(t, s, NewIndex(sampleReleases()...))
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		releases := sampleReleases()
		random.Shuffle(len(releases), func(i, j int) { releases[i], releases[j] = releases[j], releases[i] })
		for _, r := range releases {
			random.Shuffle(len(r.Files), func(i, j int) { r.Files[i], r.Files[j] = r.Files[j], r.Files[i] })
		}
		ix := NewIndex(releases...)
		ix.Put(tagged("v9.9.9", "stable", day(99)))
		ix.line("stable")
		ix.Remove("v9.9.9")
		if got := encode(t, s, ix); !bytes.Equal(got, want) {
			t.Fatal("another order gives another list")
		}
	}
}

// garages is a list as its nix/build_index.nix writes it: sorted keys, so that a
// group's name stands behind its builds.
const garages = `[{"builds":[{"builds":[
 {"binary":"garage","date":"2023-01-30","path":"_releases/v0.8.1/aarch64-unknown-linux-musl/garage","platform":"aarch64-unknown-linux-musl","root":"_releases","size":"18394","time":"22:12:15","url":"https://garagehq.deuxfleurs.fr/_releases/v0.8.1/aarch64-unknown-linux-musl/garage","version":"v0.8.1"},
 {"binary":"garage","date":"2023-01-30","path":"_releases/v0.8.1/armv6l-unknown-linux-musleabihf/garage","platform":"armv6l-unknown-linux-musleabihf","root":"_releases","size":"18395","time":"22:12:16","url":"https://garagehq.deuxfleurs.fr/_releases/v0.8.1/armv6l-unknown-linux-musleabihf/garage","version":"v0.8.1"}],"version":"v0.8.1"}],
 "description":"Release builds","hide":false,"name":"Release","type":"tag"},
 {"builds":[],"description":"","hide":true,"name":"Extra","type":"tag"},
 {"builds":[{"builds":[{"binary":"garage","date":"2023-02-01","path":"_releases/241db1e1f54073fd6fb40e886cca352b9dbc4e72/x86_64-unknown-linux-musl/garage","platform":"x86_64-unknown-linux-musl","root":"_releases","size":"5","time":"00:00:00","url":"https://garagehq.deuxfleurs.fr/x","version":"241db1e1f54073fd6fb40e886cca352b9dbc4e72"}],"version":"241db1e1f54073fd6fb40e886cca352b9dbc4e72"}],"description":"","hide":true,"name":"Development","type":"commit"}]`

// Garage's own list is understood.
func TestGaragesOwnList(t *testing.T) {
	t.Parallel()
	ix, err := DecodeList(strings.NewReader(garages), sampleSite())
	if err != nil {
		t.Fatal(err)
	}
	got, ok := ix.Get("v0.8.1")
	at := time.Date(2023, 1, 30, 22, 12, 15, 0, time.UTC)
	want := Release{Name: "v0.8.1", Tag: "v0.8.1", Version: "0.8.1", Class: "stable", Time: at.Add(time.Second), Files: []File{
		{Name: "garage", Key: "_releases/v0.8.1/aarch64-unknown-linux-musl/garage", Kind: release.KindBinary, Platform: &release.Platform{OS: "linux", Arch: "arm64"}, Size: 18394, Time: at},
		{Name: "garage", Key: "_releases/v0.8.1/armv6l-unknown-linux-musleabihf/garage", Kind: release.KindBinary, Platform: &release.Platform{OS: "linux", Arch: "arm", Variant: "v6"}, Size: 18395, Time: at.Add(time.Second)},
	}}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("v0.8.1 (-want +got):\n%s", diff)
	}
	if r, _ := ix.Get("241db1e1f54073fd6fb40e886cca352b9dbc4e72"); r.Class != "development" || r.Commit != r.Name || r.Tag != "" {
		t.Errorf("the development build is %+v", r)
	}
	if wanted := ix.Wanted(sampleSite()); len(wanted) > 0 {
		t.Errorf("records of %q are wanted, but there are none", wanted)
	}
}

// What is wrong with a list is told, with its place.
func TestBadLists(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ list, want string }{
		{``, "the list of releases: it ends in the middle"},
		{`{}`, "the list of releases: it is no array of groups"},
		{`[1]`, "the list of releases, group 1: it is no object"},
		{`[{"name":"A","builds":{}}]`, `the list of releases, group 1 ("A"): its builds are no array`},
		{`[{"name":"A","builds":[{"version":"v1"},{"version":"v1"}]}]`, `the list of releases, group 1 ("A"), release 2: "v1" stands there twice`},
		{`[{"name":"A","builds":[{"class":"a","version":"v1"}]},{"name":"B","builds":[{"class":"b","version":"v1"}]}]`, `the list of releases, group 2 ("B"), release 1: "v1" stands there twice`},
		{`[{"name":"A","builds":[{}]}]`, `the list of releases, group 1 ("A"), release 1: it has no version`},
		{`[{"name":"A","builds":[{"version":"v1","builds":[{"binary":"x","size":"-1"}]}]}]`, `the list of releases, group 1 ("A"), release 1: "\"-1\"" is no size in bytes`},
		{`[{"name":"A","builds":[{"version":"v1","builds":[{"binary":"x","date":"today","time":"now"}]}]}]`, `the list of releases, group 1 ("A"), release 1: "v1": "x": "today now" is no date and time`},
		{`[{"name":"A","builds":[{"version":"v1","builds":[{"binary":"x","path":"../x"}]}]}]`, `the list of releases, group 1 ("A"), release 1: "v1": "x": "../x" is no path below the site`},
		{`[{"name":"A","builds":[{"version":7}]}]`, `the list of releases, group 1 ("A"), release 1: version holds a JSON number where another type belongs`},
		{`[{"name":"A","builds":[{"version":"v1"`, `the list of releases, group 1 ("A"), release 1: it ends in the middle`},
		{`[] x`, "the list of releases: something stands behind its end"},
	} {
		_, err := DecodeList(strings.NewReader(c.list), sampleSite())
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.list, err, c.want)
		}
	}
}

// A release without an end is not read to its end.
func TestEndlessList(t *testing.T) {
	t.Parallel()
	endless := io.MultiReader(strings.NewReader(`[{"name":"A","builds":[{"version":"`), endlessly('x'))
	_, err := DecodeList(endless, sampleSite())
	if err == nil || !strings.Contains(err.Error(), "longer than 32 MB") {
		t.Errorf("got %v", err)
	}
}

type endlessly byte

func (e endlessly) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// No list makes the reader panic, and what was read is written and read again as
// it was.
func FuzzDecodeList(f *testing.F) {
	f.Add([]byte(garages))
	one := whole(tagged("v1.0.0", "stable", day(1), release.DefaultPlatforms[0]))
	one.Stamp, one.Notes, one.Files = "1", "# It *works*", one.Files[:3]
	f.Add(encode(f, sampleSite(), NewIndex(one)))
	f.Add([]byte(`[{"name":"Withdrawn","builds":[{"version":"a","withdrawn":{"reason":"r"},"files":[{"undated":true,"elsewhere":true,"url":"u","path":"p"}]}]}]`))
	f.Fuzz(func(t *testing.T, list []byte) {
		s := sampleSite()
		ix, err := DecodeList(bytes.NewReader(list), s)
		if err != nil {
			return
		}
		first := encode(t, s, ix)
		again, err := DecodeList(bytes.NewReader(first), s)
		if err != nil {
			t.Fatalf("its own list is refused: %v\n%s", err, first)
		}
		if second := encode(t, s, again); !bytes.Equal(first, second) {
			t.Fatalf("not the same:\n%s\n%s", first, second)
		}
		for p, err := range Pages(s, ix) {
			if err != nil {
				t.Fatalf("%s: %v", p.Key, err)
			}
		}
	})
}
