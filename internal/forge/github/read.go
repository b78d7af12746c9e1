package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// releaseAnswer and asset are GitHub's answers; go-github v60 has neither "digest"
// nor "immutable".
type releaseAnswer struct {
	ID         int64     `json:"id"`
	Tag        string    `json:"tag_name"`
	Target     string    `json:"target_commitish"`
	Title      string    `json:"name"`
	Body       string    `json:"body"`
	Draft      bool      `json:"draft"`
	Prerelease bool      `json:"prerelease"`
	Immutable  bool      `json:"immutable"`
	HTMLURL    string    `json:"html_url"`
	UploadURL  string    `json:"upload_url"`
	Created    time.Time `json:"created_at"`
}

type asset struct {
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	State  string `json:"state"`
	Digest string `json:"digest"`
	URL    string `json:"browser_download_url"`
}

func (r releaseAnswer) domain(assets []asset) forge.Release {
	out := forge.Release{
		ID: strconv.FormatInt(r.ID, 10), Tag: r.Tag, Target: r.Target, Title: r.Title, Body: r.Body,
		Draft: r.Draft, Prerelease: r.Prerelease, Immutable: r.Immutable,
		URL: r.HTMLURL, UploadURL: r.UploadURL, Created: r.Created,
	}
	for _, a := range assets {
		out.Assets = append(out.Assets, a.domain())
	}
	return out
}

func (a asset) domain() forge.Asset {
	out := forge.Asset{
		ID: strconv.FormatInt(a.ID, 10), Name: a.Name, Size: a.Size, URL: a.URL,
		Broken: a.State != "" && a.State != "uploaded",
	}
	if strings.HasPrefix(a.Digest, "sha256:") {
		out.Digest = a.Digest
	}
	return out
}

// Repository reads what preflight must know.
func (f *Forge) Repository(ctx context.Context) (forge.Repository, error) {
	ctx, call := wire.Begin(ctx, fmt.Sprintf("read repository %s/%s", f.owner, f.name))
	r, _, err := f.client.Repositories.Get(ctx, f.owner, f.name)
	if err := call.Err(err); errors.Is(err, forge.ErrNotFound) {
		return forge.Repository{}, call.Fail(forge.ErrNotFound, fmt.Sprintf(
			"%s has no repository %s/%s, or the token may not see it", f.host, f.owner, f.name))
	} else if err != nil {
		return forge.Repository{}, err
	}
	if r.GetFullName() == "" {
		return forge.Repository{}, call.NotForge("the answer names no repository")
	}
	out := forge.Repository{
		FullName: r.GetFullName(), DefaultBranch: r.GetDefaultBranch(), Archived: r.GetArchived(),
		Limits: forge.Limits{Assets: maxAssets, AssetSize: maxAssetSize, NotesSize: maxNotes},
	}
	if out.CanWrite, err = f.canWrite(ctx, call, r.Permissions); err != nil {
		return forge.Repository{}, err
	}
	if r.GetSize() == 0 { // in KB, and late: a small repository has 0 too
		if out.Empty, err = f.isEmpty(ctx, call, out.DefaultBranch); err != nil {
			return forge.Repository{}, err
		}
	}
	if out.Immutable, err = f.immutable(ctx, call); err != nil {
		return forge.Repository{}, err
	}
	return out, nil
}

// canWrite says whether the token may push, as far as GitHub tells: for an
// app's installation, a workflow's GITHUB_TOKEN among them, permissions are
// missing or all false whatever it may do, and the answer is yes.
func (f *Forge) canWrite(ctx context.Context, call *wire.Call, permissions map[string]bool) (bool, error) {
	if f.app != nil {
		return f.app.mayWrite(ctx)
	}
	if f.token == "" {
		return false, nil
	}
	push, known := permissions["push"]
	if push || !known || strings.HasPrefix(f.token, "ghs_") {
		return true, nil
	}
	_, err := f.do(ctx, call, http.MethodGet, "installation/repositories?per_page=1", nil, nil)
	return err == nil, refusedIsFine(err)
}

// isEmpty: GitHub answers 409 to a question about the refs of an empty
// repository.
func (f *Forge) isEmpty(ctx context.Context, call *wire.Call, branch string) (bool, error) {
	_, err := f.do(ctx, call, http.MethodGet, f.path("/git/ref/heads/%s", url.PathEscape(branch)), nil, nil)
	return errors.Is(err, forge.ErrConflict), refusedIsFine(err)
}

// immutable reads the setting, which answers 404 where it is off or unknown,
// and 403 to a token without the right to read it.
func (f *Forge) immutable(ctx context.Context, call *wire.Call) (bool, error) {
	var setting struct {
		Enabled bool `json:"enabled"`
	}
	_, err := f.do(ctx, call, http.MethodGet, f.path("/immutable-releases"), nil, &setting)
	return setting.Enabled, refusedIsFine(err)
}

// refusedIsFine keeps only faults of the connection: a refusal is an answer.
func refusedIsFine(err error) error {
	for _, kind := range []error{
		forge.ErrNotFound, forge.ErrForbidden, forge.ErrUnauthorized, forge.ErrConflict, forge.ErrRejected,
	} {
		if errors.Is(err, kind) {
			return nil
		}
	}
	return err
}

// Tag resolves a tag to its commit.
func (f *Forge) Tag(ctx context.Context, name string) (forge.Tag, error) {
	ctx, call := wire.Begin(ctx, "read tag "+name)
	if !forge.ValidTag(name) {
		return forge.Tag{}, call.Fail(forge.ErrNotFound, "git takes no such tag name")
	}
	ref, _, err := f.client.Git.GetRef(ctx, f.owner, f.name, "tags/"+name)
	if err := call.Err(err); err != nil {
		return forge.Tag{}, err
	}
	if ref.GetRef() != "refs/tags/"+name {
		return forge.Tag{}, call.Fail(forge.ErrNotFound, "there is no such tag")
	}
	object := ref.GetObject()
	for range 8 { // a tag may point at a tag
		if object.GetType() == "commit" && object.GetSHA() != "" {
			return forge.Tag{Name: name, Commit: object.GetSHA()}, nil
		}
		if object.GetType() != "tag" {
			break
		}
		tag, _, err := f.client.Git.GetTag(ctx, f.owner, f.name, object.GetSHA())
		if err := call.Err(err); err != nil {
			return forge.Tag{}, err
		}
		object = tag.GetObject()
	}
	return forge.Tag{}, call.Fail(forge.ErrRejected, fmt.Sprintf("it points at a %s, not at a commit", object.GetType()))
}

// Releases lists the releases of a tag. Only the whole list shows drafts, and
// its order (by the commit's time) says nothing of where a draft stands, so
// every page is read; the last page's number lets them come side by side.
func (f *Forge) Releases(ctx context.Context, tag string) ([]forge.Release, error) {
	ctx, call := wire.Begin(ctx, "list releases of "+tag)
	all, err := pages[releaseAnswer](ctx, f.api, call, f.path("/releases"), func(r releaseAnswer) int64 { return r.ID })
	if err != nil {
		return nil, err
	}
	out := []forge.Release{}
	for _, r := range all {
		if r.Tag != tag {
			continue
		}
		// The list itself hides broken assets.
		assets, err := pages[asset](ctx, f.api, call, f.path("/releases/%d/assets", r.ID), func(a asset) int64 { return a.ID })
		if errors.Is(err, forge.ErrNotFound) {
			continue // it was deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, r.domain(assets))
	}
	return out, nil
}

// OpenAsset reads an asset's content. GitHub sends the reader on to another
// host, which does not get the token.
func (f *Forge) OpenAsset(ctx context.Context, releaseID string, a forge.Asset) (io.ReadCloser, error) {
	op := "download " + a.Name
	_, call := wire.Begin(ctx, op)
	id, err := number(call, a.ID)
	if err != nil {
		return nil, err
	}
	return wire.Open(ctx, f.http, op, func() (*http.Request, error) {
		req, err := f.client.NewRequest(http.MethodGet, f.path("/releases/assets/%d", id), nil)
		if err == nil {
			req.Header.Set("Accept", "application/octet-stream")
		}
		return req, err
	})
}
