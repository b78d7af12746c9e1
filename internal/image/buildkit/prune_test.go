package buildkit

import (
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// Only what Slipway's cache mounts hold is pruned, unless all is asked for.
// Tests that run beside others wait until it is done.
func TestPrune(t *testing.T) {
	base := realtest.BaseImage(t, realtest.Registry(t))
	b := realBuilder(t, Options{})
	const dockerfile = `
RUN --mount=type=cache,id=slipway-hello,target=/c head -c 300000 /dev/zero >/c/f
RUN --mount=type=cache,id=other,target=/c head -c 300000 /dev/zero >/c/f
RUN --mount=type=cache,target=/c echo with id '"/slipway-x"' >/c/f
`
	if _, err := b.Build(t.Context(), Request{
		Name: "hello", Dockerfile: []byte("FROM " + base + dockerfile), Context: t.TempDir(), Platforms: parsed(t, "linux/amd64"),
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		options PruneOptions
		items   func(int) bool
	}{
		{PruneOptions{OlderThan: time.Hour}, func(n int) bool { return n == 0 }},
		{PruneOptions{}, func(n int) bool { return n == 1 }},
		{PruneOptions{}, func(n int) bool { return n == 0 }},
		{PruneOptions{All: true, KeepBytes: 1 << 40}, func(n int) bool { return n == 0 }},
		{PruneOptions{All: true}, func(n int) bool { return n > 2 }},
	} {
		freed, items, err := b.Prune(t.Context(), c.options)
		if err != nil || !c.items(items) || (items > 0) != (freed > 300000) {
			t.Errorf("%+v: %d bytes, %d records, %v", c.options, freed, items, err)
		}
	}
}

// A record is Slipway's by the id of its mount, not by what an instruction
// says.
func TestIsOwn(t *testing.T) {
	t.Parallel()
	for description, want := range map[string]bool{
		`cached mount /c from exec /bin/sh -c make with id "/slipway-hello-go"`:           true,
		`cached mount /c from exec /bin/sh -c make with id "ns/slipway-hello-go"`:         true,
		`cached mount /c from exec /bin/sh -c make with id "/other"`:                      false,
		`cached mount /c from exec /bin/sh -c echo with id "/slipway-x" with id "/other"`: false,
		`cached mount /c from exec /bin/sh -c make with id "/a with id \"/slipway-x\""`:   false,
		`cached mount /c from exec /bin/sh -c make`:                                       false,
		`cached mount /c from exec /bin/sh -c make with id "`:                             false,
		`cached mount /c from exec /bin/sh -c make with id "slipway-without-a-namespace"`: false,
		`cached mount /slipway-x from exec /bin/sh -c make with id "/my/slipway-x"`:       false,
	} {
		if got := isOwn(description); got != want {
			t.Errorf("%s: %v", description, got)
		}
	}
}
