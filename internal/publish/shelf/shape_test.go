package shelf

import (
	"testing"

	"github.com/slipway-dev/slipway/internal/release"
)

// A layout can be read backwards: from each key that a plan makes with it, the
// release, the platform and the binary's name are found again.
func TestShape(t *testing.T) {
	t.Parallel()
	platforms := []string{"linux/amd64", "linux/386", "linux/arm64", "linux/arm/v6", "linux/arm/v7", "windows/amd64", "darwin/arm64", "plan9/386", "linux/mips64le"}
	for _, layout := range []string{"{release}/{target}/{binary}", "{release}/{platform}/{binary}", "{tag}/{os}-{arch}{variant}/{binary}", "{release}-{target}/{binary}",
		"{version}/{target}/{binary}", "{project}/{class}/{release}/{os}/{arch}{variant}/{binary}{exe}", "{date}/{commit}/{short}/{release}/{binary}-{platform}", "{target}/{binary}-{release}", "by-{target}/{target}/{release}/{binary}"} {
		for _, tag := range []string{"v1.2.3", "v1.0.0-rc1", "cli/v1.2.0", "nightly-7"} {
			cfg := release.Config{Project: "hello", Classes: release.DefaultClasses("main"),
				Publish: release.Publish{S3: &release.PublishS3{Bucket: "b", Layout: release.Layout{Layout: layout}}},
				Builds:  []release.Build{{ID: "hello", Platforms: platforms}}}.WithDefaults()
			ev := release.Event{Tag: tag, Commit: "0123456789012345678901234567890123456789"}
			d, err := release.Classify(ev, cfg)
			if err != nil {
				t.Fatal(err)
			}
			p, err := release.NewPlan(release.PlanInput{Event: ev, Decision: d, Config: cfg})
			if err != nil {
				t.Fatal(err)
			}
			s := shapeOf("_releases", layout)
			for _, b := range p.Places[0].Binaries {
				want := tag
				if layout[:9] == "{version}" {
					want = p.Version
				}
				got, ok := s.match(b.Key)
				if !ok || got.release != want || *got.platform != b.Platform || got.binary != b.Name {
					t.Errorf("%s: %s is %+v (%v), want %s for %s", layout, b.Key, got, got.platform, want, b.Platform)
				}
			}
		}
	}
	for _, key := range []string{"_releases.html", "_releases/v1.2.3/checksums.txt", "_releases/older/stable-1.html", "_releases/v1.2.3/nonsense/hello", "other/v1.2.3/x86_64-unknown-linux-musl/hello"} {
		if got, ok := shapeOf("_releases", release.DefaultLayout).match(key); ok {
			t.Errorf("%s is taken for %+v", key, got)
		}
	}
}
