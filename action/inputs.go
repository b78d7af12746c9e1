package action

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/shlex"

	"github.com/slipway-dev/slipway/internal/release"
)

// inputs are what a workflow gives under `with:`. action.yml tells of each.
type inputs struct {
	command                      string
	config, workingDirectory     string
	token                        string
	from, tag, class             string
	packages                     []string
	state, wait                  string
	goOn, failOnWaiting          bool
	dryRun, snapshot             bool
	stage, merge                 bool
	platforms                    []string
	builder                      string
	dist                         string
	registry                     string
	registryUser, registryPasswd string
	args                         []string
}

// commands are what `command:` may be.
var commands = []string{"release", "promote", "build", "test", "plan", "notes", "classify", "image", "rollout"}

// input names a variable that a runner makes of an input.
func variable(input string) string { return "INPUT_" + strings.ToUpper(input) }

// reader reads inputs and keeps what is wrong with them.
type reader struct {
	getenv   func(string) string
	asked    []string
	problems release.Problems
}

func (r *reader) text(name string) string {
	r.asked = append(r.asked, name)
	return strings.TrimSpace(r.getenv(variable(name)))
}

func (r *reader) flag(name string) bool {
	s := r.text(name)
	if s == "" {
		return false
	}
	v, err := strconv.ParseBool(strings.ToLower(s))
	if err != nil {
		r.wrong(name, fmt.Sprintf("it is %q", s), "write true or false")
	}
	return v
}

// list reads an input with one entry a line; commas part entries as well.
func (r *reader) list(name string) []string {
	var out []string
	for _, s := range strings.FieldsFunc(r.text(name), func(c rune) bool { return c == '\n' || c == ',' || c == '\r' }) {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (r *reader) wrong(name, message, hint string) {
	r.problems = append(r.problems, release.Problem{Field: name, Message: message, Hint: hint})
}

// readInputs reads all inputs. more are the arguments of the container: runners
// give an input called args there. Its error is release.Problems, of all that
// is wrong.
func readInputs(getenv func(string) string, environ, more []string) (inputs, error) {
	r := &reader{getenv: getenv}
	in := inputs{
		command: r.text("command"), config: r.text("config"), workingDirectory: r.text("working-directory"), token: r.text("token"),
		packages: r.list("package"), state: r.text("state"), wait: r.text("wait"), goOn: r.flag("continue"), failOnWaiting: r.flag("fail-on-waiting"),
		from: r.text("from"), tag: r.text("tag"), class: r.text("class"), dryRun: r.flag("dry-run"), snapshot: r.flag("snapshot"),
		stage: r.flag("stage"), merge: r.flag("merge"), platforms: r.list("platforms"), builder: r.text("builder"), dist: r.text("dist"),
		registry: r.text("registry"), registryUser: r.text("registry-username"), registryPasswd: r.text("registry-password"),
		args: more,
	}
	text := r.text("args")
	if len(more) == 0 && text != "" {
		args, err := shlex.Split(text)
		if err != nil {
			r.wrong("args", err.Error(), "close every quote")
		}
		in.args = args
	}
	if in.command == "" {
		in.command = "release"
	}
	if !slices.Contains(commands, in.command) {
		r.wrong("command", fmt.Sprintf("there is no command %q", in.command), "it is one of "+strings.Join(commands, ", "))
	}
	r.unknown(environ)
	r.together(in)
	if len(r.problems) > 0 {
		return in, r.problems
	}
	return in, nil
}

// together finds inputs that don't go together.
func (r *reader) together(in inputs) {
	only := func(name string, set bool, takes ...string) {
		if set && !slices.Contains(takes, in.command) {
			r.wrong(name, "it is for the command "+strings.Join(takes, " or "), "take it out, or change the command")
		}
	}
	only("stage", in.stage, "build")
	only("merge", in.merge, "release")
	only("dry-run", in.dryRun, "release", "promote")
	only("from", in.from != "", "promote")
	if in.command == "promote" && (in.from == "" || in.tag == "") {
		r.wrong("from", "the command promote takes both from and tag", "give what is promoted, and the tag of the new release")
	}
	only("package", len(in.packages) > 0, "rollout")
	only("state", in.state != "", "rollout")
	only("wait", in.wait != "", "rollout")
	only("continue", in.goOn, "rollout")
	only("fail-on-waiting", in.failOnWaiting, "rollout")
	if in.wait != "" {
		if d, err := time.ParseDuration(in.wait); err != nil || d < 0 {
			r.wrong("wait", fmt.Sprintf("%q is no time", in.wait), "such as 30m or 2h")
		}
	}
	if in.goOn && (len(in.packages) > 0 || in.tag != "") {
		r.wrong("continue", "it begins nothing, so it takes no package and no tag", "leave package and tag out")
	}
	only("platforms", len(in.platforms) > 0, "build", "image")
	if (in.registryUser == "") != (in.registryPasswd == "") {
		r.wrong("registry-username", "only one of registry-username and registry-password is given", "give both, or neither")
	}
}

// unknown finds inputs that there are not. A runner hands them on as well.
func (r *reader) unknown(environ []string) {
	var known []string
	for _, name := range r.asked {
		known = append(known, variable(name))
	}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if value == "" || !strings.HasPrefix(name, "INPUT_") || slices.Contains(known, name) {
			continue
		}
		input := strings.ToLower(strings.TrimPrefix(name, "INPUT_"))
		hint := "the inputs are " + strings.Join(r.asked, ", ")
		if near := release.Nearest(input, r.asked); near != "" {
			hint = "did you mean " + near + "?"
		}
		r.wrong(input, "there is no such input", hint)
	}
}

// line is the command line that the inputs stand for, without the selection of
// a commit.
func (in inputs) line() []string {
	var args []string
	flag := func(name, value string) {
		if value != "" {
			args = append(args, "--"+name, value)
		}
	}
	on := func(name string, set bool) {
		if set {
			args = append(args, "--"+name)
		}
	}
	if in.command == "image" {
		args = append(args, "image", "build")
		flag("builder", in.builder)
		flag("platform", strings.Join(in.platforms, ","))
	} else {
		args = append(args, in.command)
	}
	flag("config", in.config)
	switch in.command {
	case "release":
		on("dry-run", in.dryRun)
		on("snapshot", in.snapshot)
		on("merge", in.merge)
	case "promote":
		on("dry-run", in.dryRun)
	case "build":
		on("snapshot", in.snapshot)
		on("stage", in.stage)
		flag("platforms", strings.Join(in.platforms, ","))
	case "plan", "test":
		on("snapshot", in.snapshot)
	case "rollout":
		on("continue", in.goOn)
		flag("state", in.state)
		flag("wait", in.wait)
	}
	if slices.Contains([]string{"release", "promote", "build", "plan", "test"}, in.command) {
		flag("builder", in.builder)
	}
	if slices.Contains([]string{"release", "promote", "build", "plan", "test", "rollout"}, in.command) && !in.goOn {
		flag("class", in.class)
	}
	if slices.Contains([]string{"release", "promote", "build"}, in.command) {
		flag("dist", in.dist)
	}
	return args
}

// environment is what the command line reads beside its flags.
func (in inputs) environment() map[string]string {
	out := map[string]string{}
	for name, value := range map[string]string{
		"SLIPWAY_TOKEN": in.token, "SLIPWAY_REGISTRY": in.registry,
		"SLIPWAY_REGISTRY_USER": in.registryUser, "SLIPWAY_REGISTRY_PASSWORD": in.registryPasswd,
	} {
		if value != "" {
			out[name] = value
		}
	}
	return out
}
