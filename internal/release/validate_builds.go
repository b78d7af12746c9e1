package release

import (
	"fmt"
	"slices"
	"strings"
)

func (v *validator) builds() {
	first := map[string]int{}
	for i, b := range v.given.Builds {
		field := at("builds", i)
		j, twice := first[b.ID]
		switch {
		case b.ID == "":
			v.add(field+".id", "", "the build has no id")
		case twice:
			v.add(field+".id", "", "builds[%d] has the id %q too", j, b.ID)
		default:
			v.fileName(field+".id", b.ID)
		}
		if !twice {
			first[b.ID] = i
		}
		v.build(field, b)
	}
}

func (v *validator) build(field string, b Build) {
	v.builderImage(field+".image", b.Image)
	v.enum(field+".builder", b, "Builder", b.Builder)
	if b.Binary != "" {
		v.fileName(field+".binary", b.Binary)
		if strings.HasSuffix(strings.ToLower(b.Binary), ".exe") {
			v.add(field+".binary", "leave .exe out", ".exe is added for Windows, and only there")
		}
	}
	v.dir(field+".dir", b.Dir)
	v.env(field+".env", b.Env)
	emptyList(v, field+".platforms", b.Platforms, "leave the key out for the default platforms")
	platforms := v.platforms(field+".platforms", b.Platforms)
	switch orDefault(b.Builder, "go") {
	case "go":
		v.goBuild(field, b, platforms)
	case "command":
		v.commandBuild(field, b)
	}
}

// builderImage checks the image that a build or a check runs in.
func (v *validator) builderImage(field, image string) {
	if image == "" || strings.Contains(image, "{") {
		return
	}
	if _, err := ParseImage(image); err != nil {
		v.add(field, "", "%v", err)
	}
}

// fileName checks an id or a binary.
func (v *validator) fileName(field, name string) {
	switch {
	case !safeName.MatchString(name), strings.Contains(name, ".."):
		v.add(field, safeNameHint, "%q is no file name", name)
	case len(name) > 100:
		v.add(field, "", "the name has %d characters; at most 100 fit everywhere", len(name))
	}
}

func (v *validator) goBuild(field string, b Build, platforms []Platform) {
	const hint = "it is for `builder: command`"
	if !b.Run.IsZero() {
		v.add(field+".run", hint, "builder go runs no command")
	}
	if b.Output != "" {
		v.add(field+".output", hint, "builder go chooses the output itself")
	}
	for _, key := range [][2]string{{"CGO_ENABLED", "cgo"}, {"GOARCH", "platforms"}, {"GOARM", "platforms"}, {"GOOS", "platforms"}} {
		if _, ok := b.Env[key[0]]; ok {
			v.add(field+".env."+key[0], "set `"+key[1]+"` instead", "builder go sets %s itself", key[0])
		}
	}
	v.main(field+".main", b.Dir, b.Main)
	for _, list := range []struct {
		key    string
		values []string
	}{{"tags", b.Tags}, {"ldflags", b.Ldflags}, {"flags", b.Flags}} {
		for i, s := range list.values {
			v.text(at(field+"."+list.key, i), s)
		}
	}
	for i, p := range platforms {
		v.goPlatform(at(field+".platforms", i), p)
	}
}

// main checks the main package: a folder of the repository, or an import path.
func (v *validator) main(field, dir, main string) {
	switch {
	case main == "":
	case strings.HasPrefix(main, "-"):
		v.add(field, "flags go to `flags`", "%q is no package", main)
	case strings.Contains(main, "..."):
		v.add(field, "make one build for each main package", "%q is more than one package", main)
	case main == "." || strings.HasPrefix(main, "./") || strings.HasPrefix(main, "../") || strings.HasPrefix(main, "/"):
		v.path(field, dir, main)
	case !strings.Contains(strings.Split(main, "/")[0], "."):
		v.add(field, "write ./"+main, "go would look for %q in its standard library", main)
	}
}

// Go's operating systems and architectures, to find slips of the pen; an
// unknown one only warns, as Go may have learnt it since.
var (
	goOS   = strings.Fields("aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasip1 windows")
	goArch = strings.Fields("386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm")
)

func (v *validator) goPlatform(field string, p Platform) {
	for _, c := range []struct {
		word, what string
		known      []string
	}{{p.OS, "operating system", goOS}, {p.Arch, "architecture", goArch}} {
		if c.word != "" && !slices.Contains(c.known, c.word) {
			v.warn(field, EnumHint(c.word, c.known), "Go has no %s %q", c.what, c.word)
		}
	}
}

func (v *validator) commandBuild(field string, b Build) {
	for _, key := range []struct {
		name  string
		given bool
	}{{"main", b.Main != ""}, {"tags", b.Tags != nil}, {"ldflags", b.Ldflags != nil}, {"flags", b.Flags != nil}, {"cgo", b.CGO}} {
		if key.given {
			v.add(field+"."+key.name, "builder command passes on only what `run` and `env` say", "%s is for builder go", key.name)
		}
	}
	if b.Run.IsZero() {
		v.add(field+".run", "write the command that builds the binary for {target} and leaves it at {output}", "builder command has no command to run")
		return
	}
	v.command(field+".run", b.Run)
	if b.Output != "" {
		v.path(field+".output", b.Dir, b.Output)
		return
	}
	if all := b.Run.Script + strings.Join(b.Run.Args, " "); !strings.Contains(all, "{output}") && !strings.Contains(all, "SLIPWAY_OUTPUT") {
		v.warn(field+".run", "use {output} in the command, or set `output`", "nothing says where the command leaves the binary")
	}
}

func (v *validator) archives() {
	known := make([]string, len(v.cfg.Builds))
	complete := v.given.Builds != nil
	for i, b := range v.cfg.Builds {
		known[i] = b.ID
		complete = complete && b.ID != ""
	}
	first, before := map[string]int{}, len(v.problems)
	for i, a := range v.given.Archives {
		field := at("archives", i)
		if j, twice := first[a.ID]; twice && a.ID != "" {
			v.add(field+".id", "", "archives[%d] has the id %q too", j, a.ID)
		} else {
			first[a.ID] = i
		}
		emptyList(v, field+".builds", a.Builds, "leave the key out for all builds")
		if complete {
			v.references(field+".builds", a.Builds, known)
		}
		v.formats(field, a)
		v.archiveName(field+".name", a.Name)
		for j, f := range a.Files {
			v.glob(at(field+".files", j), f)
		}
	}
	if complete && len(v.problems) == before {
		v.unpacked()
	}
	if v.given.Builds != nil && len(v.given.Builds) == 0 && len(v.given.Archives) > 0 {
		v.add("archives", "leave `builds` out for the defaults, or `archives` too", "there is nothing to pack: builds is empty")
	}
}

func (v *validator) references(field string, ids, known []string) {
	for i, id := range ids {
		switch {
		case slices.Contains(ids[:i], id):
			v.add(at(field, i), "", "%s is listed twice", id)
		case !slices.Contains(known, id):
			hint := EnumHint(id, known)
			if hint == "" && len(known) > 0 {
				hint = "there are " + strings.Join(known, ", ")
			}
			v.add(at(field, i), hint, "there is no build %q", id)
		}
	}
}

func (v *validator) formats(field string, a Archive) {
	emptyList(v, field+".formats", a.Formats, "leave the key out for tar.gz")
	for i, f := range a.Formats {
		v.enum(at(field+".formats", i), a, "Formats", f)
		if slices.Contains(a.Formats[:i], f) {
			v.add(at(field+".formats", i), "", "%s is listed twice", f)
		}
	}
}

// archiveName checks what stands outside the placeholders; their values are
// made fit for a file name when they are filled in.
func (v *validator) archiveName(field, template string) {
	literal := placeholder.ReplaceAllString(template, "x")
	switch {
	case template == "":
	case strings.ContainsAny(literal, `/\`):
		v.add(field, "an asset is one file, without a folder", "%q has a slash in it", template)
	case strings.Contains(literal, ".."):
		v.add(field, "", "%q has .. in it", template)
	case FileName(literal) != literal || !safeName.MatchString(literal):
		v.add(field, safeNameHint, "%q has characters that forges rename", template)
	}
}

// unpacked warns of builds that no archive takes.
func (v *validator) unpacked() {
	if len(v.given.Archives) == 0 {
		return
	}
	packed := map[string]bool{}
	for _, a := range v.given.Archives {
		if a.Builds == nil {
			return
		}
		for _, id := range a.Builds {
			packed[id] = true
		}
	}
	for _, img := range v.cfg.Images {
		for _, id := range img.Builds {
			packed[id] = true
		}
	}
	for i, b := range v.given.Builds {
		if b.ID != "" && !packed[b.ID] {
			v.warn(at("builds", i)+".id", fmt.Sprintf("add %s to the `builds` of an archive", b.ID), "%s is built but in no archive and no image, so it is not released", b.ID)
		}
	}
}
