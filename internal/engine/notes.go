package engine

import (
	"context"
	"net/url"
	"strings"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/releasenotes"
)

// NotesOptions are the options of the notes that a plan asks for.
func NotesOptions(p release.Plan) releasenotes.Options {
	o := releasenotes.Options{
		Project: p.Project, Version: p.Version, Tag: p.Tag, Previous: p.Notes.Previous, Date: p.Time,
		Exclude: p.Notes.Exclude, Template: p.Notes.Template, Links: Links(p.Target),
	}
	for _, g := range p.Notes.Groups {
		o.Groups = append(o.Groups, releasenotes.Group{Title: g.Title, Types: g.Types})
	}
	return o
}

// NotesPlan is the part of a plan that notes need. An event that no class takes
// has notes, too: those of a snapshot.
func (e *Engine) NotesPlan(ctx context.Context, req Request) (release.Plan, error) {
	r := run{Engine: e, req: req}
	d, err := release.Classify(req.Event, req.Config)
	if err != nil {
		return release.Plan{}, err
	}
	if d.Skip {
		if d, err = r.snapshot(ctx); err != nil {
			return release.Plan{}, err
		}
	}
	return r.newPlan(ctx, d)
}

// Links are the addresses that notes link to, of a repository that may be nil.
func Links(t *release.Target) releasenotes.Links {
	if t == nil {
		return releasenotes.Links{}
	}
	page := t.Server + "/" + t.Repository
	switch t.Forge {
	case "gitea", "forgejo":
		return releasenotes.GiteaLinks(page)
	}
	return releasenotes.GitHubLinks(page)
}

// Notes reads the commits of a plan's range and makes its notes of them, as a
// value and as the text that will be published.
func Notes(ctx context.Context, repo *git.Repo, p release.Plan) (releasenotes.Notes, string, error) {
	b, err := releasenotes.New(NotesOptions(p))
	if err != nil {
		return releasenotes.Notes{}, "", release.Invalidf("", "notes.%v", err)
	}
	err = repo.Log(ctx, p.Notes.From, p.Notes.To, p.Notes.Paths, func(c releasenotes.Commit) error {
		b.Add(c)
		return nil
	})
	if err != nil {
		return releasenotes.Notes{}, "", err
	}
	var known func(string) bool
	// Of a first release everybody would be new.
	if p.Notes.From != "" {
		before, err := repo.KnownAuthors(ctx, p.Notes.From, b.Authors())
		if err != nil {
			return releasenotes.Notes{}, "", err
		}
		known = func(email string) bool { return before[email] }
	}
	n := b.Notes(known)
	text, err := b.Render(n)
	if err != nil {
		return n, "", release.Invalidf("look at notes.template", "%v", err)
	}
	return n, text, nil
}

// body is the notes as the forge takes them, with the line by which Slipway
// knows its own drafts. full is the whole text when it had to be cut.
func body(p release.Plan, notes string, limit int) (text, full string) {
	mark := markerOf(p)
	if limit > 0 {
		link := assetURL(p, p.NotesName())
		if short, cut := releasenotes.Cut(notes, limit-len(mark), link); cut {
			return short + mark, notes
		}
	}
	return strings.TrimRight(notes, "\n") + mark, ""
}

// textOf is a release's body as people read it.
func textOf(body string) string {
	text, _, _ := strings.Cut(release.Unmark(body), marker)
	return strings.TrimRight(text, "\n")
}

// assetURL is where an asset will lie once the release is public.
func assetURL(p release.Plan, name string) string {
	return p.Target.Server + "/" + p.Target.Repository + "/releases/download/" + url.PathEscape(p.Tag) + "/" + url.PathEscape(name)
}
