package git

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"github.com/slipway-dev/slipway/internal/proc"
)

// settings are git's settings that would change what we read, or run programs
// of the user's behind a plain read.
var settings = [][2]string{
	{"core.quotePath", "false"},
	{"core.fsmonitor", "false"},
	{"core.hooksPath", os.DevNull},
	{"core.pager", "cat"},
	{"color.ui", "false"},
	{"i18n.logOutputEncoding", "UTF-8"},
	{"log.showSignature", "false"},
	{"log.decorate", "false"},
	{"log.follow", "false"},
	{"log.mailmap", "true"},
	{"mailmap.file", ""},
	{"gc.auto", "0"},
	{"maintenance.auto", "false"},
}

// unset are the variables that Open has read once and for all (the repository
// it found is named by path from then on), or that change the meaning of
// arguments.
var unset = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_GRAFT_FILE",
	"GIT_REPLACE_REF_BASE", "GIT_IMPLICIT_WORK_TREE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_ATTR_SOURCE",
	"GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
	"GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_REF_PARANOIA",
}

// environment is what every git command runs with besides the process's own
// environment: a fixed language, nobody to ask, and settings that fix the
// form of the output. Settings go by environment, not as -c, so that they
// reach git's own children and leave the argument list readable.
func environment() []string {
	env := []string{
		"LC_ALL=C",
		"GIT_TERMINAL_PROMPT=0",
		"GCM_INTERACTIVE=never",
		"SSH_ASKPASS_REQUIRE=never",
		"GIT_PAGER=cat",
		"GIT_OPTIONAL_LOCKS=0",
		// What a commit holds, not what this clone pretends it holds.
		"GIT_NO_REPLACE_OBJECTS=1",
		// git log flushes after each commit when it writes to a pipe.
		"GIT_FLUSH=0",
	}
	return withSettings(env, settings)
}

// withSettings adds git settings to env, after those that env, or else the
// process's environment, has already.
func withSettings(env []string, add [][2]string) []string {
	n, _ := strconv.Atoi(os.Getenv("GIT_CONFIG_COUNT"))
	for _, kv := range env {
		if m := configCount.FindStringSubmatch(kv); m != nil {
			n, _ = strconv.Atoi(m[1])
		}
	}
	out := append([]string(nil), env...)
	for _, kv := range add {
		out = append(out, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n, kv[1]))
		n++
	}
	return append(out, fmt.Sprintf("GIT_CONFIG_COUNT=%d", n))
}

var (
	configCount = regexp.MustCompile(`^GIT_CONFIG_COUNT=([0-9]+)$`)
	credentials = regexp.MustCompile(`(://)[^/@\s'"]+@`)
)

// redact takes user names and passwords in URLs out of a failed command's
// error.
func redact(err error) error {
	var pe *proc.Error
	if !errors.As(err, &pe) {
		return err
	}
	clean := *pe
	clean.Tail = credentials.ReplaceAllString(pe.Tail, "$1")
	clean.Args = make([]string, len(pe.Args))
	for i, a := range pe.Args {
		clean.Args[i] = credentials.ReplaceAllString(a, "$1")
	}
	return &clean
}
