package gitea

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
	"github.com/slipway-dev/slipway/internal/release"
)

// emptyNote empties a release's text: the server takes an empty field of a
// change for one that stays as it is.
const emptyNote = " "

// publishing begins the operation's name, by which explain knows it.
const publishing = "publish release "

// title is never empty: the server keeps the old one, and the SDK refuses it.
func title(d forge.Draft) string {
	if d.Title == "" {
		return d.Tag
	}
	return d.Title
}

// CreateDraft makes a draft release, once the server has noted the tag.
func (f *Forge) CreateDraft(ctx context.Context, d forge.Draft) (forge.Release, error) {
	client, call, err := f.beginWrite(ctx, "create a draft for "+d.Tag)
	if err != nil {
		return forge.Release{}, err
	}
	if err := checkTag(call, d.Tag); err != nil {
		return forge.Release{}, err
	}
	if err := f.awaitTag(ctx, d.Tag); err != nil {
		return forge.Release{}, err
	}
	r, _, err := client.CreateRelease(f.owner, f.name, sdk.CreateReleaseOption{
		TagName: d.Tag, Target: d.Commit, Title: title(d), Note: d.Body, IsDraft: true, IsPrerelease: d.Prerelease,
	})
	return f.written(client, call, r, err)
}

// Update changes a release and publishes it. The server has no say in which
// release is the latest: it is the newest that is no prerelease.
func (f *Forge) Update(ctx context.Context, id string, u forge.Update) (forge.Release, error) {
	op := "update release " + u.Tag
	in := sdk.EditReleaseOption{
		TagName: u.Tag, Target: u.Commit, Title: title(u.Draft), Note: u.Body, IsPrerelease: &u.Prerelease,
	}
	if in.Note == "" {
		in.Note = emptyNote
	}
	if u.Publish {
		op = publishing + u.Tag
		draft := false
		in.IsDraft = &draft
	}
	client, call, err := f.beginWrite(ctx, op)
	if err != nil {
		return forge.Release{}, err
	}
	if err := checkTag(call, u.Tag); err != nil {
		return forge.Release{}, err
	}
	n, err := f.number(call, id)
	if err != nil {
		return forge.Release{}, err
	}
	r, _, err := client.EditRelease(f.owner, f.name, n, in)
	return f.written(client, call, r, err)
}

// checkTag refuses names that the server would take for a draft, only to fail
// with 500 when the draft is published.
func checkTag(call *wire.Call, tag string) error {
	if forge.ValidTag(tag) {
		return nil
	}
	return call.Fail(forge.ErrRejected, fmt.Sprintf("git takes no tag of the name %q", tag))
}

// written checks the answer to a write. A 500 without a reason is what an
// archived repository gives, so that is looked up.
func (f *Forge) written(client *sdk.Client, call *wire.Call, r *sdk.Release, err error) (forge.Release, error) {
	err = call.Err(err)
	var e *forge.Error
	if errors.As(err, &e) && e.Status == http.StatusInternalServerError && e.Kind == forge.ErrUnavailable {
		if repo, _, lookErr := client.GetRepo(f.owner, f.name); lookErr == nil && repo.Archived {
			return forge.Release{}, call.Fail(forge.ErrForbidden, "the repository is archived: nothing can be changed in it")
		}
	}
	if err != nil {
		return forge.Release{}, err
	}
	if r == nil || r.ID == 0 {
		return forge.Release{}, call.NotForge("the answer has no release in it")
	}
	return domainRelease(r), nil
}

// Upload attaches a file to a release. The SDK's own call would hold the whole
// file in memory, so the form is written here around the stream.
func (f *Forge) Upload(ctx context.Context, releaseID string, u forge.Upload) (forge.Asset, error) {
	ctx, call := wire.Begin(ctx, "upload "+u.Name)
	if err := f.mayWrite(call); err != nil {
		return forge.Asset{}, err
	}
	if err := release.CheckAssetName(u.Name); err != nil {
		return forge.Asset{}, call.Fail(forge.ErrRejected, err.Error())
	}
	id, err := f.number(call, releaseID)
	if err != nil {
		return forge.Asset{}, err
	}
	req, err := f.uploadRequest(ctx, id, u)
	if err != nil {
		return forge.Asset{}, call.Err(err)
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return forge.Asset{}, call.Err(err)
	}
	defer resp.Body.Close()
	var a sdk.Attachment
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return forge.Asset{}, call.Err(err)
	}
	switch {
	case a.ID == 0:
		return forge.Asset{}, call.NotForge("the answer has no asset in it")
	case a.Name != u.Name || a.Size != u.Size:
		return forge.Asset{}, &forge.Error{Op: "upload " + u.Name, Kind: forge.ErrUnavailable, MaybeDone: true,
			Message: fmt.Sprintf("%s holds %q of %d bytes where %q of %d was sent", f.dialect, a.Name, a.Size, u.Name, u.Size)}
	}
	return domainAsset(&a), nil
}

// uploadRequest puts the file into a form's field "attachment".
func (f *Forge) uploadRequest(ctx context.Context, release int64, u forge.Upload) (*http.Request, error) {
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	if _, err := writer.CreateFormFile("attachment", u.Name); err != nil {
		return nil, err
	}
	start := form.Len()
	if err := writer.Close(); err != nil {
		return nil, err
	}
	before, after := form.Bytes()[:start], form.Bytes()[start:]

	path := fmt.Sprintf("api/v1/repos/%s/%s/releases/%d/assets", f.owner, f.name, release)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.server.JoinPath(path).String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", writer.FormDataContentType())
	req.Header.Set("Accept", "application/json")
	return req, wire.SetUpload(req, u, before, after)
}

// DeleteAsset removes an asset.
func (f *Forge) DeleteAsset(ctx context.Context, releaseID string, a forge.Asset) error {
	client, call, err := f.beginWrite(ctx, "delete asset "+a.Name)
	if err != nil {
		return err
	}
	release, err := f.number(call, releaseID)
	if err != nil {
		return err
	}
	id, err := f.number(call, a.ID)
	if err != nil {
		return err
	}
	_, err = client.DeleteReleaseAttachment(f.owner, f.name, release, id)
	return goneIsFine(call.Err(err))
}

// DeleteDraft removes a draft, and refuses to remove anything else.
func (f *Forge) DeleteDraft(ctx context.Context, id string) error {
	client, call, err := f.beginWrite(ctx, "delete draft "+id)
	if err != nil {
		return err
	}
	n, err := f.number(call, id)
	if err != nil {
		return err
	}
	r, _, err := client.GetRelease(f.owner, f.name, n)
	if err := call.Err(err); err != nil {
		return goneIsFine(err)
	}
	if !r.IsDraft {
		return call.Fail(forge.ErrConflict, fmt.Sprintf("release %s is published, and a published release is never deleted", r.TagName))
	}
	_, err = client.DeleteRelease(f.owner, f.name, n)
	return goneIsFine(call.Err(err))
}

func goneIsFine(err error) error {
	if errors.Is(err, forge.ErrNotFound) {
		return nil
	}
	return err
}
