package simforge_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

const ghReleases = "/repos/acme/hello/releases"

// Drafts have no tag, are found by listing and not by tag, and are unseen by
// readers; two of one tag are possible; the first to be published keeps it.
func TestGitHubDrafts(t *testing.T) {
	t.Parallel()
	_, repo, c := start(t, simforge.Options{}, memory.Options{})
	public := client{t, c.base, ""}
	draft := map[string]any{"tag_name": "v2.0.0", "target_commitish": memory.Hash("first"), "draft": true}
	var a, b struct {
		ID      int64
		HTMLURL string `json:"html_url"`
	}
	c.do(201, "POST", ghReleases, draft).json(t, &a)
	c.do(201, "POST", ghReleases, draft).json(t, &b)
	if !strings.Contains(a.HTMLURL, "/releases/tag/untagged-") {
		t.Errorf("a draft's page is %s", a.HTMLURL)
	}
	c.do(404, "GET", ghReleases+"/tags/v2.0.0", nil)
	c.do(404, "GET", "/repos/acme/hello/git/ref/tags/v2.0.0", nil)
	public.do(404, "GET", fmt.Sprintf("%s/%d", ghReleases, a.ID), nil)
	if got := string(public.do(200, "GET", ghReleases, nil).body); got != "[]" {
		t.Errorf("the public sees %s", got)
	}
	c.do(200, "PATCH", fmt.Sprintf("%s/%d", ghReleases, a.ID), map[string]any{"draft": false})
	at, ok, err := repo.Refs().Peel(t.Context(), "refs/tags/v2.0.0")
	if err != nil || !ok || at.Hash != memory.Hash("first") {
		t.Errorf("publishing made the tag at %+v, %v", at, err)
	}
	public.do(200, "GET", ghReleases+"/tags/v2.0.0", nil)
	no := c.do(422, "PATCH", fmt.Sprintf("%s/%d", ghReleases, b.ID), map[string]any{"draft": false})
	if !strings.Contains(string(no.body), `"code":"already_exists"`) {
		t.Errorf("second release of a tag: %s", no.body)
	}
}

// Requests that GitHub refuses are refused, in its words.
func TestGitHubRefusals(t *testing.T) {
	t.Parallel()
	_, _, c := start(t, simforge.Options{}, memory.Options{Limits: forge.Limits{Assets: 2, AssetSize: 10}})
	id := c.draft("v1.0.0")
	c.do(201, "POST", assetPath(id, "taken.txt"), []byte("x"))
	bad, ro, anon := client{t, c.base, "nonsense"}, client{t, c.base, simforge.ReadToken}, client{t, c.base, ""}
	release := map[string]any{"tag_name": "v1.1.0", "draft": true}
	with := func(k string, v any) map[string]any {
		out := map[string]any{"tag_name": "v1.1.0", "draft": true}
		out[k] = v
		return out
	}
	for what, tt := range map[string]struct {
		c            client
		method, path string
		body         any
		headers      []string
		status       int
		says         string
	}{
		"bad token":         {bad, "GET", "/repos/acme/hello", nil, nil, 401, `"message":"Bad credentials"`},
		"anonymous write":   {anon, "POST", ghReleases, release, nil, 401, "Requires authentication"},
		"read token":        {ro, "POST", ghReleases, release, nil, 403, "Resource not accessible by integration"},
		"no repository":     {c, "GET", "/repos/acme/nothing", nil, nil, 404, `"message":"Not Found"`},
		"no route":          {c, "DELETE", "/repos/acme/hello", nil, nil, 404, "Not Found"},
		"no tag":            {c, "POST", ghReleases, map[string]any{"draft": true}, nil, 422, `\"tag_name\" wasn't supplied`},
		"tag malformed":     {c, "POST", ghReleases, with("tag_name", "a..b"), nil, 422, "tag_name is not well-formed"},
		"unknown key":       {c, "POST", ghReleases, with("titel", "x"), nil, 422, "not a permitted key"},
		"wrong type":        {c, "POST", ghReleases, with("draft", "yes"), nil, 422, "is not a boolean"},
		"make_latest":       {c, "POST", ghReleases, with("make_latest", "perhaps"), nil, 422, "not a member of"},
		"latest draft":      {c, "POST", ghReleases, with("make_latest", "true"), nil, 422, "make_latest cannot be true"},
		"bad target":        {c, "POST", ghReleases, with("target_commitish", "nowhere"), nil, 422, "target_commitish"},
		"body too long":     {c, "POST", ghReleases, with("body", strings.Repeat("ü", 125_001)), nil, 422, "body is too long"},
		"not an object":     {c, "POST", ghReleases, []string{}, nil, 400, "Body should be a JSON object"},
		"taken name":        {c, "POST", assetPath(id, "taken.txt"), []byte("x"), nil, 422, `"code":"already_exists"`},
		"empty asset":       {c, "POST", assetPath(id, "empty.txt"), []byte{}, nil, 422, "size must be greater than or equal to 1"},
		"large asset":       {c, "POST", assetPath(id, "large.txt"), make([]byte, 11), nil, 422, "size must be less than or equal to 10"},
		"no release":        {c, "POST", assetPath(7, "a.txt"), []byte("x"), nil, 404, "Not Found"},
		"no name":           {c, "POST", assetPath(id, ""), []byte("x"), nil, 422, "name can't be blank"},
		"accept":            {c, "GET", "/repos/acme/hello", nil, []string{"Accept", "text/html"}, 415, "Must accept 'application/json'"},
		"old version":       {c, "GET", "/repos/acme/hello", nil, []string{"X-GitHub-Api-Version", "1999-01-01"}, 400, "not supported"},
		"bad content type":  {c, "POST", ghReleases, []byte("{}"), nil, 415, "application/json"},
		"unknown commit":    {c, "GET", "/repos/acme/hello/commits/nowhere", nil, nil, 422, "No commit found"},
		"not immutable":     {c, "GET", "/repos/acme/hello/immutable-releases", nil, nil, 404, "Not Found"},
		"asset not a file":  {c, "GET", ghReleases + "/assets/77", nil, []string{"Accept", "application/octet-stream"}, 404, "Not Found"},
		"id is not a digit": {c, "GET", ghReleases + "/x", nil, nil, 404, "Not Found"},
	} {
		a := tt.c.do(tt.status, tt.method, tt.path, tt.body, tt.headers...)
		if !strings.Contains(string(a.body), tt.says) {
			t.Errorf("%s: %s, want %q in it", what, a.body, tt.says)
		}
	}
	c.do(201, "POST", assetPath(id, "second.txt"), []byte("x"))
	if a := c.do(422, "POST", assetPath(id, "third.txt"), []byte("x")); !strings.Contains(string(a.body), "file_count limited to 2") {
		t.Errorf("one asset too many: %s", a.body)
	}
}

// Without a User-Agent nothing is served; broken JSON and a body of unknown
// length are refused.
func TestGitHubStrictRequests(t *testing.T) {
	t.Parallel()
	_, _, c := start(t, simforge.Options{}, memory.Options{})
	if a, err := c.send("GET", "/repos/acme/hello", "", nil, "User-Agent", ""); err != nil || a.status != 403 {
		t.Errorf("no User-Agent: %d, %v", a.status, err)
	}
	if a, err := c.send("POST", ghReleases, "application/json", []byte(`{"tag_name":`)); err != nil || a.status != 400 || !strings.Contains(string(a.body), "Problems parsing JSON") {
		t.Errorf("broken JSON: %d %s, %v", a.status, a.body, err)
	}
	id := c.draft("v1.0.0")
	r, err := http.NewRequestWithContext(t.Context(), "POST", c.base+assetPath(id, "a.txt"), struct{ *strings.Reader }{strings.NewReader("abc")})
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "text/plain")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 400 {
		t.Errorf("upload of unknown length: %d, want 400", res.StatusCode)
	}
}

// Lists come in pages of 30, of 100 at most, linked to the next and the last.
func TestGitHubPages(t *testing.T) {
	t.Parallel()
	_, repo, c := start(t, simforge.Options{}, memory.Options{})
	for i := range 120 {
		if _, err := repo.Create(t.Context(), memory.Writer, memory.NewRelease{Tag: fmt.Sprintf("t%d", i), Draft: true}); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]struct {
		n    int
		link string
	}{
		"":                     {30, `rel="next"`},
		"?per_page=1000":       {100, `page=2&per_page=1000>; rel="next"`},
		"?per_page=100&page=2": {20, `rel="prev"`},
		"?page=9":              {0, `rel="first"`},
	} {
		a := c.do(200, "GET", ghReleases+query, nil)
		var list []struct{ ID int64 }
		a.json(t, &list)
		if len(list) != want.n || !strings.Contains(a.header.Get("Link"), want.link) {
			t.Errorf("%q: %d releases, Link %q; want %d and %s", query, len(list), a.header.Get("Link"), want.n, want.link)
		}
	}
}

// Contents are behind a redirect that needs no token; a draft's page is made
// up; odd characters in a name become periods.
func TestGitHubDownloads(t *testing.T) {
	t.Parallel()
	_, _, c := start(t, simforge.Options{}, memory.Options{})
	id := c.draft("v1.0.0")
	var a struct {
		ID                 int64
		Name, Digest       string
		BrowserDownloadURL string `json:"browser_download_url"`
	}
	c.do(201, "POST", assetPath(id, "H%C3%A9llo%20(1).txt."), []byte("hello")).json(t, &a)
	if a.Name != "H.llo.1.txt" || a.Digest != "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" {
		t.Errorf("asset %+v", a)
	}
	res := c.do(302, "GET", fmt.Sprintf("%s/assets/%d", ghReleases, a.ID), nil, "Accept", "application/octet-stream")
	got := client{t, "", ""}.do(200, "GET", res.header.Get("Location"), nil)
	if string(got.body) != "hello" {
		t.Errorf("content %q", got.body)
	}
	public := client{t, "", ""}
	public.do(404, "GET", a.BrowserDownloadURL, nil)
	c.do(200, "PATCH", fmt.Sprintf("%s/%d", ghReleases, id), map[string]any{"draft": false})
	if !strings.Contains(a.BrowserDownloadURL, "/untagged-") {
		t.Errorf("a draft's download is %s", a.BrowserDownloadURL)
	}
	c.do(200, "GET", fmt.Sprintf("%s/assets/%d", ghReleases, a.ID), nil).json(t, &a)
	res = public.do(302, "GET", a.BrowserDownloadURL, nil)
	if got := public.do(200, "GET", res.header.Get("Location"), nil); string(got.body) != "hello" {
		t.Errorf("public content %q", got.body)
	}
}

// The documented limits hold, and end when the clock says so.
func TestGitHubRates(t *testing.T) {
	t.Parallel()
	clk := newClock()
	_, _, c := start(t, simforge.Options{Clock: clk.Now}, memory.Options{})
	for range 80 {
		c.draft("v1.0.0")
	}
	no := c.do(403, "POST", ghReleases, map[string]any{"tag_name": "v1.0.0", "draft": true})
	if no.header.Get("Retry-After") != "60" || !strings.Contains(string(no.body), "#about-secondary-rate-limits") {
		t.Errorf("the 81st creation in a minute: %v %s", no.header, no.body)
	}
	c.do(200, "GET", "/repos/acme/hello", nil) // reading goes on
	clk.Add(time.Minute)
	c.draft("v1.0.0")

	clk.Add(time.Hour)
	for range 900 {
		c.do(200, "GET", "/repos/acme/hello", nil)
	}
	c.do(403, "GET", "/repos/acme/hello", nil)
	clk.Add(time.Minute)
	if got := c.do(200, "GET", "/repos/acme/hello", nil).header.Get("X-Ratelimit-Used"); got != "901" {
		t.Errorf("used %s, want 901: refused requests do not count", got)
	}

	few := simforge.Rates{PerHour: 2}
	_, _, c = start(t, simforge.Options{Clock: clk.Now, Rates: &few}, memory.Options{})
	c.do(200, "GET", "/repos/acme/hello", nil)
	c.do(200, "GET", "/repos/acme/hello", nil)
	no = c.do(403, "GET", "/repos/acme/hello", nil)
	if no.header.Get("X-Ratelimit-Remaining") != "0" || !strings.Contains(string(no.body), "API rate limit exceeded") {
		t.Errorf("over the primary limit: %v %s", no.header, no.body)
	}
	clk.Add(time.Hour)
	c.do(200, "GET", "/repos/acme/hello", nil)
}
