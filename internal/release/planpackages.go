package release

import "fmt"

// packages plans a system package of each format for each Linux platform.
func (b *planner) packages() {
	for i, c := range b.cfg.Packages {
		field := at("packages", i)
		for _, p := range b.buildPlatforms() {
			ids := b.buildsOn(p, c.Builds)
			if p.OS != "linux" || len(ids) == 0 {
				continue
			}
			for _, format := range c.Formats {
				b.plan.Packages = append(b.plan.Packages, b.systemPackage(field, c, p, format, ids))
			}
		}
	}
}

func (b *planner) systemPackage(field string, c Package, p Platform, format string, ids []string) PlanPackage {
	vars := b.on(p)
	name := orDefault(c.Name, PackageName(b.plan.Project))
	vars["package"], vars["format"] = name, format
	out := PlanPackage{
		Asset:  b.fileName(field+".file", orDefault(c.File, DefaultPackageFile), vars) + PackageEnding(format),
		Format: format, Platform: p, Name: name, Version: b.plan.Version, Builds: ids,
		BinDir:      orDefault(c.BinDir, DefaultBinDir),
		Description: orDefault(orDefault(c.Description, b.cfg.Description), b.plan.Project),
		Homepage:    orDefault(c.Homepage, b.cfg.Homepage), Vendor: c.Vendor,
		Maintainer: orDefault(orDefault(c.Maintainer, b.cfg.Maintainer), b.plan.Project),
		License:    orDefault(c.License, b.cfg.License), Section: orDefault(c.Section, DefaultSection),
		Depends: c.Depends, Recommends: c.Recommends, Suggests: c.Suggests, Conflicts: c.Conflicts, Replaces: c.Replaces, Provides: c.Provides,
		Scripts: c.Scripts,
	}
	if t := b.plan.Target; out.Homepage == "" && t != nil {
		out.Homepage = t.Server + "/" + t.Repository
	}
	for i, content := range c.Contents {
		content.Source = b.text(fmt.Sprintf("%s.contents[%d].source", field, i), content.Source, vars)
		content.Target = b.text(fmt.Sprintf("%s.contents[%d].target", field, i), content.Target, vars)
		out.Contents = append(out.Contents, content)
	}
	return out
}
