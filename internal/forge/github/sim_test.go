package github_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/github"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// The contract of forge.Forge holds on the simulated GitHub.
func TestContractOnSimforge(t *testing.T) {
	t.Parallel()
	forgetest.Run(t, func(t *testing.T) forgetest.Subject {
		sim := simtest.Start(t, simforge.Options{Dialect: memory.GitHub})
		return sim.Subject(forgetest.GitHub, func(repository, token string) forge.Forge {
			return onSim(t, sim, repository, token, wire.Options{})
		})
	})
}

// The contracts of what the bot needs hold on the simulated GitHub, with a
// token and with an app.
func TestBotContractOnSimforge(t *testing.T) {
	t.Parallel()
	t.Run("token", func(t *testing.T) {
		t.Parallel()
		forgetest.RunBot(t, func(t *testing.T) forgetest.BotSubject {
			sim := simtest.Start(t, simforge.Options{})
			return botSubject(t, sim, onSim(t, sim, simtest.Repository, simforge.WriteToken, wire.Options{}))
		})
	})
	t.Run("app", func(t *testing.T) {
		t.Parallel()
		forgetest.RunBot(t, func(t *testing.T) forgetest.BotSubject {
			sim, app := appSim(t, simforge.Options{})
			s := botSubject(t, sim, byApp(t, sim, app, wire.Options{}))
			s.Self = "slipway[bot]"
			sim.Repo.SetPermission(s.Self, forge.MayAdmin) // of an app GitHub tells what it was given
			return s
		})
	})
}

func botSubject(t *testing.T, sim *simtest.Sim, f forge.Forge) forgetest.BotSubject {
	t.Helper()
	s := forgetest.MemoryBot(sim.Repo, sim.Refs)
	s.Forge, s.Tags, s.Traits = f, sim.Tags, forgetest.GitHubBot
	s.ReadOnly = onSim(t, sim, simtest.Repository, simforge.ReadToken, wire.Options{})
	s.BadToken = onSim(t, sim, simtest.Repository, "wrong-token", wire.Options{})
	s.AddHook = func(t *testing.T, url string) string {
		if url == "" {
			receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
			t.Cleanup(receiver.Close)
			url = receiver.URL
		}
		return strconv.FormatInt(sim.Repo.AddHook(memory.Hook{URL: url, Events: []string{"push"}}).ID, 10)
	}
	s.AwaitHook = func(t *testing.T, id string) {
		if err := sim.Server.AwaitHooks(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := sim.Repo.Deliveries(mustID(t, id)); len(got) != 1 || got[0].Event != "ping" || !got[0].OK() {
			t.Errorf("deliveries %+v", got)
		}
	}
	deliver := func(hook, guid, event string, body []byte, statuses ...int) {
		for _, status := range statuses {
			sim.Repo.RecordDelivery(memory.HookDelivery{Hook: mustID(t, hook), GUID: guid, Event: event, Body: body, Status: status})
		}
	}
	s.FailDelivery = func(_ *testing.T, hook string) (string, []byte) {
		body := []byte(`{"ref":"refs/tags/v1.0.0"}`)
		deliver(hook, "one", "push", body, 502, 0)
		return "push", body
	}
	s.DeliverLate = func(_ *testing.T, hook string) { deliver(hook, "two", "create", []byte(`{}`), 500, 202) }
	return s
}

func onSim(t *testing.T, sim *simtest.Sim, repository, token string, o wire.Options) *github.Forge {
	t.Helper()
	f, err := github.New(github.Options{Server: sim.Server.URL, Repository: repository, Token: token, UserAgent: "slipway/test", Wire: o})
	if err != nil {
		t.Fatal(err)
	}
	return f
}
