package simforge_test

import (
	"testing"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

// With Later, requests before Begin are answered without fault and not counted.
func TestLater(t *testing.T) {
	t.Parallel()
	s, _, c := start(t, simforge.Options{Later: true, Faults: parse(t, "read-503")}, memory.Options{})
	repo := func() int {
		got, err := c.send("GET", "/repos/acme/hello", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.status
	}
	if status := repo(); status != 200 || s.Recorder().Count() != 0 {
		t.Errorf("before: status %d, %d counted", status, s.Recorder().Count())
	}
	s.Begin()
	if status := repo(); status != 503 || s.Recorder().Count() != 1 {
		t.Errorf("after: status %d, %d counted", status, s.Recorder().Count())
	}
}
