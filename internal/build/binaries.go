package build

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// Options say what to build, from what, into what.
type Options struct {
	Source string // a clean checkout of the commit; commands may write into it
	Dist   string // the output folder; made if need be
	Builds []release.PlanBuild
	Commit string    // full hash of what Source holds
	Time   time.Time // the commit's, for SOURCE_DATE_EPOCH
	// Vars are the plan's variables (tag, version, commit, …); commands see
	// them as SLIPWAY_TAG, SLIPWAY_VERSION and so on.
	Vars     map[string]string
	Parallel int  // builds at a time; 0: as many as the machine has processors
	Rebuild  bool // build even what has not changed
	Stage    progress.Stage
	Output   io.Writer // hears what the commands print; nil: only errors tell it
	// Containers runs the builds that name an image; nil: there is no builder.
	Containers Containers
}

// Binaries builds every binary and gives them in the order of Builds. A binary
// of an earlier run is kept when nothing that it depends on has changed and its
// bytes are still those that were recorded. The first failure stops the other
// builds and is the error; it names the build and says what its tool said.
//
// Commands run side by side in the same Source unless they leave their binary
// at the same path; one that writes intermediate files there names them by
// platform.
func Binaries(ctx context.Context, o Options) ([]release.Binary, error) {
	source, err := filepath.Abs(o.Source)
	if err != nil {
		return nil, err
	}
	folder, err := dist.Open(o.Dist, "build")
	if err != nil {
		return nil, err
	}
	if o.Parallel <= 0 {
		// `go build` with a warm cache is mostly one linker, which uses about
		// one processor: one build a processor is fastest.
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	r := &run{Options: o, folder: folder, output: newLineWriter(o.Output)}
	r.Source = source
	jobs, err := r.jobs()
	if err != nil {
		return nil, err
	}
	if err := r.all(ctx, jobs); err != nil {
		return nil, err
	}
	out := make([]release.Binary, len(jobs))
	keep := map[string]bool{}
	for i, j := range jobs {
		out[i], keep[j.key] = j.made, true
	}
	return out, folder.RemoveExcept(keep)
}

// run is one call of Binaries.
type run struct {
	Options
	folder    *dist.Folder
	output    *lineWriter
	toolchain goSettings
}

// job is one binary to be made.
type job struct {
	release.PlanBuild
	key  string // unique in the run, fit for a file name
	name string // path in the output folder, with slashes
	// leftover is set when another job leaves its binary at the same path.
	leftover bool
	made     release.Binary
}

func (j *job) String() string { return j.ID + " for " + j.Platform.String() }

// jobs lays out where each binary will lie: all of one platform in one folder,
// so that it can be put on a PATH; of two with one file name the second goes
// to a folder of its own.
func (r *run) jobs() ([]*job, error) {
	var jobs []*job
	taken, outputs := map[string]bool{}, map[string]int{}
	for _, b := range r.Builds {
		if err := checkNames(b); err != nil {
			return nil, err
		}
		j := &job{PlanBuild: b, key: b.Platform.Slug() + "." + b.ID}
		if taken[j.key] {
			return nil, release.Invalidf("give each build its own id and list a platform once", "%s is planned twice", j)
		}
		j.name = binPath(b.Platform.Slug(), b.Binary)
		if taken[j.name] {
			j.name = binPath(j.key, b.Binary)
		}
		taken[j.key], taken[j.name] = true, true
		if b.Output != "" && b.Image == "" {
			outputs[filepath.Join(b.Dir, b.Output)]++
		}
		jobs = append(jobs, j)
	}
	for _, j := range jobs {
		j.leftover = outputs[filepath.Join(j.Dir, j.Output)] > 1
	}
	return jobs, nil
}

func binPath(folder, binary string) string {
	return strings.Join([]string{dist.Private, "build", "bin", folder, binary}, "/")
}

// checkNames refuses names that would lead out of a folder.
func checkNames(b release.PlanBuild) error {
	for what, name := range map[string]string{"id": b.ID, "binary": b.Binary} {
		if name == "" || name != filepath.Base(name) || !filepath.IsLocal(name) || strings.ContainsAny(name, "/\\\x00") {
			return release.Invalidf("use a plain file name", "build %q has %s %q, which is no file name", b.ID, what, name)
		}
	}
	for what, path := range map[string]string{"dir": b.Dir, "output": b.Output} {
		if path != "" && !filepath.IsLocal(path) {
			return release.Invalidf("write it relative, without `..`", "build %q has %s %q, which leads out of the repository", b.ID, what, path)
		}
	}
	return nil
}

// all runs the jobs in parallel, those that share an output one after another.
func (r *run) all(ctx context.Context, jobs []*job) error {
	if err := r.readToolchain(ctx, jobs); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Parallel)
	chains := map[string][]*job{}
	for _, j := range jobs {
		if j.leftover {
			path := filepath.Join(j.Dir, j.Output)
			chains[path] = append(chains[path], j)
		}
	}
	for _, j := range jobs {
		chain := []*job{j}
		if j.leftover {
			path := filepath.Join(j.Dir, j.Output)
			chain = chains[path]
			delete(chains, path)
		}
		group.Go(func() error {
			for _, j := range chain {
				if err := r.one(ctx, j); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// one makes one binary, or finds it made.
func (r *run) one(ctx context.Context, j *job) (err error) {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	task := r.Stage.Task(j.ID+" "+j.Platform.String(), 0)
	summary := ""
	defer func() { task.Done(summary, err) }()

	identity, err := r.identity(j)
	if err != nil {
		return err
	}
	record, fresh := dist.Record{}, false
	if !r.Rebuild {
		record, fresh = r.folder.Fresh(j.key, j.name, identity)
	}
	if !fresh {
		if record, err = r.build(ctx, j, identity); err != nil {
			return err
		}
	}
	j.made = release.Binary{ID: j.ID, Platform: j.Platform, Name: j.Binary, Size: record.Size, Digest: record.Digest,
		Path: r.folder.Path(filepath.FromSlash(j.name)), Reused: fresh}
	if summary = progress.Bytes(record.Size); fresh {
		summary += ", unchanged"
	}
	return nil
}

// build makes a binary beside its place, looks at it, and puts it there.
func (r *run) build(ctx context.Context, j *job, identity string) (dist.Record, error) {
	// The same path in every run, with the binary's own name at its end: a tool
	// that writes the path into the binary then writes the same one.
	tmp := r.folder.Private("tmp", j.key, j.Binary)
	if err := os.MkdirAll(filepath.Dir(tmp), 0o755); err != nil {
		return dist.Record{}, dist.Readable(err)
	}
	defer os.RemoveAll(filepath.Dir(tmp))
	if err := r.runBuilder(ctx, j, tmp); err != nil {
		return dist.Record{}, err
	}
	if err := CheckBinary(tmp, j.Platform, j.Static); err != nil {
		e := &release.Error{Kind: release.KindOf(err), Message: "build " + j.String(), Hint: release.HintOf(err), Err: err}
		return dist.Record{}, e
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return dist.Record{}, dist.Readable(err)
	}
	return r.folder.Adopt(j.key, j.name, identity, tmp)
}

func (r *run) runBuilder(ctx context.Context, j *job, tmp string) error {
	if j.Image != "" {
		if j.Builder != "go" && j.Builder != "command" {
			return unknownBuilder(j)
		}
		return r.containerBuild(ctx, j, tmp)
	}
	switch j.Builder {
	case "go":
		return r.goBuild(ctx, j, tmp)
	case "command":
		return r.commandBuild(ctx, j, tmp)
	}
	return unknownBuilder(j)
}

func unknownBuilder(j *job) error {
	return release.Invalidf("write builder: go or builder: command", "build %q has builder %q, which there is not", j.ID, j.Builder)
}

// identity hashes all that a binary depends on. A command is taken to depend on
// the commit, for it begins with a clean checkout, and on what it is told.
func (r *run) identity(j *job) (string, error) {
	on := struct {
		Schema    string
		Build     release.PlanBuild
		Commit    string
		Time      int64
		Vars      map[string]string `json:",omitempty"`
		Toolchain map[string]string `json:",omitempty"`
	}{Schema: "slipway.build/v1", Build: j.PlanBuild, Commit: r.Commit, Time: r.Time.Unix()}
	if j.Builder == "go" && j.Image == "" {
		on.Toolchain = r.toolchain.of(j.PlanBuild).identity()
	} else {
		on.Vars = r.Vars
	}
	return dist.Identity(on)
}
