package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/release"
)

// Forge looks at the repository as a forge.Forge with one token's rights. It
// has every capability that package forge says, but on Gitea neither
// Deployments nor Missed.
func (r *Repo) Forge(a Access) forge.Forge { return r.ForgeOf(a, r.dialect.Self()) }

// ForgeOf is Forge with a token of somebody's.
func (r *Repo) ForgeOf(a Access, login string) forge.Forge {
	v := view{r, a, r.people.Add(login).Login}
	if r.dialect == GitHub {
		return githubView{v}
	}
	return v
}

type view struct {
	repo   *Repo
	access Access
	login  string // whose token it is
}

// githubView adds what GitHub alone has.
type githubView struct{ view }

var (
	_ forge.Talk        = view{}
	_ forge.Commits     = view{}
	_ forge.Workflows   = view{}
	_ forge.Hooks       = view{}
	_ forge.Credentials = view{}
	_ forge.Deployments = githubView{}
	_ forge.Missed      = githubView{}
)

// may refuses what the token may not do, or what has been called off.
func (v view) may(ctx context.Context, write bool) error {
	return errors.Join(ctx.Err(), v.repo.Allow(v.access, write))
}

// failed wraps what the repository answered, as an adapter would.
func failed(op string, err error) error {
	var no *Refusal
	if errors.As(err, &no) {
		return &forge.Error{Op: op, Status: no.Status, Message: no.Error(), Kind: no.Kind}
	}
	return &forge.Error{Op: op, Err: err}
}

func (v view) Repository(ctx context.Context) (forge.Repository, error) {
	const op = "read repository"
	if err := errors.Join(ctx.Err(), v.repo.Allow(v.access, false)); err != nil {
		return forge.Repository{}, failed(op, err)
	}
	in, err := v.repo.Info(ctx)
	if err != nil {
		return forge.Repository{}, failed(op, err)
	}
	return forge.Repository{
		FullName: v.repo.fullName, DefaultBranch: in.DefaultBranch, CanWrite: v.access == Writer,
		Archived: in.Archived, Empty: in.Empty, Immutable: in.Immutable, Limits: v.repo.told(),
	}, nil
}

// told are the limits that a client can know: Gitea tells none of its own.
func (r *Repo) told() forge.Limits {
	if r.dialect == Gitea {
		return forge.Limits{}
	}
	return r.limits
}

func (v view) Tag(ctx context.Context, name string) (forge.Tag, error) {
	op := "read tag " + name
	if err := errors.Join(ctx.Err(), v.repo.Allow(v.access, false)); err != nil {
		return forge.Tag{}, failed(op, err)
	}
	c, ok, err := v.repo.refs.Peel(ctx, "refs/tags/"+name)
	if err == nil && !ok {
		err = notFound(v.repo.dialect)
	}
	if err != nil {
		return forge.Tag{}, failed(op, err)
	}
	return forge.Tag{Name: name, Commit: c.Hash}, nil
}

func (v view) Releases(ctx context.Context, tag string) ([]forge.Release, error) {
	op := "list releases of " + tag
	if err := ctx.Err(); err != nil {
		return nil, failed(op, err)
	}
	list, err := v.repo.Releases(v.access)
	if err != nil {
		return nil, failed(op, err)
	}
	out := []forge.Release{}
	for _, rel := range slices.Backward(list) {
		if rel.Tag != tag {
			continue
		}
		assets, err := v.repo.Assets(v.access, rel.ID)
		if errors.Is(err, forge.ErrNotFound) {
			continue // deleted between the two reads
		}
		if err != nil {
			return nil, failed(op, err)
		}
		out = append(out, v.repo.domain(rel, assets))
	}
	return out, nil
}

func (v view) CreateDraft(ctx context.Context, d forge.Draft) (forge.Release, error) {
	op := "create release " + d.Tag
	if err := ctx.Err(); err != nil {
		return forge.Release{}, failed(op, err)
	}
	rel, err := v.repo.Create(ctx, v.access, NewRelease{
		Tag: d.Tag, Target: d.Commit, Title: d.Title, Body: d.Body, Prerelease: d.Prerelease, Draft: true,
	})
	if err != nil {
		return forge.Release{}, failed(op, err)
	}
	return v.repo.domain(rel, rel.Assets), nil
}

func (v view) Update(ctx context.Context, id string, u forge.Update) (forge.Release, error) {
	op := "update release " + u.Tag
	n, err := number(id)
	if err := errors.Join(ctx.Err(), err); err != nil {
		return forge.Release{}, failed(op, err)
	}
	e := Edit{Tag: &u.Tag, Title: &u.Title, Body: &u.Body, Prerelease: &u.Prerelease}
	if u.Commit != "" {
		e.Target = &u.Commit
	}
	if u.Publish {
		published := false
		e.Draft = &published
		e.Latest = strconv.FormatBool(u.Latest && !u.Prerelease)
	}
	rel, err := v.repo.Edit(ctx, v.access, n, e)
	if err != nil {
		return forge.Release{}, failed(op, err)
	}
	return v.repo.domain(rel, rel.Assets), nil
}

func (v view) Upload(ctx context.Context, releaseID string, u forge.Upload) (forge.Asset, error) {
	op := "upload " + u.Name
	n, err := number(releaseID)
	if err := errors.Join(ctx.Err(), err); err != nil {
		return forge.Asset{}, failed(op, err)
	}
	if err := release.CheckAssetName(u.Name); err != nil {
		return forge.Asset{}, &forge.Error{Op: op, Kind: forge.ErrRejected, Err: err}
	}
	body, err := u.Open()
	if err != nil {
		return forge.Asset{}, failed(op, err)
	}
	defer body.Close()
	as, err := v.send(ctx, n, Upload{
		Name: u.Name, ContentType: "application/octet-stream", Size: u.Size,
		Body: &progressReader{r: body, tell: u.Progress},
	})
	if err != nil {
		return forge.Asset{}, failed(op, err)
	}
	rel, err := v.repo.Release(v.access, n)
	if err != nil {
		return forge.Asset{}, failed(op, err)
	}
	return v.repo.asset(as, rel.Tag), nil
}

// send returns as soon as the context ends, even while the body's reader
// blocks, as a cut connection would.
func (v view) send(ctx context.Context, releaseID int64, u Upload) (Asset, error) {
	type result struct {
		as  Asset
		err error
	}
	done := make(chan result, 1)
	go func() {
		as, err := v.repo.Upload(ctx, v.access, releaseID, u)
		done <- result{as, err}
	}()
	select {
	case res := <-done:
		return res.as, res.err
	case <-ctx.Done():
		return Asset{}, ctx.Err()
	}
}

func (v view) DeleteAsset(ctx context.Context, _ string, a forge.Asset) error {
	op := "delete asset " + a.Name
	n, err := number(a.ID)
	if err := errors.Join(ctx.Err(), err); err != nil {
		return failed(op, err)
	}
	if err := v.repo.DeleteAsset(v.access, n); err != nil && !errors.Is(err, forge.ErrNotFound) {
		return failed(op, err)
	}
	return nil
}

func (v view) OpenAsset(ctx context.Context, _ string, a forge.Asset) (io.ReadCloser, error) {
	op := "read asset " + a.Name
	n, err := number(a.ID)
	if err := errors.Join(ctx.Err(), err); err != nil {
		return nil, failed(op, err)
	}
	body, err := v.repo.Open(v.access, n)
	if err != nil {
		return nil, failed(op, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{untilDone(ctx, body), body}, nil
}

func (v view) DeleteDraft(ctx context.Context, id string) error {
	const op = "delete draft"
	n, err := number(id)
	if err := errors.Join(ctx.Err(), err); err != nil {
		return failed(op, err)
	}
	rel, err := v.repo.Release(v.access, n)
	switch {
	case errors.Is(err, forge.ErrNotFound) && v.access == Writer:
		return nil
	case err != nil:
		return failed(op, err)
	case !rel.Draft:
		return &forge.Error{Op: op, Message: "release " + rel.Tag + " is published", Kind: forge.ErrConflict}
	}
	if err := v.repo.Delete(v.access, n); err != nil && !errors.Is(err, forge.ErrNotFound) {
		return failed(op, err)
	}
	return nil
}

// number reads an id; one that this forge never gave names nothing.
func number(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, &Refusal{Status: 404, Message: fmt.Sprintf("no id %q", id), Kind: forge.ErrNotFound}
	}
	return n, nil
}

// domain puts a release into the interface's terms.
func (r *Repo) domain(rel Release, assets []Asset) forge.Release {
	out := forge.Release{
		ID: strconv.FormatInt(rel.ID, 10), Tag: rel.Tag, Target: rel.Target, Title: rel.Title, Body: rel.Body,
		Draft: rel.Draft, Prerelease: rel.Prerelease, Immutable: rel.Immutable,
		URL: r.url + "/releases/tag/" + url.PathEscape(rel.Tag), Created: rel.Created,
	}
	for _, a := range assets {
		out.Assets = append(out.Assets, r.asset(a, rel.Tag))
	}
	return out
}

func (r *Repo) asset(a Asset, tag string) forge.Asset {
	out := forge.Asset{ID: strconv.FormatInt(a.ID, 10), Name: a.Name, Size: a.Size, Broken: a.Starter}
	if r.dialect == GitHub && !a.Starter {
		out.Digest = "sha256:" + a.SHA256
	}
	if tag != "" {
		out.URL = r.url + "/releases/download/" + url.PathEscape(tag) + "/" + url.PathEscape(a.Name)
	}
	return out
}

// progressReader tells how many bytes have been read.
type progressReader struct {
	r    io.Reader
	sent int64
	tell func(int64)
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.sent += int64(n); n > 0 && p.tell != nil {
		p.tell(p.sent)
	}
	return n, err
}
