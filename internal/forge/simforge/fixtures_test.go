package simforge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// exchange is one recorded request with its answer.
type exchange struct {
	Scope, Method, Path string
	Body                any
	Status              int
	Response            any
	ReqHeaders          map[string]any
	Headers             map[string]any
}

func recorded(t *testing.T, scenario string) []exchange {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(realtest.GitHubFixtures(t), scenario, "normalized-fixture.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out []exchange
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Replayed requests that were once recorded at GitHub get answers of the same
// status and shape: every key that GitHub sent, with its type.
func TestGitHubFixtures(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"release-assets", "release-assets-conflict", "get-repository"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			list := recorded(t, scenario)
			if len(list) == 0 {
				t.Fatal("nothing is recorded")
			}
			replay(t, list)
		})
	}
}

var recordedID = regexp.MustCompile(`/(releases|assets)/(100\d)`)

func replay(t *testing.T, list []exchange) {
	s, err := simforge.Start(simforge.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	repo := s.AddRepo(memory.Options{FullName: strings.Join(strings.Split(list[0].Path, "/")[2:4], "/"), Refs: sampleRefs(t)})
	rel, err := repo.Create(t.Context(), memory.Writer, memory.NewRelease{Tag: "v1.0.0", Title: "Version 1.0.0", Body: "Initial release"})
	if err != nil {
		t.Fatal(err)
	}
	c := client{t, "", simforge.WriteToken}
	for i, e := range list {
		if i == 1 && strings.HasSuffix(t.Name(), "conflict") { // where the record leaves the first upload out
			upload := memory.Upload{Name: "test-upload.txt", Label: "test", ContentType: "text/plain", Size: 1, Body: strings.NewReader("x")}
			if _, err := repo.Upload(t.Context(), memory.Writer, rel.ID, upload); err != nil {
				t.Fatal(err)
			}
		}
		prefix := "/api/v3"
		if strings.Contains(e.Scope, "uploads.") {
			prefix = "/api/uploads"
		}
		path := recordedID.ReplaceAllStringFunc(e.Path, func(m string) string {
			return strings.NewReplacer("/releases/1000", fmt.Sprintf("/releases/%d", rel.ID), "/assets/1000", "/assets/5001", "/assets/1001", "/assets/5002").Replace(m)
		})
		kind, _ := e.ReqHeaders["content-type"].(string)
		a, err := c.send(strings.ToUpper(e.Method), s.URL+prefix+path, kind, rawBody(t, e.Body), "Accept", "application/vnd.github.v3+json")
		if err != nil {
			t.Fatal(err)
		}
		what := e.Method + " " + e.Path
		if a.status != e.Status {
			t.Errorf("%s: status %d, recorded %d: %s", what, a.status, e.Status, a.body)
			continue
		}
		for _, h := range []string{"Content-Type", "X-Ratelimit-Limit", "X-Ratelimit-Resource", "X-Github-Media-Type"} {
			if was, _ := e.Headers[strings.ToLower(h)].(string); was != a.header.Get(h) {
				t.Errorf("%s: header %s is %q, recorded %q", what, h, a.header.Get(h), was)
			}
		}
		if e.Status == http.StatusNoContent {
			continue
		}
		var got any
		a.json(t, &got)
		sameShape(t, what, e.Response, got)
	}
}

func rawBody(t *testing.T, body any) []byte {
	if text, ok := body.(string); ok {
		if text == "" {
			return nil
		}
		return []byte(text)
	}
	return bytesOf(t, body)
}

// adminOnly are keys that GitHub shows to a repository's administrator, or for
// one that belongs to an organization.
var adminOnly = map[string]bool{
	"temp_clone_token": true, "organization": true, "allow_squash_merge": true, "allow_merge_commit": true, "allow_rebase_merge": true,
	"allow_auto_merge": true, "delete_branch_on_merge": true, "allow_update_branch": true, "use_squash_pr_title_as_default": true,
}

// sameShape wants every key of was in got, with a value of the same type.
func sameShape(t *testing.T, where string, was, got any) {
	t.Helper()
	if was == nil || got == nil {
		return // a null says nothing of the type
	}
	if fmt.Sprintf("%T", was) != fmt.Sprintf("%T", got) {
		t.Errorf("%s: %T, recorded %T", where, got, was)
		return
	}
	switch was := was.(type) {
	case map[string]any:
		for k, v := range was {
			have, ok := got.(map[string]any)[k]
			if !ok && !adminOnly[k] {
				t.Errorf("%s: no key %q", where, k)
				continue
			}
			sameShape(t, where+"."+k, v, have)
		}
	case []any:
		if strings.HasSuffix(where, ".topics") {
			return // this repository has none
		}
		if len(was) != len(got.([]any)) {
			t.Errorf("%s: %d entries, recorded %d", where, len(got.([]any)), len(was))
			return
		}
		for i := range was {
			sameShape(t, fmt.Sprintf("%s[%d]", where, i), was[i], got.([]any)[i])
		}
	}
}
