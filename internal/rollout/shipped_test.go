package rollout_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
)

func manifest() release.Manifest {
	arm := release.Platform{OS: "linux", Arch: "arm", Variant: "v6"}
	return release.Manifest{Schema: release.ManifestSchema, Project: "app", Tag: "v1.2.3", Version: "1.2.3", Class: "stable", Commit: strings.Repeat("c", 40),
		Artifacts: []release.Artifact{
			{Name: "app_1.2.3+x_linux_armv6.tar.gz", Kind: release.KindArchive, Platform: &arm, Size: 12, Digest: "sha256:aa"},
			{Name: "checksums.txt", Kind: release.KindChecksums, Size: 3, Digest: "sha256:bb"}},
		Images: []release.MadeImage{{ID: "app", Repositories: []string{"registry.example/acme/app", "other.example/app"}, Tags: []string{"1.2.3"},
			Digest: "sha256:cc", Manifests: []release.ImageManifest{{Platform: arm}}}}}
}

// What was shipped is found by reference, keys with dots and all; what is unknown
// is not there, rather than empty.
func TestShippedDocument(t *testing.T) {
	t.Parallel()
	doc, err := rollout.ShippedDocument(manifest(), rollout.Published{URL: "https://forge.example/v1.2.3", Notes: "all new",
		Assets: map[string]string{"app_1.2.3+x_linux_armv6.tar.gz": "https://forge.example/app.tar.gz"}})
	if err != nil {
		t.Fatal(err)
	}
	for fragment, want := range map[string]string{
		"output/version":              `"1.2.3"`,
		"output/tag":                  `"v1.2.3"`,
		"output/class":                `"stable"`,
		"output/notes":                `"all new"`,
		"output/url":                  `"https://forge.example/v1.2.3"`,
		"output/images/app/digest":    `"sha256:cc"`,
		"output/images/app/reference": `"registry.example/acme/app@sha256:cc"`,
		"output/images/app/tags/0":    `"1.2.3"`,
		"output/assets/app_1.2.3+x_linux_armv6.tar.gz/url":     `"https://forge.example/app.tar.gz"`,
		"output/assets/app_1.2.3+x_linux_armv6.tar.gz/size":    "12",
		"output/assets/app_1.2.3+x_linux_armv6.tar.gz/variant": `"v6"`,
		"output/assets/checksums.txt/url":                      "",
		"output/assets/checksums.txt/os":                       "",
		"output/images/other":                                  "",
	} {
		to, err := ref.Parse("./release#" + fragment)
		if err != nil {
			t.Errorf("%s: %v", fragment, err)
			continue
		}
		got, ok := ref.Field(json.RawMessage(doc), to.Fragment)
		if string(got) != want || ok != (want != "") {
			t.Errorf("%s is %s, want %s", fragment, got, want)
		}
	}
}

const ships = `slipway("1")

def go(version):
    host.shell("deploy " + version)
    return done()

phase("all", tasks=[call(go, name="c{}".format(i), inputs={"version": input(ref="./release#output/version")}) for i in range(200)])
`

// Items wait for what is shipped, with the forge's reason; the forge is not asked
// for each of them. When it is there, it is written down once, and they run.
func TestItemsWaitForWhatIsShipped(t *testing.T) {
	t.Parallel()
	w := newWorld(map[string]string{"release.ocu.star": ships})
	s := state.OpenDir(t.TempDir())
	r := w.runner(s)
	var asked atomic.Int64
	var answer atomic.Pointer[[]byte]
	r.Shipped = func(_ context.Context, p ref.Ref, doc rollout.Release) ([]byte, error) {
		asked.Add(1)
		if p.Path != "release.ocu.star" || doc.Release != "example.com/acme/app/-/release.ocu.star/@r1" {
			t.Errorf("asked for %s of %s", doc.Release, p)
		}
		if b := answer.Load(); b != nil {
			return *b, nil
		}
		return nil, &release.Error{Kind: release.Waiting, Message: "not published", Hint: "publish it"}
	}
	doc := releaseOf(t, r, "release.ocu.star")
	if doc.Status != rollout.Waiting || len(doc.Waits) != 200 || !strings.Contains(doc.Waits[0], "not published") {
		t.Fatalf("it is %s, for %.3q", doc.Status, doc.Waits)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the forge was asked %d times", n)
	}
	b, err := rollout.ShippedDocument(manifest(), rollout.Published{})
	if err != nil {
		t.Fatal(err)
	}
	answer.Store(&b)
	w.pass(time.Minute)
	if _, err := r.Continue(t.Context(), rollout.Scope{}); err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n > 3 { // once when it was looked, once when it was written
		t.Errorf("the forge was asked %d times", n)
	}
	if ran := w.scripts(); len(ran) != 200 || ran[0] != "deploy 1.2.3" {
		t.Errorf("%d ran", len(ran))
	}
	// Another process knows it without a forge, and a package's reference to what
	// was not shipped fails rather than waits for ever.
	other := w.runner(s)
	if done, err := other.Continue(t.Context(), rollout.Scope{}); err != nil || len(done.Done)+len(done.Failed)+len(done.Waiting) != 0 {
		t.Errorf("there is more to do: %+v, %v", done, err)
	}
}

// Without a forge, and with one that can't be asked, items wait and are told why;
// a default is taken.
func TestNothingIsKnownOfWhatIsShipped(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		shipped func(context.Context, ref.Ref, rollout.Release) ([]byte, error)
		want    string
	}{
		"no forge": {nil, "no release of the forge is known for it"},
		"unreachable": {func(context.Context, ref.Ref, rollout.Release) ([]byte, error) {
			return nil, release.Failf("", "connection refused")
		}, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(map[string]string{"release.ocu.star": strings.Replace(ships, "range(200)", "range(1)", 1), "default.ocu.star": strings.Replace(ships, "version\")", "version\", default=\"0\")", 1)})
			r := w.runner(state.OpenDir(t.TempDir()))
			r.Shipped = tt.shipped
			if doc := releaseOf(t, r, "release.ocu.star"); doc.Status != rollout.Waiting || !strings.Contains(doc.Waits[0], tt.want) {
				t.Errorf("it is %s, for %q", doc.Status, doc.Waits)
			}
			if doc := releaseOf(t, r, "default.ocu.star"); doc.Status != rollout.Complete || w.scripts()[0] != "deploy 0" {
				t.Errorf("with a default it is %s", doc.Status)
			}
		})
	}
}
