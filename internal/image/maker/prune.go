package maker

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-dev/slipway/internal/image/assemble"
	"github.com/slipway-dev/slipway/internal/image/buildkit"
)

// PruneOptions say what of the caches to remove.
type PruneOptions struct {
	All       bool          // everything in the builder's cache, of whomever
	OlderThan time.Duration // only what was not used for so long
}

// Pruned is what was removed from one cache.
type Pruned struct {
	Cache string `json:"cache"`
	Items int    `json:"items"`
	Freed int64  `json:"freed"` // bytes
}

// Prune removes caches: compressed layers and clones on this machine, and what
// Slipway keeps in the builder, where there is one.
func (m *Maker) Prune(ctx context.Context, o PruneOptions) ([]Pruned, error) {
	dir, err := cacheDir()
	if err != nil {
		return nil, err
	}
	layers := Pruned{Cache: "image layers"}
	if layers.Freed, layers.Items, err = assemble.Prune(dir, o.OlderThan, -1); err != nil {
		return nil, err
	}
	clones, err := pruneClones(filepath.Join(filepath.Dir(dir), "clones"), o.OlderThan)
	if err != nil {
		return nil, err
	}
	out := []Pruned{layers, clones}
	b, _, err := m.find(ctx)
	if err != nil || b == nil {
		return out, err
	}
	built := Pruned{Cache: "builder " + b.Info().String()}
	built.Freed, built.Items, err = b.Prune(ctx, buildkit.PruneOptions{All: o.All, OlderThan: o.OlderThan})
	return append(out, built), err
}

// pruneClones removes repositories that were fetched to be built.
func pruneClones(dir string, olderThan time.Duration) (Pruned, error) {
	p := Pruned{Cache: "clones"}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		// Each fetch writes FETCH_HEAD.
		used, err := os.Stat(filepath.Join(path, "FETCH_HEAD"))
		if err == nil && time.Since(used.ModTime()) < olderThan {
			continue
		}
		size, err := sizeOf(path)
		if err != nil {
			return p, err
		}
		if err := os.RemoveAll(path); err != nil {
			return p, err
		}
		p.Items, p.Freed = p.Items+1, p.Freed+size
	}
	return p, nil
}

func sizeOf(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		st, err := d.Info()
		if err == nil {
			size += st.Size()
		}
		return err
	})
	return size, err
}
