package action

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

func given(env map[string]string) (func(string) string, []string) {
	var environ []string
	for k, v := range env {
		environ = append(environ, k+"="+v)
	}
	return func(k string) string { return env[k] }, environ
}

// Inputs become a command line; lists have an entry a line, and commas will do.
func TestInputsToCommandLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		more []string
		line string
		args string
	}{
		"nothing": {line: "release"},
		"a release": {env: map[string]string{"INPUT_DRY-RUN": "TRUE", "INPUT_CLASS": "stable", "INPUT_CONFIG": "a.yaml", "INPUT_MERGE": "false", "INPUT_DIST": "out"},
			line: "release --config a.yaml --dry-run --class stable --dist out"},
		"a part": {env: map[string]string{"INPUT_COMMAND": "build", "INPUT_STAGE": "true", "INPUT_PLATFORMS": "linux/amd64\nlinux/arm64,linux/386\n"},
			line: "build --stage --platforms linux/amd64,linux/arm64,linux/386"},
		"an image":       {env: map[string]string{"INPUT_COMMAND": "image", "INPUT_ARGS": `. "my image" --push`}, line: "image build", args: `.|my image|--push`},
		"the runner's":   {env: map[string]string{"INPUT_ARGS": "--rebuild"}, more: []string{"--rebuild"}, line: "release", args: "--rebuild"},
		"merged":         {env: map[string]string{"INPUT_MERGE": "1"}, line: "release --merge"},
		"a plan":         {env: map[string]string{"INPUT_COMMAND": "plan", "INPUT_SNAPSHOT": "true"}, line: "plan --snapshot"},
		"notes":          {env: map[string]string{"INPUT_COMMAND": "notes", "INPUT_BUILDER": "x"}, line: "notes"},
		"empty is unset": {env: map[string]string{"INPUT_COMMAND": "", "INPUT_NO-SUCH": ""}, line: "release"},
	} {
		getenv, environ := given(c.env)
		in, err := readInputs(getenv, environ, c.more)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Join(in.line(), " "); got != c.line {
			t.Errorf("%s: %s, want %s", name, got, c.line)
		}
		if got := strings.Join(in.args, "|"); got != c.args {
			t.Errorf("%s: args %s, want %s", name, got, c.args)
		}
	}
}

// All that is wrong with the inputs is told at once.
func TestInputsThatAreWrong(t *testing.T) {
	t.Parallel()
	getenv, environ := given(map[string]string{"INPUT_COMMAND": "relase", "INPUT_DRY_RUN": "true", "INPUT_SNAPSHOT": "si", "INPUT_ARGS": `"open`,
		"INPUT_REGISTRY-USERNAME": "ada"})
	_, err := readInputs(getenv, environ, nil)
	var ps release.Problems
	if !errors.As(err, &ps) {
		t.Fatal(err)
	}
	var fields []string
	for _, p := range ps {
		fields = append(fields, p.Field)
		if p.Hint == "" {
			t.Errorf("%v has no hint", p)
		}
	}
	if diff := cmp.Diff([]string{"snapshot", "args", "command", "dry_run", "registry-username"}, fields); diff != "" {
		t.Error(diff)
	}
	getenv, environ = given(map[string]string{"INPUT_COMMAND": "plan", "INPUT_MERGE": "true", "INPUT_STAGE": "true", "INPUT_PLATFORMS": "a/b"})
	if _, err = readInputs(getenv, environ, nil); !errors.As(err, &ps) || len(ps) != 3 {
		t.Errorf("what is for other commands: %v", err)
	}
}
