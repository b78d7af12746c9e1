package maker_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/image/buildkit"
	"github.com/slipway-dev/slipway/internal/image/maker"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

// A container is made by the builder that was found. What keeps a builder from
// running it, as the engine of these tests has no network, is said, and without a
// builder what to do.
func TestContainer(t *testing.T) {
	t.Parallel()
	o := buildkit.ContainerOptions{Name: "staging", Image: realtest.BaseImage(t, realtest.Registry(t)), Folder: folder(t, map[string]string{"a": "a\n"})}
	c, err := newMaker(t, realtest.BuildKit(t)).Container(t.Context(), o)
	if err != nil {
		t.Fatalf("%v, %s", err, release.HintOf(err))
	}
	var out, errs bytes.Buffer
	code, err := c.Exec(t.Context(), buildkit.Process{Args: []string{"sh", "-c", "cat a && exit 3"}, Dir: buildkit.ContainerDir, Stdout: &out, Stderr: &errs})
	if code != 3 || err != nil || out.String() != "a\n" || errs.Len() > 0 {
		t.Errorf("%d, %v, %q, %q", code, err, out.String(), errs.String())
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for want, m := range map[string]*maker.Maker{"can't be started: network bridge not found": inDocker(t), "staging needs a builder": newMaker(t, "")} {
		if _, err := m.Container(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
