package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/release"
)

// Promise: a rerun is always safe and never wasteful. Whatever a draft holds,
// what is equal is kept, what is broken or differs is replaced, what is doubled
// goes, and what somebody else put there stays.
func TestReconcile(t *testing.T) {
	t.Parallel()
	want := []release.Artifact{{Name: "a", Size: 3, Digest: "sha256:aa"}, {Name: "b", Size: 5, Digest: "sha256:bb"}}
	asset := func(id, name string, size int64, digest string) forge.Asset {
		return forge.Asset{ID: id, Name: name, Size: size, Digest: digest}
	}
	broken := asset("9", "a", 0, "")
	broken.Broken = true
	for _, c := range []struct {
		name    string
		have    []forge.Asset
		journal map[string]JournalAsset
		ours    map[string]bool
		moves   string
	}{
		{"an empty draft gets everything", nil, nil, nil, "upload a, upload b"},
		{"equal digests are kept", []forge.Asset{asset("1", "a", 3, "sha256:aa"), asset("2", "b", 5, "sha256:bb")}, nil, nil, "keep a 1, keep b 2"},
		{"another digest is replaced", []forge.Asset{asset("1", "a", 3, "sha256:xx")}, nil, nil, "replace a 1, upload b"},
		{"another size is replaced without a look", []forge.Asset{asset("1", "a", 4, "")}, nil, nil, "replace a 1, upload b"},
		{"a broken upload is replaced", []forge.Asset{broken}, nil, nil, "replace a 9, upload b"},
		{"without a digest the content is compared", []forge.Asset{asset("1", "a", 3, "")}, nil, nil, "compare a 1, upload b"},
		{"what this machine sent itself needs no look", []forge.Asset{asset("1", "a", 3, "")},
			map[string]JournalAsset{"a": {ID: "1", Digest: "sha256:aa"}}, nil, "keep a 1, upload b"},
		{"the journal of another asset of the name does not count", []forge.Asset{asset("7", "a", 3, "")},
			map[string]JournalAsset{"a": {ID: "1", Digest: "sha256:aa"}}, nil, "compare a 7, upload b"},
		{"the journal of other bytes does not count", []forge.Asset{asset("1", "a", 3, "")},
			map[string]JournalAsset{"a": {ID: "1", Digest: "sha256:old"}}, nil, "compare a 1, upload b"},
		{"of doubles the whole one stays", []forge.Asset{broken, asset("1", "a", 3, "sha256:aa"), asset("2", "a", 3, "sha256:aa")}, nil, nil,
			"remove 9, remove 2, keep a 1, upload b"},
		{"of doubles the oldest stays, whoever sent it", []forge.Asset{asset("1", "a", 3, ""), asset("2", "a", 3, "")},
			map[string]JournalAsset{"a": {ID: "2", Digest: "sha256:aa"}}, nil, "remove 2, compare a 1, upload b"},
		{"of doubles without digests one is compared", []forge.Asset{asset("1", "a", 4, ""), asset("2", "a", 3, "")}, nil, nil,
			"remove 1, compare a 2, upload b"},
		{"assets of an older plan go", []forge.Asset{asset("1", "old", 1, "")}, nil, map[string]bool{"old": true}, "upload a, upload b, remove 1"},
		{"somebody else's assets stay", []forge.Asset{asset("1", "hand", 1, "")}, nil, nil, "upload a, upload b, leave 1"},
		{"a broken upload of an unknown name goes", []forge.Asset{{ID: "1", Name: "x", Broken: true}}, nil, nil, "upload a, upload b, remove 1"},
	} {
		var got []string
		for _, m := range reconcile(want, c.have, Journal{Assets: c.journal}, c.ours) {
			got = append(got, strings.Join(strings.Fields(fmt.Sprint(m.action, " ", m.artifact.Name, " ", m.asset.ID)), " "))
		}
		if diff := cmp.Diff(c.moves, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// The body on the forge holds the notes, the line by which Slipway knows its
// own drafts, and never more than the forge takes.
func TestBody(t *testing.T) {
	t.Parallel()
	p := release.Plan{Tag: "cli/v1 ü", Target: &release.Target{Server: "https://git.example", Repository: "acme/hello"}}
	notes := strings.Repeat("- an entry of the notes\n", 200)
	text, full := body(p, notes, 0)
	if full != "" || !strings.HasPrefix(text, strings.TrimRight(notes, "\n")) || !isOurs(forge.Release{Body: text}) {
		t.Errorf("without a limit: %.80q… full %.20q", text, full)
	}
	text, full = body(p, notes, 1000)
	if n := len([]rune(text)); n > 1000 || full != notes || !isOurs(forge.Release{Body: text}) {
		t.Errorf("cut at 1000: %d characters, full %.20q", n, full)
	}
	if link := "https://git.example/acme/hello/releases/download/cli%2Fv1%20%C3%BC/NOTES.md"; !strings.Contains(text, link) {
		t.Errorf("the cut notes do not link to %s:\n%s", link, text[len(text)-300:])
	}
	if isOurs(forge.Release{Body: "by hand"}) {
		t.Error("a draft made by hand is taken for ours")
	}
}
