package simtest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// outcome is what a fault lets happen to the call that meets it.
type outcome struct {
	fault     string
	call      string // that fails; empty: the adapter gets over it
	kind      error
	uncertain bool
}

// outcomes are the same on every forge: what may be repeated is, what makes
// something is not, unless the answer says that nothing was made.
var outcomes = []outcome{
	{fault: "read-500@2"},
	{fault: "read-503"},
	{fault: "read-cut-before"},
	{fault: "read-cut-after@3"},
	{fault: "read-cut-answer"},
	{fault: "read-garbage"},
	{fault: "download-502"},
	{fault: "download-cut-answer"},
	{fault: "down=3"},
	{fault: "secondary-limit=7"},
	{fault: "rate-limit=7"},
	{fault: "too-many=7@4"},
	{fault: "publish-502"},
	{fault: "publish-502-after"},
	{fault: "publish-cut-after"},
	{fault: "publish-cut-answer"},
	{fault: "delete-502-after"},
	{fault: "delete-cut-before"},
	{fault: "read-slow=300ms"},
	{fault: "upload-slow=300ms"},
	{"read-html", "Repository", forge.ErrNotForge, false},
	{"create-502", "CreateDraft", forge.ErrUnavailable, true},
	{"create-504-after", "CreateDraft", forge.ErrUnavailable, true},
	{"create-cut-before", "CreateDraft", forge.ErrUnavailable, true},
	{"create-cut-after", "CreateDraft", forge.ErrUnavailable, true},
	{"create-cut-answer", "CreateDraft", forge.ErrUnavailable, true},
	{"create-html", "CreateDraft", forge.ErrNotForge, true},
	{"create-garbage", "CreateDraft", forge.ErrNotForge, true},
	{"create-422", "CreateDraft", forge.ErrRejected, false},
	{"upload-502", "Upload", forge.ErrUnavailable, true},
	{"upload-502-after", "Upload", forge.ErrUnavailable, true},
	{"upload-507", "Upload", forge.ErrUnavailable, true},
	{"upload-cut-body", "Upload", forge.ErrUnavailable, true},
	{"upload-cut-after", "Upload", forge.ErrUnavailable, true},
	{"upload-413", "Upload", forge.ErrTooLarge, false},
	{"upload-html", "Upload", forge.ErrNotForge, true},
	{"publish-422", "Publish", forge.ErrRejected, false},
	{"publish-502@all", "Publish", forge.ErrUnavailable, true},
	{"publish-html", "Publish", forge.ErrNotForge, true},
	{"archived", "CreateDraft", forge.ErrForbidden, false},
	{"read-only", "CreateDraft", forge.ErrForbidden, false},
}

// RunFaults takes a release from its draft to the public through each fault,
// on an adapter that connect makes.
func RunFaults(t *testing.T, dialect memory.Dialect, connect func(s *Sim, o wire.Options) forge.Forge) {
	t.Helper()
	for _, o := range outcomes {
		t.Run(o.fault, func(t *testing.T) {
			t.Parallel()
			sim := Start(t, simforge.Options{Dialect: dialect}, o.fault)
			clock := &waits{}
			call, err := life(t.Context(), connect(sim, wire.Options{Sleep: clock.sleep}), sim)
			if call != o.call || !errors.Is(err, o.kind) || forge.Uncertain(err) != o.uncertain {
				t.Errorf("%s failed: %v (uncertain %v); want %q to fail: %v (uncertain %v)",
					call, err, forge.Uncertain(err), o.call, o.kind, o.uncertain)
			}
			clock.check(t, o.fault)
			if o.call == "" {
				sim.checkPublic(t)
			}
		})
	}
}

const content = "the content of the asset, long enough to be cut in two"

// life is what a release does with a forge, and the call that failed.
func life(ctx context.Context, f forge.Forge, s *Sim) (string, error) {
	if _, err := f.Repository(ctx); err != nil {
		return "Repository", err
	}
	if _, err := f.Tag(ctx, "v1.1.0"); err != nil {
		return "Tag", err
	}
	if _, err := f.Releases(ctx, "v1.1.0"); err != nil {
		return "Releases", err
	}
	d := forge.Draft{Tag: "v1.1.0", Commit: s.Tags["v1.1.0"], Title: "1.1.0", Body: "notes"}
	rel, err := f.CreateDraft(ctx, d)
	if err != nil {
		return "CreateDraft", err
	}
	u := forge.Upload{Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
	var assets []forge.Asset
	for _, u.Name = range []string{"hello.txt", "wrong.txt"} {
		a, err := f.Upload(ctx, rel.ID, u)
		if err != nil {
			return "Upload", err
		}
		assets = append(assets, a)
	}
	if err := f.DeleteAsset(ctx, rel.ID, assets[1]); err != nil {
		return "DeleteAsset", err
	}
	if err := download(ctx, f, rel.ID, assets[0]); err != nil {
		return "OpenAsset", err
	}
	if _, err := f.Update(ctx, rel.ID, forge.Update{Draft: d, Publish: true, Latest: true}); err != nil {
		return "Publish", err
	}
	return "", nil
}

func download(ctx context.Context, f forge.Forge, id string, a forge.Asset) error {
	r, err := f.OpenAsset(ctx, id, a)
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err == nil && string(data) != content {
		err = errors.New("the content came as " + string(data))
	}
	return err
}

// checkPublic: the release is public with its one asset, whole.
func (s *Sim) checkPublic(t *testing.T) {
	t.Helper()
	public := s.Repo.PublicReleases()
	if len(public) != 1 || len(public[0].Assets) != 1 || public[0].Assets[0].Size != int64(len(content)) {
		t.Errorf("the public sees %+v", public)
	}
}

// waits is a clock that notes waits without waiting.
type waits struct {
	mu    sync.Mutex
	asked []time.Duration
}

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, d)
	return ctx.Err()
}

// check: the wait that a limit asks for is kept.
func (w *waits) check(t *testing.T, fault string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.Contains(fault, "=7") && (len(w.asked) == 0 || slices.Max(w.asked) < 6*time.Second) {
		t.Errorf("waited %v, want 7s", w.asked)
	}
}
