package project

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/release"
)

// Promotion is what somebody asks for: that a commit, or a release of it,
// becomes a release under a new tag.
type Promotion struct {
	From    string // tag of a release, or a commit
	To      string // tag of the new release
	Rebuild bool   // build it anew from the commit, stamped with the new version; so does the config's `promote: rebuild`
}

// Connect opens the forge's repository; it is called only when the forge must be
// asked.
type Connect func(context.Context) (forge.Forge, error)

// Find says what is promoted: a tag of the clone or of the forge, else a commit.
// The event has no branch: what a promotion makes is its tag's.
func (p Promotion) Find(ctx context.Context, repo *git.Repo, connect Connect) (release.Event, error) {
	from := strings.TrimPrefix(p.From, "refs/tags/")
	tag, terr := repo.Tag(ctx, from)
	if terr == nil {
		return release.Event{Tag: tag.Name, Commit: tag.Commit, Time: tag.CommitTime}, nil
	}
	c, cerr := repo.Commit(ctx, p.From)
	if cerr == nil {
		return release.Event{Commit: c.Hash, Time: c.Time}, nil
	}
	if release.KindOf(terr) != release.Invalid || ctx.Err() != nil {
		return release.Event{}, terr
	}
	neither := release.Invalidf(release.HintOf(terr), "%.80q is neither a tag nor a commit", p.From)
	if !forge.ValidTag(from) {
		return release.Event{}, neither
	}
	f, err := connect(ctx)
	if err != nil {
		return release.Event{}, err
	}
	// A tag that publishing made may not be in the clone yet.
	there, err := f.Tag(ctx, from)
	if errors.Is(err, forge.ErrNotFound) {
		return release.Event{}, neither
	}
	if err != nil {
		return release.Event{}, err
	}
	if c, err = repo.Commit(ctx, there.Commit); err != nil {
		return release.Event{}, err
	}
	return release.Event{Tag: there.Name, Commit: c.Hash, Time: c.Time}, nil
}

// Decide says what the promotion asks of the engine, or why it is refused. from
// is what Find found, cfg the config that counts, with its classes. The forge is
// asked which of the commit's tags are released, unless it is built anew in any
// case.
func (p Promotion) Decide(ctx context.Context, repo *git.Repo, connect Connect, from release.Event, cfg release.Config) (release.Promotion, error) {
	in := release.PromotionInput{From: from, To: p.To, Rebuild: p.Rebuild || cfg.PromoteRules().Bits == "rebuild", Classes: cfg.Classes}
	if err := git.CheckTagName(p.To); err != nil {
		return release.Promotion{}, err
	}
	err := repo.TagNames(ctx, func(t git.Tag) error {
		in.Tags = append(in.Tags, release.HistoryTag{Name: t.Name, Commit: t.Commit})
		return nil
	})
	if err != nil {
		return release.Promotion{}, err
	}
	if !in.Rebuild {
		if in.Released, err = p.released(ctx, connect, from, in); err != nil {
			return release.Promotion{}, err
		}
	}
	return release.DecidePromotion(in)
}

// released asks which of the tags that may be the source are released.
func (p Promotion) released(ctx context.Context, connect Connect, from release.Event, in release.PromotionInput) ([]release.Released, error) {
	f, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	tags := []string{from.Tag}
	if from.Tag == "" {
		tags = nil
		for _, t := range in.Tags {
			if t.Commit == from.Commit {
				tags = append(tags, t.Name)
			}
		}
		tags = release.PromotionCandidates(in.Classes, from, tags)
		if !slices.Contains(tags, p.To) {
			tags = append(tags, p.To)
		}
	}
	var out []release.Released
	for _, tag := range tags {
		found, err := f.Releases(ctx, tag)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if !r.Draft {
				ours := slices.ContainsFunc(r.Assets, func(a forge.Asset) bool { return a.Name == release.ManifestName && !a.Broken })
				out = append(out, release.Released{Tag: tag, Ours: ours})
			}
		}
	}
	return out, nil
}
