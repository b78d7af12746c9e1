// Package workflows has the workflow files that `slipway init` writes for
// GitHub, Gitea and Forgejo.
package workflows

import (
	"bytes"
	"embed"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/slipway-dev/slipway/internal/release"
)

// Options are the facts of a project that its workflows depend on.
type Options struct {
	// Branch is the one that new work goes to; empty means main.
	Branch string
	// Action is what `uses:` names; empty means the action of this major
	// version.
	Action string
	// Platforms are those of the builds, such as linux/arm/v6: a split build
	// has a job for each. Empty means Slipway's default platforms.
	Platforms []string
	// Registry is the host that images are pushed to, such as ghcr.io; empty
	// means that there are none.
	Registry string
	// Rollout says that release packages carry the releases to their environments.
	Rollout bool
}

// File is a workflow file of a repository.
type File struct {
	Path    string // from the repository's root, with slashes
	Content []byte // YAML
}

// kind is one of the templates.
type kind struct {
	name, summary string
	forges        []string // empty: all
	alternative   bool     // to release: both would release the same tag
	rollout       bool     // only for repositories with release packages
}

func kinds() []kind {
	return []kind{
		{name: "release", summary: "a pushed tag is released"},
		{name: "plan", summary: "a pull request gets a plan, and nothing is published"},
		{name: "test", summary: "the checks run on each push"},
		{name: "development", summary: "the default branch gets a development release each week"},
		{name: "promote", summary: "by hand: a release, or a commit, becomes a release under a new tag"},
		{name: "split", summary: "a pushed tag is built by a job a platform, through the release's draft", alternative: true},
		{name: "split-artifacts", summary: "the same, through the artifacts of the run", forges: []string{"github"}, alternative: true},
		{name: "rollout", summary: "each hour, and by hand: rollouts that wait go on", rollout: true},
	}
}

// dialect is what differs between the forges.
type dialect struct {
	name   string
	folder string
	runner string // a label that has container jobs
	action string
}

func dialects() []dialect {
	const action = "slipway-dev/slipway@v1"
	return []dialect{
		{"github", ".github/workflows", "ubuntu-latest", action},
		{"gitea", ".gitea/workflows", "ubuntu-latest", "https://github.com/" + action},
		{"forgejo", ".forgejo/workflows", "docker", "https://github.com/" + action},
	}
}

// Forges are the names of the forges that there are workflows for.
func Forges() []string {
	var names []string
	for _, d := range dialects() {
		names = append(names, d.name)
	}
	return names
}

// Names are the workflows that there are for a forge: none for one that is not
// known.
func Names(forge string) []string {
	return names(forge, func(kind) bool { return true })
}

// Together are those of Names that a repository can have side by side; those
// about release packages only for one that has such.
func Together(forge string, packages bool) []string {
	return names(forge, func(k kind) bool { return !k.alternative && (packages || !k.rollout) })
}

func names(forge string, want func(kind) bool) []string {
	var out []string
	for _, k := range kinds() {
		if slices.Contains(Forges(), forge) && k.has(forge) && want(k) {
			out = append(out, k.name)
		}
	}
	return out
}

func (k kind) has(forge string) bool { return len(k.forges) == 0 || slices.Contains(k.forges, forge) }

// Summary says in a few words what a workflow does; it is empty for one that
// there is not.
func Summary(name string) string {
	i := slices.IndexFunc(kinds(), func(k kind) bool { return k.name == name })
	if i < 0 {
		return ""
	}
	return kinds()[i].summary
}

// Conflict names two of the workflows that would release the same tag, or says
// false.
func Conflict(names []string) (a, b string, conflict bool) {
	var found []string
	for _, k := range kinds() {
		if (k.alternative || k.name == "release") && slices.Contains(names, k.name) {
			found = append(found, k.name)
		}
	}
	if len(found) < 2 {
		return "", "", false
	}
	return found[0], found[1], true
}

//go:embed templates
var templates embed.FS

// Render gives the file of a workflow. Its error, of kind release.Invalid, is a
// forge or a workflow that there is not, or an option that can't stand in a
// workflow file.
func Render(forge, name string, o Options) (File, error) {
	d := slices.IndexFunc(dialects(), func(d dialect) bool { return d.name == forge })
	if d < 0 {
		return File{}, release.Invalidf("it is one of "+strings.Join(Forges(), ", "), "there are no workflows for %q", forge)
	}
	if !slices.Contains(Names(forge), name) {
		return File{}, release.Invalidf("it is one of "+strings.Join(Names(forge), ", "), "there is no workflow %q for %s", name, forge)
	}
	f, err := newFacts(dialects()[d], o)
	if err != nil {
		return File{}, err
	}
	// The runners' own expressions have the usual delimiters.
	t, err := template.New("").Delims("<<", ">>").ParseFS(templates, "templates/*.yml")
	if err != nil {
		return File{}, err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name+".yml", f); err != nil {
		return File{}, err
	}
	return File{Path: path.Join(dialects()[d].folder, "slipway-"+name+".yml"), Content: b.Bytes()}, nil
}

// facts are what a template is filled with; each is YAML already.
type facts struct {
	GitHub    bool
	Runner    string
	Branch    string // as a pattern
	Action    string
	Platforms []string
	Registry  string
	OwnToken  bool // the workflow's token may push to the registry
	Rollout   bool // a further job carries the release out
}

var (
	actionForm   = regexp.MustCompile(`^(https?://[A-Za-z0-9._:-]+/|\./)?[A-Za-z0-9._/-]*(@[A-Za-z0-9._/+-]+)?$`)
	registryForm = regexp.MustCompile(`^[A-Za-z0-9._-]+(:[0-9]{1,5})?$`)
)

func newFacts(d dialect, o Options) (facts, error) {
	f := facts{GitHub: d.name == "github", Runner: d.runner, Branch: o.Branch, Action: o.Action, Platforms: o.Platforms, Registry: o.Registry, Rollout: o.Rollout}
	if f.Branch == "" {
		f.Branch = "main"
	}
	f.Branch = scalar(pattern(f.Branch))
	if f.Action == "" {
		f.Action = d.action
	}
	if !actionForm.MatchString(f.Action) {
		return f, release.Invalidf("write owner/name@ref", "%q names no action", f.Action)
	}
	if f.Registry != "" && !registryForm.MatchString(f.Registry) {
		return f, release.Invalidf("write its host, such as ghcr.io", "%q is no registry", f.Registry)
	}
	f.OwnToken = f.GitHub && f.Registry == "ghcr.io"
	f.Platforms = nil
	for _, s := range o.Platforms {
		p, err := release.ParsePlatform(s)
		if err != nil {
			return f, release.Invalidf("write os/arch or os/arch/variant", "%v", err)
		}
		if s := p.String(); !slices.Contains(f.Platforms, s) {
			f.Platforms = append(f.Platforms, s)
		}
	}
	if len(f.Platforms) == 0 {
		for _, p := range release.DefaultPlatforms {
			f.Platforms = append(f.Platforms, p.String())
		}
	}
	return f, nil
}

// pattern makes a branch's name one that matches that branch alone: a filter
// takes some characters for more than themselves.
func pattern(branch string) string {
	return regexp.MustCompile(`[*?+\[\]!\\]`).ReplaceAllString(branch, `\$0`)
}
