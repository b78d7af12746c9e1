package release

import (
	"fmt"
	"path"
	"slices"
)

func (v *validator) assets() {
	for i, p := range v.given.Assets {
		field := at("assets", i)
		v.glob(field, p)
		if name := path.Base(p); p != "" && !isGlob(p) && !v.reported(field) && (FileName(name) != name || !safeName.MatchString(name)) {
			v.add(field, "rename it: "+safeNameHint, "%q is a name that forges change", name)
		}
	}
}

// names looks for files that would get the same name: binaries in an archive,
// and assets in the release.
func (v *validator) names() {
	b := v.sample()
	b.builds() // fills in the platforms of each build
	assets := assetNames{v: v, seen: map[string]string{}}
	for _, reserved := range []string{ChecksumsName, DigestsName, ManifestName, FullNotesName} {
		assets.seen[reserved] = "a file that Slipway makes itself"
	}
	if s := v.given.Publish.Script; s != "" {
		assets.add("publish.script", "give it another name", s, "publish.script")
	}
	for i, a := range v.cfg.Archives {
		field, written := at("archives", i), i < len(v.given.Archives)
		for _, p := range b.buildPlatforms() {
			ids := b.buildsOn(p, a.Builds)
			if len(ids) == 0 {
				continue
			}
			v.sameBinary(field, written, ids)
			for j, format := range a.Formats {
				if format == "binary" && len(ids) > 1 && !v.reported(at(field+".formats", j)) {
					v.add(at(field+".formats", j), "make one archive for each build", "format binary is one bare file, but %s and %s are both built for %s", ids[0], ids[1], p)
				}
				name, err := Expand(orDefault(a.Name, DefaultArchiveName), fileNames(b.on(p)))
				if err == nil {
					assets.add(field+".name", "put {platform}, or another word, into it", name+ending(format, p), fmt.Sprintf("%s for %s", field, p))
				}
			}
		}
	}
	for i, c := range v.cfg.Packages {
		for _, p := range b.buildPlatforms() {
			for _, format := range slices.Compact(slices.Sorted(slices.Values(c.Formats))) {
				vars := b.on(p)
				vars["package"], vars["format"] = orDefault(c.Name, b.plan.Project), format
				name, err := Expand(c.File, fileNames(vars))
				if err == nil && p.OS == "linux" && len(b.buildsOn(p, c.Builds)) > 0 {
					assets.add(at("packages", i)+".file", "put {package} and {platform} into it", name+PackageEnding(format), fmt.Sprintf("packages[%d] for %s", i, p))
				}
			}
		}
	}
	for i, p := range v.given.Assets {
		if p != "" && !isGlob(p) {
			assets.add(at("assets", i), "rename one of them", path.Base(p), p)
		}
	}
}

func fileNames(vars map[string]string) map[string]string {
	for k, value := range vars {
		vars[k] = FileName(value)
	}
	return vars
}

// sameBinary reports two builds whose binaries would overwrite each other.
func (v *validator) sameBinary(field string, written bool, ids []string) {
	owner := map[string]string{}
	for i, b := range v.cfg.Builds {
		if !slices.Contains(ids, b.ID) || b.ID == "" {
			continue
		}
		name := orDefault(b.Binary, b.ID)
		other, taken := owner[name]
		owner[name] = b.ID
		place, which := field, field
		if !written {
			place, which = at("builds", i)+".binary", "the archive"
		}
		if taken && other != b.ID && !v.reported(place) {
			v.add(place, "give one of them another `binary`, or put them into two archives", "builds %s and %s would both be %s in %s", other, b.ID, name, which)
		}
	}
}

// assetNames gathers the names of assets and who gives them.
type assetNames struct {
	v    *validator
	seen map[string]string
}

// add reports a name that is taken, once for each field.
func (n assetNames) add(field, hint, name, by string) {
	other, taken := n.seen[name]
	if !taken {
		n.seen[name] = by
		if len(name) > mostAssetName && !n.v.reported(field) {
			n.v.add(field, "", "the asset %s… has a name of %d characters; at most %d are kept by every forge", name[:40], len(name), mostAssetName)
		}
		return
	}
	if !n.v.reported(field) {
		n.v.add(field, hint, "two assets would be named %s: that of %s, and that of %s", name, other, by)
	}
}
