package build

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// StepOptions say where checks run and on what.
type StepOptions struct {
	Source   string // a clean checkout of the commit
	Time     time.Time
	Vars     map[string]string // as in Options
	Binaries []release.Binary  // for steps that are bound to a platform
	Stage    progress.Stage
	Output   io.Writer // hears what the commands print; nil: only errors tell it
	Fresh    bool      // run checks in builder images even if the same passed before
	// Containers runs the steps that name an image; nil: there is no builder.
	Containers Containers
}

// Outcomes of a step.
const (
	StepPassed  = "passed"
	StepFailed  = "failed"
	StepSkipped = "skipped"
)

// Steps runs checks in order. The first that does not pass ends it: its result
// is the last one, and the error says what the command printed last. A step
// that is bound to a platform finds that platform's binaries in
// SLIPWAY_BINARY_<ID> (the build's id in capitals, with _ for other characters)
// and their folder in SLIPWAY_BIN_DIR, and GOOS, GOARCH and the like set; it is
// skipped, with the reason, where this machine, or the builder of its image, can't
// run the platform.
func Steps(ctx context.Context, o StepOptions, steps []release.PlanStep) ([]release.StepResult, error) {
	source, err := filepath.Abs(o.Source)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(source)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	results := []release.StepResult{}
	for _, s := range steps {
		result := release.StepResult{Name: s.Name, Platform: s.Platform, Outcome: StepSkipped}
		task := o.Stage.Task(stepTitle(s), 0)
		if s.Platform != nil {
			if ok, why := o.canRun(ctx, s); !ok {
				if ctx.Err() != nil {
					task.Done("", ctx.Err())
					return results, ctx.Err()
				}
				result.Reason = why
				task.Done("skipped: "+why, nil)
				results = append(results, result)
				continue
			}
		}
		begun := time.Now()
		err := o.step(ctx, root, s)
		result.Duration, result.Outcome = time.Since(begun), StepPassed
		if err != nil {
			result.Outcome, result.Reason = StepFailed, firstLine(err.Error())
		}
		task.Done("", err)
		results = append(results, result)
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

// canRun asks the one that would run the step.
func (o StepOptions) canRun(ctx context.Context, s release.PlanStep) (bool, string) {
	if s.Image != "" {
		return orNone(o.Containers, s.Image).CanRun(ctx, *s.Platform)
	}
	return CanRun(ctx, *s.Platform)
}

func stepTitle(s release.PlanStep) string {
	if s.Platform == nil {
		return s.Name
	}
	return s.Name + " " + s.Platform.String()
}

func firstLine(s string) string { line, _, _ := strings.Cut(s, "\n"); return line }

func (o StepOptions) step(ctx context.Context, root *os.Root, s release.PlanStep) error {
	who := fmt.Sprintf("test %q", s.Name)
	if s.Platform != nil {
		who += " on " + s.Platform.String()
	}
	dir, err := inside(root, s.Dir, who)
	if err != nil {
		return err
	}
	if s.Image != "" {
		return o.containerStep(ctx, s, who)
	}
	args, err := commandArgs(s.Run)
	if err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	env := varEnv(o.Vars, o.Time)
	if s.Platform != nil {
		env = slices.Concat(env, goPlatform(*s.Platform), platformEnv(*s.Platform), o.binaryEnv(*s.Platform))
	}
	output := newLineWriter(o.Output).named(stepTitle(s))
	err = proc.Run(ctx, proc.Cmd{Args: args, Dir: dir, Unset: tokens, Env: append(env, userEnv(s.Env)...), Stderr: output, Merged: true})
	output.flush()
	if err != nil {
		return toolError(who, commandText(s.Run), err)
	}
	return nil
}

// binaryEnv points at the binaries of a platform.
func (o StepOptions) binaryEnv(p release.Platform) []string {
	paths := map[string]string{}
	dir := ""
	for _, b := range o.Binaries {
		if b.Platform != p {
			continue
		}
		paths["SLIPWAY_BINARY_"+envName(b.ID)] = b.Path
		if dir == "" {
			dir = filepath.Dir(b.Path)
		}
	}
	if dir != "" {
		paths["SLIPWAY_BIN_DIR"] = dir
	}
	var env []string
	for _, k := range slices.Sorted(maps.Keys(paths)) {
		env = append(env, k+"="+paths[k])
	}
	return env
}
