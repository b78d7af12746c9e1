package lang

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/slipway-dev/slipway/internal/release"
)

func hostModule() starlark.Value {
	return module("host", map[string]builtin{
		"shell": hostShell, "read_file": hostRead, "write_file": hostWrite, "read_dir": hostReadDir, "is_dir": hostIsDir,
		"pwd": hostPwd, "os": hostOS, "arch": hostArch, "env": hostEnv,
	})
}

func (e *evaluation) host(thread *starlark.Thread, what string) (Host, error) {
	if e.options.Host != nil {
		return e.options.Host, nil
	}
	return nil, &fault{at: e.here(thread), message: what + "() needs a machine to run on, and here is none", hint: "call it inside of a function",
		cause: release.Refuse("", "%s() needs a machine to run on, and here is none", what)}
}

func hostShell(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	s := Script{Shell: "sh", Dir: ".", Most: e.limits.Stream}
	variables := starlark.NewDict(0)
	var goOn bool
	// Ocuroot called it command, and cmd in its documentation.
	for i, kw := range kwargs {
		if name, _ := starlark.AsString(kw[0]); name == "cmd" {
			kwargs = slices.Clone(kwargs)
			kwargs[i] = starlark.Tuple{starlark.String("command"), kw[1]}
		}
	}
	if err := unpack(b.Name(), args, kwargs, "command", &s.Text, "shell?", &s.Shell, "dir?", &s.Dir, "env?", &variables,
		"mute?", &s.Mute, "continue_on_error?", &goOn); err != nil {
		return nil, err
	}
	h, err := e.host(thread, b.Name())
	if err != nil {
		return nil, err
	}
	if s.Env, err = e.variables(thread, variables); err != nil {
		return nil, err
	}
	if s.Dir == "" {
		s.Dir = "."
	}
	answer, err := h.Shell(threadContext(thread), s, clippedLog{e.options.Log})
	if err != nil {
		return nil, e.hostFault(thread, fmt.Sprintf("%s %q", b.Name(), clip(s.Text, 80)), err)
	}
	if answer.ExitCode != 0 && !goOn {
		return nil, &fault{at: e.here(thread), message: failedCommand(s, answer), hint: commandHint(answer.ExitCode),
			cause: release.Failf("", "exit code %d", answer.ExitCode)}
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"combined_output": starlark.String(answer.Combined),
		"stdout":          starlark.String(answer.Stdout),
		"stderr":          starlark.String(answer.Stderr),
		"exit_code":       starlark.MakeInt(answer.ExitCode),
	}), nil
}

func (e *evaluation) variables(thread *starlark.Thread, d *starlark.Dict) (map[string]string, error) {
	out := map[string]string{}
	for _, item := range d.Items() {
		name, isName := starlark.AsString(item[0])
		value, isValue := starlark.AsString(item[1])
		at := e.at(thread, "env", 3)
		switch {
		case !isName || name == "" || strings.ContainsAny(name, "=\x00"):
			return nil, faultf(at, "", "env has %s as a name", show(item[0], 40))
		case !isValue:
			return nil, faultf(at, "turn it into text with str(…)", "env[%q] is %s, not a string", clip(name, 40), describe(item[1]))
		case strings.Contains(value, "\x00"):
			return nil, faultf(at, "", "env[%q] has a NUL", clip(name, 40))
		}
		out[name] = value
	}
	return out, nil
}

// failedCommand names a command, its exit code and the last that it said.
func failedCommand(s Script, answer Shell) string {
	m := fmt.Sprintf("%q ended with exit code %d", clip(s.Text, 120), answer.ExitCode)
	said := answer.Stderr
	if strings.TrimSpace(said) == "" {
		said = answer.Combined
	}
	var kept []string
	for line := range strings.SplitSeq(said, "\n") {
		if line = clip(line, 200); line != "" {
			kept = append(kept, line)
		}
	}
	kept = kept[max(0, len(kept)-5):]
	if len(kept) == 0 {
		return m
	}
	return m + ": " + strings.Join(kept, " ⏎ ")
}

func commandHint(code int) string {
	switch code {
	case 126:
		return "it can't be executed: chmod +x?"
	case 127:
		return "the command was not found"
	}
	return ""
}

// hostFault keeps the kind of what a host failed with.
func (e *evaluation) hostFault(thread *starlark.Thread, what string, err error) error {
	var f *fault
	if errors.As(err, &f) {
		return err
	}
	return &fault{at: e.here(thread), message: what + ": " + err.Error(), hint: release.HintOf(err), cause: err}
}

func hostRead(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	var path string
	if err := unpack(b.Name(), args, kwargs, "path", &path); err != nil {
		return nil, err
	}
	h, err := e.host(thread, b.Name())
	if err != nil {
		return nil, err
	}
	content, err := h.ReadFile(threadContext(thread), path)
	if err != nil {
		return nil, e.hostFault(thread, fmt.Sprintf("%s %q", b.Name(), clip(path, 80)), err)
	}
	if len(content) > mostText {
		return nil, faultf(e.at(thread, "path", 0), "read a part of it with host.shell", "%s %q: it has more than %d MiB", b.Name(), clip(path, 80), mostText>>20)
	}
	return starlark.String(content), nil
}

func hostWrite(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	var path, content string
	if err := unpack(b.Name(), args, kwargs, "path", &path, "content", &content); err != nil {
		return nil, err
	}
	h, err := e.host(thread, b.Name())
	if err != nil {
		return nil, err
	}
	if err := h.WriteFile(threadContext(thread), path, []byte(content)); err != nil {
		return nil, e.hostFault(thread, fmt.Sprintf("%s %q", b.Name(), clip(path, 80)), err)
	}
	return starlark.None, nil
}

// ask runs a small script about a path, which never becomes part of its text.
func ask(thread *starlark.Thread, b *starlark.Builtin, script, path string) (Shell, error) {
	e := env(thread)
	h, err := e.host(thread, b.Name())
	if err != nil {
		return Shell{}, err
	}
	answer, err := h.Shell(threadContext(thread), Script{Text: script, Shell: "sh", Dir: ".", Mute: true, Most: e.limits.Stream, Env: map[string]string{"ASKED": path}}, e.options.Log)
	if err != nil {
		return Shell{}, e.hostFault(thread, b.Name(), err)
	}
	return answer, nil
}

func hostReadDir(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var path string
	if err := unpack(b.Name(), args, kwargs, "path", &path); err != nil {
		return nil, err
	}
	answer, err := ask(thread, b, `cd -- "$ASKED" && ls -1A`, path)
	if err != nil {
		return nil, err
	}
	if answer.ExitCode != 0 {
		return nil, faultf(env(thread).here(thread), "", "%s %q: %s", b.Name(), clip(path, 80), clip(answer.Stderr, 200))
	}
	names := starlark.NewList(nil)
	lines := strings.Split(strings.TrimSuffix(answer.Stdout, "\n"), "\n")
	slices.Sort(lines)
	for _, line := range lines {
		if line == "" {
			continue
		}
		if err := names.Append(starlark.String(line)); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func hostIsDir(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var path string
	if err := unpack(b.Name(), args, kwargs, "path", &path); err != nil {
		return nil, err
	}
	answer, err := ask(thread, b, `test -d "$ASKED"`, path)
	return starlark.Bool(answer.ExitCode == 0), err
}

func hostPwd(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := unpack(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	answer, err := ask(thread, b, "pwd", "")
	return starlark.String(strings.TrimSuffix(answer.Stdout, "\n")), err
}

func hostOS(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := unpack(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	h, err := env(thread).host(thread, b.Name())
	if err != nil {
		return nil, err
	}
	return starlark.String(h.OS()), nil
}

func hostArch(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := unpack(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	h, err := env(thread).host(thread, b.Name())
	if err != nil {
		return nil, err
	}
	return starlark.String(h.Arch()), nil
}

func hostEnv(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := unpack(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	h, err := env(thread).host(thread, b.Name())
	if err != nil {
		return nil, err
	}
	variables := h.Env()
	d := starlark.NewDict(len(variables))
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if err := d.SetKey(starlark.String(name), starlark.String(variables[name])); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// secret masks a value from here on, and gives it back.
func secret(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var value string
	if err := unpack(b.Name(), args, kwargs, "value", &value); err != nil {
		return nil, err
	}
	if value != "" {
		env(thread).options.Log.Secret(value)
	}
	return starlark.String(value), nil
}

// secretGet reads a secret from the host's environment.
func secretGet(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	var name string
	if err := unpack(b.Name(), args, kwargs, "name", &name); err != nil {
		return nil, err
	}
	h, err := e.host(thread, b.Name())
	if err != nil {
		return nil, err
	}
	value, ok := h.Env()[name]
	if !ok {
		return nil, faultf(e.at(thread, "name", 0), "set it as an environment variable of the machine that the release runs on", "there is no secret %q", clip(name, 60))
	}
	if value != "" {
		e.options.Log.Secret(value)
	}
	return starlark.String(value), nil
}
