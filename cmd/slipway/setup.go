package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/config"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
)

func (a *app) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Look whether the config is right",
		Long: `Read .slipway.yaml as it is on disk and name every problem in it in one go, each with
its place and what to do. Without a file the defaults for the repository are looked at.`,
		Example: `  slipway check
  slipway check --json | jq '.[].message'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.config = args[0]
			}
			return a.check(cmd.Context())
		},
	}
	a.jsonFlag(cmd, "an array of problems")
	return cmd
}

func (a *app) check(ctx context.Context) error {
	file, cfg, problems, err := a.checked(ctx)
	if err != nil {
		return err
	}
	fatal, warnings := problems.Split()
	if a.json {
		if problems == nil {
			problems = release.Problems{}
		}
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(problems); err != nil {
			return err
		}
	} else {
		a.warn(warnings)
	}
	if len(fatal) > 0 {
		if a.json {
			return reported{fatal}
		}
		return fatal
	}
	if !a.json {
		fmt.Fprintf(a.out, "%s is fine: %d classes, %d checks, %d builds, %d archives\n",
			file, len(cfg.Classes), len(cfg.Test), len(cfg.Builds), len(cfg.Archives))
	}
	return nil
}

// checked reads the config on disk, and completes it when that is possible.
func (a *app) checked(ctx context.Context) (file string, cfg release.Config, ps release.Problems, err error) {
	repo, rerr := git.Open(ctx, a.dir)
	top := a.dir
	if rerr == nil {
		top = repo.Dir
	}
	file, data, err := readConfig(top, a.config)
	if err != nil {
		return file, cfg, nil, err
	}
	cfg, ps = config.Load(file, data)
	if fatal, _ := ps.Split(); len(fatal) > 0 {
		return file, cfg, ps, nil
	}
	facts, err := config.Detect(os.DirFS(top), filepath.Base(top))
	if err != nil {
		return file, cfg, nil, err
	}
	if rerr == nil {
		if facts.DefaultBranch, err = repo.DefaultBranch(ctx, ""); err != nil {
			return file, cfg, nil, err
		}
	}
	full, more := config.Complete(cfg, facts)
	for _, p := range more {
		if p.File == "" {
			p.File = file
		}
		ps = append(ps, p)
	}
	return file, full, ps, nil
}

// readConfig reads the config on disk; without one, the name says so.
func readConfig(top, file string) (name string, data []byte, err error) {
	if file != "" {
		data, err = os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			err = errUsage("there is no file %s", file)
		}
		return file, data, err
	}
	name, data, err = project.ConfigOnDisk(top)
	if err == nil && data == nil {
		name = "the default config"
	}
	return name, data, err
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of .slipway.yaml",
		Long: `Print the JSON schema of .slipway.yaml, made from the types that read it. Editors with
the YAML language server complete and check the file with it.`,
		Example: `  slipway schema > .slipway.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b, err := config.Schema()
			if err == nil {
				_, err = a.out.Write(b)
			}
			return err
		},
	}
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the version of slipway, the commit it was built from and its Go version.",
		Example: `  slipway version --json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": stamped(), "commit": commit, "date": date,
				"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			if a.json {
				return json.NewEncoder(a.out).Encode(v)
			}
			_, err := fmt.Fprintf(a.out, "slipway %s (%s, %s)\n", v["version"], v["go"], v["platform"])
			return err
		},
	}
	a.jsonFlag(cmd, "the version")
	return cmd
}
