package recipe

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/module"
)

// seedGo lets a build read a local module cache as a module proxy: as much of it
// as go.sum names. There is no download ahead: it would ask for modules that
// nothing is compiled of and that a local cache need not have.
func (s *source) seedGo(l *language) error {
	var include []string
	for _, name := range l.manifests {
		if !strings.HasSuffix(name, ".sum") {
			continue
		}
		text, _, err := s.read(name)
		if err != nil {
			return err
		}
		include = append(include, goSum(text)...)
	}
	if len(include) == 0 {
		return nil // nothing is needed
	}
	slices.Sort(include)
	s.recipe.Contexts[ContextGoModCache] = Context{Dir: s.options.Seed.GoModCache, Include: slices.Compact(include)}
	at := seedDir + "/" + ContextGoModCache
	l.mounts = append(l.mounts, "type=bind,from="+ContextGoModCache+",target="+at)
	// go env GOPROXY gives what an earlier statement exported, too.
	l.prepare = append(l.prepare, `export GOPROXY="file://`+at+`/cache/download,$(go env GOPROXY)"`)
	return nil
}

// goSum gives the files of a module cache that a go.sum names. Lines that name
// none are left to the go command, which says what is wrong with them.
func goSum(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		version, onlyMod := strings.CutSuffix(f[1], "/go.mod")
		p, err1 := module.EscapePath(f[0])
		v, err2 := module.EscapeVersion(version)
		if err1 != nil || err2 != nil {
			continue
		}
		base := path.Join("cache/download", p, "@v", v)
		out = append(out, base+".info", base+".mod")
		if !onlyMod {
			out = append(out, base+".zip", base+".ziphash")
		}
	}
	return out
}

// seedRust mounts a local cargo home: as much of it as Cargo.lock names.
func (s *source) seedRust(l *language) error {
	text, _, err := s.read("Cargo.lock")
	if err != nil {
		return err
	}
	include, err := cargoLock(s.where("Cargo.lock"), text)
	if err != nil || len(include) == 0 {
		return err
	}
	s.recipe.Contexts[ContextCargoHome] = Context{Dir: s.options.Seed.CargoHome, Include: include}
	l.mounts = append(l.mounts, "type=bind,from="+ContextCargoHome+",target="+seedDir+"/"+ContextCargoHome)
	return nil
}
