package gitea

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

func domainRelease(r *sdk.Release) forge.Release {
	out := forge.Release{
		ID: strconv.FormatInt(r.ID, 10), Tag: r.TagName, Target: r.Target, Title: r.Title, Body: r.Note,
		Draft: r.IsDraft, Prerelease: r.IsPrerelease, URL: r.HTMLURL, Created: r.CreatedAt,
	}
	if out.Body == emptyNote {
		out.Body = ""
	}
	// The list in the release is whole: the server never parts it in pages.
	attachments := slices.DeleteFunc(slices.Clone(r.Attachments), func(a *sdk.Attachment) bool { return a == nil })
	slices.SortFunc(attachments, func(a, b *sdk.Attachment) int { return cmp.Compare(a.ID, b.ID) })
	for _, a := range attachments {
		out.Assets = append(out.Assets, domainAsset(a))
	}
	return out
}

func domainAsset(a *sdk.Attachment) forge.Asset {
	return forge.Asset{ID: strconv.FormatInt(a.ID, 10), Name: a.Name, Size: a.Size, URL: a.DownloadURL}
}

// Repository reads what preflight must know.
func (f *Forge) Repository(ctx context.Context) (forge.Repository, error) {
	asked := f.owner + "/" + f.name
	client, call, err := f.begin(ctx, "read repository "+asked)
	if err != nil {
		return forge.Repository{}, err
	}
	r, _, err := client.GetRepo(f.owner, f.name)
	err = call.Err(err)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		return forge.Repository{}, call.Fail(forge.ErrNotFound, fmt.Sprintf(
			"%s has no repository %s, or the token may not see it", f.server.Host, asked))
	case err != nil:
		return forge.Repository{}, err
	case r.FullName == "":
		return forge.Repository{}, call.NotForge("the answer names no repository")
	case !strings.EqualFold(r.FullName, asked):
		// Reads would be sent on to the new name, but writes are not.
		return forge.Repository{}, call.Fail(forge.ErrNotFound, fmt.Sprintf("it has moved: its name is %s now", r.FullName))
	}
	if r.Empty {
		if err := f.awaitFirstPush(ctx); err != nil {
			return forge.Repository{}, err
		}
		if r, _, err = client.GetRepo(f.owner, f.name); err != nil {
			return forge.Repository{}, call.Err(err)
		}
	}
	out := forge.Repository{FullName: r.FullName, DefaultBranch: r.DefaultBranch, Archived: r.Archived, Empty: r.Empty}
	if f.token != "" && (r.Permissions == nil || r.Permissions.Push) {
		out.CanWrite, err = f.canWrite(client, call)
	}
	return out, err
}

// canWrite finds out whether the token's scope allows what its user may do,
// which the repository's permissions do not say: it changes release 0, which
// never exists. A token that may write is told so (404), another one that it
// may not (403).
func (f *Forge) canWrite(client *sdk.Client, call *wire.Call) (bool, error) {
	_, _, err := client.EditRelease(f.owner, f.name, 0, sdk.EditReleaseOption{})
	err = call.Err(err)
	switch {
	case errors.Is(err, forge.ErrForbidden), errors.Is(err, forge.ErrUnauthorized):
		return false, nil
	case err == nil, errors.Is(err, forge.ErrNotFound), errors.Is(err, forge.ErrRejected):
		return true, nil
	}
	return false, err
}

// Tag resolves a tag to its commit.
func (f *Forge) Tag(ctx context.Context, name string) (forge.Tag, error) {
	client, call, err := f.begin(ctx, "read tag "+name)
	if err != nil {
		return forge.Tag{}, err
	}
	if !forge.ValidTag(name) {
		return forge.Tag{}, call.Fail(forge.ErrNotFound, "git takes no such tag name")
	}
	tag, _, err := client.GetTag(f.owner, f.name, name)
	if err := call.Err(err); err != nil {
		return forge.Tag{}, err
	}
	if tag.Commit == nil || tag.Commit.SHA == "" || tag.Name != name {
		return forge.Tag{}, call.NotForge("the answer has no such tag in it")
	}
	commit := tag.Commit.SHA
	if tag.ID != commit { // annotated; it may point at another tag
		annotated, _, err := client.GetAnnotatedTag(f.owner, f.name, tag.ID)
		err = call.Err(err)
		switch {
		case err == nil && annotated.Object != nil && annotated.Object.SHA != "":
			commit = annotated.Object.SHA
		case err != nil && !errors.Is(err, forge.ErrNotFound) && !errors.Is(err, forge.ErrRejected):
			// A refusal (the tag object has another name than its ref) leaves
			// the object that the tag points at.
			return forge.Tag{}, err
		}
	}
	return forge.Tag{Name: name, Commit: commit}, nil
}

// Releases finds the release of a tag: there is at most one, as the server
// keeps tags unique. Asked by tag it shows a draft to those who may write;
// should a server not, the list of drafts does.
func (f *Forge) Releases(ctx context.Context, tag string) ([]forge.Release, error) {
	client, call, err := f.begin(ctx, "list releases of "+tag)
	if err != nil {
		return nil, err
	}
	if !forge.ValidTag(tag) {
		return []forge.Release{}, nil
	}
	r, _, err := client.GetReleaseByTag(f.owner, f.name, tag)
	err = call.Err(err)
	switch {
	case err == nil && r.ID == 0:
		return nil, call.NotForge("the answer has no release in it")
	case err == nil && r.TagName == tag:
		return []forge.Release{domainRelease(r)}, nil
	case err != nil && !errors.Is(err, forge.ErrNotFound):
		return nil, err
	}
	return f.drafts(client, call, tag)
}

// drafts looks for a tag's draft in the list of drafts, page by page. The
// server may give fewer on a page than asked for, so only a page with nothing
// new ends the list, or the count that the server tells.
func (f *Forge) drafts(client *sdk.Client, call *wire.Call, tag string) ([]forge.Release, error) {
	out, seen, yes := []forge.Release{}, map[int64]bool{}, true
	for page := 1; ; page++ {
		list, resp, err := client.ListReleases(f.owner, f.name, sdk.ListReleasesOptions{
			ListOptions: sdk.ListOptions{Page: page, PageSize: 50}, IsDraft: &yes,
		})
		if err := call.Err(err); err != nil {
			return nil, err
		}
		before := len(seen)
		for _, r := range list {
			if r != nil && !seen[r.ID] {
				seen[r.ID] = true
				if r.TagName == tag {
					out = append(out, domainRelease(r))
				}
			}
		}
		total, err := strconv.Atoi(resp.Header.Get("X-Total-Count"))
		if len(seen) == before || (err == nil && len(seen) >= total) {
			return out, nil
		}
	}
}

// OpenAsset reads an asset's content. Its address is asked for first: the one
// in the release is made of the tag and the name, which two assets may share,
// and of the server's own idea of its address.
func (f *Forge) OpenAsset(ctx context.Context, releaseID string, a forge.Asset) (io.ReadCloser, error) {
	op := "download " + a.Name
	client, call, err := f.begin(ctx, op)
	if err != nil {
		return nil, err
	}
	release, err := f.number(call, releaseID)
	if err != nil {
		return nil, err
	}
	id, err := f.number(call, a.ID)
	if err != nil {
		return nil, err
	}
	attachment, _, err := client.GetReleaseAttachment(f.owner, f.name, release, id)
	if err := call.Err(err); err != nil {
		return nil, err
	}
	if attachment.UUID == "" {
		return nil, call.NotForge("the answer has no asset in it")
	}
	return wire.Open(ctx, f.http, op, func() (*http.Request, error) {
		return http.NewRequest(http.MethodGet, f.server.JoinPath("attachments", attachment.UUID).String(), nil)
	})
}
