package github_test

import (
	"testing"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// Each fault is got over, or told as what it is.
func TestFaults(t *testing.T) {
	t.Parallel()
	simtest.RunFaults(t, memory.GitHub, func(s *simtest.Sim, o wire.Options) forge.Forge {
		return onSim(t, s, simtest.Repository, simforge.WriteToken, o)
	})
}
