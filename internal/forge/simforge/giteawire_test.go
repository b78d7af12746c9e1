package simforge_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

var onGitea = simforge.Options{Dialect: memory.Gitea}

// A second release on a tag is a conflict, drafts included; a writer's GET by
// tag sees the draft, a reader's does not.
func TestGiteaDrafts(t *testing.T) {
	t.Parallel()
	_, _, c := start(t, onGitea, memory.Options{})
	id := c.draft("v1.0.0")
	no := c.do(409, "POST", ghReleases, map[string]any{"tag_name": "V1.0.0", "draft": true})
	if !strings.Contains(string(no.body), "Release is has no Tag") || !strings.Contains(string(no.body), "/api/swagger") {
		t.Errorf("second draft: %s", no.body)
	}
	c.do(200, "GET", ghReleases+"/tags/v1.0.0", nil)
	client{t, c.base, ""}.do(404, "GET", ghReleases+"/tags/v1.0.0", nil)
	client{t, c.base, simforge.ReadToken}.do(404, "GET", fmt.Sprintf("%s/%d", ghReleases, id), nil)
	c.do(409, "DELETE", "/repos/acme/hello/tags/v1.0.0", nil)
	// The deleted release's row stays for its tag: the next one has its id.
	c.do(204, "DELETE", fmt.Sprintf("%s/%d", ghReleases, id), nil)
	if again := c.draft("v1.0.0"); again != id {
		t.Errorf("the new draft has id %d, the old one had %d", again, id)
	}
}

// Empty texts are not written: Gitea cannot clear them.
func TestGiteaKeepsTexts(t *testing.T) {
	t.Parallel()
	_, repo, c := start(t, onGitea, memory.Options{})
	id := c.draft("v1.0.0")
	c.do(200, "PATCH", fmt.Sprintf("%s/%d", ghReleases, id), map[string]any{"name": "", "body": "notes", "unknown": 1})
	c.do(200, "PATCH", fmt.Sprintf("%s/%d", ghReleases, id), map[string]any{"name": "", "body": ""})
	if rel, err := repo.Release(memory.Writer, id); err != nil || rel.Title != "v1.0.0" || rel.Body != "notes" {
		t.Errorf("%+v, %v", rel, err)
	}
}

// The same asset name is taken twice, and turns every address into one by uuid.
func TestGiteaDuplicateNames(t *testing.T) {
	t.Parallel()
	_, _, c := start(t, onGitea, memory.Options{})
	id := c.draft("v1.0.0")
	c.do(201, "POST", assetPath(id, "b.txt"), []byte("b"))
	urls := func() []string {
		var rel struct {
			Assets []struct {
				URL string `json:"browser_download_url"`
			}
		}
		c.do(200, "GET", fmt.Sprintf("%s/%d", ghReleases, id), nil).json(t, &rel)
		var out []string
		for _, a := range rel.Assets {
			out = append(out, a.URL)
		}
		return out
	}
	if got := urls(); !strings.HasSuffix(got[0], "/acme/hello/releases/download/v1.0.0/b.txt") {
		t.Errorf("addresses %v", got)
	}
	c.do(201, "POST", assetPath(id, "b.txt"), []byte("B"))
	got := urls()
	for _, u := range got {
		if !strings.Contains(u, "/attachments/") {
			t.Errorf("addresses of duplicates: %v", got)
		}
	}
	if len(got) != 2 || string(c.do(200, "GET", got[1], nil).body) != "B" {
		t.Errorf("contents of %v", got)
	}
	client{t, "", ""}.do(404, "GET", got[0], nil) // a draft's
}

// Both forms of upload work; names are stored as they come; an empty file is
// taken; a form that breaks off leaves nothing.
func TestGiteaUploads(t *testing.T) {
	t.Parallel()
	s, repo, c := start(t, onGitea, memory.Options{Dir: t.TempDir()})
	id := c.draft("v1.0.0")
	path := fmt.Sprintf("%s/%d/assets", ghReleases, id)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("attachment", "form.txt")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(part, "from a form")
	cutForm := bytes.Clone(form.Bytes())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if a, err := c.send("POST", path, w.FormDataContentType(), form.Bytes()); err != nil || a.status != 201 {
		t.Fatalf("form: %d %s %v", a.status, a.body, err)
	}
	if a, err := c.send("POST", path, w.FormDataContentType(), cutForm); err == nil && a.status < 400 {
		t.Errorf("a form without an end: %d %s", a.status, a.body)
	}
	c.do(201, "POST", assetPath(id, "..%2F..%2Fetc%2Fpasswd"), []byte("root"))
	c.do(201, "POST", assetPath(id, "empty"), []byte{})
	no := c.do(400, "POST", path, []byte("x"))
	if !strings.Contains(string(no.body), "Could not determine name") {
		t.Errorf("no name: %s", no.body)
	}
	list, err := repo.Assets(memory.Writer, id)
	if err != nil || len(list) != 3 || list[0].Name != "../../etc/passwd" || list[1].Size != 0 || list[2].Size != 11 {
		t.Errorf("assets %+v, %v", list, err)
	}
	if got := s.Recorder().Stored(); len(got) != 3 || got["form.txt"] != 1 {
		t.Errorf("stored %v", got)
	}
}

// The odd codes are the ones that Gitea has.
func TestGiteaOddCodes(t *testing.T) {
	t.Parallel()
	_, repo, c := start(t, onGitea, memory.Options{Limits: forge.Limits{AssetSize: 10}, ProtectedTags: []string{"p*"}})
	id := c.draft("v1.0.0")
	release := func(tag, target string) map[string]any {
		return map[string]any{"tag_name": tag, "target_commitish": target}
	}
	for what, tt := range map[string]struct {
		method, path string
		body         any
		status       int
	}{
		"bad tag":            {"POST", ghReleases, release("a..b", "main"), 500},
		"bad target":         {"POST", ghReleases, release("v3", "nowhere"), 404},
		"protected tag":      {"POST", ghReleases, release("p1", "main"), 422},
		"no tag":             {"POST", ghReleases, release("", "main"), 422},
		"too large":          {"POST", assetPath(id, "a"), make([]byte, 11), 413},
		"no latest":          {"GET", ghReleases + "/latest", nil, 404},
		"generate notes":     {"POST", ghReleases + "/generate-notes", release("v1", ""), 405},
		"no such tag":        {"GET", "/repos/acme/hello/tags/v9", nil, 404},
		"part of a tag":      {"GET", "/repos/acme/hello/git/refs/tags/v1.0", nil, 404},
		"GitHub's API":       {"GET", "/repos/acme/hello/immutable-releases", nil, 404},
		"bad binding":        {"POST", ghReleases, map[string]any{"tag_name": 7}, 422},
		"slash in a segment": {"GET", ghReleases + "/tags/a/b", nil, 404},
	} {
		if a, err := c.send(tt.method, tt.path, kindOf(tt.body), bytesOf(t, tt.body)); err != nil || a.status != tt.status {
			t.Errorf("%s: %d %s %v, want %d", what, a.status, a.body, err, tt.status)
		}
	}
	repo.SetArchived(true)
	c.do(500, "PATCH", fmt.Sprintf("%s/%d", ghReleases, id), map[string]any{"draft": false})
	_, _, empty := start(t, onGitea, memory.Options{Refs: memory.NewRefs()})
	empty.do(422, "POST", ghReleases, release("v1", ""))
	for token, want := range map[string]int{"nonsense": 401, "": 401, simforge.ReadToken: 403} {
		client{t, c.base, token}.do(want, "POST", ghReleases, release("v4", "main"))
	}
	client{t, c.base, "nonsense"}.do(401, "GET", "/version", nil)
}

func kindOf(body any) string {
	if _, ok := body.([]byte); ok {
		return "application/octet-stream"
	}
	return "application/json"
}

// Pages hold 50 at most, and tell the total.
func TestGiteaPages(t *testing.T) {
	t.Parallel()
	_, repo, c := start(t, onGitea, memory.Options{})
	for i := range 60 {
		if _, err := repo.Create(t.Context(), memory.Writer, memory.NewRelease{Tag: fmt.Sprintf("t%d", i), Draft: i < 55}); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]struct {
		n     int
		total string
	}{
		"": {30, "60"}, "?limit=100": {50, "60"}, "?limit=50&page=2": {10, "60"}, "?draft=false": {5, "5"}, "?pre-release=true": {0, "0"},
	} {
		a := c.do(200, "GET", ghReleases+query, nil)
		var list []struct{ ID int64 }
		a.json(t, &list)
		if len(list) != want.n || a.header.Get("X-Total-Count") != want.total {
			t.Errorf("%q: %d releases of %s, want %d of %s", query, len(list), a.header.Get("X-Total-Count"), want.n, want.total)
		}
	}
	if a := c.do(200, "GET", ghReleases+"?limit=50", nil); !strings.Contains(a.header.Get("Link"), `rel="next"`) || a.header.Get("X-Ratelimit-Limit") != "" {
		t.Errorf("headers %v", a.header)
	}
}
