package gitea_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/realtest"
)

func file(name, content string) forge.Upload {
	return forge.Upload{Name: name, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// refused checks an error of the real Gitea: its kind, that it is certain, and
// what it says.
func refused(t *testing.T, what string, err, kind error, says ...string) {
	t.Helper()
	t.Logf("%s: %v", what, err)
	if !errors.Is(err, kind) || forge.Uncertain(err) {
		t.Errorf("%s: error %v (uncertain %v), want %v", what, err, forge.Uncertain(err), kind)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: error %q does not say %q", what, err, s)
		}
	}
}

// What a token may do is known before anything is built: a read scope, a
// stranger, nobody.
func TestRealRights(t *testing.T) {
	t.Parallel()
	server := realtest.Gitea(t)
	repo, _ := server.SampleRepo(t, "rights", "v1.0.0")
	_, stranger := server.Stranger(t)
	for name, tt := range map[string]struct {
		token string
		may   bool
		kind  error
		says  string
	}{
		"scope to write": {server.Token(t, "write:repository"), true, nil, ""},
		"scope to read":  {server.Token(t, "read:repository"), false, forge.ErrForbidden, "required=[write:repository]"},
		"somebody else":  {stranger, false, forge.ErrForbidden, "permission"},
		"nobody":         {"", false, forge.ErrUnauthorized, "SLIPWAY_TOKEN"},
	} {
		f := connect(t, server, tt.token, repo.FullName())
		r, err := f.Repository(t.Context())
		want := forge.Repository{FullName: repo.FullName(), DefaultBranch: "main", CanWrite: tt.may}
		if d := cmp.Diff(want, r); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
		_, err = f.CreateDraft(t.Context(), forge.Draft{Tag: "v1.0.0", Title: "x"})
		if tt.may && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !tt.may {
			refused(t, name, err, tt.kind, tt.says)
		}
	}
	// A token for something else reads nothing here.
	f := connect(t, server, server.Token(t, "read:user"), repo.FullName())
	_, err := f.Repository(t.Context())
	refused(t, "scope for something else", err, forge.ErrForbidden, "required=[read:repository]")
}

// An empty repository, an archived one and one that has moved are known by
// preflight, and a write into them is told clearly.
func TestRealStates(t *testing.T) {
	t.Parallel()
	server := realtest.Gitea(t)
	writer := server.Token(t, "write:repository")

	empty := server.CreateRepo(t, "empty")
	f := connect(t, server, writer, empty.FullName())
	r, err := f.Repository(t.Context())
	if err != nil || !r.Empty {
		t.Errorf("empty: %+v, %v", r, err)
	}
	_, err = f.CreateDraft(t.Context(), forge.Draft{Tag: "v1.0.0", Title: "x"})
	refused(t, "draft in an empty repository", err, forge.ErrRejected, "push a commit first")
	_, err = f.Tag(t.Context(), "v1.0.0")
	refused(t, "tag in an empty repository", err, forge.ErrNotFound)

	archived, _ := server.SampleRepo(t, "archived", "v1.0.0")
	call(t, server, http.MethodPatch, "/repos/"+archived.FullName(), map[string]any{"archived": true})
	f = connect(t, server, writer, archived.FullName())
	r, err = f.Repository(t.Context())
	if err != nil || !r.Archived {
		t.Errorf("archived: %+v, %v", r, err)
	}
	_, err = f.CreateDraft(t.Context(), forge.Draft{Tag: "v1.0.0", Title: "x"})
	refused(t, "draft in an archived repository", err, forge.ErrForbidden, "archived")

	moved, _ := server.SampleRepo(t, "moved", "v1.0.0")
	old := connect(t, server, writer, moved.FullName())
	call(t, server, http.MethodPatch, "/repos/"+moved.FullName(), map[string]any{"name": moved.Name + "-new"})
	_, err = old.Repository(t.Context())
	refused(t, "repository that has moved", err, forge.ErrNotFound, moved.FullName()+"-new")
	_, err = old.CreateDraft(t.Context(), forge.Draft{Tag: "v1.0.0", Title: "x"})
	refused(t, "draft in a repository that has moved", err, forge.ErrNotForge, "may have moved")
}

// The odd codes: bad tag names, bad targets, taken and protected tags.
func TestRealRefusals(t *testing.T) {
	t.Parallel()
	server := realtest.Gitea(t)
	repo, _ := server.SampleRepo(t, "refusals", "v1.0.0")
	user, token := server.Stranger(t)
	call(t, server, http.MethodPut, "/repos/"+repo.FullName()+"/collaborators/"+user, map[string]any{"permission": "write"})
	call(t, server, http.MethodPost, "/repos/"+repo.FullName()+"/tag_protections", map[string]any{"name_pattern": "p*", "whitelist_usernames": []string{server.User}})
	// A collaborator is told less than an administrator.
	f := connect(t, server, token, repo.FullName())

	for _, tag := range []string{"", "a b", "a..b", "-x", "x.lock"} {
		_, err := f.CreateDraft(t.Context(), forge.Draft{Tag: tag, Title: "x"})
		refused(t, "tag "+tag, err, forge.ErrRejected, "git takes no tag")
	}
	rel, err := f.CreateDraft(t.Context(), forge.Draft{Tag: "v1.0.0", Title: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"v1.0.0", "V1.0.0"} {
		_, err = f.CreateDraft(t.Context(), forge.Draft{Tag: tag, Title: "x"})
		refused(t, "second draft for "+tag, err, forge.ErrConflict, "already")
	}
	if list, err := f.Releases(t.Context(), "V1.0.0"); err != nil || len(list) != 0 {
		t.Errorf("Releases of a tag in other case: %+v, %v", list, err)
	}
	if list, err := f.Releases(t.Context(), "v1.0.0"); err != nil || len(list) != 1 || list[0].ID != rel.ID {
		t.Errorf("Releases: %+v, %v", list, err)
	}
	rel, err = f.CreateDraft(t.Context(), forge.Draft{Tag: "p1", Commit: "main", Title: "x"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Update(t.Context(), rel.ID, forge.Update{Draft: forge.Draft{Tag: "p1", Commit: "main"}, Publish: true})
	// Gitea gives no reason, not even whether it made the tag before it failed.
	if !errors.Is(err, forge.ErrUnavailable) || !forge.Uncertain(err) || !strings.Contains(err.Error(), "the tag is protected") {
		t.Errorf("publishing a protected tag: error %v", err)
	}
}

// A draft's text can be emptied, and comes back as it was sent.
func TestRealEmptyTexts(t *testing.T) {
	t.Parallel()
	server := realtest.Gitea(t)
	repo, _ := server.SampleRepo(t, "texts", "v1.0.0")
	f := connect(t, server, server.Token(t, "write:repository"), repo.FullName())
	rel, err := f.CreateDraft(t.Context(), forge.Draft{Tag: "v1.0.0", Title: "before", Body: "before"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Update(t.Context(), rel.ID, forge.Update{Draft: forge.Draft{Tag: "v1.0.0"}})
	if err != nil || got.Body != "" || got.Title != "v1.0.0" || !got.Draft {
		t.Errorf("Update = %+v, %v; want no text and the tag as title", got, err)
	}
}

// Two assets of one name can be told apart, read and deleted.
func TestRealDuplicates(t *testing.T) {
	t.Parallel()
	server := realtest.Gitea(t)
	repo, _ := server.SampleRepo(t, "duplicates", "v1.0.0")
	f := connect(t, server, server.Token(t, "write:repository"), repo.FullName())
	rel, err := f.CreateDraft(t.Context(), forge.Draft{Tag: "v1.0.0", Title: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var both []forge.Asset
	for _, content := range []string{"first", "second"} {
		a, err := f.Upload(t.Context(), rel.ID, file("a.txt", content))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, a)
	}
	if err := f.DeleteAsset(t.Context(), rel.ID, both[0]); err != nil {
		t.Fatal(err)
	}
	list, err := f.Releases(t.Context(), "v1.0.0")
	if err != nil || len(list) != 1 || len(list[0].Assets) != 1 || list[0].Assets[0].ID != both[1].ID {
		t.Fatalf("Releases = %+v, %v; want the second asset", list, err)
	}
	r, err := f.OpenAsset(t.Context(), rel.ID, both[1])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err := io.ReadAll(r); err != nil || string(data) != "second" {
		t.Errorf("read %q, %v", data, err)
	}
}

// A private repository's assets are read with the token, and with none not.
func TestRealPrivate(t *testing.T) {
	t.Parallel()
	server := realtest.Gitea(t)
	repo, _ := server.SampleRepo(t, "private", "v1.0.0")
	call(t, server, http.MethodPatch, "/repos/"+repo.FullName(), map[string]any{"private": true})
	f := connect(t, server, server.Token(t, "write:repository"), repo.FullName())
	rel, err := f.CreateDraft(t.Context(), forge.Draft{Tag: "v1.0.0", Title: "x"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Upload(t.Context(), rel.ID, file("a.txt", "a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Update(t.Context(), rel.ID, forge.Update{Draft: forge.Draft{Tag: "v1.0.0"}, Publish: true}); err != nil {
		t.Fatal(err)
	}
	reader := connect(t, server, server.ReadOnlyToken(t), repo.FullName())
	r, err := reader.OpenAsset(t.Context(), rel.ID, a)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err := io.ReadAll(r); err != nil || string(data) != "a" {
		t.Errorf("read %q, %v", data, err)
	}
	_, err = connect(t, server, "", repo.FullName()).OpenAsset(t.Context(), rel.ID, a)
	refused(t, "nobody", err, forge.ErrNotFound)
}

// The server's own limits are told with the setting that makes them.
func TestRealLimits(t *testing.T) {
	t.Parallel()
	server := realtest.GiteaWith(t, map[string]map[string]string{
		"repository.release": {"FILE_MAX_SIZE": "1", "ALLOWED_TYPES": ".txt"},
	})
	repo, _ := server.SampleRepo(t, "limits", "v1.0.0")
	f := connect(t, server, server.Token(t, "write:repository"), repo.FullName())
	rel, err := f.CreateDraft(t.Context(), forge.Draft{Tag: "v1.0.0", Title: "x"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Upload(t.Context(), rel.ID, file("large.txt", strings.Repeat("x", 3<<20)))
	refused(t, "large", err, forge.ErrTooLarge, "FILE_MAX_SIZE", "upload large.txt")
	_, err = f.Upload(t.Context(), rel.ID, file("hello.tar.gz", "x"))
	refused(t, "type", err, forge.ErrRejected, "ALLOWED_TYPES", `".gz"`)
	if list, err := f.Releases(t.Context(), "v1.0.0"); err != nil || len(list[0].Assets) != 0 {
		t.Errorf("refused uploads left %+v, %v", list, err)
	}
}

// The name of the family member is in what a person reads.
func TestDialect(t *testing.T) {
	t.Parallel()
	f, err := gitea.New(gitea.Options{Dialect: gitea.Forgejo, Server: "https://forge.invalid", Repository: "a/b", Token: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteDraft(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "Forgejo") {
		t.Errorf("error %v", err)
	}
}
