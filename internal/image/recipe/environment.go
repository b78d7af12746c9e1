package recipe

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-dev/slipway/internal/release"
)

// environment tells environment files from others.
type environment struct{ patterns []string }

// environmentOf gives an image's environment files. An image that says nothing
// has the default ones.
func environmentOf(img release.PlanImage) (environment, error) {
	patterns := img.EnvFiles
	if patterns == nil {
		patterns = release.DefaultEnvFiles
	}
	var e environment
	for _, p := range patterns {
		p = strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(p, "**/", "\x00/")), "/")
		p = strings.ReplaceAll(p, "\x00/", "**/")
		if p == "" || !doublestar.ValidatePattern(p) || strings.ContainsFunc(p, control) {
			return e, release.Invalidf("* ? [ab] {a,b} and ** are understood", "image %s: env-files: %q is no pattern of files", img.ID, p)
		}
		e.patterns = append(e.patterns, p)
	}
	return e, nil
}

// IsEnvironmentFile tells whether a path of an image's sources is an environment
// file, or lies in a folder that is one. Such files go into development builds
// only. A pattern that is not valid makes every path one.
func IsEnvironmentFile(img release.PlanImage, name string) bool {
	e, err := environmentOf(img)
	return err != nil || e.has(name)
}

func (e environment) has(name string) bool {
	for p := name; p != "." && p != "/"; p = path.Dir(p) {
		if e.match(p) && !e.template(p) {
			return true
		}
	}
	return false
}

func (e environment) match(p string) bool {
	return slices.ContainsFunc(e.patterns, func(pattern string) bool { return matches(pattern, p) })
}

// matches at any depth.
func matches(pattern, p string) bool {
	ok, err := doublestar.Match("**/"+pattern, p)
	return ok || err != nil
}

// template tells files that show what an environment file looks like. A pattern
// takes them only if it names them.
func (e environment) template(p string) bool {
	switch path.Base(p) {
	case ".env.example", ".env.sample", ".env.template", ".env.dist":
		return !slices.ContainsFunc(e.patterns, func(pattern string) bool {
			return !strings.ContainsAny(path.Base(pattern), "*?[{") && matches(pattern, p)
		})
	}
	return false
}

// lines are the patterns as a .dockerignore has them. What patternmatcher would
// take for something else is left to a look at the files.
func (e environment) lines() []string {
	var out []string
	for _, pattern := range e.patterns {
		if strings.Contains(pattern, "|") {
			continue
		}
		for _, p := range braces(pattern) {
			if p = strings.TrimPrefix(p, "**/"); p != "" {
				out = append(out, "**/"+strings.ReplaceAll(p, "[!", "[^"))
			}
		}
	}
	return out
}

// mostAlternatives bounds what {a,b}{a,b}{a,b}… grows to. Files that are there
// are found by walking in any case.
const mostAlternatives = 64

// braces writes out {a,b}, which a .dockerignore doesn't know. A pattern with
// too many of them, or with nested ones, gives none.
func braces(pattern string) []string {
	out := []string{pattern}
	for {
		before, rest, ok := strings.Cut(out[0], "{")
		if !ok {
			return out
		}
		inner, _, ok := strings.Cut(rest, "}")
		if !ok || strings.ContainsAny(inner, "{\\") || strings.HasSuffix(before, `\`) || len(out) > mostAlternatives {
			return nil
		}
		var next []string
		for _, p := range out {
			before, rest, _ := strings.Cut(p, "{")
			inner, after, _ := strings.Cut(rest, "}")
			for alternative := range strings.SplitSeq(inner, ",") {
				next = append(next, before+alternative+after)
			}
		}
		out = next
	}
}

// find walks a context and gives its environment files (or folders of them),
// and the templates that a pattern would take if it were not for their names.
func (e environment) find(context fs.FS) (files, templates []string, err error) {
	if len(e.patterns) == 0 {
		return nil, nil, nil
	}
	err = fs.WalkDir(context, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p == ".":
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case !e.match(p):
		case e.template(p):
			templates = append(templates, p)
		default:
			files = append(files, p)
			if d.IsDir() {
				return fs.SkipDir
			}
		}
		return nil
	})
	return files, templates, err
}
