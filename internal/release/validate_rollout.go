package release

import (
	"path"
	"slices"
	"strings"
)

// rollout checks which release packages are carried out for which classes.
func (v *validator) rollout() {
	emptyList(v, "rollout", v.given.Rollout, "leave the key out to roll nothing out")
	first := map[string]int{}
	for i, p := range v.given.Rollout {
		field := at("rollout", i)
		v.rolloutPackage(field+".package", p.Package)
		name := path.Clean(p.Package)
		if j, twice := first[name]; twice && p.Package != "" {
			v.add(field+".package", "name its classes in one entry", "rollout[%d] is %s too", j, name)
		} else {
			first[name] = i
		}
		v.classNames(field+".classes", p.Classes, "leave the key out for releases of the class stable")
		if known := v.knownClasses(); p.Classes == nil && !slices.Contains(known, DefaultRolloutClass) {
			v.add(field+".classes", "name the classes: "+strings.Join(known, ", "), "it stands for the class %s, which is not among the classes", DefaultRolloutClass)
		}
	}
}

func (v *validator) rolloutPackage(field, name string) {
	if !v.path(field, "", name) {
		return
	}
	switch {
	case strings.Contains(name, `\`):
		v.add(field, "write / between folders", "%q has a backslash in it", name)
	case strings.ContainsAny(name, "*?["):
		v.add(field, "write an entry for each package", "%q is a glob, and one file is wanted", name)
	case strings.ContainsAny(name, "@+#= "):
		v.add(field, "give the file another name", "%q can't be part of a reference: it has one of @ + # = or a space in it", name)
	case path.Base(name) == "repo.ocu.star":
		v.add(field, "name a release package, such as release.ocu.star", "repo.ocu.star is about the repository, and has no work to do")
	case !strings.HasSuffix(name, ".star") || path.Base(name) == ".star":
		v.add(field, "a release package's name ends in .ocu.star", "%q is no release package", name)
	}
}
