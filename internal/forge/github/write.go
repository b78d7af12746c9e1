package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
	"github.com/slipway-dev/slipway/internal/release"
)

// writeRelease is what is sent to make or change a release.
type writeRelease struct {
	Tag        string `json:"tag_name"`
	Target     string `json:"target_commitish,omitempty"`
	Title      string `json:"name"`
	Body       string `json:"body"`
	Draft      *bool  `json:"draft,omitempty"`
	Prerelease bool   `json:"prerelease"`
	MakeLatest string `json:"make_latest,omitempty"` // "true" or "false"
}

func newWriteRelease(d forge.Draft) writeRelease {
	return writeRelease{Tag: d.Tag, Target: d.Commit, Title: d.Title, Body: d.Body, Prerelease: d.Prerelease}
}

// CreateDraft makes a draft release.
func (f *Forge) CreateDraft(ctx context.Context, d forge.Draft) (forge.Release, error) {
	ctx, call := wire.Begin(ctx, "create a draft for "+d.Tag)
	draft, in := true, newWriteRelease(d)
	in.Draft = &draft
	return f.write(ctx, call, http.MethodPost, f.path("/releases"), in)
}

// Update changes a release and publishes it.
func (f *Forge) Update(ctx context.Context, id string, u forge.Update) (forge.Release, error) {
	op := "update release " + u.Tag
	in := newWriteRelease(u.Draft)
	if u.Publish {
		op = "publish release " + u.Tag
		draft := false
		// GitHub refuses a prerelease as latest.
		in.Draft, in.MakeLatest = &draft, fmt.Sprint(u.Latest && !u.Prerelease)
	}
	ctx, call := wire.Begin(ctx, op)
	n, err := number(call, id)
	if err != nil {
		return forge.Release{}, err
	}
	return f.write(ctx, call, http.MethodPatch, f.path("/releases/%d", n), in)
}

func (f *Forge) write(ctx context.Context, call *wire.Call, method, path string, in writeRelease) (forge.Release, error) {
	if err := f.mayWrite(call); err != nil {
		return forge.Release{}, err
	}
	if !forge.ValidTag(in.Tag) {
		return forge.Release{}, call.Fail(forge.ErrRejected, fmt.Sprintf("git takes no tag of the name %q", in.Tag))
	}
	var answer struct {
		releaseAnswer
		Assets []asset `json:"assets"`
	}
	if _, err := f.do(ctx, call, method, path, in, &answer); err != nil {
		return forge.Release{}, err
	}
	if answer.ID == 0 {
		return forge.Release{}, call.NotForge("the answer has no release in it")
	}
	return answer.domain(answer.Assets), nil
}

// Upload attaches a file to a release.
func (f *Forge) Upload(ctx context.Context, releaseID string, u forge.Upload) (forge.Asset, error) {
	ctx, call := wire.Begin(ctx, "upload "+u.Name)
	if err := f.mayWrite(call); err != nil {
		return forge.Asset{}, err
	}
	if err := release.CheckAssetName(u.Name); err != nil {
		return forge.Asset{}, call.Fail(forge.ErrRejected, err.Error())
	}
	if u.Size > maxAssetSize {
		return forge.Asset{}, call.Fail(forge.ErrTooLarge, fmt.Sprintf("it has %d bytes; GitHub takes less than 2 GiB", u.Size))
	}
	id, err := number(call, releaseID)
	if err != nil {
		return forge.Asset{}, err
	}
	path := f.path("/releases/%d/assets?name=%s", id, url.QueryEscape(u.Name))
	req, err := f.client.NewUploadRequest(path, nil, u.Size, "application/octet-stream")
	if err != nil {
		return forge.Asset{}, call.Err(err)
	}
	if err := wire.SetUpload(req, u, nil, nil); err != nil {
		return forge.Asset{}, call.Err(err)
	}
	var a asset
	if _, err := f.client.Do(ctx, req, &a); err != nil {
		return forge.Asset{}, call.Err(err)
	}
	return f.checkUploaded(ctx, call, a, releaseID, u)
}

// checkUploaded compares what GitHub stored with what was sent.
func (f *Forge) checkUploaded(ctx context.Context, call *wire.Call, a asset, releaseID string, u forge.Upload) (forge.Asset, error) {
	out := a.domain()
	switch {
	case a.ID == 0:
		return forge.Asset{}, call.NotForge("the answer has no asset in it")
	case out.Broken || a.Size != u.Size:
		return forge.Asset{}, &forge.Error{Op: "upload " + u.Name, Kind: forge.ErrUnavailable, MaybeDone: true,
			Message: fmt.Sprintf("GitHub holds %d of %d bytes, in state %q", a.Size, u.Size, a.State)}
	case a.Name != u.Name:
		message := fmt.Sprintf("GitHub renamed it to %q: choose a name that it keeps", a.Name)
		if err := f.DeleteAsset(ctx, releaseID, out); err != nil {
			message += "; the renamed asset is still there"
		}
		return forge.Asset{}, call.Fail(forge.ErrRejected, message)
	}
	return out, nil
}

// DeleteAsset removes an asset.
func (f *Forge) DeleteAsset(ctx context.Context, releaseID string, a forge.Asset) error {
	ctx, call := wire.Begin(ctx, "delete asset "+a.Name)
	if err := f.mayWrite(call); err != nil {
		return err
	}
	id, err := number(call, a.ID)
	if err != nil {
		return err
	}
	return f.remove(ctx, call, f.path("/releases/assets/%d", id))
}

// DeleteDraft removes a draft, and refuses to remove anything else.
func (f *Forge) DeleteDraft(ctx context.Context, id string) error {
	ctx, call := wire.Begin(ctx, "delete draft "+id)
	if err := f.mayWrite(call); err != nil {
		return err
	}
	n, err := number(call, id)
	if err != nil {
		return err
	}
	var r releaseAnswer
	_, err = f.do(ctx, call, http.MethodGet, f.path("/releases/%d", n), nil, &r)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		return nil
	case err != nil:
		return err
	case !r.Draft:
		return call.Fail(forge.ErrConflict, fmt.Sprintf("release %s is published, and a published release is never deleted", r.Tag))
	}
	return f.remove(ctx, call, f.path("/releases/%d", n))
}

// remove deletes what may be gone already.
func (f *Forge) remove(ctx context.Context, call *wire.Call, path string) error {
	_, err := f.do(ctx, call, http.MethodDelete, path, nil, nil)
	if errors.Is(err, forge.ErrNotFound) {
		return nil
	}
	return err
}
