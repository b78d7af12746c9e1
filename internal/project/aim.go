package project

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/releasenotes"
)

// Aim is what a promotion leads to: which release comes of what.
type Aim struct {
	Repo   *git.Repo
	Rules  release.Config // what counts for promotions: classes, what is required, versions
	From   release.Event  // what is promoted
	Tag    string         // of the new release
	Reason string         // why this tag
	Branch string         // instead of a tag of its own: a release of this branch's class
}

// ClassOf is the class that a tag has.
func (p Aim) ClassOf(tag string) string {
	d, err := release.Classify(release.Event{Tag: tag, Commit: p.From.Commit, Time: p.From.Time}, p.Rules)
	if err != nil || d.Skip {
		return ""
	}
	return d.Class
}

// CheckOurs refuses a commit that is on no branch of this repository: a fork's,
// or one that was thrown away.
func (p Aim) CheckOurs(ctx context.Context) error {
	if p.From.Tag != "" || p.From.Branch != "" {
		return nil
	}
	on, err := p.Repo.BranchesContaining(ctx, p.From.Commit)
	if err != nil {
		return err
	}
	if len(on) == 0 {
		return release.Refuse("merge it first", "commit %s is on no branch of this repository", release.ShortCommit(p.From.Commit))
	}
	return nil
}

// To finds the tag of the new release: the given one, the version of the
// prerelease that is promoted, or the next version.
func (p *Aim) To(ctx context.Context, to string) error {
	rules := p.Rules.PromoteRules()
	class := rules.Class
	if i := slices.IndexFunc(p.Rules.Classes, func(c release.Class) bool { return c.Name == to }); i >= 0 {
		if branch := p.Rules.Classes[i].Branch; branch != "" {
			return p.atBranch(ctx, p.Rules.Classes[i])
		}
		class = to
	} else if to != "" {
		p.Tag, p.Reason = to, "It was given."
		d, err := release.Classify(release.Event{Tag: to, Commit: p.From.Commit, Time: p.From.Time}, p.Rules)
		if err != nil {
			return err
		}
		if d.Skip || !forge.ValidTag(to) {
			return release.Refuse(p.known(), "%.80q is no class, and no tag of one", to)
		}
		if v := "v" + to; d.Class != class && p.ClassOf(v) == class {
			return release.Refuse(fmt.Sprintf("did you mean %s, which is %s?", v, class), "%s would be %s", to, d.Class)
		}
		return nil
	}
	if class == "" {
		return release.Refuse("add one to .slipway.yaml: classes: [{name: stable, tag: …}]", "no class takes tags, so nothing can be promoted to one")
	}
	if tag, ok := release.ReleaseOf(p.From.Tag); ok && p.From.Tag != "" && p.ClassOf(tag) == class {
		p.Tag, p.Reason = tag, fmt.Sprintf("It is the version that %s is a prerelease of.", p.From.Tag)
		return nil
	}
	if rules.Version == "given" {
		return release.Refuse("write it: /promote v1.2.3", "the config (promote.version: given) wants the version to be written")
	}
	return p.Next(ctx, class)
}

// atBranch makes it a release of a branch's class, such as development.
func (p *Aim) atBranch(ctx context.Context, class release.Class) error {
	on, err := p.Repo.BranchesContaining(ctx, p.From.Commit)
	if err != nil {
		return err
	}
	for _, branch := range on {
		d, err := release.Classify(release.Event{Branch: branch, Commit: p.From.Commit, Time: p.From.Time}, p.Rules)
		if err == nil && !d.Skip && d.Class == class.Name {
			p.Branch, p.Tag, p.Reason = branch, d.Tag, d.Reason
			return nil
		}
	}
	return release.Refuse("", "commit %s is not on %s, whose commits are %s", release.ShortCommit(p.From.Commit), class.Branch, class.Name)
}

// known says what something can be promoted to.
func (p Aim) known() string {
	var names []string
	for _, c := range p.Rules.Classes {
		names = append(names, c.Name)
	}
	return "write one of the classes " + strings.Join(names, ", ") + ", or a tag such as v1.2.3; there are no environments to promote to"
}

// Next finds the next version of a class from the commits since its last
// release.
func (p *Aim) Next(ctx context.Context, class string) error {
	var previous, at git.Tag
	err := p.Repo.Tags(ctx, p.From.Commit, func(t git.Tag) error {
		if p.ClassOf(t.Name) != class {
			return nil
		}
		if t.Commit == p.From.Commit {
			at = t
		}
		if previous.Name == "" || release.CompareTags(release.ParseTag(t.Name), t.CommitTime, release.ParseTag(previous.Name), previous.CommitTime) > 0 {
			previous = t
		}
		return nil
	})
	if err != nil {
		return err
	}
	if at.Name != "" {
		return release.Refuse("promote a later commit, or write the version", "commit %s is %s already", release.ShortCommit(p.From.Commit), at.Name)
	}
	var commits []releasenotes.Commit
	err = p.Repo.Log(ctx, previous.Commit, p.From.Commit, p.Rules.Notes.Paths, func(c releasenotes.Commit) error {
		commits = append(commits, c)
		return nil
	})
	if err != nil {
		return err
	}
	bump, err := release.NextVersion(previous.Name, commits)
	if err != nil {
		return err
	}
	p.Tag, p.Reason = bump.Tag, bump.Reason
	if got := p.ClassOf(p.Tag); got != class {
		return release.Refuse("write the tag: /promote TAG", "the next version would be %s, which is not %s", p.Tag, class)
	}
	return nil
}

// CheckGreen refuses a commit whose checks have not passed: only a successful
// build is promoted. A release that Slipway itself made of it counts as one.
func CheckGreen(rules release.Promote, commit string, all []forge.Check) error {
	required, short := rules.Require, release.ShortCommit(commit)
	var bad []string
	passed := 0
	for _, c := range all {
		own := strings.HasPrefix(c.Name, "slipway/")
		wanted := required == nil && !own || slices.ContainsFunc(required, func(name string) bool { return release.MatchCheck(name, c.Name) })
		switch {
		case c.State == forge.CheckPassed:
			passed++
		case wanted && c.State == forge.CheckPending:
			bad = append(bad, fmt.Sprintf("%s has not ended yet (%s)", c.Name, c.Word))
		case wanted:
			bad = append(bad, fmt.Sprintf("%s did not pass (%s)", c.Name, c.Word))
		}
	}
	for _, name := range required {
		if !slices.ContainsFunc(all, func(c forge.Check) bool { return release.MatchCheck(name, c.Name) }) {
			bad = append(bad, fmt.Sprintf("%s is required and not there", name))
		}
	}
	if len(bad) > 0 {
		return release.Refuse("once it is green, write /promote again", "commit %s is not green: %s", short, strings.Join(bad, "; "))
	}
	if passed == 0 && required == nil {
		return release.Refuse("wait for them; or say in .slipway.yaml which are needed, or that none is: promote: {require: []}",
			"commit %s has no statuses or checks that say it is good", short)
	}
	return nil
}
