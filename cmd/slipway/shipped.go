package main

import (
	"context"

	"github.com/slipway-dev/slipway/internal/rollout"
)

// shippedRelease finds what the forge's release of a commit consists of.
func (a *app) shippedRelease(context.Context, *rollouts, *rollout.NewRelease) ([]byte, error) {
	return nil, nil
}
