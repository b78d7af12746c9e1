package realtest

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/slipway-dev/slipway/internal/proc"
)

// Names of images that a dockerd has after LoadActionImage.
const (
	// JobImage is what a job's steps run in: Debian with git.
	JobImage = "local/job:latest"
	// ActionImage is what the project's Dockerfile makes of this checkout.
	ActionImage = "local/slipway:latest"
	// BotImage is what its target bot makes.
	BotImage = "local/slipway-bot:latest"
)

// The Dockerfile's base images, as its arguments' defaults name them.
const (
	golangImage = "golang:1.26-alpine"
	alpineImage = "alpine:3.22"
)

const workflowPackages = "git,ca-certificates"

// LoadActionImage gives a dockerd (Docker) the images JobImage, BotImage and
// ActionImage; the last has the further names as well. It is built from the Dockerfile
// when a file that it takes has changed, as a runner builds it. What stands for
// Alpine is a Debian with git, certificates, and Go, for the projects of tests.
func LoadActionImage(t testing.TB, docker string, names ...string) {
	t.Helper()
	workflow, action := need(t, workflowImagesPart()), need(t, actionImagePart())
	err := withDocker(docker, func(c *client.Client) error {
		if err := load(t.Context(), c, workflow); err != nil {
			return err
		}
		if err := load(t.Context(), c, action, workflow); err != nil {
			return err
		}
		for _, name := range names {
			if _, err := c.ImageTag(t.Context(), client.ImageTagOptions{Source: ActionImage, Target: name}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func withDocker(address string, do func(*client.Client) error) error {
	c, err := client.New(client.WithHost(address))
	if err != nil {
		return err
	}
	return errors.Join(do(c), c.Close())
}

// workflowImagesPart is the image of jobs, and the one that the action's image
// is made on.
func workflowImagesPart() Part {
	return Part{
		Name: "workflow-images", Version: "1",
		pins: func(string) ([]byte, error) {
			return fmt.Append(nil, debianSuite, workflowPackages, runtime.Version(), runtime.GOARCH, warmProgram, workflowEnv()), nil
		},
		make: makeWorkflowImages,
	}
}

func makeWorkflowImages(ctx context.Context, root, dir string, log io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("debootstrap runs as root only")
	}
	work := filepath.Join(dir, ".work")
	if err := debianRoot(ctx, work, workflowPackages, log); err != nil {
		return err
	}
	debian, err := tarLayer(ctx, dir, log, "--directory="+work, ".")
	if err != nil {
		return err
	}
	files, err := goFiles(ctx, root, log)
	if err != nil {
		return err
	}
	golang, err := tarLayer(ctx, dir, log, files...)
	if err != nil {
		return err
	}
	if err := compileForAll(ctx, filepath.Join(work, "go-build"), log); err != nil {
		return err
	}
	cache, err := tarLayer(ctx, dir, log, "--owner=0", "--group=0", "--directory="+work, "go-build")
	if err != nil {
		return err
	}
	job, err := localImage(JobImage, workflowEnv(), debian)
	if err != nil {
		return err
	}
	alpine, err := localImage(alpineImage, workflowEnv(), debian, golang, cache)
	if err != nil {
		return err
	}
	return errors.Join(writeArchives(dir, job, alpine), os.RemoveAll(work))
}

func workflowEnv() []string {
	return []string{
		"PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"GOTOOLCHAIN=local", "GOCACHE=/go-build", "LC_ALL=C.UTF-8",
	}
}

// warmProgram is compiled ahead for Slipway's default platforms, so that tests
// of small Go projects don't wait for the standard library.
const warmProgram = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n"

func compileForAll(ctx context.Context, cache string, log io.Writer) error {
	source := cache + ".go"
	if err := os.WriteFile(source, []byte(warmProgram), 0o600); err != nil {
		return err
	}
	for _, platform := range [][]string{{"GOARCH=amd64"}, {"GOARCH=386"}, {"GOARCH=arm64"}, {"GOARCH=arm", "GOARM=6"}} {
		err := proc.Run(ctx, proc.Cmd{
			Args: []string{"go", "build", "-trimpath", "-buildvcs=false", "-o", os.DevNull, source}, Stderr: log,
			Env: append(platform, "GOOS=linux", "CGO_ENABLED=0", "GOWORK=off", "GOCACHE="+cache), Unset: []string{"GOFLAGS"},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// golangImagePart is the image that the Dockerfile builds in: Go, the modules of
// the checkout, and what the Go command remembers of having compiled them.
func golangImagePart() Part {
	return Part{
		Name: "golang-image", Version: "1",
		pins: func(root string) ([]byte, error) {
			base, err := workflowImagesPart().pins(root)
			if err != nil {
				return nil, err
			}
			mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
			if err != nil {
				return nil, err
			}
			sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
			return slices.Concat(base, mod, sum), err
		},
		make: makeGolangImage,
	}
}

func makeGolangImage(ctx context.Context, root, dir string, log io.Writer) error {
	base, err := workflowImagesPart().Make(ctx, log)
	if err != nil {
		return err
	}
	work := filepath.Join(dir, ".work")
	defer func() { _ = os.RemoveAll(work) }()
	compiled, err := compileModules(ctx, root, filepath.Join(work, "go", "pkg", "mod"), log)
	if err != nil {
		return err
	}
	layer, err := tarLayer(ctx, dir, log, "--owner=0", "--group=0", "--directory="+work, "go",
		"--directory="+compiled, "--transform=s,^\\.,go-build,S", ".")
	if err != nil {
		return err
	}
	images, err := readArchives(base.Dir)
	if err != nil {
		return err
	}
	below, err := images[1].layers()
	if err != nil {
		return err
	}
	image, err := localImage(golangImage, append(workflowEnv(), "GOPATH=/go", "GOPROXY=off", "HOME=/root"), append(below, layer)...)
	if err != nil {
		return err
	}
	return writeArchives(dir, image)
}

// compileModules downloads the modules of the checkout and compiles what slipway
// takes of them. It returns the folder of the Go command's cache, which is kept:
// the next change of go.mod compiles little.
func compileModules(ctx context.Context, root, modules string, log io.Writer) (compiled string, err error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	out, err := proc.Output(ctx, proc.Cmd{Args: []string{"go", "env", "GOMODCACHE", "GOPROXY"}, Dir: root, Stderr: log})
	if err != nil {
		return "", err
	}
	have, proxy, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	compiled = filepath.Join(cache, "golang-image-cache")
	run := proc.Cmd{
		Dir: root, Stderr: log, Unset: []string{"GOOS", "GOARCH"},
		Env: []string{
			"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-modcacherw -buildvcs=false", "GOMODCACHE=" + modules, "GOCACHE=" + compiled,
			// What this machine has already is not downloaded again.
			"GOPROXY=file://" + filepath.Join(have, "cache", "download") + "," + proxy,
		},
	}
	run.Args = []string{"go", "mod", "download"}
	if err := proc.Run(ctx, run); err != nil {
		return "", err
	}
	// Without our own packages, which may not even compile.
	run.Args = []string{"go", "list", "-e", "-deps", "-f", "{{if not .Standard}}{{if not .Module.Main}}{{.ImportPath}}{{end}}{{end}}", "./cmd/slipway"}
	if out, err = proc.Output(ctx, run); err != nil {
		return "", err
	}
	run.Args = append([]string{"go", "build", "-trimpath"}, strings.Fields(string(out))...)
	return compiled, proc.Run(ctx, run)
}

// actionImagePart is the images of the action and of the bot, without the layers
// of workflowImagesPart.
func actionImagePart() Part {
	return Part{
		Name: "action-image", Version: "2",
		pins: func(root string) ([]byte, error) {
			base, err := golangImagePart().pins(root)
			if err != nil {
				return nil, err
			}
			b := bytes.NewBuffer(base)
			err = buildContext(context.Background(), root, b)
			return b.Bytes(), err
		},
		make: makeActionImage,
	}
}

func makeActionImage(ctx context.Context, root, dir string, log io.Writer) error {
	workflow, err := workflowImagesPart().Make(ctx, log)
	if err != nil {
		return err
	}
	golang, err := golangImagePart().Make(ctx, log)
	if err != nil {
		return err
	}
	docker, err := startDocker("dockerd")
	if err != nil {
		return err
	}
	defer docker.srv.stop()
	err = withDocker(docker.address, func(c *client.Client) error {
		if err := load(ctx, c, workflow.Dir); err != nil {
			return err
		}
		if err := load(ctx, c, golang.Dir, workflow.Dir); err != nil {
			return err
		}
		var images []dockerArchive
		for _, i := range []struct{ tag, target string }{{ActionImage, ""}, {BotImage, "bot"}} {
			if err := buildImage(ctx, c, root, i.tag, i.target); err != nil {
				return err
			}
			image, err := save(ctx, c, i.tag, dir, workflow.Dir)
			if err != nil {
				return err
			}
			images = append(images, image)
		}
		return writeArchives(dir, images...)
	})
	return errors.Join(err, sweep(dir, "action-image-[0-9]*"), sweep(golang.Dir, "golang-image-[0-9]*"))
}

// sweep deletes old forms of a part that changes often and is large, except for
// the latest few: other checkouts may be at work with theirs.
func sweep(beside, pattern string) error {
	const keep = 3
	dirs, err := filepath.Glob(filepath.Join(filepath.Dir(beside), pattern))
	if err != nil {
		return err
	}
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return !isDir(dir) || filepath.Ext(dir) == ".tmp" })
	age := func(dir string) int64 {
		info, err := os.Stat(dir)
		if err != nil {
			return 0
		}
		return info.ModTime().Unix()
	}
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(age(b), age(a)) })
	for _, dir := range dirs[min(keep, len(dirs)):] {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// buildImage builds the Dockerfile with the builder and the options that the
// runners have.
func buildImage(ctx context.Context, c *client.Client, root, tag, target string) error {
	r, w := io.Pipe()
	go func() { w.CloseWithError(buildContext(ctx, root, w)) }()
	defer func() { _ = r.Close() }()
	built, err := c.ImageBuild(ctx, r, client.ImageBuildOptions{Tags: []string{tag}, Target: target, Remove: true, Dockerfile: "Dockerfile"})
	if err != nil {
		return fmt.Errorf("build the Dockerfile: %w", err)
	}
	defer func() { _ = built.Body.Close() }()
	if err := told(built.Body); err != nil {
		return fmt.Errorf("build the Dockerfile: %w", err)
	}
	return nil
}

// buildContext writes what the Dockerfile may take of the checkout as a tar
// archive, the same each time: the files that git has or would take, without
// those that .dockerignore names.
func buildContext(ctx context.Context, root string, w io.Writer) error {
	names, err := ContextFiles(ctx, root)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		if err := sendBytes(tw, name, data); err != nil {
			return err
		}
	}
	return tw.Close()
}

// ContextFiles are the files of the checkout at root that an image of the
// Dockerfile is made from, sorted.
func ContextFiles(ctx context.Context, root string) ([]string, error) {
	f, err := os.Open(filepath.Join(root, ".dockerignore"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		return nil, err
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, err
	}
	out, err := proc.Output(ctx, proc.Cmd{Args: []string{"git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"}, Dir: root})
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		skip, err := ignored.MatchesOrParentMatches(name)
		if err != nil {
			return nil, err
		}
		// A file that is deleted and not committed is in git's list.
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || !info.Mode().IsRegular() || skip {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
