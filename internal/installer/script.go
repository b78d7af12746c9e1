package installer

import (
	"bytes"
	_ "embed"
	"slices"
	"strings"
	"text/template"

	"github.com/slipway-dev/slipway/internal/release"
)

//go:embed install.sh.tmpl
var scriptText string

var scriptTemplate = template.Must(template.New("install.sh").Funcs(template.FuncMap{"sh": shell}).Parse(scriptText))

// Script writes install.sh: POSIX sh for `curl -fsSL URL | sh`. A platform may have
// several files; what needs the fewest tools is preferred. Errors are of kind
// release.Invalid.
func Script(r Release) ([]byte, error) {
	if err := check(r); err != nil {
		return nil, err
	}
	type file struct {
		File
		Index  int
		Digest string
	}
	type platform struct {
		Key   string
		Files []file
	}
	var platforms []platform
	index := 0
	for _, key := range platformKeys(r.Files) {
		p := platform{Key: key}
		for _, f := range filesFor(r.Files, key) {
			p.Files = append(p.Files, file{f, index, strings.TrimPrefix(f.Digest, "sha256:")})
			index++
		}
		platforms = append(platforms, p)
	}
	if len(platforms) == 0 {
		return nil, release.Invalidf("build it for one, as an archive or a binary", "install.sh: there is no build that a shell could install")
	}
	var supported []string
	for _, p := range platforms {
		supported = append(supported, p.Key)
	}
	var out bytes.Buffer
	err := scriptTemplate.Execute(&out, struct {
		Release
		Variable, Supported string
		Platforms           []platform
	}{r, variable(r.Project), strings.Join(supported, ", "), platforms})
	return out.Bytes(), err
}

// preference is the order of formats: what every system unpacks comes first.
var preference = []string{"binary", "tar.gz", "zip", "tar.zst"}

// platformKeys are the platforms that a script can tell, sorted.
func platformKeys(files []File) []string {
	var keys []string
	for _, f := range files {
		if key := platformKey(f.Platform); key != "" && slices.Contains(preference, f.Format) && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// platformKey is what a script calls a platform; empty for a variant that needs a
// better processor than it can ask for.
func platformKey(p release.Platform) string {
	switch {
	case p.Arch == "arm":
		return p.String()
	case p.Variant == "", p.Arch == "amd64" && p.Variant == "v1", p.Arch == "arm64" && p.Variant == "v8":
		return p.OS + "/" + p.Arch
	}
	return ""
}

// filesFor gives a platform's files, the preferred first.
func filesFor(files []File, key string) []File {
	var out []File
	for _, f := range files {
		if platformKey(f.Platform) == key && slices.Contains(preference, f.Format) {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b File) int {
		if d := slices.Index(preference, a.Format) - slices.Index(preference, b.Format); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// variable names the environment's variable for the folder: HELLO_INSTALL_DIR.
func variable(project string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, project)
	if name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name + "_INSTALL_DIR"
}

// shell quotes a value so that no shell finds anything in it.
func shell(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
