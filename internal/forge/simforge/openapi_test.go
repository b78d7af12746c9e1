package simforge_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// served are the paths of GitHub's API that simforge has.
var served = []string{
	"/rate_limit", "/meta", "/user", "/repos/{owner}/{repo}", "/repos/{owner}/{repo}/immutable-releases",
	"/repos/{owner}/{repo}/git/ref/{ref}", "/repos/{owner}/{repo}/git/matching-refs/{ref}", "/repos/{owner}/{repo}/git/tags/{tag_sha}",
	"/repos/{owner}/{repo}/commits/{ref}", "/repos/{owner}/{repo}/tags",
	"/repos/{owner}/{repo}/releases", "/repos/{owner}/{repo}/releases/latest", "/repos/{owner}/{repo}/releases/tags/{tag}",
	"/repos/{owner}/{repo}/releases/{release_id}", "/repos/{owner}/{repo}/releases/{release_id}/assets",
	"/repos/{owner}/{repo}/releases/assets/{asset_id}",
	"/app", "/app/installations", "/app/installations/{installation_id}", "/app/installations/{installation_id}/access_tokens",
	"/app/hook/deliveries", "/app/hook/deliveries/{delivery_id}", "/repos/{owner}/{repo}/installation", "/installation/repositories", "/user/repos",
	"/repos/{owner}/{repo}/collaborators/{username}/permission", "/orgs/{org}/teams/{team_slug}/memberships/{username}",
	"/repos/{owner}/{repo}/issues/comments", "/repos/{owner}/{repo}/issues/{issue_number}/comments", "/repos/{owner}/{repo}/issues/comments/{comment_id}",
	"/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions/{reaction_id}",
	"/repos/{owner}/{repo}/comments", "/repos/{owner}/{repo}/commits/{commit_sha}/comments", "/repos/{owner}/{repo}/comments/{comment_id}",
	"/repos/{owner}/{repo}/comments/{comment_id}/reactions", "/repos/{owner}/{repo}/comments/{comment_id}/reactions/{reaction_id}",
	"/repos/{owner}/{repo}/commits/{ref}/status", "/repos/{owner}/{repo}/commits/{ref}/check-runs", "/repos/{owner}/{repo}/statuses/{sha}",
	"/repos/{owner}/{repo}/pulls/{pull_number}", "/repos/{owner}/{repo}/git/refs",
	"/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs",
	"/repos/{owner}/{repo}/actions/runs/{run_id}", "/repos/{owner}/{repo}/actions/runs/{run_id}/cancel",
	"/repos/{owner}/{repo}/hooks", "/repos/{owner}/{repo}/hooks/{hook_id}/pings", "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries",
	"/repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}", "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}/attempts",
	"/repos/{owner}/{repo}/deployments", "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses",
}

// unserved are the methods of those paths that nothing here needs.
var unserved = []string{
	"PATCH /user", "PATCH /repos/{owner}/{repo}", "DELETE /repos/{owner}/{repo}",
	"PUT /repos/{owner}/{repo}/immutable-releases", "DELETE /repos/{owner}/{repo}/immutable-releases",
	"DELETE /app/installations/{installation_id}", "POST /user/repos", "POST /repos/{owner}/{repo}/hooks",
	"PUT /orgs/{org}/teams/{team_slug}/memberships/{username}", "DELETE /orgs/{org}/teams/{team_slug}/memberships/{username}",
	"PATCH /repos/{owner}/{repo}/pulls/{pull_number}", "DELETE /repos/{owner}/{repo}/actions/runs/{run_id}",
}

// loadSpec reads the part of GitHub's description that concerns the paths
// above: the whole of it takes a minute to resolve.
func loadSpec(t *testing.T) *openapi3.T {
	t.Helper()
	data, err := os.ReadFile(realtest.GitHubOpenAPI(t))
	if err != nil {
		t.Fatal(err)
	}
	var whole struct {
		OpenAPI    string                                `json:"openapi"`
		Info       json.RawMessage                       `json:"info"`
		Paths      map[string]json.RawMessage            `json:"paths"`
		Components map[string]map[string]json.RawMessage `json:"components"`
	}
	if err := json.Unmarshal(data, &whole); err != nil {
		t.Fatal(err)
	}
	paths := map[string]json.RawMessage{}
	kept := map[string]map[string]json.RawMessage{}
	var keep func(json.RawMessage)
	keep = func(part json.RawMessage) {
		for chunk := range strings.SplitSeq(string(part), `"#/components/`) {
			ref, _, _ := strings.Cut(chunk, `"`)
			group, name, ok := strings.Cut(ref, "/")
			found := whole.Components[group][name]
			if !ok || found == nil || kept[group][name] != nil {
				continue
			}
			if kept[group] == nil {
				kept[group] = map[string]json.RawMessage{}
			}
			kept[group][name] = found
			keep(found)
		}
	}
	for _, p := range served {
		if whole.Paths[p] == nil {
			t.Fatalf("GitHub's description has no path %s", p)
		}
		paths[p] = whole.Paths[p]
		keep(whole.Paths[p])
	}
	keep(json.RawMessage(`"#/components/schemas/validation-error" "#/components/schemas/basic-error"`))
	small, err := json.Marshal(map[string]any{"openapi": whole.OpenAPI, "info": whole.Info, "paths": paths, "components": kept})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(small)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// spec holds exchanges against GitHub's description.
type spec struct {
	t    *testing.T
	doc  *openapi3.T
	c    client
	seen map[string]bool // method and path that were tried
}

type params map[string]string

// try sends a request and checks it and its answer.
func (s *spec) try(want int, method, path string, p params, query string, body any, headers ...string) answer {
	s.t.Helper()
	all := params{"owner": "acme", "repo": "hello"}
	url := path
	for k, v := range p {
		all[k] = v
	}
	for k, v := range all {
		url = strings.ReplaceAll(url, "{"+k+"}", v)
	}
	s.seen[method+" "+path] = true
	a := s.c.do(want, method, url+query, body, headers...)
	s.check(a, method, path, url+query, all, body)
	return a
}

func (s *spec) check(a answer, method, path, url string, all params, body any) {
	s.t.Helper()
	data := bytesOf(s.t, body)
	r, err := http.NewRequestWithContext(s.t.Context(), method, "https://api.github.com"+url, bytes.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", kindOf(body))
	}
	item := s.doc.Paths.Value(path)
	op := item.GetOperation(method)
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: all, Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
		Route: &routers.Route{Spec: s.doc, Path: path, PathItem: item, Method: method, Operation: op},
	}
	if a.status < 400 {
		if err := openapi3filter.ValidateRequest(s.t.Context(), in); err != nil {
			s.t.Errorf("%s %s: the request is not GitHub's: %v", method, url, err)
		}
	}
	documented := op.Responses.Status(a.status)
	if documented == nil || a.status >= 400 && len(documented.Value.Content) == 0 {
		s.checkError(a, method+" "+url)
		return
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: a.status, Header: a.header, Options: in.Options}
	out.SetBodyBytes(a.body)
	if err := openapi3filter.ValidateResponse(s.t.Context(), out); err != nil {
		s.t.Errorf("%s %s: answer %d is not GitHub's: %v\n%s", method, url, a.status, err, a.body)
	}
	if media := documented.Value.Content.Get("application/json"); media != nil && a.status < 300 {
		s.checkKeys(media.Schema.Value, a.body, method+" "+url)
	}
}

// checkError holds an error against the shapes that GitHub describes for all.
func (s *spec) checkError(a answer, what string) {
	s.t.Helper()
	var v map[string]any
	a.json(s.t, &v)
	name := "basic-error"
	if v["errors"] != nil {
		name = "validation-error"
	}
	if err := s.doc.Components.Schemas[name].Value.VisitJSON(v); err != nil {
		s.t.Errorf("%s: error %d is not GitHub's: %v", what, a.status, err)
	}
}

// checkKeys finds keys that GitHub does not have.
func (s *spec) checkKeys(schema *openapi3.Schema, body []byte, what string) {
	s.t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		s.t.Fatal(err)
	}
	if list, ok := v.([]any); ok {
		if len(list) == 0 {
			return
		}
		v, schema = list[0], schema.Items.Value
	}
	for k := range v.(map[string]any) {
		if len(schema.Properties) > 0 && schema.Properties[k] == nil && k != "has_downloads" { // still sent, no longer described
			s.t.Errorf("%s: key %q is not in GitHub's description", what, k)
		}
	}
}

// Every answer that simforge gives on GitHub's wire, good and bad, is one that
// GitHub's published OpenAPI description allows.
func TestGitHubOpenAPI(t *testing.T) {
	t.Parallel()
	doc := loadSpec(t)
	refs := sampleRefs(t)
	sim, repo, c := start(t, simforge.Options{}, memory.Options{Refs: refs, Immutable: true})
	s := &spec{t, doc, c, map[string]bool{}}
	const base = "/repos/{owner}/{repo}"
	tagObject, err := refs.Matching(t.Context(), "refs/tags/v1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/rate_limit", "/meta", "/user", base, base + "/immutable-releases", base + "/tags"} {
		s.try(200, "GET", path, nil, "", nil)
	}
	s.try(200, "GET", base+"/git/ref/{ref}", params{"ref": "tags/v1.1.0"}, "", nil)
	s.try(404, "GET", base+"/git/ref/{ref}", params{"ref": "tags/v9"}, "", nil)
	s.try(200, "GET", base+"/git/matching-refs/{ref}", params{"ref": "tags/v1"}, "", nil)
	s.try(200, "GET", base+"/git/tags/{tag_sha}", params{"tag_sha": tagObject[0].Object}, "", nil)
	s.try(404, "GET", base+"/git/tags/{tag_sha}", params{"tag_sha": memory.Hash("none")}, "", nil)
	for _, ref := range []string{"main", "v1.1.0", memory.Hash("first")} {
		s.try(200, "GET", base+"/commits/{ref}", params{"ref": ref}, "", nil)
	}
	s.try(422, "GET", base+"/commits/{ref}", params{"ref": "nowhere"}, "", nil)
	s.releases(repo)
	s.refusals()
	s.bot(sim, repo)
	for _, p := range served {
		for method := range doc.Paths.Value(p).Operations() {
			if what := method + " " + p; !s.seen[what] && !slices.Contains(unserved, what) {
				t.Errorf("%s was not tried", what)
			}
		}
	}
}

// releases goes through a release's life.
func (s *spec) releases(repo *memory.Repo) {
	t := s.t
	const base = "/repos/{owner}/{repo}/releases"
	s.try(404, "GET", base+"/latest", nil, "", nil)
	var rel struct{ ID int64 }
	s.try(201, "POST", base, nil, "", map[string]any{
		"tag_name": "v1.0.0", "target_commitish": "main", "name": "One", "body": "notes", "draft": true, "prerelease": false,
	}).json(t, &rel)
	id := params{"release_id": fmt.Sprint(rel.ID)}
	var as struct{ ID int64 }
	s.try(201, "POST", base+"/{release_id}/assets", id, "?name=a.txt&label=A", []byte("hello")).json(t, &as)
	asset := params{"asset_id": fmt.Sprint(as.ID)}
	s.try(422, "POST", base+"/{release_id}/assets", id, "?name=a.txt", []byte("hello"))
	s.try(200, "PATCH", base+"/assets/{asset_id}", asset, "", map[string]any{"name": "b.txt", "label": "B"})
	s.try(200, "GET", base+"/assets/{asset_id}", asset, "", nil)
	s.try(302, "GET", base+"/assets/{asset_id}", asset, "", nil, "Accept", "application/octet-stream")
	s.try(200, "GET", base+"/{release_id}/assets", id, "?per_page=100&page=1", nil)
	s.try(200, "GET", base, nil, "?per_page=100&page=1", nil)
	s.starter(repo, rel.ID, id)
	s.try(404, "GET", base+"/tags/{tag}", params{"tag": "v1.0.0"}, "", nil)
	s.try(200, "PATCH", base+"/{release_id}", id, "", map[string]any{"draft": false, "make_latest": "true", "prerelease": false})
	s.try(200, "GET", base+"/tags/{tag}", params{"tag": "v1.0.0"}, "", nil)
	s.try(200, "GET", base+"/latest", nil, "", nil)
	s.try(200, "GET", base+"/{release_id}", id, "", nil)
	s.try(422, "POST", base+"/{release_id}/assets", id, "?name=late.txt", []byte("hello"))
	s.try(422, "DELETE", base+"/assets/{asset_id}", asset, "", nil)
	s.try(204, "DELETE", base+"/{release_id}", id, "", nil)
	s.try(404, "DELETE", base+"/{release_id}", id, "", nil)
	s.try(404, "DELETE", base+"/assets/{asset_id}", asset, "", nil)
	// The tag is burnt.
	s.try(201, "POST", base, nil, "", map[string]any{"tag_name": "v1.0.0", "draft": true}).json(t, &rel)
	id = params{"release_id": fmt.Sprint(rel.ID)}
	no := s.try(422, "PATCH", base+"/{release_id}", id, "", map[string]any{"draft": false})
	if !strings.Contains(string(no.body), "tag_name was used by an immutable release") {
		t.Errorf("publishing on a burnt tag: %s", no.body)
	}
	s.try(204, "DELETE", base+"/{release_id}", id, "", nil)
}

// starter is where GitHub's documentation and its description part: the state
// "starter" of a broken upload is not among the described ones.
func (s *spec) starter(repo *memory.Repo, id int64, p params) {
	const path = "/repos/{owner}/{repo}/releases/{release_id}/assets"
	repo.AddStarter(memory.Writer, id, memory.Upload{Name: "broken.txt", Size: 1})
	url := strings.NewReplacer("{owner}", "acme", "{repo}", "hello", "{release_id}", p["release_id"]).Replace(path)
	a := s.c.do(200, "GET", url, nil)
	if !bytes.Contains(a.body, []byte(`"state":"starter"`)) {
		s.t.Errorf("no starter in %s", a.body)
	}
	a.body = bytes.ReplaceAll(a.body, []byte(`"state":"starter"`), []byte(`"state":"open"`))
	s.check(a, "GET", path, url, params{"owner": "acme", "repo": "hello", "release_id": p["release_id"]}, nil)
}

// refusals are errors that any call can meet.
func (s *spec) refusals() {
	const base = "/repos/{owner}/{repo}"
	s.try(404, "GET", base, params{"repo": "nothing"}, "", nil)
	s.try(422, "POST", base+"/releases", nil, "", map[string]any{"tag_name": "a..b"})
	s.try(422, "POST", base+"/releases", nil, "", map[string]any{"draft": true})
	s.try(404, "PATCH", base+"/releases/{release_id}", params{"release_id": "77"}, "", map[string]any{"name": "x"})
	asked := s.c
	for token, status := range map[string]int{"nonsense": 401, simforge.ReadToken: 403, "": 401} {
		s.c.token = token
		s.try(status, "POST", base+"/releases", nil, "", map[string]any{"tag_name": "v1.0.0"})
	}
	s.c.token = "nonsense"
	s.try(401, "GET", "/user", nil, "", nil)
	s.c = asked
	for _, text := range []string{"secondary-limit", "rate-limit", "too-many", "any-500"} {
		_, _, c := start(s.t, simforge.Options{Faults: parse(s.t, text)}, memory.Options{})
		a, err := c.send("POST", "/repos/acme/hello/releases", "application/json", []byte(`{"tag_name":"v1.0.0"}`))
		if err := errors.Join(err); err != nil {
			s.t.Fatal(err)
		}
		s.checkError(a, text)
	}
}
