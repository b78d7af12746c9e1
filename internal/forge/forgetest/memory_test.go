package forgetest_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// The in-memory forge keeps the contract, by GitHub's rules and by Gitea's,
// in memory and with its assets on disk.
func TestMemory(t *testing.T) {
	t.Parallel()
	for _, dialect := range []memory.Dialect{memory.GitHub, memory.Gitea} {
		for _, disk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s disk=%v", dialect, disk), func(t *testing.T) {
				t.Parallel()
				forgetest.Run(t, func(t *testing.T) forgetest.Subject { return subject(t, dialect, disk) })
			})
		}
	}
}

const maxAsset = 1 << 20

func subject(t *testing.T, dialect memory.Dialect, disk bool) forgetest.Subject {
	refs := memory.NewRefs()
	first, second := memory.Hash("first"), memory.Hash("second")
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	refs.AddCommit(memory.Commit{Hash: first, Time: start})
	refs.AddCommit(memory.Commit{Hash: second, Time: start.Add(time.Hour)})
	refs.SetBranch("main", second)
	if err := refs.SetTag(t.Context(), "v1.0.0", first); err != nil {
		t.Fatal(err)
	}
	refs.SetAnnotatedTag("v1.1.0", second, "Release 1.1.0")
	o := memory.Options{Dialect: dialect, FullName: "acme/hello", Refs: refs, Limits: forge.Limits{AssetSize: maxAsset}}
	if disk {
		o.Dir = t.TempDir()
	}
	repo := memory.New(o)
	traits := forgetest.GitHub
	if dialect == memory.Gitea {
		traits = forgetest.Gitea
	}
	traits.MaxAssetSize = maxAsset
	return forgetest.Subject{
		Forge: repo.Forge(memory.Writer), ReadOnly: repo.Forge(memory.ReadOnly),
		BadToken: repo.Forge(memory.BadToken), Public: repo.Forge(memory.Anonymous),
		Missing:    memory.New(memory.Options{Dialect: dialect, Missing: true}).Forge(memory.Writer),
		Repository: forge.Repository{FullName: "acme/hello", DefaultBranch: "main", CanWrite: true},
		Tags:       map[string]string{"v1.0.0": first, "v1.1.0": second},
		SetTag: func(t *testing.T, name, commit string) {
			if err := refs.SetTag(t.Context(), name, commit); err != nil {
				t.Fatal(err)
			}
		},
		Fill:   func(t *testing.T, n int, draftID string) { fill(t, repo, n, draftID) },
		Traits: traits,
	}
}

func fill(t *testing.T, repo *memory.Repo, n int, draftID string) {
	t.Helper()
	id, err := strconv.ParseInt(draftID, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := repo.Create(t.Context(), memory.Writer, memory.NewRelease{Tag: "fill-" + strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
		u := memory.Upload{Name: fmt.Sprintf("a-%03d.txt", i), Size: 1, Body: strings.NewReader("x")}
		if _, err := repo.Upload(t.Context(), memory.Writer, id, u); err != nil {
			t.Fatal(err)
		}
	}
}
