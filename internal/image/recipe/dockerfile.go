package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/slipway-dev/slipway/internal/release"
)

// Dockerfile takes the user's own, checked: release.Problems with the line when
// it can't be parsed, release.Invalid when it isn't in the repository.
func Dockerfile(img release.PlanImage, repository fs.FS) (Recipe, error) {
	real, err := inside(repository, img.Dockerfile)
	if err != nil {
		return Recipe{}, outside(img, "dockerfile", img.Dockerfile, err)
	}
	text, err := fs.ReadFile(repository, real)
	if err != nil {
		return Recipe{}, release.Invalidf("name a file", "image %s: the Dockerfile %s can't be read: %v", img.ID, img.Dockerfile, err)
	}
	context, err := open(repository, img)
	if err != nil {
		return Recipe{}, err
	}
	e, err := environmentOf(img)
	if err != nil {
		return Recipe{}, err
	}
	if img.Development {
		e = environment{}
	}
	c := checker{text: text, img: img, hidden: e}
	fatal, warnings := c.check().Split()
	if len(fatal) > 0 {
		return Recipe{}, fatal
	}
	i, err := userIgnore(img, repository, context)
	if err != nil {
		return Recipe{}, err
	}
	// A checkout's .git is a link to a folder of this machine: of no use in an
	// image, and another one on each machine.
	i.add("the history is no source", "**/.git")
	if err := i.environment(img, context); err != nil {
		return Recipe{}, err
	}
	return Recipe{Dockerfile: text, Ignore: i.text.Bytes(), Args: maps.Clone(img.Args), Warnings: append(warnings, i.leftOut(img)...), Path: img.Dockerfile}, nil
}

// userIgnore reads the ignore file that BuildKit would take: the Dockerfile's
// own before the context's.
func userIgnore(img release.PlanImage, repository, context fs.FS) (*ignoring, error) {
	i, err := newIgnoring(repository, path.Clean(img.Dockerfile)+".dockerignore")
	if err != nil || i.path != "" {
		return i, err
	}
	return newIgnoring(context, ".dockerignore")
}

// checker looks for what is wrong with a Dockerfile.
type checker struct {
	text   []byte
	img    release.PlanImage
	hidden environment
	found  release.Problems
}

func (c *checker) problem(warning bool, where []parser.Range, hint, format string, args ...any) {
	p := release.Problem{File: c.img.Dockerfile, Warning: warning, Message: fmt.Sprintf(format, args...), Hint: hint}
	if len(where) > 0 && where[0].Start.Line > 0 {
		p.Line, p.Column = where[0].Start.Line, 1
		if lines := strings.Split(string(c.text), "\n"); p.Line <= len(lines) {
			p.Message += ": " + clip(strings.TrimSpace(lines[p.Line-1]))
		}
	}
	c.found = append(c.found, p)
}

// clip shortens a line to be shown.
func clip(s string) string {
	s = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if control(r) {
			return ' '
		}
		return r
	}, s), "?")
	if r := []rune(s); len(r) > 120 {
		return string(r[:120]) + "…"
	}
	return s
}

func (c *checker) check() release.Problems {
	// Another frontend may read another language, or a newer one.
	syntax, _, _, other := parser.DetectSyntax(c.text)
	if other && !strings.Contains(syntax, "docker/dockerfile") {
		return nil
	}
	ast, err := parser.Parse(bytes.NewReader(c.text))
	if err != nil {
		c.failed(err, other)
		return c.found
	}
	stages, meta, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		c.failed(err, other)
		return c.found
	}
	if len(stages) == 0 {
		c.problem(false, nil, "it begins with FROM", "the Dockerfile builds nothing")
	}
	c.target(stages)
	c.arguments(stages, meta)
	for _, s := range stages {
		for _, cmd := range s.Commands {
			c.reads(cmd)
		}
	}
	return c.found
}

// failed tells an error of the parser. With a syntax line it is a warning: that
// frontend may know what ours does not.
func (c *checker) failed(err error, warning bool) {
	var where []parser.Range
	var located *parser.LocationError
	if errors.As(err, &located) {
		for _, l := range located.Locations {
			where = append(where, l...)
		}
	}
	message := err.Error()
	var unknown *instructions.UnknownInstructionError
	if errors.As(err, &unknown) {
		message = unknown.Error()
	}
	c.problem(warning, where, "", "%s", strings.TrimSuffix(message, "."))
}

func (c *checker) target(stages []instructions.Stage) {
	if c.img.Target == "" || len(stages) == 0 {
		return
	}
	if _, ok := instructions.HasStage(stages, c.img.Target); ok {
		return
	}
	var names []string
	for _, s := range stages {
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	if i := slices.Index([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, c.img.Target); i >= 0 && i < len(stages) {
		return
	}
	c.problem(false, nil, release.EnumHint(c.img.Target, names), "there is no stage %q", c.img.Target)
}

// arguments warns of those given that no ARG declares.
func (c *checker) arguments(stages []instructions.Stage, meta []instructions.ArgCommand) {
	declared := map[string]bool{}
	for _, a := range meta {
		for _, kv := range a.Args {
			declared[kv.Key] = true
		}
	}
	for _, s := range stages {
		for _, cmd := range s.Commands {
			if a, ok := cmd.(*instructions.ArgCommand); ok {
				for _, kv := range a.Args {
					declared[kv.Key] = true
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.img.Args)) {
		if !declared[name] && !predefined(name) {
			c.problem(true, nil, "add ARG "+name, "no ARG declares the build argument %s", name)
		}
	}
}

// predefined tells the arguments that need no ARG.
func predefined(name string) bool {
	switch strings.ToLower(name) {
	case "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy":
		return true
	}
	return strings.HasPrefix(name, "BUILDKIT_") || name == "SOURCE_DATE_EPOCH"
}

// reads refuses an instruction that needs an environment file: without this the
// build would fail later, and not say why the file is missing.
func (c *checker) reads(cmd instructions.Command) {
	var sources []string
	var where []parser.Range
	switch cmd := cmd.(type) {
	case *instructions.CopyCommand:
		if cmd.From == "" {
			sources, where = cmd.SourcePaths, cmd.Location()
		}
	case *instructions.AddCommand:
		sources, where = cmd.SourcePaths, cmd.Location()
	case *instructions.RunCommand:
		// Mounts are read when their variables are; what has one is passed over.
		if err := cmd.Expand(func(word string) (string, error) { return word, nil }); err != nil {
			return
		}
		for _, m := range instructions.GetMounts(cmd) {
			if m.Type == instructions.MountTypeBind && m.From == "" {
				sources, where = append(sources, m.Source), cmd.Location()
			}
		}
	}
	for _, s := range sources {
		if strings.ContainsAny(s, "*?[$:") {
			continue
		}
		if p, ok := clean(strings.TrimPrefix(path.Clean("/"+s), "/")); ok && c.hidden.has(p) {
			c.problem(false, where, "build with --development, or give the values when the image runs", "%s is an environment file, which stays out of releases", p)
		}
	}
}
