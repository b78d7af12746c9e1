package github_test

import (
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

func onSim(t *testing.T, sim *simtest.Sim, repository, token string, o wire.Options) *github.Forge {
	t.Helper()
	f, err := github.New(github.Options{Server: sim.Server.URL, Repository: repository, Token: token, UserAgent: "slipway/test", Wire: o})
	if err != nil {
		t.Fatal(err)
	}
	return f
}
