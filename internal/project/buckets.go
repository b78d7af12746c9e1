package project

import (
	"cmp"
	"errors"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// CheckBucket looks at the address of a bucket, as bot.yaml has it. Its errors do
// not repeat the address: a key may have been written into it.
func CheckBucket(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("that is no address of a bucket")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("an address of a bucket has no user, query or fragment")
	case strings.Trim(u.Path, "/") == "":
		return errors.New("the address names no bucket")
	case path.Clean(u.Path) != strings.TrimRight(u.Path, "/"):
		return errors.New("the address has an empty segment, . or .. in its path")
	}
	return nil
}

// MayPublish refuses places that a repository's config names but that are not its
// own: of the bot's buckets only those that bot.yaml lets it have, and no folder of
// the bot's machine.
func MayPublish(cfg release.Config, buckets []string, host bool) error {
	if f := cfg.Publish.Folder; f != nil && !host {
		return release.Refuse("publish to a bucket, or let the repository write there with host-builds: allow in bot.yaml",
			"publish.folder %q is a folder of the bot's machine", f.Path)
	}
	s := cfg.Publish.S3
	if s == nil {
		return nil
	}
	if s.Endpoint == "" {
		return release.Refuse("write publish.s3.endpoint", "publish.s3 names no server: the bot takes none from its own environment")
	}
	l, index := cfg.Publish.Place(s.Layout)
	pages := []string{index.HTML, index.JSON, index.Atom}
	for _, b := range buckets {
		u, err := url.Parse(b)
		if err != nil || CheckBucket(b) != nil {
			continue
		}
		bucket, folder, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
		if sameServer(u, s.Endpoint) && bucket == s.Bucket && allBelow(folder, l.Prefix, pages) {
			return nil
		}
	}
	need := strings.TrimRight(s.Endpoint, "/") + "/" + s.Bucket
	if folder := parent(l.Prefix, pages); folder != "" {
		need += "/" + folder
	}
	return release.Refuse("add it to the repository's `s3-buckets` in bot.yaml: "+need,
		"the bot may not publish to bucket %s at %s, folder %s with its page, list and feed, for this repository", s.Bucket, s.Endpoint, l.Prefix)
}

// allBelow reports whether a folder, empty for the whole bucket, holds the folder
// of all releases and the pages.
func allBelow(folder, prefix string, pages []string) bool {
	outside := func(key string) bool { return !strings.HasPrefix(path.Clean(key), folder+"/") }
	return folder == "" || !outside(prefix+"/x") && !slices.ContainsFunc(pages, outside)
}

// parent is the innermost folder that holds it all.
func parent(prefix string, pages []string) string {
	for folder := path.Clean(prefix); folder != "."; folder = path.Dir(folder) {
		if allBelow(folder, prefix, pages) {
			return folder
		}
	}
	return ""
}

// sameServer compares a bucket's server with an endpoint.
func sameServer(x *url.URL, endpoint string) bool {
	y, err := url.Parse(endpoint)
	return err == nil && strings.EqualFold(x.Scheme, y.Scheme) && strings.EqualFold(x.Hostname(), y.Hostname()) && port(x) == port(y)
}

func port(u *url.URL) string {
	standard := map[string]string{"http": "80", "https": "443"}
	return cmp.Or(u.Port(), standard[strings.ToLower(u.Scheme)])
}
