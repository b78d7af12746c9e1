package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Asset is a file of a release as the forge has it.
type Asset struct {
	ID          int64
	UUID        string // Gitea's
	ReleaseID   int64
	Name        string
	Label       string
	ContentType string
	Size        int64
	SHA256      string // hex
	Starter     bool   // an upload that never ended, on GitHub
	Created     time.Time
	Updated     time.Time
	Downloads   int64
}

type asset struct {
	Asset
	content content
}

// Upload is a request to attach a file.
type Upload struct {
	Name        string
	Label       string
	ContentType string
	// Size is what the sender announced, -1 when it did not.
	Size int64
	Body io.Reader
}

// Assets lists a release's assets as its own list does: starters included.
// GitHub lists them in the order of their making, Gitea by name.
func (r *Repo) Assets(a Access, releaseID int64) ([]Asset, error) {
	if _, err := r.Release(a, releaseID); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []Asset{}
	if rel := r.find(releaseID); rel != nil {
		for _, as := range rel.assets {
			out = append(out, as.Asset)
		}
	}
	if r.dialect == Gitea {
		slices.SortStableFunc(out, func(a, b Asset) int { return strings.Compare(a.Name, b.Name) })
	}
	return out, nil
}

// Asset reads one, whatever its release.
func (r *Repo) Asset(a Access, id int64) (Asset, error) {
	if err := r.Allow(a, false); err != nil {
		return Asset{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rel, as := r.findAsset(func(x *asset) bool { return x.ID == id })
	if as == nil || rel.Draft && !a.seesDrafts() {
		return Asset{}, notFound(r.dialect)
	}
	return as.Asset, nil
}

// AssetByUUID finds Gitea's attachment.
func (r *Repo) AssetByUUID(a Access, uuid string) (Asset, error) {
	r.mu.Lock()
	_, as := r.findAsset(func(x *asset) bool { return x.UUID == uuid })
	r.mu.Unlock()
	if as == nil {
		return Asset{}, notFound(r.dialect)
	}
	return r.Asset(a, as.ID)
}

func (r *Repo) findAsset(is func(*asset) bool) (*storedRelease, *asset) {
	for _, rel := range r.releases {
		for _, as := range rel.assets {
			if is(as) {
				return rel, as
			}
		}
	}
	return nil, nil
}

// Open reads an asset's content.
func (r *Repo) Open(a Access, id int64) (io.ReadCloser, error) {
	if err := r.Allow(a, false); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rel, as := r.findAsset(func(x *asset) bool { return x.ID == id })
	if as == nil || as.Starter || rel.Draft && !a.seesDrafts() {
		return nil, notFound(r.dialect)
	}
	as.Downloads++
	return as.content.open()
}

// Upload receives an asset. On GitHub its name is taken from the first byte
// on, and stays taken by a starter when the body breaks off; on Gitea nothing
// is left then.
func (r *Repo) Upload(ctx context.Context, a Access, releaseID int64, u Upload) (Asset, error) {
	as, tag, err := r.begin(a, releaseID, u)
	if err != nil {
		return Asset{}, err
	}
	got, err := r.store.receive(ctx, tag, as.Name, as.ID, u.Body, r.limits.AssetSize)
	if err == nil && u.Size >= 0 && got.size != u.Size {
		got.remove()
		err = fmt.Errorf("%d bytes announced, %d received: %w", u.Size, got.size, io.ErrUnexpectedEOF)
	}
	if errors.Is(err, errTooLarge) {
		r.drop(as.ID)
		return Asset{}, r.tooLarge()
	}
	if err != nil {
		return Asset{}, err
	}
	return r.finish(releaseID, as, got)
}

// begin checks an upload and, on GitHub, takes the name.
func (r *Repo) begin(a Access, releaseID int64, u Upload) (*asset, string, error) {
	if err := r.Allow(a, true); err != nil {
		return nil, "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rel := r.find(releaseID)
	if rel == nil {
		return nil, "", notFound(r.dialect)
	}
	if err := r.checkUpload(rel, u); err != nil {
		return nil, "", err
	}
	id := r.ids.nextAsset()
	as := &asset{Asset: Asset{
		ID: id, ReleaseID: releaseID, Name: r.storedName(u.Name), Label: u.Label, ContentType: u.ContentType,
		UUID: fmt.Sprintf("%08x-0000-4000-8000-%012x", id, id), Created: r.now(), Updated: r.now(), Starter: true,
	}}
	if r.dialect == GitHub {
		rel.assets = append(rel.assets, as)
	}
	return as, rel.Tag, nil
}

func (r *Repo) checkUpload(rel *storedRelease, u Upload) error {
	if r.dialect == Gitea {
		if u.Name == "" {
			return &Refusal{Status: http.StatusBadRequest, Message: "Could not determine name of attachment.", Kind: forge.ErrRejected}
		}
		if u.Size > r.limits.AssetSize {
			return r.tooLarge()
		}
		return nil
	}
	reject := func(kind error, field, msg string) error {
		return invalid(kind, Detail{Resource: "ReleaseAsset", Code: "custom", Field: field, Message: msg})
	}
	name := r.storedName(u.Name)
	taken := slices.ContainsFunc(rel.assets, func(x *asset) bool { return x.Name == name })
	switch {
	case u.Name == "":
		return reject(forge.ErrRejected, "name", "name can't be blank")
	case u.Size < 0:
		return &Refusal{Status: http.StatusBadRequest, Message: "Bad Content-Length: ", Kind: forge.ErrRejected}
	case u.Size == 0:
		return reject(forge.ErrRejected, "size", "size must be greater than or equal to 1")
	case u.Size > r.limits.AssetSize:
		return r.tooLarge()
	case rel.Immutable:
		return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Cannot upload assets to an immutable release.", Kind: forge.ErrImmutable}
	case taken:
		return invalid(forge.ErrConflict, Detail{Resource: "ReleaseAsset", Code: "already_exists", Field: "name"})
	case len(rel.assets) >= r.limits.Assets && r.limits.Assets > 0:
		return reject(forge.ErrRejected, "file_count", fmt.Sprintf("file_count limited to %d assets per release", r.limits.Assets))
	}
	return nil
}

func (r *Repo) tooLarge() error {
	if r.dialect == Gitea {
		return &Refusal{Status: http.StatusRequestEntityTooLarge, Kind: forge.ErrTooLarge,
			Message: fmt.Sprintf("attachment exceeds limit %d", r.limits.AssetSize)}
	}
	return invalid(forge.ErrTooLarge, Detail{Resource: "ReleaseAsset", Code: "custom", Field: "size",
		Message: fmt.Sprintf("size must be less than or equal to %d", r.limits.AssetSize)})
}

func (r *Repo) finish(releaseID int64, as *asset, got received) (Asset, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rel := r.find(releaseID)
	if rel == nil { // deleted meanwhile
		got.remove()
		return Asset{}, notFound(r.dialect)
	}
	if r.dialect == GitHub && !slices.Contains(rel.assets, as) {
		got.remove()
		return Asset{}, notFound(r.dialect)
	}
	if r.dialect == Gitea {
		rel.assets = append(rel.assets, as)
	}
	as.Starter = false
	as.content, as.Size, as.SHA256, as.Updated = got.content, got.size, got.sha256, r.now()
	r.changed()
	return as.Asset, nil
}

// AddStarter leaves what a broken upload leaves on GitHub: an empty asset that
// blocks its name. Elsewhere it does nothing.
func (r *Repo) AddStarter(a Access, releaseID int64, u Upload) {
	if r.dialect == GitHub {
		_, _, _ = r.begin(a, releaseID, u) // a refused upload leaves nothing
	}
}

func (r *Repo) drop(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rel := range r.releases {
		rel.assets = slices.DeleteFunc(rel.assets, func(x *asset) bool { return x.ID == id })
	}
}

// RenameAsset changes an asset's name and label; empty leaves them.
func (r *Repo) RenameAsset(a Access, id int64, name, label string) (Asset, error) {
	if err := r.Allow(a, true); err != nil {
		return Asset{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rel, as := r.findAsset(func(x *asset) bool { return x.ID == id })
	if as == nil {
		return Asset{}, notFound(r.dialect)
	}
	if name != "" {
		name = r.storedName(name)
		if r.dialect == GitHub && slices.ContainsFunc(rel.assets, func(x *asset) bool { return x.Name == name && x != as }) {
			return Asset{}, invalid(forge.ErrConflict, Detail{Resource: "ReleaseAsset", Code: "already_exists", Field: "name"})
		}
		as.Name = name
	}
	if label != "" {
		as.Label = label
	}
	as.Updated = r.now()
	r.changed()
	return as.Asset, nil
}

// DeleteAsset removes an asset. A published release of GitHub's immutable kind
// keeps its own.
func (r *Repo) DeleteAsset(a Access, id int64) error {
	if err := r.Allow(a, true); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rel, as := r.findAsset(func(x *asset) bool { return x.ID == id })
	if as == nil {
		return notFound(r.dialect)
	}
	if rel.Immutable {
		return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Cannot delete asset from an immutable release.", Kind: forge.ErrImmutable}
	}
	rel.assets = slices.DeleteFunc(rel.assets, func(x *asset) bool { return x == as })
	as.content.remove()
	r.changed()
	return nil
}
