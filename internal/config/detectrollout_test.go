package config

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

// Release packages are found by their names and what they begin with; what they
// load, the repository's own file and what is not for users is not taken for one.
func TestReleasePackages(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	got, err := ReleasePackages(fstest.MapFS{
		"release.ocu.star": file("# the release\n\nocuroot(\"0.3.0\")\n"), "web/package.ocu.star": file("slipway(\"1\")\n"),
		"repo.ocu.star": file("ocuroot(\"0.3.0\")\n"), "lib.ocu.star": file("def f():\n    return 1\n"), "x.star": file("ocuroot(\"0.3.0\")\n"),
		"testdata/a.ocu.star": file("ocuroot(\"0.3.0\")\n"), ".git/b.ocu.star": file("ocuroot(\"0.3.0\")\n"), "a b.ocu.star": file("ocuroot(\"0.3.0\")\n"),
		"empty.ocu.star": file(""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]release.RolloutPackage{{Package: "release.ocu.star"}, {Package: "web/package.ocu.star"}}, got); d != "" {
		t.Error(d)
	}
}
