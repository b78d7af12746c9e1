package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/releasenotes"
)

// changelog prints the notes of every release; with --tag, of those of the
// tag's series up to it.
func (a *app) changelog(ctx context.Context) error {
	l, err := a.load(ctx)
	if err != nil {
		return err
	}
	a.warn(l.project.Warnings)
	tags, err := l.releaseTags(ctx)
	if err != nil {
		return err
	}
	cfg := l.notesConfig()
	o := releasenotes.ChangelogOptions{Tags: tags, Options: engine.NotesOptions(release.Plan{
		Project: cfg.Project, Target: l.target,
		Notes: release.PlanNotes{Groups: cfg.Notes.Groups, Exclude: cfg.Notes.Exclude, Template: cfg.Notes.Template},
	})}
	if a.json {
		o.Format = releasenotes.FormatJSON
	}
	c, err := releasenotes.NewChangelog(o)
	if err != nil {
		return release.Invalidf("", "notes.%v", err)
	}
	defer c.Close()
	if err := l.repo.Log(ctx, "", l.project.Event.Commit, cfg.Notes.Paths, c.Add); err != nil {
		return err
	}
	_, err = c.WriteTo(a.out)
	return err
}

// releaseTags are the tags that a class takes, by commit; of several at one
// commit the highest is first.
func (l loaded) releaseTags(ctx context.Context) (map[string][]releasenotes.Tag, error) {
	classifier, err := release.NewClassifier(l.project.Config.Classes)
	if err != nil {
		return nil, err
	}
	series := release.ParseTag(l.project.Event.Tag).Series
	tags := map[string][]releasenotes.Tag{}
	// Tags of other lines of history never meet a commit of this one; finding
	// out which those are would cost a walk of its own.
	err = l.repo.Tags(ctx, "", func(t git.Tag) error {
		if l.project.Event.Tag != "" && release.ParseTag(t.Name).Series != series {
			return nil
		}
		d, err := classifier.Classify(release.Event{Tag: t.Name, Commit: t.Commit, Time: t.CommitTime})
		if err == nil && !d.Skip {
			tags[t.Commit] = append(tags[t.Commit], releasenotes.Tag{Name: t.Name, Version: d.Version, Date: t.Time})
		}
		return err
	})
	for _, at := range tags {
		slices.SortFunc(at, func(x, y releasenotes.Tag) int {
			return cmp.Or(-release.CompareTags(release.ParseTag(x.Name), x.Date, release.ParseTag(y.Name), y.Date), cmp.Compare(x.Name, y.Name))
		})
	}
	return tags, err
}
