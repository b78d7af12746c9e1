package release

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// places says where the release goes besides the forge.
func (b *planner) places(promoted *Manifest) {
	p := b.cfg.Publish
	if b.plan.Snapshot {
		return
	}
	if s := p.S3; s != nil && goesTo(s.Classes, b.plan.Class) {
		where := "bucket " + s.Bucket
		if s.Endpoint != "" {
			where += " at " + s.Endpoint
		}
		b.place("publish.s3", PlaceS3, where, s.Layout, promoted)
	}
	if f := p.Folder; f != nil && goesTo(f.Classes, b.plan.Class) {
		b.place("publish.folder", PlaceFolder, "folder "+f.Path, f.Layout, promoted)
	}
}

// ReleaseName is what a release is called in places and lists: its tag, or for
// a branch's release its whole commit.
func (p Plan) ReleaseName() string {
	if p.Branch != "" {
		return p.Commit
	}
	return p.Tag
}

func (b *planner) place(field, kind, where string, l Layout, promoted *Manifest) {
	l = l.withDefaults()
	name := b.plan.ReleaseName()
	out := PlanPlace{Kind: kind, Where: where, Release: name, Root: l.Prefix,
		Assets: path.Join(l.Prefix, KeySegments(name)), Index: b.cfg.Publish.Index.plan(l)}
	owner := map[string]string{}
	binaries := []PlanBinary{}
	for _, build := range b.plan.Builds {
		binaries = append(binaries, PlanBinary{Build: build.ID, Platform: build.Platform, Name: build.Binary})
	}
	if promoted != nil {
		for _, m := range promoted.Binaries {
			binaries = append(binaries, PlanBinary{Build: m.ID, Platform: m.Platform, Name: m.Name})
		}
	}
	for _, build := range binaries {
		vars := b.on(build.Platform)
		vars["release"], vars["binary"], vars["exe"] = name, build.Name, "" // the binary's name has it
		if vars["target"] == "" {
			vars["target"] = build.Platform.Slug()
		}
		for k, v := range vars {
			vars[k] = KeySegments(v)
		}
		key := path.Join(l.Prefix, b.text(field+".layout", l.Layout, vars))
		who := build.Build + " for " + build.Platform.String()
		if other, taken := owner[key]; taken {
			b.problem(field+".layout", fmt.Errorf("two binaries would lie at %s: %s and %s", key, other, who))
		}
		owner[key] = who
		build.Key = key
		out.Binaries = append(out.Binaries, build)
	}
	b.plan.Places = append(b.plan.Places, out)
}

func (l Layout) withDefaults() Layout {
	l.Prefix = orDefault(strings.Trim(l.Prefix, "/"), DefaultPrefix)
	l.Layout = orDefault(strings.Trim(l.Layout, "/"), DefaultLayout)
	return l
}

// plan fills in what the pages are called.
func (x PublishIndex) plan(l Layout) PlanIndex {
	return PlanIndex{HTML: orDefault(x.HTML, l.Prefix+".html"), JSON: orDefault(x.JSON, l.Prefix+".json"), Atom: orDefault(x.Atom, l.Prefix+".atom")}
}

// KeySegments makes a value, such as a tag, fit for a path of keys: its slashes
// part folders, and a segment that a file system or a URL would take for
// something else, or that Slipway keeps for itself, gets an underscore before it.
func KeySegments(value string) string {
	parts := strings.Split(value, "/")
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	for i, s := range parts {
		if strings.HasPrefix(s, ".") {
			parts[i] = "_" + s
		}
	}
	return strings.Join(parts, "/")
}

// Place is the layout of a place, and where its page, list and feed lie, with
// all defaults filled in.
func (p Publish) Place(l Layout) (Layout, PlanIndex) {
	l = l.withDefaults()
	return l, p.Index.plan(l)
}

var wholeCommit = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// ClassOfName says of which class a release is that is known by its name alone:
// a whole commit is of the first class of branches, all else is taken for a tag;
// what no class takes is of the last class of tags.
func ClassOfName(classes []Class) (func(name string) string, error) {
	c, err := NewClassifier(classes)
	if err != nil {
		return nil, err
	}
	var ofTags, ofBranches string
	for _, class := range classes {
		switch {
		case class.Branch == "":
			ofTags = class.Name
		case ofBranches == "":
			ofBranches = class.Name
		}
	}
	return func(name string) string {
		if wholeCommit.MatchString(name) && ofBranches != "" {
			return ofBranches
		}
		if d, err := c.Classify(Event{Tag: name, Commit: strings.Repeat("0", 40)}); err == nil && !d.Skip {
			return d.Class
		}
		return ofTags
	}, nil
}

// installer plans the script that installs the release: from its first place that
// says at which URL it is read, else from the forge.
func (b *planner) installer() {
	p := b.cfg.Publish
	if p.Script == "" || b.plan.Snapshot {
		return
	}
	base := ""
	switch t := b.plan.Target; {
	case p.S3 != nil && p.S3.URL != "" && goesTo(p.S3.Classes, b.plan.Class):
		base = p.S3.URL
	case p.Folder != nil && goesTo(p.Folder.Classes, b.plan.Class):
		base = p.Folder.URL
	case t != nil:
		base = t.Server + "/" + t.Repository + "/releases/download/" + url.PathEscape(b.plan.Tag)
	default:
		return
	}
	if len(b.plan.Places) > 0 && (p.S3 != nil && base == p.S3.URL || p.Folder != nil && base == p.Folder.URL) {
		base = strings.TrimRight(base, "/") + "/" + (&url.URL{Path: b.plan.Places[0].Assets}).EscapedPath()
	}
	if len(b.plan.Archives) == 0 && b.plan.Promoted == nil {
		b.problems = append(b.problems, Problem{Field: "publish.script", Message: "there is nothing for it to install: the release has no archives",
			Hint: "leave `archives` out for the default, or make some of format binary"})
		return
	}
	out := &PlanInstaller{Asset: p.Script, Base: strings.TrimRight(base, "/") + "/", Description: b.cfg.Description, Homepage: b.cfg.Homepage, License: b.cfg.License}
	if t := b.plan.Target; out.Homepage == "" && t != nil {
		out.Homepage = t.Server + "/" + t.Repository
	}
	b.plan.Installer = out
	last := len(b.plan.Assets) - 1 // the manifest
	b.plan.Assets = slices.Insert(b.plan.Assets, last, PlanAsset{Name: p.Script, Kind: KindInstaller})
}
