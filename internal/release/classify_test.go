package release_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

const commit = "4ae03aa774f1c2d3e4f5a6b7c8d9e0f1a2b3c4d5"

var at = time.Date(2024, 3, 5, 23, 30, 0, 0, time.FixedZone("", 3600*2))

// Garage's rule: a whole vX.Y.Z (or four numbers) is stable, another tag extra,
// a commit development and named by its commit.
func TestDefaultClassesAreGarages(t *testing.T) {
	t.Parallel()
	cfg := release.Config{Classes: release.DefaultClasses("trunk")}
	for _, c := range []struct {
		ev                  release.Event
		class, version, tag string
		prerelease          bool
	}{
		{release.Event{Tag: "v1.2.3"}, "stable", "1.2.3", "v1.2.3", false},
		{release.Event{Tag: "v1.2.3.4"}, "stable", "1.2.3.4", "v1.2.3.4", false},
		{release.Event{Tag: "v1.2.3-rc1"}, "extra", "1.2.3-rc1", "v1.2.3-rc1", true},
		{release.Event{Tag: "v1x2x3"}, "extra", "v1x2x3", "v1x2x3", true},
		{release.Event{Tag: "1.2.3"}, "extra", "1.2.3", "1.2.3", true},
		{release.Event{Tag: "v1.2"}, "extra", "1.2", "v1.2", true},
		{release.Event{Tag: "cli/v1.2.0"}, "extra", "1.2.0", "cli/v1.2.0", true},
		{release.Event{Tag: "2024-01-15"}, "extra", "2024-01-15", "2024-01-15", true},
		{release.Event{Tag: "v1;$(reboot)"}, "extra", "v1;$(reboot)", "v1;$(reboot)", true},
		{release.Event{Branch: "trunk"}, "development", "4ae03aa774f1", "dev-4ae03aa774f1", true},
	} {
		c.ev.Commit, c.ev.Time = commit, at
		d, err := release.Classify(c.ev, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if d.Skip || d.Class != c.class || d.Version != c.version || d.Tag != c.tag || d.Prerelease != c.prerelease {
			t.Errorf("%+v: %+v, want %s %s %s prerelease=%v", c.ev, d, c.class, c.version, c.tag, c.prerelease)
		}
		if d.Reason == "" {
			t.Errorf("%+v: a decision without a reason", c.ev)
		}
	}
}

// A decision carries its reason, and nothing to do is not an error.
func TestSkipsSayWhy(t *testing.T) {
	t.Parallel()
	stableOnly := []release.Class{{Name: "stable", Tag: `v\d+\.\d+\.\d+`}}
	for _, c := range []struct {
		name    string
		classes []release.Class
		ev      release.Event
		reason  string
	}{
		{"no class takes the tag", stableOnly, release.Event{Tag: "nightly"}, "tag nightly matches no class"},
		{"a part of the tag is not enough", stableOnly, release.Event{Tag: "v1.2.3-rc1"}, "matches no class"},
		{"another branch", release.DefaultClasses("main"), release.Event{Branch: "feature"}, "branch feature belongs to no class"},
		{"a bare commit", release.DefaultClasses("main"), release.Event{}, "is on no branch that has a class"},
		{"a tag that a development release made", release.DefaultClasses("main"),
			release.Event{Tag: "dev-4ae03aa774f1"}, "was made by a development release"},
	} {
		c.ev.Commit = commit
		d, err := release.Classify(c.ev, release.Config{Classes: c.classes})
		if err != nil || !d.Skip || !strings.Contains(d.Reason, c.reason) {
			t.Errorf("%s: %+v, %v; want a skip because %q", c.name, d, err, c.reason)
		}
	}
	// Somebody else's tag that only looks like one is released.
	d, _ := release.Classify(release.Event{Tag: "dev-000000000000", Commit: commit}, release.Config{Classes: release.DefaultClasses("main")})
	if d.Skip {
		t.Errorf("a tag of another commit was taken for ours: %s", d.Reason)
	}
}

func TestTemplatesAndGroups(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		class        release.Class
		ev           release.Event
		version, tag string
		wantErr      string
	}{
		{release.Class{Name: "cli", Tag: `cli/v(?P<version>.+)`}, release.Event{Tag: "cli/v2.0.0"}, "2.0.0", "cli/v2.0.0", ""},
		{release.Class{Name: "date", Tag: `(?P<y>\d+)-(?P<m>\d+)-\d+`, Version: "{y}.{m}"}, release.Event{Tag: "2024-01-15"}, "2024.01", "2024-01-15", ""},
		{release.Class{Name: "nightly", Branch: "release/*", Version: "{date}-{short}", ReleaseTag: "nightly-{version}"},
			release.Event{Branch: "release/1"}, "20240305-4ae03aa774f1", "nightly-20240305-4ae03aa774f1", ""},
		{release.Class{Name: "x", Tag: ".+", Version: "{tga}"}, release.Event{Tag: "a"}, "", "", "did you mean {tag}?"},
		{release.Class{Name: "x", Tag: "(?P<n>x?).*", Version: "{n}"}, release.Event{Tag: "a"}, "", "", "is empty"},
	} {
		c.ev.Commit, c.ev.Time = commit, at
		d, err := release.Classify(c.ev, release.Config{Classes: []release.Class{c.class}})
		if c.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), c.wantErr) || release.KindOf(err) != release.Invalid {
				t.Errorf("%+v: error %v, want %q", c.class, err, c.wantErr)
			}
			continue
		}
		if err != nil || d.Version != c.version || d.Tag != c.tag {
			t.Errorf("%+v: %+v, %v; want version %s tag %s", c.class, d, err, c.version, c.tag)
		}
	}
}

func TestParseTag(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string][2]string{
		"v1.2.3": {"v", "1.2.3"}, "1.2.3": {"", "1.2.3"}, "cli/v1.2.0-rc.1": {"cli/v", "1.2.0-rc.1"},
		"k8s-v1.2": {"k8s-v", "1.2"}, "go1.26.1": {"go", "1.26.1"}, "release-2024-01-15.1": {"release-", ""},
		"nightly-7": {"nightly-", ""}, "latest": {"latest", ""}, "2024.01.15": {"", "2024.01.15"}, "": {"", ""},
		"app-1.0.0+build.5": {"app-", "1.0.0+build.5"}, "v1x2x3": {"v", ""},
	} {
		got := release.ParseTag(tag)
		if got.Series != want[0] || got.Version != want[1] {
			t.Errorf("ParseTag(%q) = series %q version %q, want %q", tag, got.Series, got.Version, want)
		}
	}
}

// Versions sort as versions (Garage sorted strings: v0.9 over v0.10), else by date.
func TestTagOrder(t *testing.T) {
	t.Parallel()
	order := []string{"v0.9.0", "v0.10.0-rc.2", "v0.10.0-rc.10", "v0.10.0", "v0.10.0.1", "v0.10.1"}
	for i := range order {
		for j := range order {
			got := release.CompareTags(release.ParseTag(order[i]), at, release.ParseTag(order[j]), at)
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("CompareTags(%s, %s) = %d", order[i], order[j], got)
			}
		}
	}
	if release.CompareTags(release.ParseTag("nightly-9"), at, release.ParseTag("nightly-10"), at.Add(time.Hour)) >= 0 {
		t.Error("tags without a version do not go by date")
	}
}

// The notes begin after the last release of the same class and series.
func TestPredecessors(t *testing.T) {
	t.Parallel()
	tag := func(name string, day int) release.HistoryTag {
		return release.HistoryTag{Name: name, Commit: strings.Repeat("a", 38) + name[len(name)-2:], Time: at.AddDate(0, 0, day-40)}
	}
	tags := []release.HistoryTag{
		tag("v0.9.0", 1), tag("v0.10.0", 2), tag("v1.0.0-rc1", 4), tag("cli/v0.1.0", 3), tag("nightly-1", 5), tag("nightly-2", 6), tag("v2.0.0", 30),
	}
	c, err := release.NewClassifier(release.DefaultClasses("main"))
	if err != nil {
		t.Fatal(err)
	}
	for of, want := range map[string][]string{
		"v1.0.0": {"v0.10.0", "v0.9.0", "v1.0.0-rc1"}, "v0.10.0": {"v0.9.0"}, "v0.9.0": nil,
		"v1.0.0-rc2": {"v1.0.0-rc1", "v0.10.0", "v0.9.0"}, "v0.11.0-rc1": {"v0.10.0", "v0.9.0"},
		"cli/v0.2.0": {"cli/v0.1.0"}, "web/v1.0.0": nil, "nightly-3": {"nightly-2", "nightly-1"}, "latest": nil,
	} {
		d, err := c.Classify(release.Event{Tag: of, Commit: commit, Time: at})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range c.Predecessors(d, at, tags) {
			got = append(got, p.Name)
			if p.Reason == "" {
				t.Errorf("%s before %s has no reason", p.Name, of)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("before %s (-want +got):\n%s", of, diff)
		}
	}
	d, _ := c.Classify(release.Event{Branch: "main", Commit: commit, Time: at})
	if got := c.Predecessors(d, at, tags); got[0].Name != "v2.0.0" || got[1].Name != "nightly-2" {
		t.Errorf("before a first development release came %v, want the newest tag", got)
	}
	made := append(tags, release.HistoryTag{Name: "dev-000000000000", Commit: strings.Repeat("0", 40), Time: at.AddDate(-1, 0, 0)})
	if got := c.Predecessors(d, at, made); got[0].Name != "dev-000000000000" {
		t.Errorf("before a development release came %v, want the last one", got)
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"os": "linux", "arch": "arm", "version": "1;2"}
	for in, want := range map[string]string{"{os}-{arch}": "linux-arm", "${os}{os}": "${os}linux", "{Os} {}": "{Os} {}"} {
		if got, err := release.Expand(in, vars); err != nil || got != want {
			t.Errorf("Expand(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	if _, err := release.Expand("{oss}", vars); err == nil || !strings.Contains(err.Error(), "did you mean {os}?") {
		t.Errorf("Expand({oss}) = %v", err)
	}
}

func TestFileName(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for in := range map[string]string{"cli/v1": "", "../../x": "", "1.2.3": "", "a..b": "", "héé lo": "", "1.0+x": ""} {
		got[in] = release.FileName(in)
	}
	want := map[string]string{"cli/v1": "cli-v1", "../../x": "x", "1.2.3": "1.2.3", "a..b": "a-b", "héé lo": "h-lo", "1.0+x": "1.0+x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
