package build

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// Containers runs commands in builder images, away from this machine. It may be
// called from several goroutines.
type Containers interface {
	// Run carries out one command. An error is readable as it is: it names the
	// command and its last lines.
	Run(ctx context.Context, c ContainerRun) error
	// CanRun tells whether programs of a platform run there, by the builder's
	// own processor or under emulation; the reason says why not.
	CanRun(ctx context.Context, p release.Platform) (bool, string)
}

// ContainerRun is one command in one builder image.
type ContainerRun struct {
	Name     string // what it is for, as a person reads it
	Project  string // names the caches
	Image    string
	Platform *release.Platform // of the image; nil: the builder's own
	Source   string            // folder on this machine; it is seen at SourceDir and never changed
	Dir      string            // folder in it to run in
	Args     []string
	Text     string            // the command on one line, for errors
	Env      []string          // KEY=value
	Files    map[string]string // path in the container → file on this machine
	Caches   []string          // folders in the container that are kept from run to run
	// Output is a file in the container that is brought to To on this machine;
	// empty when nothing is.
	Output, To string
	Fresh      bool // run it even if the same was run before
}

// Folders of a container.
const (
	SourceDir = "/src"
	outputDir = "/slipway/out"
	binaryDir = "/slipway/bin"
)

// goCaches are the caches of the go command in a builder image.
var goCaches = []string{"/go/pkg/mod", "/root/.cache/go-build"}

// containerBuild makes a binary in the build's builder image.
func (r *run) containerBuild(ctx context.Context, j *job, out string) error {
	c := ContainerRun{
		Name: "build " + j.String(), Project: r.Vars["project"], Image: j.Image, Source: r.Source, Dir: j.Dir,
		Output: path.Join(outputDir, j.Binary), To: out, Fresh: r.Rebuild,
	}
	env := slices.Concat(varEnv(r.Vars, r.Time), platformEnv(j.Platform), []string{"TZ=UTC"})
	var err error
	switch j.Builder {
	case "go":
		c.Caches, c.Text = goCaches, "go build"
		c.Args, err = goArgs(j.PlanBuild, c.Output)
		cgo := "CGO_ENABLED=0"
		if j.CGO {
			cgo = "CGO_ENABLED=1"
		}
		c.Env = slices.Concat(env, []string{"GOENV=off", "GO111MODULE=on", "GOFLAGS=", "GOFIPS140=off", cgo,
			"GOMODCACHE=" + goCaches[0], "GOCACHE=" + goCaches[1]}, goPlatform(j.Platform), userEnv(j.Env),
			[]string{"GOOS=" + j.Platform.OS, "GOARCH=" + j.Platform.Arch})
	default:
		c.Text = commandText(j.Run)
		if j.Output != "" {
			c.Output = path.Join(SourceDir, filepath.ToSlash(j.Dir), j.Output)
		}
		var command release.PlanCommand
		if command, err = withOutput(j.Run, c.Output); err == nil {
			c.Args, err = commandArgs(command)
		}
		c.Env = slices.Concat(env, userEnv(j.Env), []string{"SLIPWAY_OUTPUT=" + c.Output})
	}
	if err != nil {
		return fmt.Errorf("build %s: %w", j, err)
	}
	return r.containers(j.Image).Run(ctx, c)
}

func (r *run) containers(image string) Containers { return orNone(r.Containers, image) }

// orNone stands in where no builder was given.
func orNone(c Containers, image string) Containers {
	if c == nil {
		return noContainers{image}
	}
	return c
}

type noContainers struct{ image string }

func (n noContainers) Run(_ context.Context, c ContainerRun) error {
	return release.Invalidf("start BuildKit and name it with --builder, or leave `image` out",
		"%s: it runs in the image %s, and there is no builder", c.Name, n.image)
}

func (n noContainers) CanRun(context.Context, release.Platform) (bool, string) {
	return false, "there is no builder for the image " + n.image
}

// containerStep runs a check in its builder image.
func (o StepOptions) containerStep(ctx context.Context, s release.PlanStep, who string) error {
	args, err := commandArgs(s.Run)
	if err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	c := ContainerRun{Name: who, Project: o.Vars["project"], Image: s.Image, Platform: s.Platform, Source: o.Source, Dir: s.Dir,
		Args: args, Text: commandText(s.Run), Env: varEnv(o.Vars, o.Time), Files: map[string]string{}, Fresh: o.Fresh}
	if s.Platform != nil {
		c.Env = slices.Concat(c.Env, goPlatform(*s.Platform), platformEnv(*s.Platform))
		for _, b := range o.Binaries {
			if b.Platform == *s.Platform {
				at := path.Join(binaryDir, b.Name)
				c.Files[at] = b.Path
				c.Env = append(c.Env, "SLIPWAY_BINARY_"+envName(b.ID)+"="+at)
			}
		}
		if len(c.Files) > 0 {
			c.Env = append(c.Env, "SLIPWAY_BIN_DIR="+binaryDir)
		}
	}
	c.Env = append(c.Env, userEnv(s.Env)...)
	if strings.HasPrefix(path.Base(args[0]), "go") {
		c.Caches = goCaches
	}
	return orNone(o.Containers, s.Image).Run(ctx, c)
}
