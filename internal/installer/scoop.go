package installer

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

type scoopManifest struct {
	Version      string               `json:"version"`
	Description  string               `json:"description,omitempty"`
	Homepage     string               `json:"homepage,omitempty"`
	License      string               `json:"license,omitempty"`
	Architecture map[string]scoopFile `json:"architecture"`
	CheckVersion *scoopCheck          `json:"checkver,omitempty"`
	AutoUpdate   *scoopUpdate         `json:"autoupdate,omitempty"`
}

type scoopFile struct {
	URL        string `json:"url"`
	Hash       string `json:"hash,omitempty"`
	ExtractDir string `json:"extract_dir,omitempty"`
	Bin        any    `json:"bin,omitempty"` // a name, or a list of names
}

type scoopCheck struct {
	GitHub   string `json:"github,omitempty"`
	URL      string `json:"url,omitempty"`
	JSONPath string `json:"jsonpath,omitempty"`
	Regex    string `json:"regex,omitempty"`
}

type scoopUpdate struct {
	Architecture map[string]scoopFile `json:"architecture"`
}

// scoopNames are Scoop's architectures.
var scoopNames = map[string]string{"windows/amd64": "64bit", "windows/386": "32bit", "windows/arm64": "arm64"}

// scoopFormats are what Scoop unpacks, what it does by itself first.
var scoopFormats = []string{"zip", "tar.gz", "binary"}

// Scoop writes a Scoop manifest. It follows the forge's newest release by itself
// where its files lie at a release of a forge. Errors are of kind release.Invalid.
func Scoop(r Release) ([]byte, error) {
	if err := check(r); err != nil {
		return nil, err
	}
	m := scoopManifest{Version: r.Version, Description: oneLine(r.Description), Homepage: r.Homepage, License: r.License, Architecture: map[string]scoopFile{}}
	update := map[string]scoopFile{}
	follows := true
	for key, name := range scoopNames {
		f := scoopChoice(r.Files, key)
		if f == nil {
			continue
		}
		m.Architecture[name] = scoopFile{URL: scoopURL(*f, f.URL), Hash: strings.TrimPrefix(f.Digest, "sha256:"), ExtractDir: f.Dir, Bin: scoopBin(f.Binaries)}
		check, next, ok := scoopFollow(r, *f)
		follows = follows && ok && (m.CheckVersion == nil || *m.CheckVersion == *check)
		if ok {
			m.CheckVersion = check
			update[name] = scoopFile{URL: scoopURL(*f, next), ExtractDir: versioned(r.Version, f.Dir)}
		}
	}
	if len(m.Architecture) == 0 {
		return nil, release.Invalidf("build it for windows, as zip, tar.gz or binary", "scoop: there is no build for Windows that Scoop could install")
	}
	if follows {
		m.AutoUpdate = &scoopUpdate{update}
	} else {
		m.CheckVersion = nil
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	err := e.Encode(m)
	return out.Bytes(), err
}

func scoopChoice(files []File, key string) *File {
	var best *File
	for _, f := range filesFor(files, key) {
		at := slices.Index(scoopFormats, f.Format)
		if at >= 0 && (best == nil || at < slices.Index(scoopFormats, best.Format)) {
			best = &f
		}
	}
	return best
}

// scoopURL names a bare binary by a fragment, as Scoop has it.
func scoopURL(f File, address string) string {
	if f.Format == "binary" {
		return address + "#/" + url.PathEscape(f.Binaries[0])
	}
	return address
}

func scoopBin(names []string) any {
	if len(names) == 1 {
		return names[0]
	}
	return names
}

// scoopFollow says how Scoop finds the next version of a file at a release of a
// forge: https://forge/owner/repository/releases/download/<tag>/<file>.
func scoopFollow(r Release, f File) (check *scoopCheck, next string, ok bool) {
	repository, file, ok := strings.Cut(f.URL, "/releases/download/")
	if !ok || (r.Tag != r.Version && r.Tag != "v"+r.Version) || !strings.HasPrefix(file, r.Tag+"/") {
		return nil, "", false
	}
	u, err := url.Parse(repository)
	if err != nil || strings.Count(u.Path, "/") < 2 {
		return nil, "", false
	}
	next = repository + "/releases/download/" + versioned(r.Version, file)
	if u.Host == "github.com" {
		return &scoopCheck{GitHub: repository}, next, true
	}
	parts := strings.Split(u.Path, "/")
	at := len(parts) - 2
	u.Path = strings.Join(parts[:at], "/") + "/api/v1/repos/" + strings.Join(parts[at:], "/") + "/releases/latest"
	return &scoopCheck{URL: u.String(), JSONPath: "$.tag_name", Regex: `v?([\d.]+)`}, next, true
}

func versioned(version, s string) string { return strings.ReplaceAll(s, version, "$version") }

func oneLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}
