package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// staged is a draft that holds everything.
type staged struct {
	draft   forge.Release
	actions map[string]string // asset name → uploaded, kept or replaced
	sent    map[string]string // asset name → id, of what this run uploaded
	bytes   int64             // sent
}

// marker is how Slipway knows its own drafts: a line in the body that Markdown
// does not show.
const marker = "<!-- slipway plan "

func markerOf(p release.Plan) string { return "\n\n" + marker + p.Hash() + " -->\n" }

func isOurs(r forge.Release) bool { return strings.Contains(r.Body, marker) }

// stager puts what was made into a draft.
type stager struct {
	*run
	plan    release.Plan
	made    made
	journal *journal
	stage   progress.Stage

	mu     sync.Mutex
	result staged
}

// stageDraft brings a draft to hold exactly what was made, whatever is there.
func (r *run) stageDraft(ctx context.Context, p release.Plan, m made, j *journal, st progress.Stage) (staged, error) {
	s := &stager{run: r, plan: p, made: m, journal: j, stage: st, result: staged{actions: map[string]string{}, sent: map[string]string{}}}
	err := s.fill(ctx)
	return s.result, err
}

func (s *stager) fill(ctx context.Context) error {
	draft, err := s.adopt(ctx)
	if err != nil {
		return err
	}
	s.result.draft = draft
	ours := s.ours(ctx, draft)
	moves := reconcile(s.made.artifacts, draft.Assets, s.journal.read(), ours)
	for _, m := range moves {
		if m.action == leave && !release.IsPart(m.asset.Name) {
			s.Progress.Note(fmt.Sprintf("the draft holds %s, which this release did not make; it is left as it is", m.asset.Name))
		}
	}
	return s.bring(ctx, moves)
}

// bring carries out moves. What is in the way goes first: a forge may refuse,
// or double, a name. The manifest comes before all other assets, so that every
// later run knows what the draft is to hold and which assets are Slipway's.
func (s *stager) bring(ctx context.Context, moves []move) error {
	for _, m := range moves {
		if m.action == remove {
			if err := s.forge.DeleteAsset(ctx, s.result.draft.ID, m.asset); err != nil {
				return err
			}
		}
	}
	isManifest := func(m move) bool { return m.artifact.Kind == release.KindManifest }
	if i := slices.IndexFunc(moves, isManifest); i >= 0 {
		if err := s.place(ctx, moves[i]); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for _, m := range moves {
		if m.artifact.Name == "" || isManifest(m) {
			continue
		}
		g.Go(func() error { return s.place(ctx, m) })
	}
	return g.Wait()
}

// ours names the assets that an earlier run put into the draft.
func (s *stager) ours(ctx context.Context, draft forge.Release) map[string]bool {
	names := map[string]bool{release.ManifestName: true}
	for name := range s.journal.read().Assets {
		names[name] = true
	}
	if m, err := s.readManifest(ctx, draft); err == nil {
		for _, a := range m.Artifacts {
			names[a.Name] = true
		}
	}
	return names
}

// adopt finds Slipway's own draft for the tag or makes one. When several are
// there (two processes at once on GitHub), all take the oldest.
func (s *stager) adopt(ctx context.Context) (forge.Release, error) {
	want := s.draft()
	for try := 0; ; try++ {
		own, err := s.ownDrafts(ctx)
		if err != nil {
			return forge.Release{}, err
		}
		if len(own) > 0 {
			for _, extra := range own[1:] {
				if err := s.forge.DeleteDraft(ctx, extra.ID); err != nil {
					return forge.Release{}, err
				}
			}
			return own[0], nil
		}
		made, err := s.forge.CreateDraft(ctx, want)
		switch {
		case err == nil && try == 0:
			// Another process may have made one a moment before.
			if own, err = s.ownDrafts(ctx); err == nil && len(own) > 0 && own[0].ID == made.ID {
				return own[0], nil
			}
			if err != nil {
				return forge.Release{}, err
			}
		case err == nil:
		case again(err) && try < tries:
			s.Progress.Note(fmt.Sprintf("%v; looking what is there, then once more", err))
			if err := pause(ctx, try); err != nil {
				return forge.Release{}, err
			}
		default:
			return forge.Release{}, err
		}
	}
}

func (s *stager) draft() forge.Draft {
	return forge.Draft{Tag: s.plan.Tag, Commit: s.plan.Commit, Title: s.plan.Title, Body: s.made.body, Prerelease: s.plan.Prerelease}
}

func (s *stager) ownDrafts(ctx context.Context) ([]forge.Release, error) {
	all, err := s.forge.Releases(ctx, s.plan.Tag)
	if err != nil {
		return nil, err
	}
	var own []forge.Release
	for _, r := range all {
		switch {
		case !r.Draft:
			return nil, publishedMeanwhile(r, s.plan)
		case isOurs(r):
			own = append(own, r)
		}
	}
	return own, nil
}

// place carries out one move.
func (s *stager) place(ctx context.Context, m move) error {
	if m.action == compare {
		equal, err := s.equal(ctx, m.asset, m.artifact)
		if err != nil {
			return err
		}
		m.action = replace
		if equal {
			m.action = keep
		}
	}
	switch m.action {
	case keep:
		s.done(m.artifact.Name, "kept", "", 0)
		return s.journal.uploaded(ctx, m.artifact.Name, JournalAsset{ID: m.asset.ID, Digest: m.artifact.Digest})
	case replace:
		if err := s.forge.DeleteAsset(ctx, s.result.draft.ID, m.asset); err != nil {
			return err
		}
	}
	asset, err := s.upload(ctx, m.artifact)
	if err != nil {
		return err
	}
	s.done(m.artifact.Name, map[action]string{upload: "uploaded", replace: "replaced"}[m.action], asset.ID, m.artifact.Size)
	return s.journal.uploaded(ctx, m.artifact.Name, JournalAsset{ID: asset.ID, Digest: m.artifact.Digest})
}

func (s *stager) done(name, what, id string, sent int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.actions[name] = what
	if id != "" {
		s.result.sent[name] = id
	}
	s.result.bytes += sent
}

// upload sends one artifact until it is there whole. After a fault it looks at
// what arrived before it sends anything again.
func (s *stager) upload(ctx context.Context, a release.Artifact) (forge.Asset, error) {
	task := s.stage.Task(a.Name, a.Size)
	asset, err := s.uploadAgain(ctx, a, task)
	task.Done(progress.Bytes(a.Size), err)
	return asset, err
}

func (s *stager) uploadAgain(ctx context.Context, a release.Artifact, task progress.Task) (forge.Asset, error) {
	for try := 0; ; try++ {
		asset, err := s.forge.Upload(ctx, s.result.draft.ID, forge.Upload{
			Name: a.Name, Size: a.Size, Progress: task.At,
			Open: func() (io.ReadCloser, error) { return os.Open(a.Path) },
		})
		if err == nil {
			return asset, s.checkArrived(asset, a)
		}
		if !again(err) || try >= tries {
			return forge.Asset{}, err
		}
		s.Progress.Note(fmt.Sprintf("%v; looking what arrived, then once more", err))
		if err := pause(ctx, try); err != nil {
			return forge.Asset{}, err
		}
		arrived, there, err := s.arrived(ctx, a)
		if err != nil || there {
			return arrived, err
		}
	}
}

func (s *stager) checkArrived(asset forge.Asset, a release.Artifact) error {
	if asset.Name != a.Name || asset.Size != a.Size || (asset.Digest != "" && asset.Digest != a.Digest) {
		return fmt.Errorf("upload %s: the forge stored it as %s, %d bytes, %s; sent were %d bytes, %s", a.Name, asset.Name, asset.Size, asset.Digest, a.Size, a.Digest)
	}
	return nil
}

// arrived looks whether an upload that ended in an error is there all the same,
// and clears away what is there but broken.
func (s *stager) arrived(ctx context.Context, a release.Artifact) (forge.Asset, bool, error) {
	draft, err := s.current(ctx)
	if err != nil {
		return forge.Asset{}, false, err
	}
	var have []forge.Asset
	for _, x := range draft.Assets {
		if x.Name == a.Name {
			have = append(have, x)
		}
	}
	best, others := choose(a, have, s.journal.read())
	for _, o := range others {
		if err := s.forge.DeleteAsset(ctx, draft.ID, o); err != nil {
			return forge.Asset{}, false, err
		}
	}
	there := best.action == keep
	if best.action == compare {
		if there, err = s.equal(ctx, best.asset, a); err != nil {
			return forge.Asset{}, false, err
		}
	}
	if !there && best.action != upload {
		err = s.forge.DeleteAsset(ctx, draft.ID, best.asset)
	}
	return best.asset, there, err
}

// current is the draft as it is now.
func (s *stager) current(ctx context.Context) (forge.Release, error) {
	all, err := s.forge.Releases(ctx, s.plan.Tag)
	if err != nil {
		return forge.Release{}, err
	}
	i := slices.IndexFunc(all, func(r forge.Release) bool { return r.ID == s.result.draft.ID })
	if i < 0 {
		return forge.Release{}, release.Failf("run the same command again", "the draft release for %s was deleted meanwhile", s.plan.Tag)
	}
	return all[i], nil
}

// equal reads an asset back from a forge that gives no digests.
func (s *stager) equal(ctx context.Context, asset forge.Asset, a release.Artifact) (bool, error) {
	rc, err := s.forge.OpenAsset(ctx, s.result.draft.ID, asset)
	if err != nil {
		return false, err
	}
	defer rc.Close()
	h := sha256.New()
	if _, err := io.Copy(h, rc); err != nil {
		return false, fmt.Errorf("read asset %s back: %w", asset.Name, err)
	}
	return "sha256:"+hex.EncodeToString(h.Sum(nil)) == a.Digest, nil
}

// uploads is how many assets are sent at a time.
const uploads = 4

// tries is how often an operation that may have taken effect is begun again.
const tries = 4

// again says whether a fault of CreateDraft or Upload may be over the next
// time. ErrConflict is one: a name may be taken by a broken upload.
func again(err error) bool {
	return forge.Uncertain(err) || errors.Is(err, forge.ErrUnavailable) || errors.Is(err, forge.ErrConflict)
}

func pause(ctx context.Context, try int) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(250 * time.Millisecond << try):
		return nil
	}
}

// summary tells in a few words what staging did.
func (s staged) summary() string {
	count := map[string]int{}
	for _, what := range s.actions {
		count[what]++
	}
	var words []string
	for _, what := range []string{"uploaded", "replaced", "kept"} {
		if count[what] > 0 {
			words = append(words, fmt.Sprintf("%d %s", count[what], what))
		}
	}
	return strings.Join(words, ", ") + fmt.Sprintf(" (%s sent)", progress.Bytes(s.bytes))
}
