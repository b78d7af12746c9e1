package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/config"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/release"
)

func (a *app) classifyCommand() *cobra.Command {
	var explain bool
	cmd := &cobra.Command{
		Use:   "classify [TAG…]",
		Short: "Say which class a tag or commit belongs to, and why",
		Long: `Say which class each tag belongs to, its version and why. Tags are given as arguments
or, one a line, on stdin; they need not exist. Without any, it classifies what release
would: the tag at HEAD, or HEAD on its branch. Classes that can never match are warned of.`,
		Example: `  slipway classify v1.2.3 v1.2.3-rc1 nightly
  slipway classify --explain v1x2x3
  git tag | slipway classify
  slipway classify --branch main`,
		RunE: func(cmd *cobra.Command, tags []string) error {
			return a.classify(cmd.Context(), tags, explain)
		},
	}
	a.which(cmd)
	a.jsonFlag(cmd, "an array of decisions")
	cmd.Flags().BoolVar(&explain, "explain", false, "tell of every class that was looked at")
	return cmd
}

func (a *app) classify(ctx context.Context, tags []string, explain bool) error {
	given := a.givenTags(tags)
	if a.step != nil {
		given = nil // a step's stdin is nobody's
	}
	classes, ev, err := a.classes(ctx, given == nil)
	if err != nil {
		return err
	}
	classifier, err := release.NewClassifier(classes)
	if err != nil {
		return err
	}
	if a.step != nil {
		d, err := classifier.Classify(ev)
		outcome := map[bool]release.Outcome{true: release.Skipped, false: release.Planned}[d.Skip]
		return a.shown(release.Report{Schema: release.ReportSchema, Outcome: outcome, Decision: d}, err, nil)
	}
	out := bufio.NewWriterSize(a.out, 64<<10)
	w := &decisionWriter{w: out, json: a.json, explain: explain}
	if given == nil {
		err = w.classify(classifier, ev)
	} else {
		err = given(func(tag string) error {
			if err := git.CheckTagName(tag); err != nil {
				return w.write(release.Decision{Tag: tag, Skip: true, Reason: err.Error()})
			}
			return w.classify(classifier, release.Event{Tag: tag})
		})
	}
	if err == nil {
		err = w.close()
	}
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	return err
}

// givenTags walks the tags of the command line, or of stdin when something is
// piped in; nil means that none were given.
func (a *app) givenTags(args []string) func(func(string) error) error {
	fi, err := a.in.Stat()
	piped := err == nil && fi.Mode()&os.ModeCharDevice == 0
	switch {
	case len(args) == 1 && args[0] == "-", len(args) == 0 && piped && a.tag+a.commit+a.branch == "":
		r := bufio.NewReaderSize(a.in, 64<<10)
		if _, err := r.Peek(1); err == io.EOF {
			return nil
		}
		return func(yield func(string) error) error { return eachLine(r, yield) }
	case len(args) > 0:
		return func(yield func(string) error) error {
			for _, t := range args {
				if err := yield(t); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return nil
}

func eachLine(r io.Reader, yield func(string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if tag := strings.TrimRight(lines.Text(), "\r"); tag != "" {
			if err := yield(strings.TrimPrefix(tag, "refs/tags/")); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read tags from stdin: %w", err)
	}
	return nil
}

// classes reads the config's classes; outside of a repository, and without a
// config, they are the default ones.
func (a *app) classes(ctx context.Context, wantEvent bool) ([]release.Class, release.Event, error) {
	repo, err := git.Open(ctx, a.dir)
	if err != nil {
		if wantEvent {
			return nil, release.Event{}, err
		}
		return a.classesOfFile("")
	}
	l, err := a.load(ctx)
	if err != nil && !wantEvent && release.KindOf(err) == release.Invalid {
		if _, _, herr := repo.Head(ctx); herr != nil { // no commit to read a config from
			main, _ := repo.DefaultBranch(ctx, "")
			return a.classesOfFile(main)
		}
	}
	if err != nil {
		return nil, release.Event{}, err
	}
	a.warn(l.project.Warnings)
	return l.project.Config.Classes, l.project.Event, nil
}

// classesOfFile are the classes of the config that lies in the folder, outside
// of any commit.
func (a *app) classesOfFile(main string) ([]release.Class, release.Event, error) {
	name, data, err := readConfig(a.dir, a.config)
	if err != nil {
		return nil, release.Event{}, err
	}
	cfg, problems := config.Load(name, data)
	fatal, warnings := problems.Split()
	a.warn(warnings)
	if len(fatal) > 0 {
		return nil, release.Event{}, fatal
	}
	if len(cfg.Classes) == 0 {
		cfg.Classes = release.DefaultClasses(main)
	}
	return cfg.Classes, release.Event{}, nil
}

// decisionWriter writes decisions as they come: lines, or one JSON array.
type decisionWriter struct {
	w             io.Writer
	json, explain bool
	n             int
}

func (d *decisionWriter) classify(c *release.Classifier, ev release.Event) error {
	decision, err := c.Classify(ev)
	if err != nil {
		return err
	}
	return d.write(decision)
}

func (d *decisionWriter) write(x release.Decision) error {
	d.n++
	if d.json {
		if !d.explain {
			x.Trace = nil
		}
		b, err := json.Marshal(x)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(d.w, "%s%s", map[bool]string{true: "[\n", false: ",\n"}[d.n == 1], b)
		return err
	}
	if d.n == 1 {
		fmt.Fprintf(d.w, "%-22s %-12s %-22s %s\n", "TAG", "CLASS", "VERSION", "WHY")
	}
	class, version := x.Class, x.Version
	if x.Skip {
		class, version = "-", "-"
	}
	_, err := fmt.Fprintf(d.w, "%-22s %-12s %-22s %s\n", printable(x.Tag), class, printable(version), printable(x.Reason))
	if d.explain {
		for _, t := range x.Trace {
			mark := map[bool]string{true: "✓", false: "·"}[t.Matched]
			_, err = fmt.Fprintf(d.w, "  %s %-20s %s\n", mark, t.Class, printable(t.Why))
		}
	}
	return err
}

func (d *decisionWriter) close() error {
	if !d.json {
		return nil
	}
	end := "\n]\n"
	if d.n == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(d.w, end)
	return err
}

// printable takes control characters out of what others wrote, so that a tag
// can't move the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
