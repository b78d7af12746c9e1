package recipe

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"errors"

	"github.com/slipway-dev/slipway/internal/release"
)

const environmentFile = ".s2i/environment"

// environment reads .s2i/environment of the sources.
func (s *s2i) environment() (map[string]string, []release.Problem, error) {
	data, err := fs.ReadFile(s.files, environmentFile)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", environmentFile, err)
	}
	name := environmentFile
	if s.img.Context != "" {
		name = s.img.Context + "/" + name
	}
	env, problems := parseEnvironment(name, string(data))
	fatal, warnings := problems.Split()
	if len(fatal) > 0 {
		return nil, nil, fatal
	}
	return env, warnings, nil
}

// parseEnvironment reads lines of KEY=VALUE. As in s2i a value is everything
// after the first =, quotes included, and lines that begin with # say nothing.
func parseEnvironment(file, text string) (map[string]string, release.Problems) {
	env := map[string]string{}
	at := map[string]int{}
	var problems release.Problems
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		p := release.Problem{File: file, Line: n, Column: 1}
		key, value, ok := strings.Cut(line, "=")
		switch {
		case !ok:
			p.Message, p.Hint = fmt.Sprintf("%q is no KEY=VALUE", clip(line)), "write KEY=VALUE, or # before a comment"
		case !envName.MatchString(key):
			p.Message, p.Hint = fmt.Sprintf("%q is no name of an environment variable", clip(key)), "use letters, digits and _, with no space before the ="
		case at[key] > 0:
			p.Message, p.Hint = fmt.Sprintf("%s is set in line %d already", key, at[key]), "leave one of them out"
		case strings.ContainsFunc(value, control):
			p.Message, p.Column = fmt.Sprintf("the value of %s holds a control character", key), len(key)+2
		case len(value) > 1 && strings.ContainsAny(value[:1], `"'`) && value[0] == value[len(value)-1]:
			p.Message, p.Hint, p.Warning = fmt.Sprintf("the quotes are part of the value of %s", key), "leave them out", true
		}
		if p.Message != "" {
			problems = append(problems, p)
		}
		if p.Message == "" || p.Warning {
			env[key], at[key] = value, n
		}
	}
	return env, problems
}

// excluded gives the paths that a regular expression takes out of the sources,
// as lines of a .dockerignore, which knows no such expressions.
func excluded(context fs.FS, expr string) ([]string, error) {
	switch expr {
	case "":
		return nil, nil
	case release.DefaultExclude:
		return []string{"**/.git"}, nil // without a look at what may be many files
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, release.Invalidf("it is in the syntax of Go's regexp", "exclude: %v", err)
	}
	x := excluder{re: re}
	_, err = x.folder(context, ".")
	return x.lines, err
}

type excluder struct {
	re    *regexp.Regexp
	lines []string
}

// folder adds the excluded files of a folder. It returns true when the folder
// and all that is in it is excluded, and adds nothing then: the folder will be
// one line.
func (x *excluder) folder(context fs.FS, dir string) (bool, error) {
	entries, err := fs.ReadDir(context, dir)
	if err != nil {
		return false, fmt.Errorf("look for what is excluded: %w", err)
	}
	whole := dir != "." && x.re.MatchString(dir)
	start := len(x.lines)
	for _, e := range entries {
		p := e.Name()
		if dir != "." {
			p = dir + "/" + p
		}
		out := x.re.MatchString(p)
		if e.IsDir() {
			if out, err = x.folder(context, p); err != nil {
				return false, err
			}
		}
		if out {
			x.lines = append(x.lines, exact(p))
		} else {
			whole = false
		}
	}
	if whole {
		x.lines = x.lines[:start]
	}
	return whole, nil
}
