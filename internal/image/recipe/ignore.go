package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/slipway-dev/slipway/internal/release"
)

// ignoring writes a .dockerignore: the context's own, and more.
type ignoring struct {
	text bytes.Buffer
	path string   // of the context's own, for errors
	left []string // environment files that it keeps out, and the context's own does not
}

// newIgnoring reads the first of the files that is there; none is fine.
func newIgnoring(context fs.FS, paths ...string) (*ignoring, error) {
	i := &ignoring{}
	for _, p := range paths {
		data, err := fs.ReadFile(context, p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		i.path = p
		i.text.Write(data)
		if len(data) > 0 && data[len(data)-1] != '\n' {
			i.text.WriteByte('\n')
		}
		if _, err := i.matcher(); err != nil {
			return nil, err
		}
		break
	}
	return i, nil
}

func (i *ignoring) add(comment string, lines ...string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(&i.text, "# slipway: %s\n", comment)
	for _, l := range lines {
		i.text.WriteString(l + "\n")
	}
}

func (i *ignoring) matcher() (*patternmatcher.PatternMatcher, error) {
	lines, err := ignorefile.ReadAll(bytes.NewReader(i.text.Bytes()))
	if err == nil {
		var m *patternmatcher.PatternMatcher
		if m, err = patternmatcher.New(lines); err == nil {
			return m, nil
		}
	}
	return nil, release.Problem{File: i.path, Message: fmt.Sprintf("a line can't be understood: %v", err), Hint: "the lines are patterns of paths, such as *.log or docs/**"}
}

// environment keeps environment files out, or, in development, lets them in. It
// comes last: no line after it may bring one back.
func (i *ignoring) environment(img release.PlanImage, context fs.FS) error {
	e, err := environmentOf(img)
	if err != nil {
		return err
	}
	files, templates, err := e.find(context)
	if err != nil {
		return fmt.Errorf("look for environment files: %w", err)
	}
	own, err := i.matcher()
	if err != nil {
		return err
	}
	if img.Development {
		var lines []string
		for _, p := range files {
			if out, err := own.MatchesOrParentMatches(p); err != nil || out {
				lines = append(lines, "!"+exact(p))
			}
		}
		i.add("environment files go into development builds", lines...)
		return nil
	}
	i.add("environment files stay out of release builds", e.lines()...)
	all, err := i.matcher()
	if err != nil {
		return err
	}
	for _, p := range files {
		if before, err := own.MatchesOrParentMatches(p); err == nil && !before {
			i.left = append(i.left, p)
		}
	}
	var more []string
	for _, p := range templates {
		before, err1 := own.MatchesOrParentMatches(p)
		after, err2 := all.MatchesOrParentMatches(p)
		if err1 == nil && err2 == nil && !before && after {
			more = append(more, "!"+exact(p))
		}
	}
	i.add("these show what one looks like", more...)
	return i.rest(files)
}

// leftOut says which environment files the user must not expect in the image.
func (i *ignoring) leftOut(img release.PlanImage) []release.Problem {
	if len(i.left) == 0 {
		return nil
	}
	return []release.Problem{{Warning: true, Message: fmt.Sprintf("image %s: environment files are left out: %s", img.ID, strings.Join(i.left, ", ")),
		Hint: "they go into development builds only"}}
}

// rest writes those files out that no pattern so far has caught, because a
// .dockerignore knows fewer patterns.
func (i *ignoring) rest(files []string) error {
	m, err := i.matcher()
	if err != nil {
		return err
	}
	var lines []string
	for _, p := range files {
		if out, err := m.MatchesOrParentMatches(p); err != nil || !out {
			lines = append(lines, exact(p))
		}
	}
	i.add("further environment files", lines...)
	return nil
}

// exact is a pattern for one path, from the context's root. patternmatcher makes
// a regular expression of it and forgets to escape some characters.
func exact(p string) string {
	var b strings.Builder
	b.WriteByte('/') // neither a comment nor an exception
	runes := []rune(p)
	for n, r := range runes {
		switch {
		case strings.ContainsRune(`*?[]^|{}\`, r):
			b.WriteRune('\\')
			b.WriteRune(r)
		case control(r) || r == '\uFFFD':
			b.WriteRune('?') // what a line can't hold
		case n == len(runes)-1 && strings.TrimSpace(string(r)) == "":
			b.WriteRune('?') // which would be trimmed
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
