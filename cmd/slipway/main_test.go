package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// They wait for servers and processes most of the time; -parallel is for who
	// wants it otherwise.
	_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))) // a number always fits
	testscript.Main(m, map[string]func(){
		"slipway": main,
		"peek":    func() { os.Exit(peek()) },
		"output":  func() { os.Exit(output()) },
	})
}

// goEnv are the caches that tests share with the machine: without them each
// would compile the standard library anew.
func goEnv(t *testing.T) []string {
	t.Helper()
	env, err := goCaches()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(env)
}

var goCaches = sync.OnceValues(func() (env []string, err error) {
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GONOSUMDB", "GOSUMDB"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return nil, err
		}
		env = append(env, name+"="+strings.TrimSuffix(string(out), "\n"))
	}
	return env, nil
})

// cleanEnv is an environment in which git and slipway know nothing of the
// machine's user.
func cleanEnv(t *testing.T, home string) []string {
	t.Helper()
	// Processes that are killed leave their files behind.
	tmp := filepath.Join(home, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	return append(goEnv(t),
		"GORACE=atexit_sleep_ms=0", // else every run ends with a second's sleep
		"PATH="+os.Getenv("PATH"), "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "TMPDIR="+tmp,
		"GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_AUTHOR_DATE=2024-03-01T10:00:00Z",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org", "GIT_COMMITTER_DATE=2024-03-01T10:00:00Z",
	)
}
