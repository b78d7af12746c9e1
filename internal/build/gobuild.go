package build

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// goAsked are the settings that are asked of the go command once and then
// given to each build by name, so that GOENV=off can shut out the rest of the
// file that `go env -w` writes. None of them changes a binary's bytes.
var goAsked = []string{"GOVERSION", "GOFLAGS", "GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOINSECURE",
	"GOMODCACHE", "GOCACHE", "GOVCS", "GOAUTH", "GOTOOLCHAIN", "GOPATH"}

// cgoAsked are asked for builds with cgo, and do change the bytes.
var cgoAsked = []string{"CC", "CXX", "AR", "PKG_CONFIG", "CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS"}

// goUnset are taken out of the environment of every go build.
var goUnset = append([]string{"GOEXPERIMENT", "GODEBUG", "GO_EXTLINK_ENABLED", "GOROOT_FINAL", "GOBIN"}, tokens...)

// goEnv is what the go command answers for one folder and platform.
type goEnv map[string]string

// identity is the part that shapes the binary.
func (e goEnv) identity() map[string]string {
	out := map[string]string{"GOVERSION": e["GOVERSION"], "GOFLAGS": keptFlags(e["GOFLAGS"])}
	for _, k := range cgoAsked {
		if v, ok := e[k]; ok {
			out[k] = v
		}
	}
	return out
}

// goSettings has a goEnv for every question that a run's builds ask.
type goSettings map[goQuestion]goEnv

type goQuestion struct {
	dir      string
	platform release.Platform // set for cgo only
}

func question(b release.PlanBuild) goQuestion {
	if b.CGO {
		return goQuestion{b.Dir, b.Platform}
	}
	return goQuestion{dir: b.Dir}
}

func (s goSettings) of(b release.PlanBuild) goEnv { return s[question(b)] }

// readToolchain asks the go command, where a job needs it, for its version and
// settings.
func (r *run) readToolchain(ctx context.Context, jobs []*job) error {
	r.toolchain = goSettings{}
	for _, j := range jobs {
		q := question(j.PlanBuild)
		if j.Builder != "go" || j.Image != "" || r.toolchain[q] != nil {
			continue
		}
		dir := filepath.Join(r.Source, j.Dir)
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			return release.Invalidf("look at the build's `dir`", "build %q: there is no folder %q in the repository at this commit", j.ID, j.Dir)
		}
		work, err := r.workspace(j)
		if err != nil {
			return err
		}
		c := proc.Cmd{Args: append([]string{"go", "env", "-json"}, goAsked...), Dir: dir, Unset: goUnset, Env: []string{"GOWORK=" + work}}
		if j.CGO {
			c.Args = append(c.Args, cgoAsked...)
			c.Env = slices.Concat(c.Env, goPlatform(j.Platform), userEnv(j.Env))
		}
		out, err := proc.Output(ctx, c)
		if err != nil {
			return buildError(j, "ask the go command for its settings", err)
		}
		var answer goEnv
		if err := json.Unmarshal(out, &answer); err != nil {
			return fmt.Errorf("read the settings of the go command: %w", err)
		}
		answer["GOWORK"] = work
		r.toolchain[q] = answer
	}
	return nil
}

// workspace finds the go.work that is committed, or "off": the go command
// would go on looking above the checkout, where another one may lie. A module
// above the checkout is refused for the same reason.
func (r *run) workspace(j *job) (string, error) {
	module := false
	for dir := filepath.Clean(j.Dir); ; dir = filepath.Dir(dir) {
		here := filepath.Join(r.Source, dir)
		if isFile(filepath.Join(here, "go.work")) {
			return filepath.Join(here, "go.work"), nil
		}
		module = module || isFile(filepath.Join(here, "go.mod"))
		if dir == "." {
			break
		}
	}
	if !module {
		return "", release.Invalidf("commit a go.mod (`go mod init`), or set the build's `dir` to the folder that has one",
			"build %q: there is no go.mod in %s or above it in the repository at this commit", j.ID, filepath.Join(".", j.Dir))
	}
	return "off", nil
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// goBuild compiles and links one Go binary into out.
func (r *run) goBuild(ctx context.Context, j *job, out string) error {
	args, err := goArgs(j.PlanBuild, out)
	if err != nil {
		return fmt.Errorf("build %s: %w", j, err)
	}
	output := r.output.named(j.ID + " " + j.Platform.String())
	err = proc.Run(ctx, proc.Cmd{Args: args, Dir: filepath.Join(r.Source, j.Dir), Unset: goUnset,
		Env: r.goBuildEnv(j), Stderr: output, Merged: true})
	output.flush()
	if err != nil {
		return buildError(j, "go build", err)
	}
	if isGoArchive(out) {
		return release.Invalidf("set the build's `main` to the folder of a main package, such as ./cmd/"+j.ID,
			"build %s: %s is not a main package", j, mainPackage(j.PlanBuild))
	}
	return nil
}

func mainPackage(b release.PlanBuild) string {
	if b.Main == "" {
		return "."
	}
	return b.Main
}

func goArgs(b release.PlanBuild, out string) ([]string, error) {
	// Nothing of the folder (-trimpath) and nothing of the git checkout
	// (-buildvcs) may be in the binary: the plan stamps what should be.
	args := []string{"go", "build", "-trimpath", "-buildvcs=false", "-o", out}
	if len(b.Tags) > 0 {
		args = append(args, "-tags="+strings.Join(b.Tags, ","))
	}
	if len(b.Ldflags) > 0 {
		s, err := joinLdflags(b.Ldflags)
		if err != nil {
			return nil, err
		}
		args = append(args, "-ldflags="+s)
	}
	return append(append(args, b.Flags...), "--", mainPackage(b)), nil
}

func (r *run) goBuildEnv(j *job) []string {
	asked := r.toolchain.of(j.PlanBuild)
	env := varEnv(r.Vars, r.Time)
	for _, k := range slices.Concat(goAsked, cgoAsked) {
		if v, ok := asked[k]; ok && k != "GOVERSION" && k != "GOFLAGS" {
			env = append(env, k+"="+v)
		}
	}
	cgo := "CGO_ENABLED=0"
	if j.CGO {
		cgo = "CGO_ENABLED=1"
	}
	env = append(env, platformEnv(j.Platform)...)
	env = append(env, "GOENV=off", "GO111MODULE=on", "GOFIPS140=off", "GOWORK="+asked["GOWORK"], "GOFLAGS="+keptFlags(asked["GOFLAGS"]), cgo)
	// The plan's own env may set any of these, but the platform is the plan's
	// too, and comes last.
	return slices.Concat(env, goPlatform(j.Platform), userEnv(j.Env), []string{"GOOS=" + j.Platform.OS, "GOARCH=" + j.Platform.Arch})
}

// keptFlags is what stays of the user's GOFLAGS: where modules come from.
func keptFlags(goflags string) string {
	var kept []string
	for _, f := range strings.Fields(goflags) {
		if name, _, ok := strings.Cut("-"+strings.TrimLeft(f, "-"), "="); ok && (name == "-mod" || name == "-modfile") {
			kept = append(kept, f)
		}
	}
	return strings.Join(kept, " ")
}

// isGoArchive tells the compiled form of a package that is no program: the go
// command writes it to -o without a complaint.
func isGoArchive(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 8)
	n, _ := f.Read(magic)
	return string(magic[:n]) == "!<arch>\n"
}
