package git

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// Remotes is the fetch URL of each remote by name, as git rewrites it
// (url.….insteadOf), without user names and passwords.
func (r *Repo) Remotes(ctx context.Context) (map[string]string, error) {
	out, err := r.line(ctx, "remote", "-v")
	if err != nil {
		return nil, fmt.Errorf("read remotes: %w", err)
	}
	remotes := map[string]string{}
	for line := range strings.SplitSeq(out, "\n") {
		name, rest, ok := strings.Cut(line, "\t")
		end := strings.LastIndex(rest, " (fetch)")
		if ok && end >= 0 {
			remotes[name] = withoutUser(rest[:end])
		}
	}
	return remotes, nil
}

// withoutUser takes the user name and password out of a URL. An scp-like
// address keeps its user, which is no secret and is needed to use it.
func withoutUser(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	host, path, slash := strings.Cut(rest, "/")
	if at := strings.LastIndex(host, "@"); at >= 0 {
		user, _, _ := strings.Cut(host[:at], ":")
		host = host[at+1:]
		if strings.Contains(scheme, "ssh") && user != "" {
			host = user + "@" + host
		}
	}
	if slash {
		host += "/"
	}
	return scheme + "://" + host + path
}

var (
	// scpLike is [user@]host:path, where the host has no slash before the
	// colon and may be an IPv6 address in brackets.
	scpLike   = regexp.MustCompile(`^(?:[^@/\s]+@)?(\[[0-9A-Fa-f:.]+\]|[^:/@\s\[\]]+):(.*)$`)
	hostName  = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?)$`)
	portDigit = regexp.MustCompile(`^[0-9]{1,5}$`)
)

// ParseRemote reads a remote's URL as the address of a forge's repository:
// server is the likely base URL of the forge (https://host for ssh and git
// addresses, whose port says nothing about the web's), owner may hold slashes
// for nested groups. ok is false for what can't be a forge's, such as a path.
// A forge that lives below a path of its server can't be told from a group.
func ParseRemote(address string) (server, owner, name string, ok bool) {
	scheme, host, path, ok := splitRemote(address)
	if !ok {
		return "", "", "", false
	}
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	parts := strings.Split(path, "/")
	if len(parts) < 2 {
		return "", "", "", false
	}
	for _, p := range parts {
		if p == "" || p == "." || p == ".." || p == "~" || strings.ContainsFunc(p, notInName) {
			return "", "", "", false
		}
	}
	last := len(parts) - 1
	return scheme + "://" + host, strings.Join(parts[:last], "/"), parts[last], true
}

// splitRemote gives the web scheme, the web host with its port, and the path.
func splitRemote(address string) (scheme, host, path string, ok bool) {
	if !strings.Contains(address, "://") {
		m := scpLike.FindStringSubmatch(address)
		if m == nil || len(m[1]) == 1 { // C:\… is a drive
			return "", "", "", false
		}
		host, ok = webHost(m[1], "")
		return "https", host, m[2], ok
	}
	u, err := url.Parse(address)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", "", "", false
	}
	switch scheme = strings.ToLower(u.Scheme); scheme {
	case "http", "https":
		host, ok = webHost(u.Hostname(), u.Port())
	case "ssh", "git+ssh", "ssh+git", "git":
		scheme = "https"
		host, ok = webHost(u.Hostname(), "")
	}
	return scheme, host, u.Path, ok
}

// webHost checks and joins host and port. GitHub's ssh over the https port has
// a host name of its own.
func webHost(host, port string) (string, bool) {
	host = strings.ToLower(host)
	if host == "ssh.github.com" {
		host = "github.com"
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	if !hostName.MatchString(host) || (port != "" && !portDigit.MatchString(port)) {
		return "", false
	}
	if port == "" {
		return host, true
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port), true
}

// notInName tells the characters that no forge allows in an owner's or a
// repository's name, but that matter elsewhere in a URL or a shell.
func notInName(c rune) bool {
	return c <= ' ' || c == 0x7f || c == 0xfffd || strings.ContainsRune(`\?#%&:@'"<>|;$*`+"`", c)
}
