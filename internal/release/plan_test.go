package release_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

func sampleConfig() release.Config {
	return release.Config{
		Project: "hello", Classes: release.DefaultClasses("main"),
		Test: []release.Step{
			{Name: "unit", Run: release.Command{Script: "go test ./..."}},
			{Name: "integration", Run: release.Command{Args: []string{"./it", "{arch}"}}, On: "release", Platforms: []string{"linux/386"}},
		},
		Builds: []release.Build{
			{ID: "hello", Builder: "go", Main: "./cmd/hello", Platforms: []string{"linux/amd64", "linux/arm/v6", "windows/amd64"}},
			{ID: "tool", Builder: "command", Run: release.Command{Script: "make ARCH={arch} OUT={output}"}, Platforms: []string{"linux/amd64"}},
		},
		Archives: []release.Archive{{Formats: []string{"tar.gz", "zip"}, Files: []string{"LICENSE*"}}},
	}
}

func plan(t *testing.T, cfg release.Config, ev release.Event, h release.History) (release.Plan, error) {
	t.Helper()
	ev.Commit, ev.Time = commit, at
	d, err := release.Classify(ev, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return release.NewPlan(release.PlanInput{Event: ev, Decision: d, Config: cfg, History: h})
}

func names(p release.Plan) []string {
	var out []string
	for _, a := range p.Assets {
		out = append(out, a.Name)
	}
	return out
}

// The plan says what exactly will exist.
func TestPlanNamesEveryAsset(t *testing.T) {
	t.Parallel()
	p, err := plan(t, sampleConfig(), release.Event{Tag: "v1.2.3"}, release.History{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"hello_1.2.3_linux_amd64.tar.gz", "hello_1.2.3_linux_amd64.zip",
		"hello_1.2.3_linux_armv6.tar.gz", "hello_1.2.3_linux_armv6.zip",
		"hello_1.2.3_windows_amd64.tar.gz", "hello_1.2.3_windows_amd64.zip",
		"checksums.txt", "slipway.json",
	}
	if diff := cmp.Diff(want, names(p)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"hello", "tool"}, p.Archives[0].Builds); diff != "" {
		t.Error(diff)
	}
	if got := p.Builds[2].Binary; got != "hello.exe" {
		t.Errorf("the binary for Windows is %q", got)
	}
	if got := p.Builds[3].Run.Script; got != "make ARCH=amd64 OUT={output}" {
		t.Errorf("the script is %q", got)
	}
	if got := strings.Join(p.Builds[0].Ldflags, "|"); got != "-s|-w|-X|main.version=1.2.3|-X|main.commit="+commit+"|-X|main.date=2024-03-05T21:30:00Z" {
		t.Errorf("the linker's arguments are %s", got)
	}
	if s := p.Steps[1]; s.Platform.String() != "linux/386" || s.Run.Args[1] != "386" || !s.Release {
		t.Errorf("the step on release is %+v", s)
	}
}

// The same input has the same hash; another commit, config or tag has another;
// a later tag has not, because it takes `latest` away without changing a byte.
func TestPlanHash(t *testing.T) {
	t.Parallel()
	base, err := plan(t, sampleConfig(), release.Event{Tag: "v1.2.3"}, release.History{})
	if err != nil {
		t.Fatal(err)
	}
	later, _ := plan(t, sampleConfig(), release.Event{Tag: "v1.2.3"}, release.History{Tags: []release.HistoryTag{{Name: "v2.0.0", Time: at.AddDate(1, 0, 0)}}})
	if !base.Latest || later.Latest {
		t.Errorf("latest is %v, and %v beside a newer tag", base.Latest, later.Latest)
	}
	if base.Hash() != later.Hash() {
		t.Error("a later tag changes the hash")
	}
	other := sampleConfig()
	other.Builds[0].Tags = []string{"netgo"}
	changed, _ := plan(t, other, release.Event{Tag: "v1.2.3"}, release.History{})
	tagged, _ := plan(t, sampleConfig(), release.Event{Tag: "v1.2.4"}, release.History{})
	if base.Hash() == changed.Hash() || base.Hash() == tagged.Hash() {
		t.Error("another plan has the same hash")
	}
	if !strings.HasPrefix(base.Hash(), "sha256:") || len(base.Hash()) != 71 {
		t.Errorf("hash %s", base.Hash())
	}
}

// A tag reaches no shell unescaped and no path.
func TestTagsWithShellCharacters(t *testing.T) {
	t.Parallel()
	cfg := sampleConfig()
	p, err := plan(t, cfg, release.Event{Tag: "x;$(reboot)/../y"}, release.History{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names(p) {
		if strings.ContainsAny(n, ";$()/ ") || strings.Contains(n, "..") {
			t.Errorf("asset name %q", n)
		}
	}
	cfg.Builds[1].Run.Script = "make VERSION={version}"
	_, err = plan(t, cfg, release.Event{Tag: "x;$(reboot)"}, release.History{})
	var ps release.Problems
	if !errors.As(err, &ps) || !strings.Contains(ps.Error(), `builds[1].run: {version} is "x;$(reboot)" here`) || !strings.Contains(ps.Error(), `$SLIPWAY_VERSION`) {
		t.Errorf("a script with a tag of shell characters: %v", err)
	}
	cfg.Builds[1].Run = release.Command{Args: []string{"make", "VERSION={version}"}}
	if p, err = plan(t, cfg, release.Event{Tag: "x;$(reboot)"}, release.History{}); err != nil || p.Builds[3].Run.Args[1] != "VERSION=x;$(reboot)" {
		t.Errorf("an argument list takes any tag: %v", err)
	}
}

// Two assets of one name are refused, all problems in one go.
func TestPlanFindsCollisionsAndBadTemplates(t *testing.T) {
	t.Parallel()
	cfg := sampleConfig()
	cfg.Archives[0].Name = "{project}"
	cfg.Builds[0].Flags = []string{"-tags={vresion}"}
	_, err := plan(t, cfg, release.Event{Tag: "v1.2.3"}, release.History{})
	for _, want := range []string{"two assets would be named hello.tar.gz", "builds[0].flags[0]: unknown placeholder {vresion}: did you mean {version}?"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\nlacks %q", err, want)
		}
	}
	if release.KindOf(err) != release.Invalid {
		t.Errorf("kind %v", release.KindOf(err))
	}
}
