package shelf

import (
	"path"
	"regexp"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/site"
)

// shape is a layout read backwards: from where a file lies to what it is.
type shape struct {
	pattern *regexp.Regexp
}

// seen is what a key tells of a file.
type seen struct {
	release  string
	version  bool // release is only the version that the tag has in it
	binary   string
	platform *release.Platform
	kind     release.ArtifactKind
}

// shapes are what placeholders stand for, where that is more or less than a
// segment of a path. A tag may have slashes.
var shapes = map[string]string{
	"release": `.+?`, "tag": `.+?`, "version": `.+?`, "branch": `.+?`,
	"target":   `(?:` + strings.Join(site.Targets(), "|") + `|[a-z0-9]+_[a-z0-9_]+)`,
	"platform": `[a-z0-9]+_[a-z0-9_]+`,
	"os":       `[a-z0-9]+`,
	"arch":     `(?:386|amd64|arm64|arm|loong64|mips64le|mips64|mipsle|mips|ppc64le|ppc64|riscv64|s390x|wasm)`,
	"variant":  `(?:v[0-9]+)?`,
	"exe":      ``,
	"binary":   `[^/]+?`,
	"commit":   `[0-9a-f]{40}(?:[0-9a-f]{24})?`,
}

var layoutPlaceholder = regexp.MustCompile(`\{([a-z]+)\}`)

// shapeOf makes a layout's shape. A placeholder that stands twice must have the
// same value in both places.
func shapeOf(root, layout string) shape {
	var b strings.Builder
	b.WriteString("^" + regexp.QuoteMeta(root) + "/")
	at := 0
	given := map[string]bool{}
	for _, m := range layoutPlaceholder.FindAllStringSubmatchIndex(layout, -1) {
		b.WriteString(regexp.QuoteMeta(layout[at:m[0]]))
		name := layout[m[2]:m[3]]
		at = m[1]
		value, known := shapes[name]
		if !known {
			value = `[^/]+`
		}
		if given[name] {
			b.WriteString(value)
			continue
		}
		given[name] = true
		b.WriteString("(?P<" + name + ">" + value + ")")
	}
	b.WriteString(regexp.QuoteMeta(layout[at:]) + "$")
	// What a layout can hold makes a pattern; one that makes none matches nothing.
	pattern, err := regexp.Compile(b.String())
	if err != nil {
		return shape{}
	}
	return shape{pattern}
}

// match reads a key. ok is false for one that is no binary of this layout.
func (s shape) match(key string) (found seen, ok bool) {
	if s.pattern == nil {
		return found, false
	}
	m := s.pattern.FindStringSubmatch(key)
	if m == nil || strings.HasPrefix(path.Base(key), ".") {
		return found, false
	}
	value := func(name string) string {
		if i := s.pattern.SubexpIndex(name); i >= 0 {
			return m[i]
		}
		return ""
	}
	for _, name := range []string{"release", "tag", "version"} {
		if found.release == "" {
			found.release, found.version = value(name), name == "version"
		}
	}
	found.binary = value("binary")
	p, known := platformOf(value)
	if found.release == "" || !known {
		return found, false
	}
	found.platform, found.kind = &p, release.KindBinary
	return found, true
}

// platformOf reads a platform from whichever placeholders name it.
func platformOf(value func(string) string) (release.Platform, bool) {
	if t := value("target"); t != "" {
		if p, ok := site.ParseTarget(t); ok {
			return p, true
		}
		return slug(t)
	}
	if s := value("platform"); s != "" {
		return slug(s)
	}
	p := release.Platform{OS: value("os"), Arch: value("arch"), Variant: value("variant")}
	if p.OS == "" {
		p.OS = "linux"
	}
	return p, p.Arch != ""
}

// slug reads what release.Platform.Slug gives: linux_amd64, linux_armv6.
func slug(s string) (release.Platform, bool) {
	system, arch, ok := strings.Cut(s, "_")
	p := release.Platform{OS: system, Arch: arch}
	if v, is := strings.CutPrefix(arch, "armv"); is {
		p.Arch, p.Variant = "arm", "v"+v
	}
	return p, ok && system != "" && arch != ""
}
