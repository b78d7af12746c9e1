package lang

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// builtin is the signature of Starlark's built-in functions.
type builtin = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

// predeclared are the names that a file finds.
func predeclared() starlark.StringDict {
	names := starlark.StringDict{
		"struct":  starlark.NewBuiltin("struct", starlarkstruct.Make),
		"host":    hostModule(),
		"http":    httpModule(),
		"secrets": module("secrets", map[string]builtin{"get": secretGet}),
		"store":   storeModule(),
	}
	for name, fn := range map[string]builtin{
		"ocuroot": declareInside, "slipway": declareInside,
		"call": makeCall, "task": makeCall, "deploy": makeDeploy, "phase": makePhase,
		"input": makeInput, "ref": makeRef, "done": makeDone, "next": makeNext,
		"environment": makeEnvironment, "environments": listEnvironments, "register_environment": registerEnvironment,
		"environment_from_dict": environmentFromDict, "environment_from_json": environmentFromJSON,
		"secret":   secret,
		"approval": makeApproval, "soak": makeSoak, "freeze": makeFreeze,
		"repo_alias": setAlias, "trigger": setTrigger, "remotes": setRemotes,
		// What host has, as Ocuroot's newer packages spell it.
		"shell": hostShell, "read": hostRead, "write": hostWrite, "read_dir": hostReadDir, "is_dir": hostIsDir, "pwd": hostPwd,
		"os": hostOS, "arch": hostArch, "env": hostEnv,
	} {
		names[name] = starlark.NewBuiltin(name, fn)
	}
	for name, v := range boundedBuiltins() {
		names[name] = v
	}
	return names
}

// module is a value with functions: host.shell.
func module(name string, functions map[string]builtin) *starlarkstruct.Module {
	m := &starlarkstruct.Module{Name: name, Members: starlark.StringDict{}}
	for member, fn := range functions {
		m.Members[member] = starlark.NewBuiltin(name+"."+member, fn)
	}
	m.Freeze()
	return m
}

// printLine answers print.
func printLine(thread *starlark.Thread, message string) {
	e := env(thread)
	for line := range strings.SplitSeq(message, "\n") {
		e.options.Log.Print(clipLine(line))
	}
}

// mostLine is how many bytes of a line are kept.
const mostLine = 64 << 10

func clipLine(line string) string {
	if len(line) <= mostLine {
		return line
	}
	const cut = "… (the line is longer)"
	return strings.ToValidUTF8(line[:mostLine-len(cut)], "") + cut
}

// noLog takes what nobody wants to hear.
type noLog struct{}

func (noLog) Print(string)  {}
func (noLog) Stdout(string) {}
func (noLog) Stderr(string) {}
func (noLog) Secret(string) {}

func orNoLog(l Log) Log {
	if l == nil {
		return noLog{}
	}
	return l
}

// clippedLog shortens the lines of scripts.
type clippedLog struct{ Log }

func (l clippedLog) Stdout(line string) { l.Log.Stdout(clipLine(line)) }
func (l clippedLog) Stderr(line string) { l.Log.Stderr(clipLine(line)) }

// onlyWhileLoading refuses what declares work while a function runs.
func (e *evaluation) onlyWhileLoading(thread *starlark.Thread, name string) error {
	switch e.mode {
	case running:
		return faultf(e.here(thread), "declare work at the top level of the file; to go on with another function write return next(fn, inputs={…})", "%s() is called while a function runs", name)
	case repository:
		return faultf(e.here(thread), "move it to a package file, such as release.ocu.star", "%s() belongs in a package file", name)
	}
	return nil
}

// unpack reads arguments as Starlark does, and names the one that is meant.
func unpack(name string, args starlark.Tuple, kwargs []starlark.Tuple, pairs ...any) error {
	err := starlark.UnpackArgs(name, args, kwargs, pairs...)
	if err == nil {
		return nil
	}
	message, hint := splitHint(err.Error())
	if _, given, ok := strings.Cut(message, "unexpected keyword argument "); ok {
		var known []string
		for i := 0; i < len(pairs); i += 2 {
			if s, isText := pairs[i].(string); isText {
				known = append(known, strings.TrimSuffix(s, "?"))
			}
		}
		hint = didYouMean(strings.Trim(given, `"`), known)
	}
	return &fault{message: message, hint: hint}
}
