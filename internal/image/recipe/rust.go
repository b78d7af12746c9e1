package recipe

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/pelletier/go-toml/v2"

	"github.com/slipway-dev/slipway/internal/release"
)

// cargoManifest is what is read of a Cargo.toml.
type cargoManifest struct {
	Package *struct {
		Name       string `toml:"name"`
		DefaultRun string `toml:"default-run"`
		Autobins   *bool  `toml:"autobins"`
	} `toml:"package"`
	Bin []struct {
		Name string `toml:"name"`
		Path string `toml:"path"`
	} `toml:"bin"`
	Workspace *struct {
		Members []string `toml:"members"`
		Default []string `toml:"default-members"`
	} `toml:"workspace"`
}

// rust: each platform is tested and compiled in its own builder image, with
// whatever cargo that image has; no rustup is needed.
func (s *source) rust() (language, error) {
	if !s.has("Cargo.toml") {
		return language{}, release.Invalidf("name the folder with the sources in `context`", "image %s: there is no Cargo.toml in %s", s.img.ID, s.folder())
	}
	image, err := s.rustImage()
	if err != nil {
		return language{}, err
	}
	l := language{name: "rust", image: image, env: map[string]string{"CARGO_INCREMENTAL": "0"}, early: []string{"TARGETPLATFORM"}}
	home := cacheDir + "/cargo"
	l.mounts = []string{
		s.cache(l, "cargo", home, "sharing=locked"),
		s.cache(l, "target-$TARGETPLATFORM", sourceDir+"/target", "sharing=locked"),
	}
	if s.options.Seed.CargoHome != "" {
		if err := s.seedRust(&l); err != nil {
			return language{}, err
		}
	}
	locked := ""
	if s.has("Cargo.lock") {
		locked = " --locked"
	}
	l.prepare = slices.Concat(cargoHome(home), aged(), []string{
		"cargo fetch --offline" + locked + " >/dev/null 2>&1 || cargo fetch" + locked})
	l.test = []string{"cargo test" + locked}
	l.collect = []string{`for a in "$artifact" "target/$host/${artifact#target/}"; do if [ -e "$a" ]; then break; fi; done`, `cp -R "./$a" "$SLIPWAY_OUT/"`}
	// A target is named so that the flags hold for the program only, and not for
	// what runs while compiling (procedural macros can't be static).
	l.target = []string{"host=$(rustc -vV | sed -n 's/^host: //p')"}
	if s.plan.Build == "" {
		err = s.cargoBuild(&l, locked)
	}
	return l, err
}

// cargoHome gives cargo a home that is kept, and puts into it what the builder
// image and the seed have, without overwriting anything.
func cargoHome(home string) []string {
	return []string{
		`own="${CARGO_HOME:-$HOME/.cargo}"`,
		"export CARGO_HOME=" + home + " CARGO_TARGET_DIR=" + sourceDir + "/target",
		`for from in "$own" ` + seedDir + "/" + ContextCargoHome + `; do for part in registry/index registry/cache git/db; do if [ -d "$from/$part" ]; then` +
			` (cd "$from" && find "$part" -type f) | while IFS= read -r f; do [ -e "$CARGO_HOME/$f" ] || { mkdir -p "$CARGO_HOME/${f%/*}"; cp "$from/$f" "$CARGO_HOME/$f"; }; done; fi; done; done`,
		`for f in config config.toml; do if [ -f "$own/$f" ]; then cp "$own/$f" "$CARGO_HOME/$f"; fi; done`,
	}
}

// stamps is where a target folder remembers since when each file has had its
// content: an empty file for each build that found something new and still
// there, and the list of which file is of which build.
const stamps = "target/.slipway"

// aged gives the sources times that cargo can go by: it compiles again what is
// younger than its output, and the times of a checkout say nothing. Each file
// gets the time at which its content was first seen here, and each folder the
// time at which a file came or went: what a working tree that stayed in place
// would have.
func aged() []string {
	const sources = "find . -path ./target -prune -o "
	const list = stamps + "/list"
	return []string{
		"export LC_ALL=C",
		"mkdir -p " + stamps,
		"now=$(date +%s)",
		"while [ -e " + stamps + "/$now ]; do now=$((now + 1)); done",
		"touch " + stamps + "/$now " + list,
		sources + "-type f -exec touch {} + -exec sha256sum {} + >/tmp/slipway-files",
		`echo "$(` + sources + `-print | sort | sha256sum | cut -c1-64)  ." >>/tmp/slipway-files`,
		`awk -v now="$now" 'FILENAME == ARGV[1] { seen[substr($0, 12)] = $1; next } !/^\\/ { print ($0 in seen ? seen[$0] : now) " " $0 }' ` + list + " /tmp/slipway-files >/tmp/slipway-list",
		"cp /tmp/slipway-list " + list,
		`cut -c1-10 ` + list + ` | sort -u | while read -r t; do grep "^$t " ` + list + ` | cut -c78- | tr '\n' '\0' | xargs -0 touch -r ` + stamps + `/$t; done`,
		sources + "-type d -exec touch -r . {} +",
		"find " + stamps + ` -name '[0-9]*' | while read -r s; do grep -q "^${s##*/} " ` + list + ` || rm "$s"; done`,
	}
}

var rustVersion = regexp.MustCompile(`^1\.[0-9]+(\.[0-9]+)?$`)

func (s *source) rustImage() (string, error) {
	if s.plan.BuildImage != "" {
		return s.plan.BuildImage, nil
	}
	version := s.plan.Toolchain
	if version == "" {
		var err error
		if version, err = s.rustToolchain(); err != nil {
			return "", err
		}
	}
	switch {
	case version == "" || version == "stable":
		return "rust:alpine", nil
	case version == "nightly":
		return "rustlang/rust:nightly-alpine", nil
	case rustVersion.MatchString(version):
		return "rust:" + version + "-alpine", nil
	}
	return "", release.Invalidf("write stable, nightly or a version such as 1.90, or set `build-image`", "image %s: there is no official image of the Rust toolchain %q", s.img.ID, version)
}

// rustToolchain reads the channel of rust-toolchain.toml.
func (s *source) rustToolchain() (string, error) {
	for _, name := range []string{"rust-toolchain.toml", "rust-toolchain"} {
		text, ok, err := s.read(name)
		if err != nil || !ok {
			if err != nil {
				return "", err
			}
			continue
		}
		if channel := strings.TrimSpace(text); !strings.ContainsAny(channel, "[=\n") {
			return channel, nil
		}
		var f struct {
			Toolchain struct{ Channel string }
		}
		if err := decode(s.where(name), text, &f); err != nil {
			return "", err
		}
		return f.Toolchain.Channel, nil
	}
	return "", nil
}

// decode reads TOML; its error is a release.Problem with the place.
func decode(name, text string, into any) error {
	err := toml.Unmarshal([]byte(text), into)
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		line, column := bad.Position()
		return release.Problem{File: name, Line: line, Column: column, Message: bad.Error()}
	}
	if err != nil {
		return release.Problem{File: name, Message: err.Error()}
	}
	return nil
}

func (s *source) cargoBuild(l *language, locked string) error {
	bins := s.packages()
	flags := ""
	for _, b := range bins {
		flags += " --bin " + b
	}
	if len(bins) == 0 {
		var err error
		if bins, err = s.cargoBins(); err != nil {
			return err
		}
	}
	l.programs = bins
	l.build = []string{
		`export RUSTFLAGS="${RUSTFLAGS:--C target-feature=+crt-static}" CARGO_PROFILE_RELEASE_STRIP="${CARGO_PROFILE_RELEASE_STRIP:-symbols}"`,
		`cargo build --release --target "$host" --message-format=json-render-diagnostics` + locked + flags + " >/tmp/slipway-messages",
		`sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' /tmp/slipway-messages | while IFS= read -r f; do cp "$f" "$SLIPWAY_OUT/"; done`,
	}
	return nil
}

// cargoBins are the programs that cargo build makes, the first being what the
// image starts: the package's default, or its own name, or the first.
func (s *source) cargoBins() ([]string, error) {
	var out []string
	first, err := s.cargoPackage(".", &out, true)
	if err != nil {
		return nil, err
	}
	slices.Sort(out)
	out = slices.Compact(out)
	for _, want := range []string{first, path.Base(s.options.Project)} {
		if i := slices.Index(out, want); i > 0 {
			out = slices.Insert(slices.Delete(out, i, i+1), 0, want)
			break
		} else if i == 0 {
			break
		}
	}
	if len(out) == 0 {
		return nil, release.Invalidf("name the programs in `packages`, or set `context`", "image %s: %s has no program: no src/main.rs and no [[bin]]", s.img.ID, s.where("Cargo.toml"))
	}
	return out, nil
}

// cargoPackage adds the programs of a package, and those of a workspace that
// cargo builds by default; it returns the one that cargo run would start.
func (s *source) cargoPackage(dir string, out *[]string, root bool) (string, error) {
	name := path.Join(dir, "Cargo.toml")
	text, ok, err := s.read(name)
	if err != nil || !ok {
		return "", err
	}
	var m cargoManifest
	if err := decode(s.where(name), text, &m); err != nil {
		return "", err
	}
	first := ""
	if p := m.Package; p != nil {
		first = p.Name
		if p.DefaultRun != "" {
			first = p.DefaultRun
		}
		named := false
		for _, b := range m.Bin {
			*out = append(*out, b.Name)
			named = named || b.Name == p.Name || path.Clean(b.Path) == "src/main.rs"
		}
		if p.Autobins == nil || *p.Autobins {
			s.autobins(dir, p.Name, named, out)
		}
	}
	if m.Workspace == nil || !root {
		return first, nil
	}
	members := m.Workspace.Default
	if len(members) == 0 && m.Package == nil {
		members = m.Workspace.Members
	}
	for _, pattern := range members {
		dirs, err := doublestar.Glob(s.files, path.Clean(pattern))
		if err != nil {
			return "", release.Invalidf("", "%s: workspace member %q: %v", s.where(name), pattern, err)
		}
		for _, d := range dirs {
			if d == "." {
				continue
			}
			run, err := s.cargoPackage(d, out, false)
			if err != nil {
				return "", err
			}
			if first == "" {
				first = run
			}
		}
	}
	return first, nil
}

// autobins are the programs that cargo finds by their places. named tells that a
// [[bin]] is src/main.rs.
func (s *source) autobins(dir, name string, named bool, out *[]string) {
	if s.has(path.Join(dir, "src/main.rs")) && !named {
		*out = append(*out, name)
	}
	entries, _ := fs.ReadDir(s.files, path.Join(dir, "src/bin")) // there need not be one
	for _, e := range entries {
		if b, ok := strings.CutSuffix(e.Name(), ".rs"); ok && !e.IsDir() {
			*out = append(*out, b)
		} else if e.IsDir() && s.has(path.Join(dir, "src/bin", e.Name(), "main.rs")) {
			*out = append(*out, e.Name())
		}
	}
}

var crateName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
var crateVersion = regexp.MustCompile(`^[0-9A-Za-z.+-]+$`)

// cargoLock gives the files of a CARGO_HOME that a Cargo.lock names, as patterns
// of a .dockerignore.
func cargoLock(name, text string) ([]string, error) {
	var lock struct {
		Package []struct{ Name, Version, Source string }
	}
	if err := decode(name, text, &lock); err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, p := range lock.Package {
		if !crateName.MatchString(p.Name) || !crateVersion.MatchString(p.Version) {
			continue
		}
		switch {
		case strings.HasPrefix(p.Source, "registry+"), strings.HasPrefix(p.Source, "sparse+"):
			found[fmt.Sprintf("registry/cache/*/%s-%s.crate", p.Name, p.Version)] = true
			found["registry/index/*/.cache/**/"+strings.ToLower(p.Name)] = true
			found["registry/index/*/config.json"] = true
			found["registry/index/*/.last-updated"] = true
			found["registry/index/*/.git"] = true // of registries that are git repositories
		case strings.HasPrefix(p.Source, "git+"):
			repository, _, _ := strings.Cut(strings.TrimPrefix(p.Source, "git+"), "?")
			repository, _, _ = strings.Cut(repository, "#")
			if base := strings.TrimSuffix(path.Base(repository), ".git"); crateName.MatchString(base) {
				found["git/db/"+strings.ToLower(base)+"-*"] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}
