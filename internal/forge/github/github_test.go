package github_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/github"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

func writer(t *testing.T, sim *simtest.Sim) *github.Forge {
	t.Helper()
	return onSim(t, sim, simtest.Repository, simforge.WriteToken, wire.Options{})
}

func draft(sim *simtest.Sim, tag string) forge.Draft {
	return forge.Draft{Tag: tag, Commit: sim.Tags["v1.0.0"], Title: tag, Body: "notes"}
}

// A draft on the last page of a long list is found, as the list is in no order
// that says where drafts are; broken assets, which the list hides, are shown.
func TestDraftAmongMany(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{}, "upload-502@2")
	f := writer(t, sim)
	rel, err := f.CreateDraft(t.Context(), draft(sim, "v1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	whole := file("whole.txt", "x")
	if _, err := f.Upload(t.Context(), rel.ID, whole); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Upload(t.Context(), rel.ID, file("broken.txt", "x")); !forge.Uncertain(err) {
		t.Fatalf("error %v", err)
	}
	for i := range 512 {
		if _, err := sim.Repo.Create(t.Context(), memory.Writer, memory.NewRelease{Tag: "fill-" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := f.Releases(t.Context(), "v1.0.0")
	if err != nil || len(list) != 1 || len(list[0].Assets) != 2 {
		t.Fatalf("Releases = %+v, %v; want the draft with two assets", list, err)
	}
	for _, a := range list[0].Assets {
		if a.Broken != (a.Name == "broken.txt") {
			t.Errorf("asset %+v", a)
		}
	}
}

func file(name, content string) forge.Upload {
	return forge.Upload{Name: name, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// What an immutable release forbids is told as that, and preflight knows that
// publishing will freeze.
func TestImmutable(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{})
	sim.Repo.SetImmutable(true)
	f := writer(t, sim)
	if r, err := f.Repository(t.Context()); err != nil || !r.Immutable {
		t.Errorf("Repository = %+v, %v; want Immutable", r, err)
	}
	rel, err := f.CreateDraft(t.Context(), draft(sim, "v1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Upload(t.Context(), rel.ID, file("a.txt", "a"))
	if err != nil {
		t.Fatal(err)
	}
	published, err := f.Update(t.Context(), rel.ID, forge.Update{Draft: draft(sim, "v1.0.0"), Publish: true})
	if err != nil || !published.Immutable {
		t.Fatalf("Update = %+v, %v; want an immutable release", published, err)
	}
	_, upload := f.Upload(t.Context(), rel.ID, file("b.txt", "b"))
	deletion := f.DeleteAsset(t.Context(), rel.ID, a)
	for what, err := range map[string]error{"Upload": upload, "DeleteAsset": deletion} {
		if !errors.Is(err, forge.ErrImmutable) || forge.Uncertain(err) {
			t.Errorf("%s: error %v, want ErrImmutable", what, err)
		}
	}
	if err := sim.Repo.Delete(memory.Writer, mustID(t, rel.ID)); err != nil {
		t.Fatal(err)
	}
	again, err := f.CreateDraft(t.Context(), draft(sim, "v1.0.0"))
	if err == nil {
		_, err = f.Update(t.Context(), again.ID, forge.Update{Draft: draft(sim, "v1.0.0"), Publish: true})
	}
	if !errors.Is(err, forge.ErrImmutable) {
		t.Errorf("second use of the tag: error %v, want ErrImmutable", err)
	}
}

func mustID(t *testing.T, id string) int64 {
	t.Helper()
	n := int64(0)
	for _, c := range id {
		n = n*10 + int64(c-'0')
	}
	return n
}

// Publishing chooses the latest release as it is told, and never a prerelease.
func TestLatest(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{})
	f := writer(t, sim)
	for _, u := range []forge.Update{
		{Draft: draft(sim, "v1.1.0"), Publish: true, Latest: true},
		{Draft: draft(sim, "v1.0.0"), Publish: true, Latest: false},
		{Draft: forge.Draft{Tag: "v2.0.0-rc1", Commit: sim.Tags["v1.0.0"], Prerelease: true}, Publish: true, Latest: true},
	} {
		rel, err := f.CreateDraft(t.Context(), u.Draft)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Update(t.Context(), rel.ID, u); err != nil {
			t.Fatal(err)
		}
	}
	if latest, err := sim.Repo.Latest(memory.Anonymous); err != nil || latest.Tag != "v1.1.0" {
		t.Errorf("latest is %q, %v; want v1.1.0", latest.Tag, err)
	}
}

// An empty repository is known as one; so is one whose size GitHub rounds to 0.
func TestEmptyRepository(t *testing.T) {
	t.Parallel()
	for empty, status := range map[bool]int{true: 409, false: 200} {
		f := scripted(t, "ghp_x", map[string]answer{
			"GET /api/v3/repos/acme/hello":                    {200, `{"full_name":"acme/hello","default_branch":"main","size":0,"permissions":{"push":true}}`, nil},
			"GET /api/v3/repos/acme/hello/git/ref/heads/main": {status, `{"message":"Git Repository is empty."}`, nil},
		})
		if r, err := f.Repository(t.Context()); err != nil || r.Empty != empty || !r.CanWrite {
			t.Errorf("Repository = %+v, %v; want Empty %v", r, err, empty)
		}
	}
}

// Who may write: GitHub tells the rights of people, but not those of a
// workflow's token or another installation's.
func TestCanWrite(t *testing.T) {
	t.Parallel()
	const installation = "GET /api/v3/installation/repositories"
	tests := []struct {
		name, token, permissions string
		more                     map[string]answer
		want                     bool
	}{
		{"a person who may", "ghp_x", `,"permissions":{"push":true}`, nil, true},
		{"a person who may not", "ghp_x", `,"permissions":{"push":false}`, map[string]answer{installation: {403, `{"message":"You must authenticate with an installation access token"}`, nil}}, false},
		{"a workflow", "ghs_x", `,"permissions":{"push":false}`, nil, true},
		{"an installation with another token", "x", `,"permissions":{"push":false}`, map[string]answer{installation: {200, `{"total_count":1}`, nil}}, true},
		{"nothing told", "x", ``, nil, true},
		{"no token", "", `,"permissions":{"push":true}`, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answers := map[string]answer{"GET /api/v3/repos/acme/hello": {200, `{"full_name":"acme/hello","default_branch":"main","size":9` + tt.permissions + `}`, nil}}
			for k, v := range tt.more {
				answers[k] = v
			}
			r, err := scripted(t, tt.token, answers).Repository(t.Context())
			want := forge.Repository{FullName: "acme/hello", DefaultBranch: "main", CanWrite: tt.want,
				Limits: forge.Limits{Assets: 1000, AssetSize: 2<<30 - 1, NotesSize: 125000}}
			if d := cmp.Diff(want, r); d != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
		})
	}
}

// Refusals say what to do.
func TestRefusalTexts(t *testing.T) {
	t.Parallel()
	const create = "POST /api/v3/repos/acme/hello/releases"
	tests := []struct {
		name string
		a    answer
		kind error
		says []string
	}{
		{"single sign-on", answer{403, `{"message":"Resource protected by organization SAML enforcement."}`, map[string]string{
			"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso?authorization_request=ABC"}}, forge.ErrForbidden,
			[]string{"SAML", "https://github.com/orgs/acme/sso"}},
		{"a workflow without the right", answer{403, `{"message":"Resource not accessible by integration"}`, nil}, forge.ErrForbidden, []string{"contents: write"}},
		{"archived", answer{403, `{"message":"Repository was archived so is read-only."}`, nil}, forge.ErrForbidden, []string{"archived"}},
		{"bad token", answer{401, `{"message":"Bad credentials"}`, nil}, forge.ErrUnauthorized, []string{"Bad credentials", "revoked"}},
		{"no right to a private repository", answer{404, `{"message":"Not Found"}`, nil}, forge.ErrNotFound, []string{"may not write"}},
		{"taken", answer{422, `{"message":"Validation Failed","errors":[{"resource":"Release","code":"already_exists","field":"tag_name"}]}`, nil},
			forge.ErrConflict, []string{"Release tag_name already_exists"}},
		{"used by an immutable release", answer{422, `{"message":"Validation Failed","errors":[{"resource":"Release","code":"custom","message":"tag_name was used by an immutable release"}]}`, nil},
			forge.ErrImmutable, []string{"tag_name was used by an immutable release"}},
		{"errors in words", answer{422, `{"message":"Validation Failed","errors":["body is too long (maximum is 125000 characters)"]}`, nil},
			forge.ErrRejected, []string{"body is too long"}},
		{"errors of another form", answer{422, `{"message":"Validation Failed","errors":{"a":1}}`, nil}, forge.ErrRejected, []string{"Validation Failed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := scripted(t, "x", map[string]answer{create: tt.a}).CreateDraft(t.Context(), forge.Draft{Tag: "v1.0.0"})
			if !errors.Is(err, tt.kind) || forge.Uncertain(err) {
				t.Fatalf("error %v, want %v", err, tt.kind)
			}
			for _, says := range append(tt.says, "create a draft for v1.0.0") {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("error %q does not say %q", err, says)
				}
			}
			if strings.Contains(err.Error(), "authorization_request") {
				t.Errorf("error %q has the session's part of an address", err)
			}
		})
	}
}

// An asset that GitHub renames is taken back.
func TestRenamedAsset(t *testing.T) {
	t.Parallel()
	deleted := false
	f := scripted(t, "x", map[string]answer{
		"POST /api/uploads/repos/acme/hello/releases/1/assets": {201, `{"id":7,"name":"a.b","size":1,"state":"uploaded"}`, nil},
		"DELETE /api/v3/repos/acme/hello/releases/assets/7":    {204, "", map[string]string{"X-Note": "deleted"}},
	}, func(r *http.Request) { deleted = deleted || r.Method == http.MethodDelete })
	_, err := f.Upload(t.Context(), "1", file("a+b", "x"))
	if !errors.Is(err, forge.ErrRejected) || !deleted || !strings.Contains(err.Error(), `"a.b"`) {
		t.Errorf("error %v, deleted %v", err, deleted)
	}
}

// Without a token nothing is sent that writes, and the person is told how to
// give one.
func TestNoToken(t *testing.T) {
	t.Parallel()
	f := scripted(t, "", nil, func(r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) })
	_, create := f.CreateDraft(t.Context(), forge.Draft{Tag: "v1"})
	_, update := f.Update(t.Context(), "1", forge.Update{Draft: forge.Draft{Tag: "v1"}})
	_, upload := f.Upload(t.Context(), "1", file("a", "a"))
	for what, err := range map[string]error{
		"CreateDraft": create, "Update": update, "Upload": upload,
		"DeleteAsset": f.DeleteAsset(t.Context(), "1", forge.Asset{ID: "1"}), "DeleteDraft": f.DeleteDraft(t.Context(), "1"),
	} {
		if !errors.Is(err, forge.ErrUnauthorized) || !strings.Contains(err.Error(), "SLIPWAY_TOKEN") {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

// Bad options are refused before anything is asked.
func TestBadOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []github.Options{{Repository: "acme"}, {Repository: "a/b", Server: "ftp://x"}, {Repository: "../b"}} {
		if f, err := github.New(o); err == nil || f != nil {
			t.Errorf("New(%+v) = %v, %v", o, f, err)
		}
	}
}

type answer struct {
	status  int
	body    string
	headers map[string]string
}

// scripted is the adapter on a server that gives the answers written down, and
// GitHub's 404 to all else.
func scripted(t *testing.T, token string, answers map[string]answer, watch ...func(*http.Request)) *github.Forge {
	t.Helper()
	return scriptedWith(t, github.Options{Token: token}, answers, watch...)
}

func scriptedWith(t *testing.T, o github.Options, answers map[string]answer, watch ...func(*http.Request)) *github.Forge {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, f := range watch {
			f(r)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		a, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			a = answer{404, `{"message":"Not Found"}`, nil}
		}
		for k, v := range a.headers {
			w.Header().Set(k, v)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(s.Close)
	o.Server, o.Repository, o.UserAgent = s.URL, "acme/hello", "slipway/test"
	f, err := github.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
