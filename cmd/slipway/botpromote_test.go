package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

// bits are a release's assets but for the manifest, which says of which tag they
// are.
func (r seen) bits() map[string]string {
	out := map[string]string{}
	for name, sum := range r.Assets {
		if name != release.ManifestName {
			out[name] = sum
		}
	}
	return out
}

// Promise: the same bits are promoted. A prerelease becomes the stable release
// with the same assets, and nothing is built; the plan says so before, and
// publishes nothing; asking twice makes one release, and both are answered.
func TestBotPromotesSameBits(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("promote: {require: []}")})
	s.begin(t)
	s.pushTags(t, "v1.4.0-rc1")
	rc := s.released(t, "v1.4.0-rc1")
	s.status(t, s.head(t), "success")

	issue := s.repo.OpenIssue(t, "release")
	plan := s.ask(t, issue, "/promote v1.4.0-rc1 to stable --plan", "would become v1.4.0")
	if !strings.Contains(plan, "the bits of v1.4.0-rc1") && !strings.Contains(plan, "v1.4.0-rc1") {
		t.Errorf("the plan does not say whose bits they are:\n%s", plan)
	}
	if got := s.tags(t); got != "[v1.4.0-rc1]" {
		t.Errorf("after a plan there are %s", got)
	}

	s.ask(t, issue, "/promote v1.4.0-rc1 to stable", "v1.4.0 is published")
	stable := s.released(t, "v1.4.0")
	if diff := cmp.Diff(rc.bits(), stable.bits()); diff != "" || len(stable.Assets) < 3 {
		t.Errorf("other bits (-prerelease +stable):\n%s", diff)
	}
	s.ask(t, issue, "/promote v1.4.0-rc1 to stable", "v1.4.0 is published")
	s.ask(t, issue, "/promote v1.4.0", "v1.4.0 is taken")
	s.ask(t, issue, "/promote", "is v1.4.0 already")
	s.settled(t, "promote", "[promote v1.4.0 done]")
	if got := w.versions(t); fmt.Sprint(got) != "[1.4.0-rc1]" {
		t.Errorf("built: %v", got)
	}
	if got := s.tags(t); got != "[v1.4.0 v1.4.0-rc1]" {
		t.Errorf("releases: %s", got)
	}
}

// With promote: rebuild the new version is stamped anew.
func TestBotPromotesRebuilt(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("promote: {require: [], bits: rebuild}")})
	s.begin(t)
	s.pushTags(t, "v1.4.0-rc1")
	rc := s.released(t, "v1.4.0-rc1")
	issue := s.repo.OpenIssue(t, "release")
	s.ask(t, issue, "/promote v1.4.0-rc1 to stable", "v1.4.0 is published")
	if got := w.versions(t); fmt.Sprint(got) != "[1.4.0-rc1 1.4.0]" {
		t.Errorf("built: %v", got)
	}
	if cmp.Diff(rc.bits(), s.released(t, "v1.4.0").bits()) == "" {
		t.Error("the bits are the prerelease's")
	}
}

// Promise: a commit is promoted only when its statuses and checks are green, by
// the names that the config requires; a refusal says what is missing and what
// would help.
func TestBotPromotesOnlyGreen(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("")})
	s.begin(t)
	issue := s.repo.OpenIssue(t, "release")
	s.ask(t, issue, "/promote", `none is: promote: {require: \[\]}`)
	if got := s.answers(t, issue); !strings.Contains(got[0], "has no statuses or checks") {
		t.Errorf("it says:\n%s", got[0])
	}
	s.repo.SetStatus(t, s.head(t), "ci/test", "pending")
	s.ask(t, issue, "/promote", "ci/test has not ended yet (pending)")
	s.repo.SetStatus(t, s.head(t), "ci/test", "success")
	s.ask(t, issue, "/promote --plan", "would become v0.1.0")

	rules := w.project("promote: {require: [ci/test, 'deploy/**']}")
	commit := s.push(t, map[string]string{".slipway.yaml": rules}, "ci: require more")
	s.repo.SetStatus(t, commit, "ci/test", "success")
	s.repo.SetStatus(t, commit, "lint", "failure")
	s.ask(t, issue, "/promote", `deploy/\*\* is required and not there`)
	s.repo.SetStatus(t, commit, "deploy/eu/west", "warning")
	s.ask(t, issue, "/promote", "deploy/eu/west did not pass (warning)")
	s.repo.SetStatus(t, commit, "deploy/eu/west", "success")
	s.ask(t, issue, "/promote", "v0.1.0 is published")
	if got := w.versions(t); fmt.Sprint(got) != "[0.1.0]" {
		t.Errorf("built: %v", got)
	}
	s.status(t, commit, "success")
}

// A comment names what is promoted, and what to. A version that is given must be
// free, a name that is neither tag, commit nor class is refused.
func TestBotPromotesWhatIsNamed(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("promote: {require: []}\nclasses:\n" +
		"  - {name: stable, tag: '^v[0-9]+\\.[0-9]+\\.[0-9]+$'}\n  - {name: extra, tag: '^v.+-.+$'}\n  - {name: development, branch: main}")})
	s.begin(t)
	first := s.head(t)
	s.pushTags(t, "v1.0.0")
	s.released(t, "v1.0.0")
	second := s.push(t, nil, "feat: two")
	issue := s.repo.OpenIssue(t, "release")
	for _, c := range []struct{ text, want string }{
		{"/promote v1.0.0", "v1.0.0 is taken"},
		{"/promote " + second[:10] + " to v1.0.0", "taken"},
		{"/promote v7 to stable", "neither a tag nor a commit"},
		{"/promote to production", "no class"},
		{"/promote to 1.1.0", "no tag of one"},
		{"/promote " + first + " to development", "is published"},
		{"/promote", "v1.1.0 is published"}, // the next version, for a feature
		{"/promote v2.0.0-rc1", "v2.0.0-rc1 is published"},
		{"/promote to development", "is published"},
	} {
		s.ask(t, issue, c.text, c.want)
	}
	if got := len(s.releases(t)); got != 5 {
		t.Errorf("%d releases: %s", got, s.tags(t))
	}
	s.status(t, second, "success")
}

// Promise: never an unmerged fork. Its pull request is refused, its commits are
// none of the repository's, and neither its config nor its code is run, whoever
// asks.
func TestBotRunsNothingOfForks(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("promote: {require: []}")})
	s.begin(t)
	pull, head := s.repo.OpenForkPull(t)
	s.repo.SetStatus(t, head, "ci/test", "success")
	s.ask(t, pull, "/promote", "is not merged")
	s.ask(t, pull, "/promote "+head+" to stable", "neither a tag nor a commit")
	s.ask(t, pull, "/promote v1.0.0", "is not merged")
	if got := w.versions(t); len(got) > 0 || len(s.releases(t)) > 0 {
		t.Errorf("built: %v, released: %s", got, s.tags(t))
	}
	commit := s.repo.Merge(t, pull)
	s.ask(t, pull, "/promote", "v0.1.0 is published")
	s.status(t, commit, "success")
}
