package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// commandBuild runs a build's own command and brings what it made to out.
func (r *run) commandBuild(ctx context.Context, j *job, out string) error {
	command, err := withOutput(j.Run, out)
	if err != nil {
		return fmt.Errorf("build %s: %w", j, err)
	}
	args, err := commandArgs(command)
	if err != nil {
		return fmt.Errorf("build %s: %w", j, err)
	}
	root, err := os.OpenRoot(r.Source)
	if err != nil {
		return err
	}
	defer root.Close()
	dir, err := inside(root, j.Dir, "build "+j.ID)
	if err != nil {
		return err
	}
	env := slices.Concat(varEnv(r.Vars, r.Time), platformEnv(j.Platform), []string{"TZ=UTC"}, userEnv(j.Env), []string{"SLIPWAY_OUTPUT=" + out})
	output := r.output.named(j.ID + " " + j.Platform.String())
	err = proc.Run(ctx, proc.Cmd{Args: args, Dir: dir, Unset: tokens, Env: env, Stderr: output, Merged: true})
	output.flush()
	if err != nil {
		return buildError(j, commandText(j.Run), err)
	}
	if j.Output == "" {
		return checkOutput(j, out)
	}
	return takeOutput(root, j, out)
}

// withOutput fills in {output}: an argument gets the path, a script a reference
// to the variable that holds it.
func withOutput(c release.PlanCommand, out string) (release.PlanCommand, error) {
	script, err := outputInScript(c.Script)
	if err != nil {
		return c, err
	}
	args := slices.Clone(c.Args)
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, outputMark, out)
	}
	return release.PlanCommand{Script: script, Args: args}, nil
}

// commandArgs is a command as an argument list; a script goes to the shell.
func commandArgs(c release.PlanCommand) ([]string, error) {
	switch {
	case c.Script != "":
		return []string{"sh", "-c", c.Script}, nil
	case len(c.Args) > 0:
		return c.Args, nil
	}
	return nil, release.Invalidf("set `run`", "there is no command to run")
}

// commandText is a command on one line, for errors.
func commandText(c release.PlanCommand) string {
	s := c.Script
	if s == "" {
		s = strings.Join(c.Args, " ")
	}
	line, more, _ := strings.Cut(strings.TrimSpace(s), "\n")
	if len(line) > 120 {
		line, more = strings.ToValidUTF8(line[:120], ""), "…"
	}
	if more != "" {
		line += " …"
	}
	return "`" + line + "`"
}

// inside gives the path of a folder of the source, and refuses one that leads
// out of it, through a symbolic link too.
func inside(root *os.Root, dir, who string) (string, error) {
	if dir == "" {
		dir = "."
	}
	st, err := root.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !st.IsDir():
		return "", release.Invalidf("look at its `dir`", "%s: there is no folder %q in the repository at this commit", who, dir)
	case err != nil:
		return "", release.Invalidf("look at its `dir`", "%s: the folder %q can't be used: %v", who, dir, err)
	}
	return filepath.Join(root.Name(), dir), nil
}

// checkOutput looks whether the command wrote {output}.
func checkOutput(j *job, out string) error {
	st, err := os.Lstat(out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return release.Failf("write the binary to {output} (in a script also \"$SLIPWAY_OUTPUT\"), or say with `output` where the command leaves it",
			"build %s: %s ended well but left no file at {output}", j, commandText(j.Run))
	case err != nil:
		return dist.Readable(err)
	case !st.Mode().IsRegular():
		return release.Failf("write the file itself there", "build %s: %s left a folder or a link at {output}, not a file", j, commandText(j.Run))
	}
	return nil
}

// takeOutput copies what the command left in the source to out. The file must
// be in the source even after all links are followed.
func takeOutput(root *os.Root, j *job, out string) error {
	path := filepath.Join(j.Dir, j.Output)
	st, err := root.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return release.Failf("look at the build's `output`, which is relative to its `dir`", "build %s: %s ended well but left no file at %s", j, commandText(j.Run), path)
	case err != nil:
		return release.Failf("the file must be in the repository", "build %s: %s can't be taken: %v", j, path, err)
	case !st.Mode().IsRegular():
		return release.Failf("look at the build's `output`", "build %s: %s is not a file", j, path)
	}
	from, err := root.Open(path)
	if err != nil {
		return fmt.Errorf("build %s: read its output: %w", j, err)
	}
	defer from.Close()
	to, err := os.Create(out)
	if err != nil {
		return dist.Readable(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		return dist.Readable(errors.Join(err, to.Close()))
	}
	if err := to.Close(); err != nil {
		return dist.Readable(err)
	}
	if j.leftover {
		// The next platform leaves its binary at the same path; one whose
		// command leaves nothing must not pass with this one.
		return root.Remove(path)
	}
	return nil
}
