package forge

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// ParseServer reads the address of a forge as people write it: "github.com",
// "https://git.example/gitea/". The result has a scheme (https when none is
// given), a host and no trailing slash, query, fragment or user.
func ParseServer(server string) (*url.URL, error) {
	text := strings.TrimSpace(server)
	if text == "" {
		return nil, fmt.Errorf("the forge's address is empty: give a URL such as https://git.example")
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		// The text is not repeated whole: it may hold a password.
		return nil, fmt.Errorf("the forge's address is not a URL such as https://git.example")
	case u.User != nil:
		return nil, fmt.Errorf("the forge's address for %s has a user or password in it: give the token apart from the address", u.Host)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("the forge's address begins with %q: use https:// or http://", u.Scheme+"://")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the forge's address for %s has a query or fragment: give only the server", u.Host)
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: strings.TrimRight(u.Path, "/")}, nil
}

var repositoryPart = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// SplitRepository parts "owner/name". Both parts are safe in a URL's path.
func SplitRepository(repository string) (owner, name string, err error) {
	owner, name, ok := strings.Cut(repository, "/")
	for _, part := range []string{owner, name} {
		if !ok || !repositoryPart.MatchString(part) || part == "." || part == ".." {
			return "", "", fmt.Errorf("repository %q is not of the form owner/name", repository)
		}
	}
	return owner, name, nil
}

// ValidTag says whether git takes the name for a tag (git check-ref-format).
// Names that begin with a dash are refused too, as git tag refuses them.
func ValidTag(name string) bool {
	if name == "" || name == "@" || strings.HasPrefix(name, "-") || strings.HasSuffix(name, ".") || len(name) > 244 {
		return false
	}
	for _, bad := range []string{"..", "@{", "//", "\\", " ", "~", "^", ":", "?", "*", "["} {
		if strings.Contains(name, bad) {
			return false
		}
	}
	for _, part := range strings.Split(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return strings.IndexFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }) < 0
}
