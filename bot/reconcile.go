package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/state"
)

// seen is the document of what the bot has seen of a repository. What was there
// when it came is never released or answered.
type seen struct {
	Installed  time.Time         `json:"installed"`
	Tags       map[string]string `json:"tags"`       // name → commit
	Comments   time.Time         `json:"comments"`   // up to when they have been read
	Before     []string          `json:"before"`     // those that were there when the bot came, as far as they are read again
	Deliveries time.Time         `json:"deliveries"` // up to when failed ones have been fetched
}

const seenRef = "bot/seen"

// overlap is read twice, for clocks that differ and pages that lag.
const overlap = 2 * time.Minute

// Reconcile compares a repository with the ledger, and asks for what no delivery
// has told of: the bot was down, the forge tried once, or it sends no events for
// many tags at once.
func (b *Bot) Reconcile(ctx context.Context, forgeName, name string) error {
	r, err := b.repository(forgeName, name)
	if err != nil {
		b.Log.Info("a repository is no longer looked after", "forge", forgeName, "repository", name)
		return nil //nolint:nilerr // the config has changed since it was asked for
	}
	log := b.Log.With("forge", forgeName, "repository", name)
	begun := b.Clock().UTC()
	info, self, err := r.facts(ctx)
	if err != nil {
		return err
	}
	ref := repositoryRef(seenRef, r.config.Name, r.name)
	var s seen
	version, err := state.Load(ctx, b.ledger.Store(), ref, &s)
	if err != nil {
		return err
	}
	first := version == ""
	if first {
		s = seen{Installed: begun, Comments: begun, Deliveries: begun, Tags: map[string]string{}}
	}
	var ops []ledger.NewOperation
	if !info.Empty && !info.Archived {
		if ops, err = r.newTags(ctx, &s, first); err != nil {
			return err
		}
		commands, err := r.newCommands(ctx, &s, self, first)
		if err != nil {
			return err
		}
		ops = append(ops, commands...)
		if err := r.missedDeliveries(ctx, s); err != nil {
			log.Warn("failed deliveries could not be read", "error", err.Error())
		}
	}
	s.Comments, s.Deliveries = begun, begun
	proposed, err := b.ledger.Propose(ctx, ops)
	if err != nil {
		return err
	}
	made := 0
	for _, p := range proposed {
		if p.New {
			made++
		}
	}
	log.Info("a repository was compared with the ledger", "first", first, "tags", len(s.Tags), "operations", made, "ms", b.Clock().Sub(begun).Milliseconds())
	if _, err := state.Save(ctx, b.ledger.Store(), ref, s, version); err != nil && !errors.Is(err, state.ErrConflict) {
		return err
	}
	if info.Empty {
		return nil
	}
	return b.freshSchedules(ctx, r, info.DefaultBranch)
}

// newTags are the tags that have not been seen where they are now.
func (r *repository) newTags(ctx context.Context, s *seen, first bool) ([]ledger.NewOperation, error) {
	tags, err := r.forge.Tags(ctx)
	if err != nil {
		return nil, err
	}
	now := make(map[string]string, len(tags))
	var ops []ledger.NewOperation
	for _, t := range tags {
		if t.Commit == "" {
			continue // a tag of something else than a commit
		}
		now[t.Name] = t.Commit
		if !first && s.Tags[t.Name] != t.Commit {
			ops = append(ops, releaseOf(r.config.Name, r.name, project.Selection{Tag: t.Name, Commit: t.Commit}, "catch-up",
				fmt.Sprintf("Tag %s was found at %s.", t.Name, release.ShortCommit(t.Commit))))
		}
	}
	// A tag that is gone may come back, and is another one then.
	var gone []string
	for name := range s.Tags {
		if now[name] == "" {
			gone = append(gone, "refs/tags/"+name)
		}
	}
	s.Tags = now
	if len(gone) > 0 {
		return ops, r.bot.ledger.Supersede(ctx, r.config.Name, r.name, gone...)
	}
	return ops, nil
}

// newCommands are the commands that were written since the last look, and not
// before the bot came. Clocks differ, so what was there then is known by its id.
func (r *repository) newCommands(ctx context.Context, s *seen, self string, first bool) ([]ledger.NewOperation, error) {
	since := s.Comments.Add(-overlap)
	comments, err := r.forge.Comments(ctx, since)
	if err != nil {
		return nil, err
	}
	if !first && since.After(s.Installed.Add(overlap)) {
		s.Before = nil // none of these is read any more
	}
	var ops []ledger.NewOperation
	for _, c := range comments {
		id := c.Place.Commit + "/" + c.ID
		if first {
			s.Before = append(s.Before, id)
			continue
		}
		if c.Edited || c.ByBot || strings.EqualFold(c.Author, self) || c.CreatedAt.Before(since.Truncate(time.Second)) || slices.Contains(s.Before, id) {
			continue
		}
		if op, ok := commentOperation(r.config.Name, r.name, c); ok {
			ops = append(ops, op)
		}
	}
	return ops, nil
}

// missedDeliveries takes in what the forge could not deliver, where it tells.
func (r *repository) missedDeliveries(ctx context.Context, s seen) error {
	missed, tells := r.forge.(forge.Missed)
	if !tells {
		return nil
	}
	hooks, err := r.ownHooks(ctx)
	if err != nil {
		return err
	}
	for _, hook := range hooks {
		failed, err := missed.FailedDeliveries(ctx, hook, s.Deliveries.Add(-overlap))
		if err != nil {
			return err
		}
		for _, d := range failed {
			// What is read twice, and what was stored although the answer failed.
			known, err := r.bot.ledger.Deliveries(ctx, ledger.DeliveryFilter{Forge: r.config.Name, GUID: d.GUID, Limit: 1})
			if err != nil {
				return err
			}
			if !handled[d.Event] || len(known) > 0 {
				continue
			}
			body, err := missed.DeliveryBody(ctx, hook, d.ID)
			if err != nil {
				return err
			}
			if _, err := r.bot.ledger.Accept(ctx, ledger.Delivery{Forge: r.config.Name, Event: d.Event, GUID: d.GUID, Repository: r.name, Received: r.bot.Clock(), Body: body}); err != nil {
				return err
			}
			r.bot.metrics.deliveries.WithLabelValues(r.config.Name, knownEvent(d.Event), "caught-up").Inc()
		}
	}
	return nil
}

// ownHooks are the ids of the webhooks that deliver to this bot: the app's own,
// or the repository's.
func (r *repository) ownHooks(ctx context.Context) ([]string, error) {
	if r.config.App.ID != 0 {
		return []string{forge.AppHook}, nil
	}
	hooks, ok := r.forge.(forge.Hooks)
	url := r.bot.config.Webhook()
	if !ok || url == "" {
		return nil, nil
	}
	all, err := hooks.Hooks(ctx)
	var own []string
	for _, h := range all {
		if h.URL == url {
			own = append(own, h.ID)
		}
	}
	return own, err
}

// freshSchedules reads the schedules when the default branch has moved.
func (b *Bot) freshSchedules(ctx context.Context, r *repository, branch string) error {
	var t timetable
	version, err := state.Load(ctx, b.ledger.Store(), repositoryRef(schedulesRef, r.config.Name, r.name), &t)
	if err != nil {
		return err
	}
	if version != "" {
		head, err := r.forge.Head(ctx, branch)
		if err != nil || head == t.Commit {
			return err
		}
	}
	_, err = b.readSchedules(ctx, r)
	if release.KindOf(err) == release.Invalid {
		b.Log.Warn("the config of the default branch has mistakes", "forge", r.config.Name, "repository", r.name, "error", firstLine(err.Error()))
		return nil
	}
	return err
}

// runCatchUp has every repository compared, now and from time to time.
func (b *Bot) runCatchUp(ctx context.Context) {
	for ctx.Err() == nil {
		b.catchUp(ctx)
		if _, err := b.ledger.Prune(ctx, b.config.Keep); err != nil && ctx.Err() == nil {
			b.Log.Error("old deliveries could not be removed", "error", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(b.config.CatchUp):
		}
	}
}

// catchUp has every repository of every forge compared with the ledger.
func (b *Bot) catchUp(ctx context.Context) {
	for _, f := range b.config.Forges {
		names, err := b.served(ctx, f)
		if err != nil && ctx.Err() == nil {
			b.Log.Error("the forge's repositories could not be listed", "forge", f.Name, "error", err.Error())
		}
		for _, name := range names {
			if err := b.ledger.Reconcile(ctx, f.Name, name); err != nil && ctx.Err() == nil {
				b.Log.Error("a comparison could not be asked for", "forge", f.Name, "repository", name, "error", err.Error())
			}
		}
	}
}

// served are the repositories of a forge that the config has; with an error,
// those that it names.
func (b *Bot) served(ctx context.Context, f ForgeConfig) ([]string, error) {
	names, patterns := f.Listed()
	if !patterns {
		return names, nil
	}
	all, err := b.Repositories(ctx, f)
	for _, name := range all {
		if name = strings.ToLower(name); f.Serves(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, err
}
