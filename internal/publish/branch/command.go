package branch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// git runs git commands on one repository.
type git struct {
	dir    string
	env    []string
	secret string // an address, to be kept out of errors
}

// settings fix what git would do otherwise because of a user's settings.
var settings = [][2]string{
	{"core.fsmonitor", "false"},
	{"core.hooksPath", os.DevNull},
	{"core.fsync", "committed,reference"},
	{"core.protectHFS", "false"}, // nothing is checked out here
	{"core.protectNTFS", "false"},
	{"gc.auto", "0"},
	{"maintenance.auto", "false"},
	{"push.gpgSign", "false"},
	{"push.followTags", "false"},
	{"fetch.recurseSubmodules", "false"},
	{"fetch.prune", "false"},
	{"push.recurseSubmodules", "no"},
	{"http.lowSpeedLimit", "1"}, // bytes a second, for
	{"http.lowSpeedTime", "60"}, // seconds: then a server is gone
	{"advice.fetchShowForcedUpdates", "false"},
}

// unset are the variables that would have git work on another repository, or read
// arguments in another way, or write logins to its messages.
var unset = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE",
	"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH",
	"GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_REPLACE_REF_BASE", "GIT_GRAFT_FILE",
	"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_DATE",
	"GIT_TRACE", "GIT_TRACE_CURL", "GIT_TRACE_PACKET", "GIT_CURL_VERBOSE",
}

// transports are those that an address may use: none runs a command that the
// address names.
const transports = "GIT_ALLOW_PROTOCOL=https:http:ssh:git:file"

func environment() []string {
	env := []string{
		"LC_ALL=C",
		"GIT_TERMINAL_PROMPT=0",
		"GCM_INTERACTIVE=never",
		"SSH_ASKPASS_REQUIRE=never",
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_LITERAL_PATHSPECS=1",
	}
	return withSettings(env, settings)
}

// withSettings adds git settings to env, after those that env, or else the
// process's environment, has.
func withSettings(env []string, add [][2]string) []string {
	n, _ := strconv.Atoi(os.Getenv("GIT_CONFIG_COUNT")) // none is 0
	for _, kv := range env {
		if count, found := strings.CutPrefix(kv, "GIT_CONFIG_COUNT="); found {
			n, _ = strconv.Atoi(count) // it is ours
		}
	}
	out := append([]string(nil), env...)
	for _, kv := range add {
		out = append(out, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n, kv[1]))
		n++
	}
	return append(out, fmt.Sprintf("GIT_CONFIG_COUNT=%d", n))
}

func (g git) command(args ...string) proc.Cmd {
	return proc.Cmd{Args: append([]string{"git"}, args...), Dir: g.dir, Env: g.env, Unset: unset}
}

func (g git) run(ctx context.Context, c proc.Cmd) ([]byte, error) {
	out, err := proc.Output(ctx, c)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	return out, g.readable(err)
}

func (g git) output(ctx context.Context, args ...string) ([]byte, error) {
	return g.run(ctx, g.command(args...))
}

// line runs a command whose answer is text, and gives it without the last newline.
func (g git) line(ctx context.Context, args ...string) (string, error) {
	out, err := g.output(ctx, args...)
	return strings.TrimSuffix(string(out), "\n"), err
}

var logins = regexp.MustCompile(`(://)[^/@\s'"]+@`)

func withoutLogin(address string) string { return logins.ReplaceAllString(address, "$1") }

// readable takes logins out of a failed command's error.
func (g git) readable(err error) error {
	if errors.Is(err, proc.ErrNotFound) {
		return release.Invalidf("install git 2.39 or newer", "git is not installed, or not in PATH")
	}
	var pe *proc.Error
	if !errors.As(err, &pe) {
		return err
	}
	clean := *pe
	clean.Tail = g.redact(pe.Tail)
	clean.Args = make([]string, len(pe.Args))
	for i, a := range pe.Args {
		clean.Args[i] = g.redact(a)
	}
	return &clean
}

func (g git) redact(s string) string {
	if g.secret != "" {
		s = strings.ReplaceAll(s, g.secret, withoutLogin(g.secret))
	}
	return withoutLogin(s)
}

var scpAddress = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9.-]+:[^:]`)

func isAddress(s string) bool {
	return !strings.HasPrefix(s, "-") && !strings.ContainsFunc(s, unicode.IsControl) &&
		(strings.Contains(s, "://") || scpAddress.MatchString(s))
}

// validBranch is git check-ref-format's rule, a little stricter.
func validBranch(name string) bool {
	if name == "" || len(name) > 200 || name[0] == '-' || name == "HEAD" || name == "@" || !utf8.ValidString(name) ||
		strings.HasPrefix(name, "refs/") || strings.Contains(name, "..") || strings.Contains(name, "@{") || strings.HasSuffix(name, ".") ||
		strings.ContainsFunc(name, func(c rune) bool { return unicode.IsControl(c) || strings.ContainsRune(" ~^:?*[\\", c) }) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}
