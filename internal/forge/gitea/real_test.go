package gitea_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/forge/wire"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// The contract of forge.Forge holds on a real Gitea.
func TestContractOnRealGitea(t *testing.T) {
	t.Parallel()
	server := realtest.Gitea(t)
	forgetest.Run(t, func(t *testing.T) forgetest.Subject { return realSubject(t, server) })
}

func realSubject(t *testing.T, server *realtest.GiteaServer) forgetest.Subject {
	t.Helper()
	repo, _ := server.SampleRepo(t, "suite", "v1.0.0")
	base := "/repos/" + repo.FullName()
	head := func() string {
		var branch struct {
			Commit struct {
				ID string `json:"id"`
			} `json:"commit"`
		}
		if code := server.Call(t, server.Admin, http.MethodGet, base+"/branches/main", nil, &branch); code != http.StatusOK {
			t.Fatalf("read main: %d", code)
		}
		return branch.Commit.ID
	}
	tags := map[string]string{"v1.0.0": head()}
	call(t, server, http.MethodPost, base+"/contents/second.txt", map[string]any{"content": "dHdv", "message": "second", "branch": "main"})
	tags["v1.1.0"] = head()
	call(t, server, http.MethodPost, base+"/tags", map[string]any{"tag_name": "v1.1.0", "target": tags["v1.1.0"], "message": "annotated"})
	open := func(token, name string) forge.Forge { return connect(t, server, token, name) }
	return forgetest.Subject{
		Forge: open(server.Admin, repo.FullName()), ReadOnly: open(server.ReadOnlyToken(t), repo.FullName()),
		BadToken: open(strings.Repeat("0", 40), repo.FullName()), Public: open("", repo.FullName()),
		Missing:    open(server.Admin, "nobody/nothing"),
		Repository: forge.Repository{FullName: repo.FullName(), DefaultBranch: "main", CanWrite: true},
		Tags:       tags,
		SetTag: func(t *testing.T, name, commit string) {
			server.Call(t, server.Admin, http.MethodDelete, base+"/tags/"+url.PathEscape(name), nil, nil)
			call(t, server, http.MethodPost, base+"/tags", map[string]any{"tag_name": name, "target": commit})
		},
		Traits: forgetest.Gitea,
	}
}

func connect(t *testing.T, server *realtest.GiteaServer, token, repository string) *gitea.Forge {
	t.Helper()
	f, err := gitea.New(gitea.Options{
		Server: server.URL, Repository: repository, Token: token, UserAgent: "slipway/test",
		Wire: wire.Options{Backoff: 20 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// call is a request of the administrator's that must succeed.
func call(t *testing.T, server *realtest.GiteaServer, method, path string, in any) {
	t.Helper()
	if code := server.Call(t, server.Admin, method, path, in, nil); code >= 300 {
		t.Fatalf("%s %s: %d", method, path, code)
	}
}
