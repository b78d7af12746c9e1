package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

func (a *app) stateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look at the state of release packages, and wish for another one",
		Long: `The state of release packages is JSON documents by reference:

  [repo]/-/[path]/@[release]/[call|deploy|custom|…]/[name]#[part]

  ./release.ocu.star/@/call/build#output/tag    of the last successful build
  ./release.ocu.star/@7/deploy/production       of release 7
  ./release.ocu.star/@7/custom/approval         a value that people give
  @/environment/production                      of no package

What is to change is written as a wish, with + instead of @; slipway work continue, or
slipway state apply, brings it about. A value that only people give (custom, freezes) and an
environment that is set may be written with @: then it counts at once.`,
		Example: `  slipway state match "**/deploy/production"
  slipway state get ./release.ocu.star/@/deploy/production#output/url
  slipway state set ./release.ocu.star/@7/custom/approval yes
  slipway state set -f json +/environment/production '{"attributes": {"type": "prod"}}'`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.stateGetCommand(), a.stateMatchCommand(), a.stateSetCommand(), a.stateDeleteCommand(), a.stateDiffCommand(), a.stateApplyCommand(), a.stateImportCommand())
	return cmd
}

// withReference is withRollouts for a command about one reference.
func (a *app) withReference(ctx context.Context, f rolloutFlags, arg string, do func(context.Context, *rollouts, ref.Ref) error) error {
	return a.withRollouts(ctx, f, func(ctx context.Context, r *rollouts) error {
		to, err := r.reference(arg)
		if err != nil {
			return err
		}
		return do(ctx, r, to)
	})
}

func (a *app) stateGetCommand() *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use:   "get REF",
		Short: "Print the document of a reference, or a part of it",
		Example: `  slipway state get ./release.ocu.star/@/deploy/production
  slipway state get ./release.ocu.star/@7/call/build#output/tag`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withReference(cmd.Context(), f, args[0], func(ctx context.Context, r *rollouts, to ref.Ref) error {
				value, err := r.Value(ctx, to)
				if err != nil {
					return err
				}
				e := json.NewEncoder(a.out)
				e.SetIndent("", "  ")
				e.SetEscapeHTML(false)
				return e.Encode(value)
			})
		},
	}
	a.stateFlag(cmd, &f)
	return a.leaf(cmd)
}

func (a *app) stateMatchCommand() *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use:   "match [PATTERN]",
		Short: "List the references that a pattern fits",
		Long: `List the references that a pattern fits, one a line: * stands for a part of the path between
slashes, ** for any number of them, {a,b} for one of several. Without a pattern all are listed.`,
		Example: `  slipway state match "**/deploy/production"
  slipway state match "@/environment/*"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				glob := "**"
				if len(args) == 1 {
					glob = args[0]
				}
				pattern, err := ref.Match(glob)
				if err != nil {
					return err
				}
				refs, err := r.Match(ctx, pattern)
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(append([]string{}, refs...))
				}
				for _, name := range refs {
					fmt.Fprintln(a.out, name)
				}
				return nil
			})
		},
	}
	a.stateFlag(cmd, &f)
	a.jsonFlag(cmd, "the references, as an array,")
	return a.leaf(cmd)
}

func (a *app) stateSetCommand() *cobra.Command {
	var f rolloutFlags
	var format string
	cmd := &cobra.Command{
		Use:   "set REF VALUE",
		Short: "Wish for a value; - reads it from stdin",
		Example: `  slipway state set ./release.ocu.star/@7/custom/approval yes
  slipway state set ./release.ocu.star/+/deploy/production -f json '{"release": "r6"}'
  slipway state set -f json +/environment/eu '{"attributes": {"type": "prod"}}'`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := a.stateValue(args[1], format)
			if err != nil {
				return err
			}
			return a.withReference(cmd.Context(), f, args[0], func(ctx context.Context, r *rollouts, to ref.Ref) error {
				if err := r.Set(ctx, to, value); err != nil {
					return err
				}
				if !to.Intent && to.Kind != ref.Deploy {
					return r.Apply(ctx, to)
				}
				return nil
			})
		},
	}
	a.stateFlag(cmd, &f)
	cmd.Flags().StringVarP(&format, "format", "f", "", "how VALUE is written: string or json (default: json for environments, deploys and freezes, else string)")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"string", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return a.leaf(cmd)
}

// mostValue bounds a value that is set by hand.
const mostValue = 1 << 20

func (a *app) stateValue(text, format string) (json.RawMessage, error) {
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(a.in, mostValue+1))
		if err != nil {
			return nil, fmt.Errorf("read the value: %w", err)
		}
		text = string(b)
	}
	if len(text) > mostValue {
		return nil, errUsage("the value is longer than %d bytes", mostValue)
	}
	switch format {
	case "":
		if json.Valid([]byte(text)) {
			return json.RawMessage(text), nil
		}
		return json.Marshal(text)
	case "string":
		return json.Marshal(text)
	case "json":
		if !json.Valid([]byte(text)) {
			return nil, errUsage("the value is not JSON: %s", clip(text, 80))
		}
		return json.RawMessage(text), nil
	}
	return nil, errUsage("--format is %q: it takes string or json", format)
}

func (a *app) stateDeleteCommand() *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use:   "delete REF",
		Short: "Wish that a document goes",
		Long: `Wish that a document goes. What is deployed into an environment is taken down before the
environment goes; a deploy that goes is taken down.`,
		Example: `  slipway state delete +/environment/staging
  slipway state delete ./release.ocu.star/+/deploy/production`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withReference(cmd.Context(), f, args[0], func(ctx context.Context, r *rollouts, to ref.Ref) error {
				if err := r.Delete(ctx, to); err != nil {
					return err
				}
				if !to.Intent && (to.Kind == ref.Custom || to.Kind == ref.Freeze) {
					return r.Apply(ctx, to)
				}
				return nil
			})
		},
	}
	a.stateFlag(cmd, &f)
	return a.leaf(cmd)
}

func (a *app) stateDiffCommand() *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "List the wishes that have not been brought about",
		Example: `  slipway state diff
  slipway state diff | xargs -n1 slipway state apply`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				wishes, err := r.Wishes(ctx)
				if err != nil {
					return err
				}
				for _, w := range wishes {
					if a.json {
						if err := a.emit(w); err != nil {
							return err
						}
						continue
					}
					fmt.Fprintln(a.out, w.Ref)
				}
				return nil
			})
		},
	}
	a.stateFlag(cmd, &f)
	a.jsonFlag(cmd, "the wishes, one a line,")
	return a.leaf(cmd)
}

func (a *app) stateApplyCommand() *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use:     "apply REF",
		Short:   "Bring one wish about, with the work that this takes",
		Example: `  slipway state diff | xargs -n1 slipway state apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withReference(cmd.Context(), f, args[0], func(ctx context.Context, r *rollouts, to ref.Ref) error {
				return r.Apply(ctx, to)
			})
		},
	}
	a.workFlags(cmd, &f)
	return a.leaf(cmd)
}

func (a *app) stateImportCommand() *cobra.Command {
	var f rolloutFlags
	var intent, branch string
	cmd := &cobra.Command{
		Use:   "import FOLDER",
		Short: "Take over the state that Ocuroot 0.3 has written",
		Long: `Take over the state that Ocuroot 0.3 has written: a state folder, or a clone of its state
repository. Releases, what is deployed, environments, custom values and wishes are taken over;
what is not understood is named. Nothing of Ocuroot's is changed, and what is in the state here
already stays as it is: a package that has releases, an environment, a value.`,
		Example: `  slipway state import .store/state --intent .store/intent
  slipway state import ../app-state.git --branch state`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRollouts(cmd.Context(), f, func(ctx context.Context, r *rollouts) error {
				return a.stateImport(ctx, r, args[0], branch, intent)
			})
		},
	}
	a.stateFlag(cmd, &f)
	cmd.Flags().StringVar(&intent, "intent", "", "folder of the intent store, where it is apart")
	cmd.Flags().StringVar(&branch, "branch", "", "branch of a git repository to read, instead of the folder's files")
	return a.leaf(cmd)
}

// folder opens a folder that must be there.
func folder(name string) (*os.Root, error) {
	root, err := os.OpenRoot(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, release.Invalidf("", "there is no folder %s", name)
	}
	return root, err
}
