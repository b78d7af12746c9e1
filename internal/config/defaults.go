package config

import (
	"fmt"
	"path"
	"slices"

	"github.com/slipway-dev/slipway/internal/release"
)

// Default is the config of a repository without a file: the default classes,
// one build for each main package and one archive for each platform.
func Default(facts Facts) release.Config {
	cfg, _ := Complete(release.Config{}, facts)
	return cfg
}

// Complete fills in what a file leaves out. A key that the file gives is never
// overridden; `archives: []` means no archives and `builds: []` no builds. Its
// problems are those that only the repository brings: nothing to build, a
// reference to a build that is not there. They have no line; Field says which
// key is meant.
func Complete(cfg release.Config, facts Facts) (release.Config, release.Problems) {
	known := release.Validate(cfg)
	if cfg.Project == "" {
		cfg.Project = projectName(facts)
	}
	if cfg.Classes == nil {
		cfg.Classes = release.DefaultClasses(facts.DefaultBranch)
	}
	var problems release.Problems
	if cfg.Builds == nil {
		cfg.Builds = goBuilds(facts)
		if p, bad := nothingToBuild(cfg, facts); bad {
			problems = append(problems, p)
		}
	}
	cfg = cfg.WithDefaults()
	return cfg, append(problems, without(release.Validate(cfg), known)...)
}

func projectName(facts Facts) string {
	for _, name := range []string{facts.RepositoryName, path.Base(facts.Module), facts.CargoName} {
		if release.FileName(name) != "" {
			return name
		}
	}
	return "project"
}

func goBuilds(facts Facts) []release.Build {
	var out []release.Build
	for _, m := range facts.GoMains {
		out = append(out, release.Build{ID: m.Name, Main: m.Dir})
	}
	return out
}

// ownBuild tells an image that brings its own build from one of binaries.
func ownBuild(img release.Image) bool { return img.Kind() != release.ImageOfBuilds }

// nothingToBuild says what to write where the defaults find no binary.
func nothingToBuild(cfg release.Config, facts Facts) (release.Problem, bool) {
	switch {
	case len(cfg.Builds) > 0 || len(cfg.Assets) > 0 || slices.ContainsFunc(cfg.Images, ownBuild):
		return release.Problem{}, false
	case facts.HasGoMod && len(cfg.Archives) == 0:
		return release.Problem{
			Field: "builds", Warning: true,
			Message: "the Go module has no main package: the release has notes but no binaries",
			Hint:    "write `builds: []` if that is meant",
		}, true
	}
	return release.Problem{
		Field:   "builds",
		Message: "there is nothing to build: no go.mod at the root of the repository, and no builds in " + FileName,
		Hint:    "write " + suggestedBuilds(facts),
	}, true
}

// suggestedBuilds is a line of YAML that would build the repository.
func suggestedBuilds(facts Facts) string {
	name := release.FileName(projectName(facts))
	switch {
	case facts.HasCargo:
		if facts.CargoName != "" {
			name = facts.CargoName
		}
		return fmt.Sprintf(`builds: [{id: %s, builder: command, run: "cargo build --release --target {target}", output: "target/{target}/release/%s{exe}"}]`, scalar(name), name)
	case len(facts.NestedModules) > 0:
		dir := facts.NestedModules[0]
		return fmt.Sprintf(`builds: [{id: %s, dir: %s}]`, scalar(release.FileName(path.Base(dir))), scalar(dir))
	case facts.HasGoMod:
		return fmt.Sprintf(`builds: [{id: %s, main: ./cmd/%s}]`, scalar(name), name)
	}
	return fmt.Sprintf(`builds: [{id: %s, builder: command, run: "make TARGET={target} OUT={output}"}]`, scalar(name))
}

// without leaves out the problems that were there before.
func without(problems, before release.Problems) release.Problems {
	type what struct{ field, message string }
	old := map[what]bool{}
	for _, p := range before {
		old[what{p.Field, p.Message}] = true
	}
	var out release.Problems
	for _, p := range problems {
		if !old[what{p.Field, p.Message}] {
			out = append(out, p)
		}
	}
	return out
}
