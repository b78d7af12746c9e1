package release_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

const other = "89abcdef0123456789abcdef0123456789abcdef"

// What a promotion asks for: the bits of a release, or a build; and each reason
// for which it is refused.
func TestDecidePromotion(t *testing.T) {
	t.Parallel()
	dev := "dev-" + release.ShortCommit(commit)
	ours := func(tags ...string) (out []release.Released) {
		for _, tag := range tags {
			out = append(out, release.Released{Tag: tag, Ours: true})
		}
		return out
	}
	for name, c := range map[string]struct {
		from     string // tag; empty: the commit
		to       string
		rebuild  bool
		released []release.Released
		source   string
		done     bool // it makes no tag: it is there
		err      string
		kind     release.Kind
	}{
		"a tag's release":                       {from: "v1.4.0-rc2", to: "v1.4.0", released: ours("v1.4.0-rc2"), source: "v1.4.0-rc2"},
		"a tag's release, built anew":           {from: "v1.4.0-rc2", to: "v1.4.0", rebuild: true},
		"a tag that is not released":            {from: "v1.4.0-rc2", to: "v1.4.0", err: "no public release", kind: release.Refused},
		"a tag that is not released, built":     {from: "v1.4.0-rc2", to: "v1.4.0", rebuild: true},
		"a release of somebody else":            {from: "v1.4.0-rc2", to: "v1.4.0", released: []release.Released{{Tag: "v1.4.0-rc2"}}, err: "not made by Slipway", kind: release.Refused},
		"a commit without a release":            {to: "v1.4.0"},
		"a commit with a development release":   {to: "v1.4.0", released: ours(dev), source: dev},
		"a commit with several: the best class": {to: "v1.4.0", released: ours(dev, "v1.4.0-rc1"), source: "v1.4.0-rc1"},
		"a commit with several: the highest":    {to: "v1.4.0", released: ours("v1.4.0-rc.10", "v1.4.0-rc.9"), source: "v1.4.0-rc.10"},
		"a commit with somebody else's release": {to: "v1.4.0", released: []release.Released{{Tag: "v1.4.0-rc1"}}},
		"a commit with a release, built anew":   {to: "v1.4.0", rebuild: true, released: ours(dev)},
		"a commit that is released so already":  {to: "v1.4.0", released: ours(dev, "v1.4.0"), done: true},
		"a tag again, after it was promoted":    {from: "v1.4.0-rc2", to: "v1.4.0", released: ours("v1.4.0-rc2", "v1.4.0"), source: "v1.4.0-rc2"},
		"a tag that is taken":                   {from: "v1.4.0-rc2", to: "v1.3.0", released: ours("v1.4.0-rc2"), err: "tag v1.3.0 is taken", kind: release.Refused},
		"a tag that is there, at the commit":    {from: "v1.4.0-rc2", to: "v1.4.0-rc3", released: ours("v1.4.0-rc2"), source: "v1.4.0-rc2"},
		"itself":                                {from: "v1.4.0", to: "v1.4.0", err: "to itself", kind: release.Invalid},
		"no tag":                                {from: "v1.4.0", err: "has no tag", kind: release.Invalid},
		"a tag of no class":                     {from: "v1.4.0-rc2", to: "x", err: "would be no release: tag x matches no class", kind: release.Invalid},
		"a tag that a branch class makes":       {from: "v1.4.0-rc2", to: dev, err: "would be no release", kind: release.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			classes := []release.Class{{Name: "stable", Tag: `v[0-9.]+`}, {Name: "extra", Tag: `v.+`}, {Name: "development", Branch: "main"}}
			got, err := release.DecidePromotion(release.PromotionInput{
				From: release.Event{Tag: c.from, Commit: commit, Time: at}, To: c.to, Rebuild: c.rebuild, Classes: classes, Released: c.released,
				Tags: []release.HistoryTag{{Name: "v1.3.0", Commit: other}, {Name: "v1.4.0-rc3", Commit: commit}},
			})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || release.KindOf(err) != c.kind {
					t.Fatalf("the error is %v; want %q", err, c.err)
				}
				return
			}
			want := release.Event{Tag: c.to, Commit: commit, Time: at, MakesTag: !c.done}
			if err != nil || got.Source != c.source || got.Event != want || got.Reason == "" {
				t.Errorf("it is %+v, %v; want the bits of %q", got, err, c.source)
			}
		})
	}
}

// Tags that branch classes make are asked for although a clone may not have them.
func TestPromotionCandidates(t *testing.T) {
	t.Parallel()
	classes := []release.Class{{Name: "stable", Tag: "v.+"}, {Name: "nightly", Branch: "next", ReleaseTag: "{class}-{date}-{short}"},
		{Name: "topic", Branch: "topic/*", ReleaseTag: "{branch}-{short}"}, {Name: "development", Branch: "main"}}
	got := release.PromotionCandidates(classes, release.Event{Commit: commit, Time: at}, []string{"v1.0.0-rc1"})
	short := release.ShortCommit(commit)
	if diff := cmp.Diff([]string{"v1.0.0-rc1", "nightly-20240305-" + short, "dev-" + short}, got); diff != "" {
		t.Error(diff)
	}
}

func sourceManifest() *release.Manifest {
	digest := "sha256:" + strings.Repeat("1", 64)
	linux := release.Platform{OS: "linux", Arch: "amd64"}
	return &release.Manifest{Schema: release.ManifestSchema, Project: "hello", Tag: "v1.2.3-rc1", Version: "1.2.3-rc1", Class: "extra", Commit: commit, PlanHash: digest,
		Artifacts: []release.Artifact{{Name: "a.tar.gz", Kind: release.KindArchive, Platform: &linux, Size: 7, Digest: digest}, {Name: release.ChecksumsName, Kind: release.KindChecksums, Size: 9, Digest: digest}},
		Images: []release.MadeImage{{ID: "img", Repositories: []string{"registry.example/acme/hello"}, Digest: digest, Tags: []string{"v1.2.3-rc1"},
			Manifests: []release.ImageManifest{{Platform: linux, Digest: digest}}}}}
}

// A promotion's plan builds nothing, lists every asset, and gives the images the
// tags of the new class. Its hash depends on the bits, and neither on whether
// the tag was there nor on tags that move.
func TestPromotionPlan(t *testing.T) {
	t.Parallel()
	cfg := sampleConfig()
	cfg.Images = []release.Image{{ID: "img", Repository: release.OneOrMore{"registry.example/acme/hello"}, Builds: []string{"hello"}}}
	cfg.Assets = []string{"docs/*"}

	make := func(change func(*release.PlanInput)) release.Plan {
		t.Helper()
		in := release.PlanInput{Event: release.Event{Tag: "v1.2.3", Commit: commit, Time: at, MakesTag: true}, Config: cfg, Promote: sourceManifest()}
		change(&in)
		var err error
		if in.Decision, err = release.Classify(in.Event, cfg); err != nil {
			t.Fatal(err)
		}
		p, err := release.NewPlan(in)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := make(func(*release.PlanInput) {})
	if len(p.Builds)+len(p.Steps)+len(p.Archives)+len(p.Files) > 0 || !p.MakesTag || p.Class != "stable" || p.Promoted.Version != "1.2.3-rc1" {
		t.Errorf("the plan is %+v", p)
	}
	if diff := cmp.Diff([]string{"a.tar.gz", release.ChecksumsName, release.ManifestName}, names(p)); diff != "" {
		t.Error(diff)
	}
	wantTags := []release.ImageTag{{Name: "1.2.3"}, {Name: "1.2", Moving: true}, {Name: "1", Moving: true}, {Name: "latest", Moving: true}}
	if diff := cmp.Diff(wantTags, p.Images[0].Tags); diff != "" || p.Images[0].Digest != sourceManifest().Images[0].Digest {
		t.Errorf("%s%+v", diff, p.Images[0])
	}
	for name, c := range map[string]struct {
		same   bool
		change func(*release.PlanInput)
	}{
		"the tag is there": {true, func(in *release.PlanInput) { in.Event.MakesTag = false }},
		"a later tag":      {true, func(in *release.PlanInput) { in.History.Tags = []release.HistoryTag{{Name: "v2.0.0", Commit: other}} }},
		"other bits":       {false, func(in *release.PlanInput) { in.Promote.Artifacts[0].Digest = "sha256:" + strings.Repeat("2", 64) }},
		"another image":    {false, func(in *release.PlanInput) { in.Promote.Images[0].Digest = "sha256:" + strings.Repeat("2", 64) }},
		"another source":   {false, func(in *release.PlanInput) { in.Promote.Tag = "v1.2.3-rc2" }},
		"built":            {false, func(in *release.PlanInput) { in.Promote = nil }},
	} {
		if got := make(c.change).Hash() == p.Hash(); got != c.same {
			t.Errorf("%s: the hash is the same: %v", name, got)
		}
	}
	if got := p.NotesName(); got != release.FullNotesName {
		t.Errorf("full notes would be %s", got)
	}
	with := make(func(in *release.PlanInput) {
		in.Promote.Artifacts = append(in.Promote.Artifacts, release.Artifact{Name: release.FullNotesName, Kind: release.KindNotes, Size: 1, Digest: in.Promote.PlanHash})
	})
	if got := with.NotesName(); got != "NOTES-v1.2.3.md" {
		t.Errorf("beside the source's, full notes would be %s", got)
	}
}

// A manifest is an asset that whoever may change a release could have written:
// what it says is looked at before it is believed.
func TestCheckPromotable(t *testing.T) {
	t.Parallel()
	if err := sourceManifest().CheckPromotable("v1.2.3-rc1", commit); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*release.Manifest){
		`is of "v9"`:                    func(m *release.Manifest) { m.Tag = "v9" },
		"is of commit":                  func(m *release.Manifest) { m.Commit = other },
		"has no plan's hash":            func(m *release.Manifest) { m.PlanHash = "" },
		"has a slash":                   func(m *release.Manifest) { m.Artifacts[0].Name = "../../etc/passwd" },
		"names checksums.txt twice":     func(m *release.Manifest) { m.Artifacts[0].Name = release.ChecksumsName },
		"names slipway.json twice":      func(m *release.Manifest) { m.Artifacts[0].Name = release.ManifestName },
		"a part of a split build":       func(m *release.Manifest) { m.Artifacts[0].Name = "slipway-part-linux_amd64.tar.gz" },
		"no size and digest":            func(m *release.Manifest) { m.Artifacts[0].Digest = "sha256:x" },
		"no size and digest of a":       func(m *release.Manifest) { m.Artifacts[0].Size = -1 },
		"no digest and repository of i": func(m *release.Manifest) { m.Images[0].Digest = "latest" },
	} {
		m := sourceManifest()
		change(m)
		if err := m.CheckPromotable("v1.2.3-rc1", commit); err == nil || !strings.Contains(err.Error(), want) || release.KindOf(err) != release.Refused {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// A plan that promotes nothing has the hash that it always had: what was
// published before this is still recognised.
func TestHashOfAnOrdinaryPlanStays(t *testing.T) {
	t.Parallel()
	for ev, want := range map[release.Event]string{
		{Tag: "v1.2.3"}:  "sha256:c3d807b6a3c9ad51b654fccda173f7efde62b37a712a497794b7e59dac6c967f",
		{Branch: "main"}: "sha256:734837ad82f6df1a16061edd487ce72f1988b4d2a54bf1c0868a578712795faf",
	} {
		p, err := plan(t, sampleConfig(), ev, release.History{})
		if err != nil || p.Hash() != want {
			t.Errorf("%+v: %s, %v", ev, p.Hash(), err)
		}
	}
}
