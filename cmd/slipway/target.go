package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/detect"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/forge/github"
	"github.com/slipway-dev/slipway/internal/forge/wire"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// remote is the git remote that stands for the forge: origin, or the only one.
func remote(ctx context.Context, repo *git.Repo) (name, url string, err error) {
	all, err := repo.Remotes(ctx)
	if err != nil {
		return "", "", err
	}
	if url, ok := all["origin"]; ok {
		return "origin", url, nil
	}
	for name, url := range all {
		if len(all) == 1 {
			return name, url, nil
		}
	}
	return "", "", nil
}

// target finds the forge's repository: flags, then the workflow's variables,
// then the git remote. It is nil when none of them tells one.
func (a *app) target(remoteURL string) (*release.Target, error) {
	server := cmp.Or(a.server, a.getenv("SLIPWAY_SERVER"), a.getenv("GITHUB_SERVER_URL"))
	name := cmp.Or(a.repo, a.getenv("SLIPWAY_REPOSITORY"), a.getenv("GITHUB_REPOSITORY"))
	if server == "" || name == "" {
		if s, owner, n, ok := git.ParseRemote(remoteURL); ok {
			server, name = cmp.Or(server, s), cmp.Or(name, owner+"/"+n)
		}
	}
	if server == "" || name == "" {
		if a.server != "" || a.repo != "" {
			return nil, errUsage("--server and --repo are needed both: the git remote does not tell the other one")
		}
		return nil, nil
	}
	u, err := forge.ParseServer(server)
	if err != nil {
		return nil, errUsage("%v", err)
	}
	if _, _, err := forge.SplitRepository(name); err != nil {
		return nil, errUsage("%v", err)
	}
	kind, err := a.forgeKind(u.String())
	return &release.Target{Forge: kind, Server: u.String(), Repository: name}, err
}

// forgeKind is what the command line, the environment or the address say;
// empty when the server must be asked.
func (a *app) forgeKind(server string) (string, error) {
	kind := cmp.Or(a.forge, a.getenv("SLIPWAY_FORGE"))
	switch {
	case kind == "github", kind == "gitea", kind == "forgejo":
		return kind, nil
	case kind != "":
		return "", errUsage("--forge is %q: it takes github, gitea or forgejo", kind)
	case a.getenv("FORGEJO_ACTIONS") == "true":
		return "forgejo", nil
	case a.getenv("GITEA_ACTIONS") == "true":
		return "gitea", nil
	case server == "https://github.com":
		return "github", nil
	}
	return "", nil
}

// token finds the token for a kind of forge.
func (a *app) token(kind string) (string, error) {
	names := map[string][]string{
		"github":  {"SLIPWAY_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"},
		"gitea":   {"SLIPWAY_TOKEN", "GITEA_TOKEN", "FORGEJO_TOKEN", "GITHUB_TOKEN"},
		"forgejo": {"SLIPWAY_TOKEN", "FORGEJO_TOKEN", "GITEA_TOKEN", "GITHUB_TOKEN"},
	}[kind]
	for _, name := range names {
		t := strings.TrimSpace(a.getenv(name))
		if t == "" {
			continue
		}
		if strings.ContainsAny(t, " \t\r\n") {
			return "", release.Invalidf("", "the token in %s has white space in it", name)
		}
		return t, nil
	}
	return "", release.Invalidf("make a token that may write releases and set "+strings.Join(names, " or "),
		"there is no token for the forge")
}

// connect opens the forge's repository; t.Forge is filled in when it was not
// known.
func (a *app) connect(ctx context.Context, t *release.Target, p progress.Reporter) (forge.Forge, error) {
	if t == nil {
		return nil, release.Invalidf("give --server and --repo, or add a git remote", "no forge repository is known")
	}
	if t.Forge == "" {
		kind, err := detect.Detect(ctx, nil, t.Server)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, &release.Error{Kind: release.Invalid, Message: "find out what kind of forge " + t.Server + " is", Err: err,
				Hint: "give the kind with --forge, or another address with --server"}
		}
		t.Forge = kind
	}
	token, err := a.token(t.Forge)
	if err != nil {
		return nil, err
	}
	w := wire.Options{OnRetry: func(op string, wait time.Duration, reason string) {
		p.Note(fmt.Sprintf("%s: %s; once more in %s", op, reason, wait.Round(100*time.Millisecond)))
	}}
	agent := "slipway/" + stamped()
	if t.Forge == "github" {
		return github.New(github.Options{Server: t.Server, Repository: t.Repository, Token: token, UserAgent: agent, Wire: w})
	}
	dialect := gitea.Gitea
	if t.Forge == "forgejo" {
		dialect = gitea.Forgejo
	}
	return gitea.New(gitea.Options{Dialect: dialect, Server: t.Server, Repository: t.Repository, Token: token, UserAgent: agent, Wire: w})
}
