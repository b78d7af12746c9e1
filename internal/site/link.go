package site

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// relative is the link from one key to another.
func relative(from, to string) string {
	for {
		a, restFrom, isDir := strings.Cut(from, "/")
		b, restTo, inDir := strings.Cut(to, "/")
		if !isDir || !inDir || a != b {
			break
		}
		from, to = restFrom, restTo
	}
	up := strings.Repeat("../", strings.Count(from, "/"))
	if up == "" && (to == "" || strings.Contains(to, ":")) {
		up = "./" // or its beginning would be taken for a scheme
	}
	return up + escapePath(to)
}

// webLink gives an address that a browser may be sent to, else nothing.
func webLink(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return address
}

// linkView is a link on a page.
type linkView struct{ Name, Href string }

// sources are where the source of a release is to be had on its forge.
func (s Site) sources(r *Release) []linkView {
	if webLink(s.Source) == "" {
		return nil
	}
	ref, folder := r.Commit, "commit"
	if r.Tag != "" {
		ref, folder = r.Tag, "tag"
	}
	if ref == "" {
		return nil
	}
	base := strings.TrimSuffix(s.Source, "/")
	tree := base + "/src/" + folder + "/"
	if onGitHub(base) {
		tree = base + "/tree/"
	}
	ref = escapePath(ref)
	return []linkView{
		{"Source code", tree + ref},
		{"tar.gz", base + "/archive/" + ref + ".tar.gz"},
		{"zip", base + "/archive/" + ref + ".zip"},
	}
}

// onGitHub says whether an address is GitHub's, whose paths are not those of
// Gitea and Forgejo.
func onGitHub(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := u.Hostname()
	return host == "github.com" || strings.HasPrefix(host, "github.") || strings.HasSuffix(host, ".ghe.com")
}

// anchor is the id of a release on a page: its name, which is unique, with
// everything escaped that an id or a link to it does not bear. It has no colon,
// which the ids of the page itself have.
func anchor(name string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; plainInPath(c) || c == '+' || c == '@' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
