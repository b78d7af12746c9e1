package onforge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/forge/github"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/onforge"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

func connect(t *testing.T, sim *simtest.Sim, token string) forge.Forge {
	t.Helper()
	f, err := github.New(github.Options{Server: sim.Server.URL, Repository: simtest.Repository, Token: token, UserAgent: "slipway/test"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// notes are what was noted.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *notes) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.lines, "\n")
}

func deploy(sim *simtest.Sim, file, name, environment, state string) rollout.Deployment {
	return rollout.Deployment{Package: ref.Ref{Repo: "x/y", Path: file, Versioned: true, Release: name}, Commit: sim.Tags["v1.0.0"], Environment: environment, State: state}
}

func shown(sim *simtest.Sim) []string {
	var out []string
	for _, d := range sim.Repo.Deployments() {
		line := d.Environment + " " + d.Description
		for _, s := range d.Statuses {
			line += " " + s.State
		}
		out = append(out, line)
	}
	return out
}

// Deploys are shown with their states, several packages side by side in one
// environment; a new one takes the place of its own package's old one alone, and
// what is taken down is inactive. Another process can do that, too.
func TestDeployments(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{Rates: &simforge.Rates{}})
	tell := func(all ...rollout.Deployment) {
		t.Helper()
		var n notes
		d := onforge.NewDeployments(t.Context(), func(context.Context) (forge.Forge, error) { return connect(t, sim, simforge.WriteToken), nil }, "https://ci.example/1", n.add)
		for _, x := range all {
			if err := d.Deployment(t.Context(), x); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil || n.text() != "" {
			t.Fatalf("%v, %s", err, n.text())
		}
	}
	well := deploy(sim, "a.ocu.star", "r2", "prod", "success")
	well.URL = "https://app.example"
	down := deploy(sim, "a.ocu.star", "r2", "prod", "in_progress")
	down.Down = true
	gone := down
	gone.State = "inactive"
	tell(deploy(sim, "a.ocu.star", "r1", "prod", "in_progress"), deploy(sim, "b.ocu.star", "r1", "prod", "in_progress"),
		deploy(sim, "b.ocu.star", "r1", "prod", "success"), deploy(sim, "a.ocu.star", "r1", "prod", "success"),
		deploy(sim, "a.ocu.star", "r2", "other", "in_progress"), deploy(sim, "a.ocu.star", "r2", "other", "failure"))
	tell(deploy(sim, "a.ocu.star", "r2", "prod", "in_progress"), well)
	tell(down, gone)
	want := []string{"prod r1 of a.ocu.star in_progress success inactive inactive", "prod r1 of b.ocu.star in_progress success",
		"other r2 of a.ocu.star in_progress failure", "prod r2 of a.ocu.star in_progress success inactive"}
	if d := cmp.Diff(want, shown(sim)); d != "" {
		t.Error(d)
	}
	last := sim.Repo.Deployments()[3].Statuses[1]
	if last.SiteURL != "https://app.example" || last.URL != "https://ci.example/1" {
		t.Errorf("the addresses are %+v", last)
	}
}

// A token that may not tell is noted once, a forge that has no deployments not at
// all, one that fails three times is left alone; the work waits for none of them.
func TestDeploymentsThatCannotBeTold(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{})
	other := simtest.Start(t, simforge.Options{Dialect: memory.Gitea})
	g, err := gitea.New(gitea.Options{Server: other.Server.URL, Repository: simtest.Repository, Token: simforge.WriteToken, UserAgent: "slipway/test"})
	if err != nil {
		t.Fatal(err)
	}
	var opened int
	for name, tt := range map[string]struct {
		open func(context.Context) (forge.Forge, error)
		want string
	}{
		"may not":   {func(context.Context) (forge.Forge, error) { return connect(t, sim, simforge.ReadToken), nil }, "the forge is not told of deploys: "},
		"has none":  {func(context.Context) (forge.Forge, error) { return g, nil }, ""},
		"not found": {func(context.Context) (forge.Forge, error) { opened++; return nil, errors.New("no such host") }, "the forge is not told of deploys: no such host"},
		"it fails":  {func(context.Context) (forge.Forge, error) { return failing{connect(t, sim, simforge.WriteToken)}, nil }, "broken three times"},
	} {
		var n notes
		d := onforge.NewDeployments(t.Context(), tt.open, "", n.add)
		began := time.Now()
		for i := range 1000 {
			if err := d.Deployment(t.Context(), deploy(sim, "a.ocu.star", "r1", fmt.Sprint("e", i), "in_progress")); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: 1000 deploys waited for %s", name, took)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		said := n.text()
		switch lines := strings.Split(said, "\n"); {
		case tt.want == "" && said != "":
			t.Errorf("%s: it is noted: %s", name, said)
		case tt.want == "":
		case name == "it fails" && (len(lines) != 3 || !strings.Contains(lines[2], "the forge is not told of deploys: broken")):
			t.Errorf("%s: it is noted: %s", name, said)
		case name != "it fails" && (len(lines) != 1 || !strings.HasPrefix(said, tt.want)):
			t.Errorf("%s: it is noted: %s", name, said)
		}
	}
	if opened != 1 {
		t.Errorf("it was opened %d times", opened)
	}
}

// failing is a forge whose deployments fail.
type failing struct{ forge.Forge }

func (failing) CreateDeployment(context.Context, forge.Deployment) (string, error) {
	return "", errors.New("broken")
}

func (failing) SetDeploymentStatus(context.Context, string, forge.DeploymentStatus) error {
	return errors.New("broken")
}

func (failing) DeploymentsTo(context.Context, string, int) ([]forge.Deployed, error) {
	return nil, errors.New("broken")
}

// publish makes a release with a manifest.
func publish(t *testing.T, f forge.Forge, tag, commit string, prerelease, public bool) {
	t.Helper()
	d := forge.Draft{Tag: tag, Commit: commit, Title: tag, Body: "what is new\n\n<!-- slipway plan sha256:1 -->\n", Prerelease: prerelease}
	r, err := f.CreateDraft(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	b, err := release.Manifest{Schema: release.ManifestSchema, Tag: tag, Version: strings.TrimPrefix(tag, "v"), Commit: commit,
		Artifacts: []release.Artifact{{Name: "app.tar.gz"}}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{release.ManifestName: string(b), "app.tar.gz": "x"} {
		up := forge.Upload{Name: name, Size: int64(len(content)), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
		if _, err := f.Upload(t.Context(), r.ID, up); err != nil {
			t.Fatal(err)
		}
	}
	if public {
		if _, err := f.Update(t.Context(), r.ID, forge.Update{Draft: d, Publish: true}); err != nil {
			t.Fatal(err)
		}
	}
}

// What is shipped of a commit is its full release before its candidates; a draft,
// another commit's release and one that is not Slipway's are none.
func TestShipped(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{Rates: &simforge.Rates{}})
	f := connect(t, sim, simforge.WriteToken)
	commit := sim.Tags["v1.0.0"]
	of := rollout.Release{Commit: commit}
	shipped := func(of rollout.Release) (version string, err error) {
		t.Helper()
		b, err := onforge.Shipped(t.Context(), f, of, nil)
		if err != nil {
			return "", err
		}
		var doc struct {
			Output struct {
				Version, Notes string
				Assets         map[string]struct{ URL string }
			}
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Output.Notes != "what is new" || !strings.HasPrefix(doc.Output.Assets["app.tar.gz"].URL, sim.Server.URL) {
			t.Errorf("the document is %s", b)
		}
		return doc.Output.Version, nil
	}
	refused := func(of rollout.Release, kind release.Kind, says string) {
		t.Helper()
		if v, err := shipped(of); release.KindOf(err) != kind || err == nil || !strings.Contains(err.Error(), says) || release.HintOf(err) == "" {
			t.Errorf("%q, %v; want %q", v, err, says)
		}
	}
	refused(of, release.Waiting, "is published: v1.0.0 has none")
	refused(rollout.Release{Commit: strings.Repeat("1", 40)}, release.Waiting, "no release of commit 111111111111 is published")
	publish(t, f, "v1.0.0", commit, false, false)
	refused(of, release.Waiting, "is published: v1.0.0 has none")
	refused(rollout.Release{Commit: commit, Tag: "v1.0.0"}, release.Waiting, "the release v1.0.0 is not published")
	publish(t, f, "v1.0.0-rc9", commit, true, true)
	if v, err := shipped(of); err != nil || v != "1.0.0-rc9" {
		t.Errorf("%q, %v", v, err)
	}
	publish(t, f, "v1.0.0-final", commit, false, true)
	publish(t, f, "v1.0.0-rc10", commit, true, true)
	if v, err := shipped(of); err != nil || v != "1.0.0-final" {
		t.Errorf("%q, %v", v, err)
	}
	if v, err := shipped(rollout.Release{Commit: commit, Tag: "v1.0.0-rc9"}); err != nil || v != "1.0.0-rc9" {
		t.Errorf("%q, %v", v, err)
	}
	refused(rollout.Release{Commit: sim.Tags["v1.1.0"], Tag: "v1.0.0-final"}, release.Refused, "is of commit")
	d := forge.Draft{Tag: "by-hand", Commit: commit, Title: "by hand"}
	r, err := f.CreateDraft(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Update(t.Context(), r.ID, forge.Update{Draft: d, Publish: true}); err != nil {
		t.Fatal(err)
	}
	refused(rollout.Release{Commit: commit, Tag: "by-hand"}, release.Refused, "was not made by Slipway")
}
