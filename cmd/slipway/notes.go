package main

import (
	"cmp"
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/releasenotes"
)

func (a *app) notesCommand() *cobra.Command {
	var all bool
	var limit int
	cmd := &cobra.Command{
		Use:   "notes",
		Short: "Print the release notes",
		Long: `Print the notes of a release: what changed since the previous release of its class.
With --all, the notes of every release there was, newest first: a changelog.`,
		Example: `  slipway notes
  slipway notes --tag v1.2.3 --json
  slipway notes --all > CHANGELOG.md`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all {
				return a.changelog(cmd.Context())
			}
			return a.notes(cmd.Context(), limit)
		},
	}
	a.which(cmd)
	a.where(cmd)
	a.jsonFlag(cmd, "the notes")
	cmd.Flags().BoolVar(&all, "all", false, "the notes of every release")
	cmd.Flags().IntVar(&limit, "limit", 0, "cut the text at this many characters, as a forge would make it necessary")
	cmd.MarkFlagsMutuallyExclusive("all", "limit")
	return cmd
}

func (a *app) notes(ctx context.Context, limit int) error {
	l, err := a.load(ctx)
	if err != nil {
		return err
	}
	a.warn(l.project.Warnings)
	e := &engine.Engine{Repo: l.repo, Remote: l.remote, Progress: a.lines()}
	p, err := e.NotesPlan(ctx, engine.Request{Event: l.project.Event, Config: l.notesConfig(), Target: l.target})
	if err != nil {
		return err
	}
	n, text, err := engine.Notes(ctx, l.repo, p)
	if err != nil {
		return err
	}
	if a.step != nil {
		return a.shown(release.Report{Schema: release.ReportSchema, Outcome: release.Planned, Plan: &p, PlanHash: p.Hash(), Notes: text}, nil, nil)
	}
	if a.json {
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(n)
	}
	if limit > 0 {
		text, _ = releasenotes.Cut(text, limit, release.FullNotesName)
	}
	_, err = io.WriteString(a.out, text)
	return err
}

// notesConfig is the config without what notes do not need, so that they can be
// made of any repository.
func (l loaded) notesConfig() release.Config {
	cfg := l.project.Config
	return release.Config{Project: cmp.Or(cfg.Project, l.name), Classes: cfg.Classes, Notes: cfg.Notes}
}
