package engine_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/release"
)

func dialects(t *testing.T, do func(t *testing.T, d memory.Dialect)) {
	for _, d := range []memory.Dialect{memory.GitHub, memory.Gitea} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			do(t, d)
		})
	}
}

// Promise: the same bits are promoted. Nothing is built: the new release has
// every asset of the source byte for byte, its images get the new tags by their
// digest, and notes, class and manifest are its own.
func TestPromotionMovesTheSameBits(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, d memory.Dialect) {
		w := newWorld(t, d)
		before := w.seen()
		w.local = t.TempDir() // nothing is left of the build
		writes := w.images.Writes()
		r := w.must(w.promotion())
		after := w.seen()
		if r.Outcome != release.Published || r.Plan.Class != "stable" || r.Plan.Version != "1.0.0" || r.Plan.Notes.Previous != "v0.9.0" || r.Plan.Prerelease {
			t.Errorf("the release is %s, %+v", r.Outcome, r.Plan)
		}
		for name, digest := range before["v1.0.0-rc1"] {
			if same := after["v1.0.0"][name] == digest; same != (name != release.ManifestName) {
				t.Errorf("asset %s is the same: %v", name, same)
			}
		}
		if len(after["v1.0.0"]) != len(before["v1.0.0-rc1"]) || len(before["v1.0.0-rc1"]) != 5 {
			t.Errorf("the releases have %v and %v", before["v1.0.0-rc1"], after["v1.0.0"])
		}
		digest := before["image"]["v1.0.0-rc1"]
		want := map[string]string{"v1.0.0-rc1": digest, "1.0.0": digest, "1.0": digest, "1": digest, "latest": digest}
		if diff := cmp.Diff(want, after["image"]); diff != "" {
			t.Errorf("the image's tags (-want +got):\n%s", diff)
		}
		if n := w.images.Writes() - writes; n != 4 {
			t.Errorf("%d changes in the registry, not 4 tags", n)
		}
		tag, err := w.repo.Forge(memory.Writer).Tag(t.Context(), "v1.0.0")
		if err != nil || tag.Commit != w.commit.Hash {
			t.Errorf("the tag is at %v, %v", tag, err)
		}
		m := w.manifest("v1.0.0")
		if m.PromotedFrom == nil || m.PromotedFrom.Tag != "v1.0.0-rc1" || m.PromotedFrom.Commit != w.commit.Hash ||
			m.PromotedFrom.PlanHash != w.manifest("v1.0.0-rc1").PlanHash || m.PromotedFrom.Version != "1.0.0-rc1" || m.PlanHash != r.PlanHash {
			t.Errorf("the manifest says %+v", m)
		}
		if diff := cmp.Diff([]string{"1.0.0"}, m.Images[0].Tags); diff != "" {
			t.Error(diff)
		}
		// What was promoted can be promoted on; the first version is remembered.
		if r := w.must(engine.Request{Event: w.event("v1.0.0.1", true), Promote: &engine.Promotion{From: "v1.0.0"}}); r.Plan.Promoted.Version != "1.0.0-rc1" {
			t.Errorf("promoted twice it is %+v", r.Plan.Promoted)
		}
	})
}

// Promise: a rerun is always safe and never wasteful. The process is killed
// after each call to forge and registry in turn; the rerun, on the same machine
// or another, ends where an undisturbed run ends, nothing is sent twice that had
// arrived whole, and what was read is not read again.
func TestPromotionKilledAfterEveryCall(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, d memory.Dialect) {
		w := newWorld(t, d)
		w.must(w.promotion())
		calls := w.calls
		for n := 1; n <= calls; n++ {
			w := newWorld(t, d)
			w.local = t.TempDir()
			// Between them the two forges see every call both ways.
			elsewhere := (n%2 == 0) == (d == memory.GitHub)
			killedAndRerun(t, w, n, elsewhere)
			if t.Failed() {
				t.Fatalf("after call %d of %d, elsewhere: %v", n, calls, elsewhere)
			}
		}
		t.Logf("killed after each of %d calls", calls)
	})
}

func killedAndRerun(t *testing.T, w *world, n int, elsewhere bool) {
	t.Helper()
	before := w.seen()
	w.killAt = n
	_, err := w.run(w.promotion())
	uploads := maps.Clone(w.uploads)
	w.opens = map[string]int{}
	w.killAt, w.dead = 0, false
	killed := w.seen()
	if got, public := killed["v1.0.0"]; public {
		if len(got) != len(before["v1.0.0-rc1"]) || len(killed["image"]) != 5 {
			t.Errorf("what is public after the kill is not whole: %v", killed)
		}
	} else if err == nil {
		t.Error("it ended well without a release")
	}
	if elsewhere {
		w.local = t.TempDir()
	}
	r, err := w.run(w.promotion())
	if err != nil {
		t.Error(err)
	}
	after := w.seen()
	for name, digest := range before["v1.0.0-rc1"] {
		if name != release.ManifestName && after["v1.0.0"][name] != digest {
			t.Errorf("asset %s is not the source's", name)
		}
	}
	if len(after["v1.0.0"]) != 5 || len(after["image"]) != 5 || after["image"]["latest"] != before["image"]["v1.0.0-rc1"] {
		t.Errorf("the rerun ends with %v", after)
	}
	if r.Outcome == release.Published && r.Release.Draft {
		t.Error("it is still a draft")
	}
	for name, times := range w.uploads {
		if times+uploads[name] > 1 {
			t.Errorf("%s was sent %d times", name, times+uploads[name])
		}
	}
	for name, times := range w.opens {
		// Once something is sent, all has been read; only who the source is, is asked.
		if name != release.ManifestName && len(uploads) > 0 && !elsewhere {
			t.Errorf("%s was read again, %d times", name, times)
		}
	}
}

// Promise: every reason for which bits can't be promoted is a refusal that says
// so, before anything is staged.
func TestPromotionRefused(t *testing.T) {
	t.Parallel()
	asset := func(w *world, name string) (forge.Release, forge.Asset) {
		for _, r := range w.repo.PublicReleases() {
			for _, a := range r.Assets {
				if r.Tag == "v1.0.0-rc1" && a.Name == name {
					return r, a
				}
			}
		}
		w.t.Fatalf("no asset %s", name)
		return forge.Release{}, forge.Asset{}
	}
	replace := func(w *world, name, content string) {
		f := w.repo.Forge(memory.Writer)
		r, a := asset(w, name)
		if err := f.DeleteAsset(w.t.Context(), r.ID, a); err != nil {
			w.t.Fatal(err)
		}
		if content == "" {
			return
		}
		_, err := f.Upload(w.t.Context(), r.ID, forge.Upload{Name: name, Size: int64(len(content)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	forged := func(w *world, change func(*release.Manifest)) {
		m := w.manifest("v1.0.0-rc1")
		change(&m)
		b, err := m.Encode()
		if err != nil {
			w.t.Fatal(err)
		}
		replace(w, release.ManifestName, string(b))
	}
	for name, c := range map[string]struct {
		disturb func(w *world, req *engine.Request)
		want    string
		kind    release.Kind
	}{
		"an asset is gone": {func(w *world, _ *engine.Request) { replace(w, release.ChecksumsName, "") },
			"asset checksums.txt of v1.0.0-rc1 is gone", release.Refused},
		"an asset is another": {func(w *world, _ *engine.Request) { replace(w, release.ChecksumsName, "x") },
			"asset checksums.txt of v1.0.0-rc1 is not the one that its manifest names", release.Refused},
		"an asset of the same size is another": {func(w *world, _ *engine.Request) {
			_, a := asset(w, release.ChecksumsName)
			replace(w, release.ChecksumsName, strings.Repeat("x", int(a.Size)))
		}, "asset checksums.txt of v1.0.0-rc1 is not the one that its manifest names", release.Refused},
		"no manifest": {func(w *world, _ *engine.Request) { replace(w, release.ManifestName, "") }, "was not made by Slipway", release.Refused},
		"a broken manifest": {func(w *world, _ *engine.Request) { replace(w, release.ManifestName, "{") },
			"slipway.json can't be read", release.Refused},
		"a manifest of another commit": {func(w *world, _ *engine.Request) {
			forged(w, func(m *release.Manifest) { m.Commit = strings.Repeat("a", 40) })
		}, `is of commit "aaaaaaaaaaaa", not of`, release.Refused},
		"a manifest that leads out of the folder": {func(w *world, _ *engine.Request) {
			forged(w, func(m *release.Manifest) { m.Artifacts[0].Name = "../../x" })
		}, "has a slash", release.Refused},
		"a manifest that names somebody else's repository": {func(w *world, _ *engine.Request) {
			forged(w, func(m *release.Manifest) { m.Images[0].Repositories[0] = "registry.example/other/app" })
		}, "which the config does not name", release.Invalid},
		"an image of another commit": {func(w *world, _ *engine.Request) {
			d, err := w.images.Put(imageRepository, "application/vnd.oci.image.index.v1+json",
				[]byte(`{"annotations":{"`+release.AnnotationRevision+`":"`+strings.Repeat("b", 40)+`"}}`))
			if err != nil {
				w.t.Fatal(err)
			}
			forged(w, func(m *release.Manifest) { m.Images[0].Digest = d })
		}, `was made from commit "bbbbbbbbbbbb"`, release.Refused},
		"an image that is gone": {func(w *world, _ *engine.Request) {
			forged(w, func(m *release.Manifest) { m.Images[0].Digest = "sha256:" + strings.Repeat("0", 64) })
		}, "is gone from registry.example/acme/hello", release.Refused},
		"no release": {func(_ *world, req *engine.Request) { req.Promote.From = "v0.9.0" },
			"v0.9.0 has no public release whose bits could be promoted", release.Refused},
		"a draft": {func(w *world, req *engine.Request) {
			req.Promote.From = "v0.9.0"
			if _, err := w.repo.Forge(memory.Writer).CreateDraft(w.t.Context(), forge.Draft{Tag: "v0.9.0", Title: "x"}); err != nil {
				w.t.Fatal(err)
			}
		}, "the release of v0.9.0 is a draft still", release.Refused},
		"the tag is taken": {func(w *world, req *engine.Request) {
			if err := w.repo.Refs().SetTag(w.t.Context(), "v1.0.0", w.git.Git("rev-parse", "v0.9.0^{commit}")); err != nil {
				w.t.Fatal(err)
			}
		}, "tag v1.0.0 is taken", release.Refused},
		"the source itself": {func(_ *world, req *engine.Request) { req.Event.Tag = "v1.0.0-rc1" }, "promoted to itself", release.Invalid},
		"a bad tag":         {func(_ *world, req *engine.Request) { req.Event.Tag = "v1 0" }, "can't be a tag", release.Invalid},
		"a build":           {func(_ *world, req *engine.Request) { req.Goal = engine.ToBuild }, "builds nothing", release.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, memory.Gitea)
			w.local = t.TempDir()
			req := w.promotion()
			c.disturb(w, &req)
			before := w.seen()
			r, err := w.run(req)
			if err == nil || !strings.Contains(err.Error(), c.want) || release.KindOf(err) != c.kind || r.Outcome != release.Stopped {
				t.Errorf("the error is %v (%v), the outcome %s; want %q", err, release.KindOf(err), r.Outcome, c.want)
			}
			if diff := cmp.Diff(before, w.seen()); diff != "" {
				t.Errorf("something has changed:\n%s", diff)
			}
			if entries, _ := filepath.Glob(filepath.Join(w.local, "dist", "*")); slices.ContainsFunc(entries, func(e string) bool { return filepath.Base(e) == release.ManifestName }) {
				t.Errorf("left in the folder: %v", entries)
			}
		})
	}
}

// A connection that breaks off while an asset is read is taken up again, at the
// place where it broke off; one that does so for ever is an error, not a file.
func TestPromotionOverABrokenConnection(t *testing.T) {
	t.Parallel()
	for name, cuts := range map[string]int{"once": 1, "for ever": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, memory.GitHub)
			w.local = t.TempDir()
			w.forge = &cutting{Forge: w.forge, left: cuts}
			_, err := w.run(w.promotion())
			_, serr := os.Stat(filepath.Join(w.local, "dist", release.ChecksumsName))
			if cuts == 1 && (err != nil || serr != nil) {
				t.Errorf("%v, %v", err, serr)
			}
			if cuts > 1 && (!errors.Is(err, io.ErrUnexpectedEOF) || serr == nil) {
				t.Errorf("%v, %v", err, serr)
			}
		})
	}
}

// cutting lets reads of the checksums break off after their tenth byte.
type cutting struct {
	forge.Forge
	mu   sync.Mutex
	left int
}

func (c *cutting) OpenAsset(ctx context.Context, id string, a forge.Asset) (io.ReadCloser, error) {
	rc, err := c.Forge.OpenAsset(ctx, id, a)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || a.Name != release.ChecksumsName || c.left == 0 {
		return rc, err
	}
	c.left--
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(rc, 10), broken{}), rc}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A tag that a release makes itself: built anew from a commit, stamped with the
// new version; the event of the tag that follows finds it done.
func TestReleaseMakesItsTag(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, d memory.Dialect) {
		w := newWorld(t, d)
		r := w.must(engine.Request{Event: w.event("v1.0.0", true)})
		if r.Outcome != release.Published || r.Plan.Version != "1.0.0" || !r.Plan.Latest || r.Plan.Notes.Previous != "v0.9.0" {
			t.Fatalf("%s, %+v", r.Outcome, r.Plan)
		}
		for _, makes := range []bool{true, false} {
			if again := w.must(engine.Request{Event: w.event("v1.0.0", makes)}); again.Outcome != release.Unchanged || again.PlanHash != r.PlanHash {
				t.Errorf("again it is %s by plan %s, not %s", again.Outcome, again.PlanHash, r.PlanHash)
			}
		}
		// Not without being asked to.
		if _, err := w.run(engine.Request{Event: w.event("v1.0.1", false)}); err == nil || !strings.Contains(err.Error(), "is not on") {
			t.Errorf("a tag that is not there: %v", err)
		}
	})
}

// A tag that a promotion made is told of as any tag. Its release is done then;
// to ask for that tag with other bits is refused.
func TestPromotedTagAsksForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Gitea)
	w.must(w.promotion())
	before := w.seen()
	r := w.must(engine.Request{Event: w.event("v1.0.0", false)})
	if r.Outcome != release.Unchanged || r.PromotedFrom == nil || r.PromotedFrom.Tag != "v1.0.0-rc1" {
		t.Errorf("the tag's event ends with %s, %+v", r.Outcome, r.PromotedFrom)
	}
	if _, err := w.run(engine.Request{Event: w.event("v1.0.0", true)}); err == nil || release.KindOf(err) != release.Refused {
		t.Errorf("built anew under the same tag: %v", err)
	}
	if diff := cmp.Diff(before, w.seen()); diff != "" {
		t.Error(diff)
	}
}
