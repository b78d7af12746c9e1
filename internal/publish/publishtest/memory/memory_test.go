package memory_test

import (
	"errors"
	"testing"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/publish/publishtest"
	"github.com/slipway-dev/slipway/internal/publish/publishtest/memory"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]memory.Options{"conditional": {}, "like Garage": {Unconditional: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			publishtest.Conformance(t, func(*testing.T) publish.Store { return memory.New(o) })
		})
	}
}

// Another writer comes between, a store without conditions does not see it; and
// faults are faults.
func TestFaults(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	fail := false
	var s *memory.Store
	s = memory.New(memory.Options{
		Unconditional: true,
		Between: func(key string) {
			if key == "a" {
				if _, err := s.Copy(t.Context(), "other", key); err != nil {
					t.Error(err)
				}
			}
		},
		Fault: func(op, key string) error {
			if fail && op == "put" && key == "a" {
				return broken
			}
			return nil
		},
	})
	put := func(key string) error {
		_, err := s.Put(t.Context(), key, publish.Bytes([]byte(key)), publish.PutOptions{If: publish.IfAbsent})
		return err
	}
	if err := errors.Join(put("other"), put("a")); err != nil {
		t.Error(err)
	}
	if o, err := s.Stat(t.Context(), "a"); err != nil || o.Digest != publish.DigestOf([]byte("a")) {
		t.Errorf("the later writer did not win: %+v, %v", o, err)
	}
	fail = true
	if err := put("a"); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
