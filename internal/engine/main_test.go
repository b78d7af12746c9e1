package engine_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/slipway-dev/slipway/internal/git/gittest"
)

func TestMain(m *testing.M) {
	if err := gittest.Isolate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
