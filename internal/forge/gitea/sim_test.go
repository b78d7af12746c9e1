package gitea_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// The contract of forge.Forge holds on the simulated Gitea.
func TestContractOnSimforge(t *testing.T) {
	t.Parallel()
	forgetest.Run(t, func(t *testing.T) forgetest.Subject {
		sim := simtest.Start(t, simforge.Options{Dialect: memory.Gitea})
		return sim.Subject(forgetest.Gitea, func(repository, token string) forge.Forge {
			return onSim(t, sim, repository, token, wire.Options{})
		})
	})
}

func onSim(t *testing.T, sim *simtest.Sim, repository, token string, o wire.Options) *gitea.Forge {
	t.Helper()
	f, err := gitea.New(gitea.Options{Server: sim.Server.URL, Repository: repository, Token: token, UserAgent: "slipway/test", Wire: o})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The contracts of what the bot needs hold on the simulated Gitea.
func TestBotContractOnSimforge(t *testing.T) {
	t.Parallel()
	forgetest.RunBot(t, func(t *testing.T) forgetest.BotSubject {
		sim := simtest.Start(t, simforge.Options{Dialect: memory.Gitea})
		s := forgetest.MemoryBot(sim.Repo, sim.Refs)
		s.Forge = onSim(t, sim, simtest.Repository, simforge.WriteToken, wire.Options{})
		s.ReadOnly = onSim(t, sim, simtest.Repository, simforge.ReadToken, wire.Options{})
		s.BadToken = onSim(t, sim, simtest.Repository, "wrong-token", wire.Options{})
		s.Tags, s.Traits = sim.Tags, forgetest.GiteaBot
		s.AddHook = func(t *testing.T, url string) string {
			if url == "" {
				receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				t.Cleanup(receiver.Close)
				url = receiver.URL
			}
			h, err := sim.Server.AddHook(simtest.Repository, simforge.Hook{URL: url, Events: []string{"push"}})
			if err != nil {
				t.Fatal(err)
			}
			return strconv.FormatInt(h.ID, 10)
		}
		s.AwaitHook = func(t *testing.T, id string) {
			if err := sim.Server.AwaitHooks(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := sim.Repo.Deliveries(digits(t, id)); len(got) != 1 || got[0].Event != "push" || !got[0].OK() {
				t.Errorf("deliveries %+v", got)
			}
		}
		return s
	})
}
