package release

import (
	"fmt"
	"regexp"
	"slices"
)

// PlanPromotion is a release's bits that are published again under another tag.
type PlanPromotion struct {
	From     string `json:"from"`     // tag of the source release
	PlanHash string `json:"planHash"` // of the plan it was made by
	// Version is the one the bits were built as: what the binaries, and the labels
	// of the images, say of themselves.
	Version string     `json:"version"`
	Assets  []Artifact `json:"assets,omitempty"` // what is taken over, in the source's order
}

// PromotedFrom says, in a manifest, whose bits a release has.
type PromotedFrom struct {
	Tag      string `json:"tag"`
	Commit   string `json:"commit"`
	PlanHash string `json:"planHash"` // sha256:<64 hex digits>
	Version  string `json:"version"`  // that the bits were built as
}

// RebuildHint is what to do when the same bits will not do.
const RebuildHint = "`promote: rebuild` (on the command line --rebuild) builds it anew, stamped with the new version"

// NotesName is the asset with the full notes, when the forge's limit cuts them.
// A promoted release may have its source's under the usual name.
func (p Plan) NotesName() string {
	if p.Promoted != nil && slices.ContainsFunc(p.Promoted.Assets, func(a Artifact) bool { return a.Name == FullNotesName }) {
		return "NOTES-" + FileName(p.Tag) + ".md"
	}
	return FullNotesName
}

var sha256Digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// CheckPromotable refuses a manifest whose bits can't become a release of this
// commit. A manifest is an asset, so whoever may change a release's assets may
// have written it: nothing in it is believed before it passed here.
func (m Manifest) CheckPromotable(tag, commit string) error {
	refuse := func(format string, args ...any) error {
		return Refuse(RebuildHint, "the bits of %s can't be promoted: its %s %s", tag, ManifestName, fmt.Sprintf(format, args...))
	}
	switch {
	case m.Tag != tag:
		return refuse("is of %q", m.Tag)
	case m.Commit != commit:
		return refuse("is of commit %.12q, not of %s", m.Commit, ShortCommit(commit))
	case !sha256Digest.MatchString(m.PlanHash):
		return refuse("has no plan's hash")
	}
	seen := map[string]bool{ManifestName: true}
	for _, a := range m.Artifacts {
		if err := CheckAssetName(a.Name); err != nil {
			return refuse("is wrong: %v", err)
		}
		switch {
		case seen[a.Name]:
			return refuse("names %s twice", a.Name)
		case IsPart(a.Name):
			return refuse("names %s, a part of a split build", a.Name)
		case a.Size <= 0 || !sha256Digest.MatchString(a.Digest):
			return refuse("has no size and digest of %s", a.Name)
		}
		seen[a.Name] = true
	}
	for _, b := range m.Binaries {
		if CheckAssetName(b.Name) != nil || b.Size <= 0 || !sha256Digest.MatchString(b.Digest) || b.Asset != "" && !seen[b.Asset] {
			return refuse("is wrong about binary %.40q", b.ID)
		}
	}
	for _, img := range m.Images {
		if !sha256Digest.MatchString(img.Digest) || len(img.Repositories) == 0 {
			return refuse("has no digest and repository of image %.40q", img.ID)
		}
	}
	return nil
}

// promotion plans a release of bits that are there.
func (b *planner) promotion(c *Classifier, in PlanInput) {
	m := in.Promote
	p := &PlanPromotion{From: m.Tag, PlanHash: m.PlanHash, Version: m.Version}
	for _, a := range m.Artifacts {
		if a.Kind != KindInstaller { // the new release has one of its own
			p.Assets = append(p.Assets, a)
		}
	}
	if m.PromotedFrom != nil { // they were promoted before
		p.Version = m.PromotedFrom.Version
	}
	b.plan.Promoted = p
	b.promotedImages(c, in)
	for _, a := range p.Assets {
		b.plan.Assets = append(b.plan.Assets, PlanAsset{Name: a.Name, Kind: a.Kind, Platform: a.Platform})
	}
	b.plan.Assets = append(b.plan.Assets, PlanAsset{Name: ManifestName, Kind: KindManifest})
}

// promotedImages gives the source's images the tags of the new release, where
// they lie. Only repositories that the config names are touched: the manifest
// alone has no say in that.
func (b *planner) promotedImages(c *Classifier, in PlanInput) {
	m, owner := in.Promote, map[string]string{}
	then := planner{plan: b.plan, cfg: b.cfg, vars: planVars(Plan{Project: m.Project, Version: m.Version, Tag: m.Tag, Class: m.Class, Commit: m.Commit, Time: b.plan.Time})}
	for _, made := range m.Images {
		i := slices.IndexFunc(b.cfg.Images, func(img Image) bool { return img.ID == made.ID })
		if i < 0 {
			b.problems = append(b.problems, Problem{Field: "images", Message: fmt.Sprintf("%s has an image %q, which the config does not have", m.Tag, made.ID), Hint: RebuildHint})
			continue
		}
		field, img := at("images", i), b.cfg.Images[i]
		named := then.repositories(field+".repository", img, in.Images)
		out := PlanImage{ID: made.ID, Kind: img.Kind(), Digest: made.Digest, Labels: map[string]string{}, Annotations: map[string]string{}}
		for _, r := range made.Repositories {
			if !slices.Contains(named, r) {
				b.problems = append(b.problems, Problem{Field: field + ".repository", Message: fmt.Sprintf("image %s of %s lies in %q, which the config does not name", made.ID, m.Tag, r), Hint: RebuildHint})
			}
			out.Repositories = append(out.Repositories, r)
		}
		for _, part := range made.Manifests {
			out.Platforms = append(out.Platforms, part.Platform)
		}
		b.tags(field, img, &out, c, in)
		b.claim(field, out, owner)
		b.plan.Images = append(b.plan.Images, out)
	}
	b.problems = append(b.problems, then.problems...)
}
