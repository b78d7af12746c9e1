package shelf

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/publish/publishtest/memory"
	"github.com/slipway-dev/slipway/internal/release"
)

func put(t *testing.T, store publish.Store, key, text string) {
	t.Helper()
	if _, err := store.Put(t.Context(), key, publish.Bytes([]byte(text)), publish.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

// What is deleted by hand is gone from the list after a refresh, and comes back
// with the file; what somebody put there in the layout is found.
func TestRefresh(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	s := open(t, store)
	for _, tag := range []string{"v0.9.0", "v0.10.0"} {
		if err := publishAll(t.Context(), s, delivery(t, tag)); err != nil {
			t.Fatal(err)
		}
	}
	const gone = "_releases/v0.10.0/x86_64-unknown-linux-musl/hello"
	if err := store.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	development := strings.Repeat("cd", 20)
	put(t, store, "_releases/v0.1.0/armv6l-unknown-linux-musleabihf/hello", "old")
	put(t, store, "_releases/nightly/x86_64-unknown-linux-musl/hello", "extra")
	put(t, store, "_releases/"+development+"/x86_64-unknown-linux-musl/hello", "development")
	found, err := s.Refresh(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(found.Gone, []string{gone}) || len(found.Found) != 3 || !found.Changed {
		t.Errorf("refresh found %+v", found)
	}
	l := readList(t, store)
	for group, want := range map[string][]string{"Release": {"v0.10.0", "v0.9.0", "v0.1.0"}, "Extra": {"nightly"}, "Development": {development}} {
		if got := l.versions(group); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", group, got, want)
		}
	}
	if b := l[0].Builds[0].Builds; len(b) != 1 || b[0].Platform != "arm-unknown-linux-musleabihf" {
		t.Errorf("v0.10.0 has %+v", b)
	}
	if again, err := s.Refresh(t.Context(), st); err != nil || again.Changed {
		t.Errorf("a refresh of what did not change: %+v, %v", again, err)
	}
	// An update leaves what a refresh found.
	if err := publishAll(t.Context(), s, delivery(t, "v0.11.0")); err != nil {
		t.Fatal(err)
	}
	if b := readList(t, store)[0].Builds[1].Builds; len(b) != 1 {
		t.Errorf("after an update, v0.10.0 has %+v", b)
	}
	put(t, store, gone, "v0.10.0 for linux/amd64")
	if _, err := s.Refresh(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if b := readList(t, store)[0].Builds[1].Builds; len(b) != 2 {
		t.Errorf("the file is back, and v0.10.0 has %+v", b)
	}
	if err := store.Delete(t.Context(), "_releases.json", "_releases.html"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if got := readList(t, store).versions("Release"); len(got) != 4 {
		t.Errorf("a list made anew names %v", got)
	}
}

// A withdrawn release is no installer's newest, and is deleted nowhere.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	s := open(t, store)
	for _, tag := range []string{"v1.0.0", "v1.1.0"} {
		if err := publishAll(t.Context(), s, delivery(t, tag)); err != nil {
			t.Fatal(err)
		}
	}
	why := release.Withdrawn{Reason: "it <eats> data", Time: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	if changed, err := s.Withdraw(t.Context(), "v1.1.0", why, st); err != nil || !changed {
		t.Fatal(changed, err)
	}
	l := readList(t, store)
	if got := l.versions("Release"); !slices.Equal(got, []string{"v1.0.0"}) {
		t.Errorf("Release: %v", got)
	}
	if got := l.versions("Withdrawn"); !slices.Equal(got, []string{"v1.1.0"}) {
		t.Errorf("Withdrawn: %v", got)
	}
	have := contents(t, store)
	if !strings.Contains(have["_releases.html"], "it &lt;eats&gt; data") {
		t.Error("the page does not say why")
	}
	if have["_releases/v1.1.0/x86_64-unknown-linux-musl/hello"] == "" {
		t.Error("a file of it is gone")
	}
	// A rerun of its release, and a refresh, leave the mark.
	if err := publishAll(t.Context(), s, delivery(t, "v1.1.0")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Refresh(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if got := readList(t, store).versions("Withdrawn"); !slices.Equal(got, []string{"v1.1.0"}) {
		t.Errorf("after a rerun, Withdrawn: %v", got)
	}
	if changed, err := s.Withdraw(t.Context(), "v1.1.0", why, st); err != nil || changed {
		t.Errorf("withdrawn again: %v, %v", changed, err)
	}
	// So does a refresh that finds its record spoiled, or gone.
	for _, spoil := range []func(){func() { put(t, store, s.recordKey("v1.1.0"), "{") }, func() { _ = store.Delete(t.Context(), s.recordKey("v1.1.0")) }} {
		spoil()
		if _, err := s.Refresh(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if got := readList(t, store).versions("Withdrawn"); !slices.Equal(got, []string{"v1.1.0"}) {
			t.Errorf("without its record, Withdrawn: %v", got)
		}
	}
	if _, err := s.Withdraw(t.Context(), "v9.9.9", why, st); !errors.Is(err, publish.ErrNotFound) {
		t.Errorf("a release that is not there: %v", err)
	}
}

// Another file in the place of one of the release's is refused before anything is
// sent, and so is a release of another commit.
func TestNothingIsReplaced(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	s := open(t, store)
	put(t, store, "_releases/v1.2.3/checksums.txt", "mine")
	err := publishAll(t.Context(), s, delivery(t, "v1.2.3"))
	if release.KindOf(err) != release.Refused || !strings.Contains(err.Error(), "_releases/v1.2.3/checksums.txt") {
		t.Errorf("another file: %v", err)
	}
	if err := publishAll(t.Context(), s, delivery(t, "v1.3.0")); err != nil {
		t.Fatal(err)
	}
	d := delivery(t, "v1.3.0")
	d.Plan.Commit = strings.Repeat("ef", 20)
	if err := s.Check(t.Context(), d.Plan); release.KindOf(err) != release.Refused {
		t.Errorf("another commit: %v", err)
	}
	d = delivery(t, "v1.3.0")
	d.Files[0].Digest = "sha256:" + strings.Repeat("0", 64)
	if _, err := s.Stage(t.Context(), d, st); release.KindOf(err) != release.Refused {
		t.Errorf("other bytes: %v", err)
	}
}

// A record or a list that somebody spoiled is named, with what to do.
func TestSpoiled(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	s := open(t, store)
	if err := publishAll(t.Context(), s, delivery(t, "v1.2.3")); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{", "[]", `{"schema":"x"}`, `{"schema":"slipway.record/v1","files":7}`} {
		put(t, store, s.recordKey("v1.2.3"), text)
		if err := publishAll(t.Context(), s, delivery(t, "v1.2.3")); err == nil || !strings.Contains(err.Error(), "v1.2.3.json") || release.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
		// It stands in no other release's way, and its files are found.
		found, err := s.Refresh(t.Context(), st)
		if err != nil || found.Releases != 1 || found.Files != 2 {
			t.Errorf("%q: refreshed %+v, %v", text, found, err)
		}
	}
	put(t, store, "_releases.json", string(bytes.Repeat([]byte("["), 100)))
	if _, err := s.Update(t.Context(), st); err == nil || !strings.Contains(err.Error(), "_releases.json") {
		t.Errorf("a spoiled list: %v", err)
	}
	if _, err := s.Refresh(t.Context(), st); err != nil {
		t.Errorf("a refresh with a spoiled list: %v", err)
	}
	if got := readList(t, store).versions("Release"); !slices.Equal(got, []string{"v1.2.3"}) {
		t.Errorf("made anew, the list names %v", got)
	}
}
