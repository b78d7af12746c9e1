package engine

import (
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/state"
)

func samplePlan(version string) release.Plan {
	return release.Plan{Tag: "v1", Version: version, Commit: "c0ffee", Target: &release.Target{Server: "https://git.example", Repository: "acme/hello"}}
}

// Two processes that stage one release at once lose none of each other's
// entries.
func TestJournalOfTwoWriters(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var wg sync.WaitGroup
	for _, who := range []string{"a", "b"} {
		j, err := openJournal(t.Context(), state.OpenDir(root), samplePlan("1"))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for i := range 10 {
				if err := j.uploaded(t.Context(), who+string(rune('0'+i)), JournalAsset{ID: "1", Digest: who}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	j, err := openJournal(t.Context(), state.OpenDir(root), samplePlan("1"))
	if err != nil || len(j.read().Assets) != 20 {
		t.Errorf("the journal has %d assets, %v; want 20", len(j.read().Assets), err)
	}
}

// Checks that passed count for their plan only; what was uploaded stays true.
// A journal that can't be read is begun anew: it only saves work.
func TestJournalOfAnotherPlan(t *testing.T) {
	t.Parallel()
	store := state.OpenDir(t.TempDir())
	j, err := openJournal(t.Context(), store, samplePlan("1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.passed(t.Context(), "unit"); err != nil {
		t.Fatal(err)
	}
	if err := j.uploaded(t.Context(), "a", JournalAsset{ID: "1", Digest: "d"}); err != nil {
		t.Fatal(err)
	}
	other, err := openJournal(t.Context(), store, samplePlan("2"))
	if err != nil || other.read().Checks["unit"] || other.read().Assets["a"].ID != "1" {
		t.Errorf("for another plan the journal is %+v, %v", other.read(), err)
	}
	if _, err := state.Put(t.Context(), store, j.ref, []byte("{half"), j.version); err != nil {
		t.Fatal(err)
	}
	anew, err := openJournal(t.Context(), store, samplePlan("1"))
	if err != nil || len(anew.read().Assets) != 0 {
		t.Errorf("after a broken journal: %+v, %v", anew.read(), err)
	}
	if err := anew.passed(t.Context(), "unit"); err != nil {
		t.Errorf("a broken journal can't be written: %v", err)
	}
}
