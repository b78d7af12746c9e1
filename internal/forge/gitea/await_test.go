package gitea_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// Promise: nothing is public until everything is staged. A draft that is made
// the moment its tag was pushed stays a draft, although the server notes the
// tag only later, in a public repository and in a private one, whose page of
// tags no token opens.
func TestDraftRightAfterThePushStaysADraft(t *testing.T) {
	t.Parallel()
	g := realtest.Gitea(t)
	for _, private := range []bool{false, true} {
		t.Run(fmt.Sprintf("private=%v", private), func(t *testing.T) {
			t.Parallel()
			repo, dir := g.SampleRepo(t, "lag")
			if private {
				if code := g.Call(t, g.Admin, http.MethodPatch, "/repos/"+repo.FullName(), map[string]any{"private": true}, nil); code != http.StatusOK {
					t.Fatalf("make it private: %d", code)
				}
			}
			f, err := gitea.New(gitea.Options{Server: g.URL, Repository: repo.FullName(), Token: g.Token(t, "write:repository")})
			if err != nil {
				t.Fatal(err)
			}
			src := gittest.At(t, dir)
			for i := range 5 {
				tag := fmt.Sprintf("v1.0.%d", i)
				src.Tag(tag)
				repo.PushNow(t, dir, "refs/tags/"+tag)
				if _, err := f.CreateDraft(t.Context(), forge.Draft{Tag: tag, Title: tag, Body: "x"}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(300 * time.Millisecond)
				found, err := f.Releases(t.Context(), tag)
				if err != nil || len(found) != 1 || !found[0].Draft {
					t.Errorf("%s is %+v, %v; want one draft", tag, found, err)
				}
			}
		})
	}
}
