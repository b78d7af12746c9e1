package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/config"
	"github.com/slipway-dev/slipway/internal/forge/detect"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/workflows"
)

// defaultWorkflows are what init writes when nobody says which.
var defaultWorkflows = []string{"release", "plan"}

// initFlags are what init is asked for.
type initFlags struct {
	force     bool
	workflows []string
	chosen    bool // --workflow was given
}

func (a *app) initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write the config and the workflows for this repository",
		Long: `Look at the repository and write out, as .slipway.yaml, what Slipway does there by
default, ready to be changed; and workflow files that run it on the forge: one that
releases a pushed tag, and one that plans a pull request. Where there are release packages
(*.ocu.star), the config names them, and the workflows carry releases out. --workflow asks for
others:

` + workflowList() + `

A file that exists is not overwritten. With --workflow a config that exists stays as
it is, and the workflows are made for it.`,
		Example: `  slipway init && slipway plan
  slipway init --workflow development --workflow promote
  slipway init --forge gitea --workflow all
  slipway init --workflow none              # the config alone`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.chosen = cmd.Flags().Changed("workflow")
			return a.init(cmd.Context(), f)
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.force, "force", false, "overwrite files that exist")
	fs.StringSliceVar(&f.workflows, "workflow", defaultWorkflows, "workflow to write, all or none; may be given several times")
	fs.StringVar(&a.forge, "forge", "", "kind of forge: github, gitea or forgejo (default: that of the git remote, else github)")
	_ = cmd.RegisterFlagCompletionFunc("forge", cobra.FixedCompletions(workflows.Forges(), cobra.ShellCompDirectiveNoFileComp))
	var values []string
	for _, name := range workflows.Names("github") {
		values = append(values, name+"\t"+workflows.Summary(name))
	}
	_ = cmd.RegisterFlagCompletionFunc("workflow", cobra.FixedCompletions(append(values, "all\tevery one of them, without the split builds", "none\tthe config alone"), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// workflowList is the workflows that there are, a line each.
func workflowList() string {
	var lines []string
	for _, name := range workflows.Names("github") {
		lines = append(lines, fmt.Sprintf("  %-16s %s", name, workflows.Summary(name)))
	}
	return strings.Join(lines, "\n")
}

// newFile is a file that init is about to write.
type newFile struct {
	name, what string
	content    []byte
	there      bool // already
}

func (a *app) init(ctx context.Context, f initFlags) error {
	repo, err := git.Open(ctx, a.dir)
	if err != nil {
		return err
	}
	if repo.Bare {
		return errUsage("a bare repository has no folder to write %s to", project.ConfigName)
	}
	_, url, err := remote(ctx, repo)
	if err != nil {
		return err
	}
	facts, err := repositoryFacts(ctx, repo, url)
	if err != nil {
		return err
	}
	cfg := config.Default(facts)
	if cfg.Rollout, err = config.ReleasePackages(os.DirFS(repo.Dir)); err != nil {
		return err
	}
	files := []newFile{{name: project.ConfigName, what: "what Slipway ships from here", content: config.Write(cfg)}}
	if f.chosen {
		own, there, err := ownConfig(repo.Dir, facts)
		if err != nil {
			return err
		}
		if there {
			cfg, files = own, nil
		}
	}
	asked := f.workflows
	if !f.chosen && len(cfg.Rollout) > 0 {
		asked = append(slices.Clone(asked), "rollout")
	}
	flows, err := a.workflowFiles(ctx, repo, url, asked, cfg, facts.DefaultBranch)
	if err != nil {
		return err
	}
	if files = append(files, flows...); len(files) == 0 {
		fmt.Fprintf(a.out, "%s is there, and no workflow was asked for: nothing to write\n", project.ConfigName)
		return nil
	}
	return a.writeFiles(repo.Dir, files, f.force)
}

// repositoryFacts are what the defaults of a repository depend on.
func repositoryFacts(ctx context.Context, repo *git.Repo, url string) (config.Facts, error) {
	facts, err := config.Detect(os.DirFS(repo.Dir), filepath.Base(repo.Dir))
	if err != nil {
		return facts, err
	}
	if _, _, name, ok := git.ParseRemote(url); ok {
		facts.RepositoryName = name
	}
	facts.DefaultBranch, err = repo.DefaultBranch(ctx, "")
	return facts, err
}

// ownConfig reads the config that the repository has.
func ownConfig(dir string, facts config.Facts) (cfg release.Config, there bool, err error) {
	name, data, err := project.ConfigOnDisk(dir)
	if err != nil || data == nil {
		return cfg, false, err
	}
	cfg, problems := config.Load(name, data)
	if fatal, _ := problems.Split(); len(fatal) > 0 {
		return cfg, true, fatal
	}
	cfg, _ = config.Complete(cfg, facts)
	return cfg, true, nil
}

// workflowFiles renders the workflows that are asked for.
func (a *app) workflowFiles(ctx context.Context, repo *git.Repo, url string, asked []string, cfg release.Config, branch string) ([]newFile, error) {
	if slices.Equal(asked, []string{"none"}) {
		return nil, nil
	}
	kind, server, err := a.workflowForge(ctx, repo, url)
	if err != nil {
		return nil, err
	}
	names, err := workflowNames(kind, asked, len(cfg.Rollout) > 0)
	if err != nil {
		return nil, err
	}
	if err := beside(repo.Dir, kind, names); err != nil {
		return nil, err
	}
	o := workflows.Options{Branch: branch, Registry: registryOf(cfg, kind, server)}
	for _, b := range cfg.Builds {
		o.Platforms = append(o.Platforms, b.Platforms...)
	}
	var files []newFile
	for _, name := range names {
		o.Rollout = rollsOut(cfg, name)
		w, err := workflows.Render(kind, name, o)
		if err != nil {
			return nil, err
		}
		files = append(files, newFile{name: w.Path, what: workflows.Summary(name), content: w.Content})
	}
	return files, nil
}

// rollsOut says whether a workflow's releases have release packages.
func rollsOut(cfg release.Config, workflow string) bool {
	if workflow != "development" {
		return len(cfg.Rollout) > 0
	}
	return slices.ContainsFunc(cfg.Classes, func(c release.Class) bool { return c.Branch != "" && len(cfg.RolloutFor(c.Name)) > 0 })
}

// workflowNames resolves all and none, and refuses what does not go together.
func workflowNames(kind string, asked []string, packages bool) ([]string, error) {
	var names []string
	for _, name := range asked {
		switch {
		case name == "all":
			names = append(names, workflows.Together(kind, packages)...)
		case name == "none":
			return nil, errUsage("--workflow: none goes with no other")
		case !slices.Contains(workflows.Names(kind), name):
			return nil, release.Invalidf("it takes "+strings.Join(workflows.Names(kind), ", ")+", all or none", "--workflow: there is no workflow %q for %s", name, kind)
		default:
			names = append(names, name)
		}
	}
	if one, other, both := workflows.Conflict(names); both {
		return nil, errUsage("--workflow: %s and %s would both release a pushed tag: take one of them", one, other)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// beside refuses a workflow that would release what one that is there releases.
func beside(dir, kind string, names []string) error {
	for _, other := range workflows.Names(kind) {
		if slices.Contains(names, other) {
			continue
		}
		_, _, both := workflows.Conflict(append(slices.Clone(names), other))
		if !both {
			continue
		}
		w, err := workflows.Render(kind, other, workflows.Options{})
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(w.Path))); err == nil {
			return release.Refuse("remove it first, or choose other workflows with --workflow", "%s would release the same tags", w.Path)
		}
	}
	return nil
}

// workflowForge is the kind of forge that the workflows are for: what is asked
// for; what the folder has already; what the git remote's server is; github when
// nothing tells. server is the remote's, or empty.
func (a *app) workflowForge(ctx context.Context, repo *git.Repo, url string) (kind, server string, err error) {
	server, _, _, _ = git.ParseRemote(url)
	if kind, err = a.forgeKind(server); kind != "" || err != nil {
		return kind, server, err
	}
	for _, name := range workflows.Forges() {
		if st, err := os.Stat(filepath.Join(repo.Dir, "."+name, "workflows")); err == nil && st.IsDir() {
			return name, server, nil
		}
	}
	if server == "" {
		return "github", "", nil
	}
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	kind, derr := detect.Detect(limited, nil, server)
	if ctx.Err() != nil {
		return "", server, ctx.Err()
	}
	if derr != nil {
		fmt.Fprintf(a.err, "%s does not say what it is; the workflows are GitHub's (--forge says otherwise)\n", server)
		kind = "github"
	}
	return kind, server, nil
}

// registryOf is the host that images are pushed to; empty when there are none.
// One that names no repository goes to the forge's own.
func registryOf(cfg release.Config, kind, server string) string {
	for _, img := range cfg.Images {
		for _, name := range img.Repository {
			if named, err := reference.ParseNormalizedNamed(name); err == nil {
				return reference.Domain(named)
			}
		}
	}
	if len(cfg.Images) == 0 {
		return ""
	}
	if kind == "github" {
		return "ghcr.io"
	}
	_, host, _ := strings.Cut(server, "://")
	return host
}

// writeFiles writes all files or, when one is there with other content and
// nobody insists, none.
func (a *app) writeFiles(dir string, files []newFile, force bool) error {
	var there []string
	for i := range files {
		old, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(files[i].name)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		default:
			files[i].there = true
			if files[i].name == project.ConfigName || !bytes.Equal(old, files[i].content) {
				there = append(there, files[i].name)
			}
		}
	}
	if len(there) > 0 && !force {
		hint := "change it by hand, or give --force"
		if there[0] == project.ConfigName {
			hint += "; --workflow adds workflows beside it"
		}
		return release.Refuse(hint, "%s exists", strings.Join(there, ", "))
	}
	for _, f := range files {
		if err := writeNew(filepath.Join(dir, filepath.FromSlash(f.name)), f.content, force || f.there); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "wrote %s: %s\n", f.name, f.what)
	}
	next := "see what it would release with `slipway plan`"
	if len(files) > 1 || files[0].name != project.ConfigName {
		next += "; commit these files and push them"
	}
	fmt.Fprintln(a.out, next)
	return nil
}

// writeNew writes a file; without over, only where none is.
func writeNew(name string, content []byte, over bool) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if over {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(name, flags, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
