package forgetest_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// The in-memory forge keeps the contracts of what the bot needs, by GitHub's
// rules and by Gitea's.
func TestMemoryBot(t *testing.T) {
	t.Parallel()
	for _, dialect := range []memory.Dialect{memory.GitHub, memory.Gitea} {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			forgetest.RunBot(t, func(t *testing.T) forgetest.BotSubject { return botSubject(t, dialect) })
		})
	}
}

// told counts what webhooks are told.
type told struct {
	mu    sync.Mutex
	hooks map[int64]int
}

func (c *told) hear(h memory.Happening) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hooks[h.Hook]++
}

func botSubject(t *testing.T, dialect memory.Dialect) forgetest.BotSubject {
	t.Helper()
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
	heard := &told{hooks: map[int64]int{}}
	repo := memory.New(memory.Options{Dialect: dialect, Refs: refs, OnEvent: heard.hear})
	traits := forgetest.GitHubBot
	if dialect == memory.Gitea {
		traits = forgetest.GiteaBot
	}
	s := forgetest.MemoryBot(repo, refs)
	s.Forge, s.ReadOnly, s.BadToken = repo.Forge(memory.Writer), repo.Forge(memory.ReadOnly), repo.Forge(memory.BadToken)
	s.Tags = map[string]string{"v1.0.0": first, "v1.1.0": second}
	s.Traits = traits
	s.AddHook = func(_ *testing.T, url string) string {
		return strconv.FormatInt(repo.AddHook(memory.Hook{URL: url, Events: []string{"push"}}).ID, 10)
	}
	s.AwaitHook = func(t *testing.T, id string) {
		n, _ := strconv.ParseInt(id, 10, 64)
		if heard.hooks[n] != 1 {
			t.Errorf("webhook %s heard of %d things", id, heard.hooks[n])
		}
	}
	s.FailDelivery = func(_ *testing.T, hook string) (string, []byte) {
		n, _ := strconv.ParseInt(hook, 10, 64)
		body := []byte(`{"ref":"refs/tags/v1.0.0"}`)
		repo.RecordDelivery(memory.HookDelivery{Hook: n, GUID: "one", Event: "push", Body: body, Status: 502})
		repo.RecordDelivery(memory.HookDelivery{Hook: n, GUID: "one", Event: "push", Body: body})
		return "push", body
	}
	s.DeliverLate = func(_ *testing.T, hook string) {
		n, _ := strconv.ParseInt(hook, 10, 64)
		repo.RecordDelivery(memory.HookDelivery{Hook: n, GUID: "two", Event: "create", Status: 500})
		repo.RecordDelivery(memory.HookDelivery{Hook: n, GUID: "two", Event: "create", Status: 202})
	}
	return s
}
