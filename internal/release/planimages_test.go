package release_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

// elsewhere is another commit.
const elsewhere = "ffffffffffffffffffffffffffffffffffffffff"

func imageConfig(images ...release.Image) release.Config {
	cfg := sampleConfig()
	cfg.Images = images
	return cfg.WithDefaults()
}

func tagWords(img release.PlanImage) (out []string) {
	for _, t := range img.Tags {
		word := t.Name
		if t.Moving {
			word = "~" + word
		}
		out = append(out, word)
	}
	for _, k := range img.Kept {
		out = append(out, "("+k.Name+": "+k.Reason+")")
	}
	return out
}

// Tags by class: latest and the shorter versions move with the newest stable
// release, are never moved back by an older patch, and never by a prerelease.
func TestPlanImageTags(t *testing.T) {
	t.Parallel()
	tags := func(names ...string) release.History {
		var h release.History
		for _, n := range names {
			h.Tags = append(h.Tags, release.HistoryTag{Name: n, Commit: elsewhere, Time: at})
		}
		return h
	}
	own := map[string][]string{"*": {"{version}", "edge", "{major}", "latest"}, "development": {"nightly", "{date}-{short}"}}
	for _, tt := range []struct {
		name  string
		event release.Event
		past  release.History
		own   map[string][]string
		want  []string
	}{
		{"first", release.Event{Tag: "v1.2.3"}, tags(), nil, []string{"1.2.3", "~1.2", "~1", "~latest"}},
		{"next patch", release.Event{Tag: "v1.2.3"}, tags("v1.2.2", "v1.2.3", "v0.10.0"), nil, []string{"1.2.3", "~1.2", "~1", "~latest"}},
		{"older patch of its line", release.Event{Tag: "v1.2.3"}, tags("v1.2.10"), nil, []string{"1.2.3", "(1.2: v1.2.10 is newer)", "(1: v1.2.10 is newer)", "(latest: v1.2.10 is newer)"}},
		{"patch of an older line", release.Event{Tag: "v1.2.3"}, tags("v1.3.0", "v2.0.0"), nil, []string{"1.2.3", "~1.2", "(1: v1.3.0 is newer)", "(latest: v1.3.0 is newer)"}},
		{"newer major", release.Event{Tag: "v1.2.3"}, tags("v2.0.0"), nil, []string{"1.2.3", "~1.2", "~1", "(latest: v2.0.0 is newer)"}},
		{"newer prerelease", release.Event{Tag: "v1.2.3"}, tags("v2.0.0-rc1"), nil, []string{"1.2.3", "~1.2", "~1", "~latest"}},
		{"four numbers", release.Event{Tag: "v1.2.3.4"}, tags("v1.2.3"), nil, []string{"1.2.3.4", "~1.2", "~1", "~latest"}},
		{"prerelease", release.Event{Tag: "v1.2.3-rc1"}, tags(), nil, []string{"v1.2.3-rc1"}},
		{"any tag", release.Event{Tag: "feature/x+y"}, tags(), nil, []string{"feature-x-y"}},
		{"branch", release.Event{Branch: "main"}, tags("v1.0.0"), nil, []string{"~main", "sha-" + release.ShortCommit(commit)}},
		{"own", release.Event{Tag: "v1.2.3"}, tags(), own, []string{"1.2.3", "~edge", "~1", "~latest"}},
		{"own, prerelease", release.Event{Tag: "v1.2.3-rc1"}, tags(), own, []string{"1.2.3-rc1", "~edge", "(1: v1.2.3-rc1 is a prerelease)", "(latest: v1.2.3-rc1 is a prerelease)"}},
		{"own, no version", release.Event{Tag: "nightly"}, tags(), own, []string{"nightly", "~edge", "(latest: nightly is a prerelease)"}},
		{"own, branch", release.Event{Branch: "main"}, tags(), own, []string{"~nightly", "20240305-" + release.ShortCommit(commit)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := imageConfig(release.Image{ID: "hello", Repository: release.OneOrMore{"registry.example/acme/hello"}, Builds: []string{"hello"}, Tags: tt.own})
			p, err := plan(t, cfg, tt.event, tt.past)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, tagWords(p.Images[0])); d != "" {
				t.Error(d)
			}
		})
	}
}

// A later release takes the moving tags away; that is not another plan.
func TestPlanHashWithoutMovingTags(t *testing.T) {
	t.Parallel()
	cfg := imageConfig(release.Image{ID: "hello", Repository: release.OneOrMore{"acme/hello"}, Builds: []string{"hello"}})
	first, err := plan(t, cfg, release.Event{Tag: "v1.2.3"}, release.History{})
	if err != nil {
		t.Fatal(err)
	}
	later, err := plan(t, cfg, release.Event{Tag: "v1.2.3"}, release.History{Tags: []release.HistoryTag{{Name: "v1.2.4", Commit: elsewhere, Time: at}}})
	if err != nil {
		t.Fatal(err)
	}
	if first.Hash() != later.Hash() {
		t.Error("the hash changed with the moving tags")
	}
	if len(first.Images[0].Tags) != 4 || len(later.Images[0].Tags) != 1 {
		t.Error("hashing changed the plan")
	}
	cfg.Images[0].Base = "debian:12"
	if based, err := plan(t, cfg, release.Event{Tag: "v1.2.3"}, release.History{}); err != nil || based.Hash() == first.Hash() {
		t.Errorf("another base is another plan (%v)", err)
	}
}

// The plan fills in repository, platforms and the labels of the OCI
// specification.
func TestPlanImage(t *testing.T) {
	t.Parallel()
	in := planInput(t, imageConfig(release.Image{ID: "hello", Builds: []string{"hello"}, Labels: map[string]string{"team": "{project} people"}}), "v1.2.3")
	in.Target = &release.Target{Server: "https://forge.example", Repository: "acme/hello"}
	in.Images = release.ImageFacts{Namespace: "registry.example/alice", License: "MIT"}
	p, err := release.NewPlan(in)
	if err != nil {
		t.Fatal(err)
	}
	img := p.Images[0]
	if d := cmp.Diff([]string{"registry.example/alice/hello"}, img.Repositories); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]release.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm", Variant: "v6"}}, img.Platforms); d != "" {
		t.Error("a Windows binary is for no image:", d)
	}
	want := map[string]string{
		"org.opencontainers.image.title": "hello", "org.opencontainers.image.version": "1.2.3", "org.opencontainers.image.revision": commit,
		"org.opencontainers.image.created": "2024-03-05T21:30:00Z", "org.opencontainers.image.licenses": "MIT",
		"org.opencontainers.image.source": "https://forge.example/acme/hello", "team": "hello people",
	}
	if d := cmp.Diff(want, img.Labels); d != "" {
		t.Error(d)
	}
	if got := strings.Join(names(p), " "); !strings.Contains(got, "digests.txt checksums.txt") {
		t.Error(got)
	}
}

// What can't be planned is said before anything is built.
func TestPlanImageProblems(t *testing.T) {
	t.Parallel()
	named := func(img release.Image) release.Image {
		img.ID, img.Repository = "hello", release.OneOrMore{"acme/hello"}
		return img
	}
	for want, images := range map[string][]release.Image{
		"images[0].repository: image hello has no repository: not logged in":                                             {{ID: "hello", Builds: []string{"hello"}}},
		"images[0].platforms: build tool is not made for linux/arm/v6":                                                   {named(release.Image{Builds: []string{"hello", "tool"}})},
		"images[0].platforms: build hello is not made for linux/arm64":                                                   {named(release.Image{Builds: []string{"hello"}, Platforms: []string{"linux/arm64"}})},
		"images[1].tags: images hello and b would both be docker.io/acme/hello:1.2.3":                                    {named(release.Image{Builds: []string{"hello"}}), {ID: "b", Repository: release.OneOrMore{"acme/hello"}, Builds: []string{"hello"}}},
		"images[0].tags: image hello gets no tag in a release of class stable":                                           {named(release.Image{Builds: []string{"hello"}, Tags: map[string][]string{"stable": {"-"}}})},
		`images[0].repository: "Acme/x" is no repository: write registry.example/owner/name, in lower case`:              {{ID: "hello", Repository: release.OneOrMore{"Acme/x"}, Builds: []string{"hello"}}},
		`images[0].repository[1]: "acme/hello:1" has a tag or a digest: write docker.io/acme/hello, and set ` + "`tags`": {{ID: "hello", Repository: release.OneOrMore{"acme/x", "acme/hello:1"}, Builds: []string{"hello"}}},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			in := planInput(t, imageConfig(images...), "v1.2.3")
			in.Images.Missing = release.Invalidf("", "not logged in")
			_, err := release.NewPlan(in)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v\nwant: %s", err, want)
			}
		})
	}
}

func planInput(t *testing.T, cfg release.Config, tag string) release.PlanInput {
	t.Helper()
	ev := release.Event{Tag: tag, Commit: commit, Time: at}
	d, err := release.Classify(ev, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return release.PlanInput{Event: ev, Decision: d, Config: cfg}
}
