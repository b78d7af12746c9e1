package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/rollout/checkout"
	"github.com/slipway-dev/slipway/internal/rollout/host"
	"github.com/slipway-dev/slipway/internal/rollout/lang"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
	"github.com/slipway-dev/slipway/internal/state"
	"github.com/slipway-dev/slipway/internal/state/gitstate"
)

// rolloutFlags are what the commands about release packages take.
type rolloutFlags struct {
	state    string
	parallel int
	verbose  bool
	wait     time.Duration
}

func (a *app) stateFlag(cmd *cobra.Command, f *rolloutFlags) {
	cmd.Flags().StringVar(&f.state, "state", "", "where the state is: a folder, git:[REMOTE][#BRANCH], sqlite:FILE or postgres://… (default: repo.ocu.star's, or a folder in .git; $SLIPWAY_STATE)")
}

func (a *app) workFlags(cmd *cobra.Command, f *rolloutFlags) {
	a.stateFlag(cmd, f)
	cmd.Flags().IntVar(&f.parallel, "parallel", 0, "items at once, where the package sets no limit (default 8)")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "show what the scripts print")
	a.where(cmd)
}

// rollouts is an opened repository with its state, and what works on it.
type rollouts struct {
	*rollout.Runner
	repo   *git.Repo
	head   string // the commit that is checked out; empty in a repository without one
	here   string // the current folder in the repository, with slashes; empty for its root
	file   *lang.RepoFile
	source *checkout.Source
	quiet  func() // ends the live view, before results are printed
	close  []func() error
}

func (r *rollouts) Close() {
	for _, c := range r.close {
		_ = c() // what was done is in the state already
	}
}

// rollouts opens the repository, repo.ocu.star and the state.
func (a *app) rollouts(ctx context.Context, f rolloutFlags, show progress.Reporter) (*rollouts, error) {
	repo, err := git.Open(ctx, a.dir)
	if err != nil {
		return nil, err
	}
	r := &rollouts{repo: repo}
	if r.head, err = repo.HeadHash(ctx); err != nil && !errors.Is(err, git.ErrEmpty) {
		return nil, err
	}
	if r.here, err = project.Within(repo.Dir, a.dir); err != nil {
		return nil, err
	}
	env := host.Environ(os.Environ())
	trees, err := os.UserCacheDir()
	if err != nil {
		trees = os.TempDir()
	}
	r.source = &checkout.Source{Repo: repo, Head: r.head, Tree: repo.Dir, Trees: filepath.Join(trees, "slipway", "rollouts"),
		Host: func(root, dir string) lang.Host {
			return host.Local(host.LocalOptions{Dir: filepath.Join(root, filepath.FromSlash(dir)), Env: env})
		}}
	r.close = append(r.close, func() error { return r.source.Close(context.WithoutCancel(ctx)) })
	at, err := r.source.At(ctx, r.head)
	if err != nil {
		return nil, err
	}
	if r.file, err = lang.LoadRepo(ctx, lang.Options{Root: at.Root, Self: ref.Ref{Path: "repo.ocu.star"}, Host: at.Host("."), Log: noLog{}}); err != nil {
		return nil, err
	}
	_, url, err := remote(ctx, repo)
	if err != nil {
		return nil, err
	}
	store, closeStore, err := a.openState(ctx, f.state, repo, r.file.Repo)
	if err != nil {
		return nil, err
	}
	r.close = append(r.close, closeStore)
	r.Runner = &rollout.Runner{Store: store, Source: r.source, Repo: repositoryName(r.file.Alias, url, repo.CommonDir()), Owner: rollout.NewOwner(a.getenv),
		By: a.who(), Progress: show, HTTP: &http.Client{Timeout: 5 * time.Minute}, Parallel: f.parallel, Freezes: r.file.Freezes, Declared: r.file.Environments}
	if err := a.onForge(ctx, r, url); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// repositoryName is how references name the repository: the same in all of its
// clones and work trees, as far as they can tell. dir is its .git folder.
func repositoryName(alias, url, dir string) string {
	if alias != "" {
		return alias
	}
	if server, owner, name, ok := git.ParseRemote(url); ok {
		_, host, _ := strings.Cut(server, "://")
		return host + "/" + owner + "/" + name
	}
	name := filepath.Dir(dir)
	if filepath.Base(dir) != ".git" {
		name = dir
	}
	if url != "" { // a folder of this machine
		name = strings.TrimSuffix(strings.TrimRight(url, "/"), "/.git")
	}
	name = strings.TrimSuffix(filepath.Base(name), ".git")
	return strings.NewReplacer(" ", "-", "@", "-", "+", "-", "#", "-", "=", "-").Replace(name)
}

// who asks, for the record.
func (a *app) who() string {
	if name := cmp.Or(a.getenv("SLIPWAY_USER"), a.getenv("GITHUB_ACTOR")); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// openState opens the store that the flag, the environment, repo.ocu.star or
// nothing names.
func (a *app) openState(ctx context.Context, flag string, repo *git.Repo, file lang.Repo) (state.Store, func() error, error) {
	none := func() error { return nil }
	where := cmp.Or(flag, a.getenv("SLIPWAY_STATE"))
	switch {
	case where == "" && file.State != nil && file.State.Git != "":
		return a.gitState(ctx, repo, file.State.Git, file.State.Branch, ownFolder)
	case where == "" && file.State != nil:
		dir, err := declaredFolder(repo.Dir, *file.State)
		if err != nil {
			return nil, nil, err
		}
		return folderState(state.OpenDir(filepath.Join(dir, ownFolder)))
	case where == "" && a.step != nil: // the folders of a workflow's job end with it
		return a.gitState(ctx, repo, "", "", "")
	case where == "":
		return folderState(state.OpenDir(filepath.Join(repo.CommonDir(), "slipway", "state")))
	case where == "git", strings.HasPrefix(where, "git:"):
		remote, branch, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(where, "git"), ":"), "#")
		return a.gitState(ctx, repo, remote, branch, "")
	case strings.HasPrefix(where, "sqlite:"), strings.HasPrefix(where, "postgres:"), strings.HasPrefix(where, "postgresql:"):
		store, closer, err := ledger.OpenState(ctx, where)
		if err != nil {
			return nil, none, err
		}
		return store, closer.Close, nil
	}
	dir, named := strings.CutPrefix(where, "dir:")
	if scheme, _, ok := strings.Cut(dir, ":"); !named && ok && filepath.VolumeName(dir) == "" && !strings.ContainsAny(scheme, `/\.`) {
		return nil, none, errUsage("--state is %q: it takes a folder, git:[REMOTE][#BRANCH], sqlite:FILE or postgres://…", where)
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(a.dir, dir)
	}
	return folderState(state.OpenDir(dir))
}

func folderState(d *state.Dir) (state.Store, func() error, error) { return d, d.Close, nil }

// ownFolder is Slipway's in a folder that repo.ocu.star names: beside what Ocuroot
// may have there, whose files stay readable for an import.
const ownFolder = "slipway"

// declaredFolder is the folder of a store that repo.ocu.star names.
func declaredFolder(root string, s lang.Store) (string, error) {
	dir := filepath.FromSlash(s.Dir)
	switch {
	case s.Local != "": // one for all checkouts of the user
		config, err := os.UserConfigDir()
		if err != nil {
			return "", err
		}
		return filepath.Join(config, "slipway", "state", s.Local), nil
	case filepath.IsAbs(dir):
		return dir, nil
	}
	return filepath.Join(root, dir), nil
}

// gitState opens a branch as the store: of a remote by its name or address, or
// of origin, or of the repository itself where it has no remote.
func (a *app) gitState(ctx context.Context, repo *git.Repo, remoteName, branch, prefix string) (state.Store, func() error, error) {
	if remoteName == "" {
		var err error
		if remoteName, _, err = remote(ctx, repo); err != nil {
			return nil, nil, err
		}
	}
	login, err := a.stepLogin(ctx, repo, remoteName)
	if err != nil {
		return nil, nil, err
	}
	s, err := gitstate.Open(ctx, gitstate.Options{Repo: repo.Dir, Remote: remoteName, Branch: branch, Prefix: prefix, Settings: login})
	if err != nil {
		return nil, nil, err
	}
	return s, s.Close, nil
}

// packageRef reads what a command was given for a package or a release of it.
func (r *rollouts) packageRef(arg string) (ref.Ref, error) {
	text, err := r.fromRoot(strings.TrimSuffix(arg, "/"))
	if err != nil {
		return ref.Ref{}, err
	}
	parsed, err := ref.Parse(text)
	if err != nil {
		return ref.Ref{}, err
	}
	parsed = parsed.At(r.Repo, r.here)
	if parsed.Global || parsed.Path == "" || parsed.Path == "." || parsed.Kind != ref.None || parsed.Fragment != "" || parsed.Intent {
		return ref.Ref{}, release.Invalidf("name its file, such as release.ocu.star, or a release of it, such as release.ocu.star/@7", "%q names no release package", arg)
	}
	return parsed, nil
}

// fromRoot writes a path that leads upwards, or from the file system's root, as
// one from the repository's root: references know no other.
func (r *rollouts) fromRoot(arg string) (string, error) {
	file, of, versioned := strings.Cut(arg, "/@")
	if !filepath.IsAbs(file) && !strings.HasPrefix(file, "../") {
		return arg, nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(r.repo.Dir, filepath.FromSlash(r.here), file)
	}
	dir, err := project.Within(r.repo.Dir, filepath.Dir(file))
	if err != nil {
		return "", err
	}
	text := "./-/" + path.Join(dir, filepath.Base(file))
	if versioned {
		text += "/@" + of
	}
	return text, nil
}

// reference reads a reference of the state.
func (r *rollouts) reference(arg string) (ref.Ref, error) {
	parsed, err := ref.Parse(arg)
	if err != nil {
		return ref.Ref{}, err
	}
	return parsed.At(r.Repo, r.here), nil
}

// noLog hears what repo.ocu.star prints.
type noLog struct{}

func (noLog) Print(string)  {}
func (noLog) Stdout(string) {}
func (noLog) Stderr(string) {}
func (noLog) Secret(string) {}

// came turns what a release came to into the command's end.
func (r *rollouts) came(ctx context.Context, pkg ref.Ref, doc rollout.Release) error {
	switch doc.Status {
	case rollout.Failed:
		return r.FailureOf(ctx, pkg, doc)
	case rollout.Complete:
		return nil
	}
	hint := "go on when it is there: slipway work continue"
	return &release.Error{Kind: release.Waiting, Message: fmt.Sprintf("release r%d of %s waits\n  %s", doc.Number, pkg.Path, strings.Join(doc.Waits, "\n  ")), Hint: hint}
}
