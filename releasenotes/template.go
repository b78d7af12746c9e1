package releasenotes

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"
)

const templateName = "template"

// functions are what a template may call, bound to the notes it renders.
func functions(n *Notes, level int) template.FuncMap {
	return template.FuncMap{
		"escape":  Escape,
		"heading": func(title string) string { return strings.TrimSpace(string(appendHeading(nil, title, level))) },
		"entry":   func(e Entry) string { return strings.TrimSuffix(string(appendEntry(nil, n, &e)), "\n") },
		"commit":  func(hash string) string { return string(appendCommit(nil, n.Links, hash)) },
		"pull":    func(number int) string { return string(appendPull(nil, n.Links, number)) },
	}
}

// parseTemplate parses and tries a template, so that a field that does not
// exist is found before a release needs it.
func parseTemplate(source string) (*template.Template, error) {
	t, err := template.New(templateName).Option("missingkey=error").Funcs(functions(&Notes{}, notesLevel)).Parse(source)
	if err != nil {
		return nil, templateError(err)
	}
	for _, sample := range []Notes{sampleNotes(), {}} {
		if _, err := executeTemplate(t, sample, notesLevel); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// executeTemplate renders notes; its error is an *OptionError.
func executeTemplate(t *template.Template, n Notes, level int) (string, error) {
	t, err := t.Clone()
	if err != nil {
		return "", templateError(err)
	}
	var out bytes.Buffer
	if err := t.Funcs(functions(&n, level)).Execute(&out, n); err != nil {
		return "", templateError(err)
	}
	return out.String(), nil
}

// templatePlace is how text/template begins its errors; it counts columns from 0.
var templatePlace = regexp.MustCompile(`^template: ` + templateName + `:(\d+)(?::(\d+))?: (?:executing "[^"]*" at (<.*?>): )?`)

func templateError(err error) error {
	text := err.Error()
	e := &OptionError{Field: "template", Message: text}
	if m := templatePlace.FindStringSubmatch(text); m != nil {
		e.Message = text[len(m[0]):]
		e.Line, _ = strconv.Atoi(m[1])
		if column, err := strconv.Atoi(m[2]); err == nil {
			e.Column = column + 1
		}
		if m[3] != "" {
			e.Message = m[3] + ": " + e.Message
		}
	}
	var exec template.ExecError
	if errors.As(err, &exec) && strings.Contains(e.Message, "can't evaluate field") {
		e.Message += "; see the fields of releasenotes.Notes"
	}
	return e
}

// sampleNotes have something everywhere, so that a trial reaches every range.
func sampleNotes() Notes {
	e := Entry{Type: "feat", Scope: "cli", Text: "add a flag", Hash: strings.Repeat("ab", 20), Pulls: []int{1},
		Authors: []string{"Ada"}, Breaking: true, Notes: []string{"a note"}}
	c := Contributor{Name: "Ada", Commits: 1, Hash: e.Hash, Pull: 1}
	return Notes{
		Project: "project", Version: "1.1.0", Tag: "v1.1.0", AlsoTagged: []string{"stable"}, Previous: "v1.0.0",
		Date: time.Unix(0, 0).UTC(), CompareURL: "https://forge.example/compare", Links: GitHubLinks("https://forge.example/o/r"),
		Breaking: []Entry{e}, Groups: []Section{{Title: "Features", Entries: []Entry{e}}},
		Counts: Counts{Commits: 2, Listed: 2}, Contributors: []Contributor{c}, NewContributors: []Contributor{c},
	}
}
