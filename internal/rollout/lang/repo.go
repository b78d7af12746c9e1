package lang

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"go.starlark.net/starlark"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// RepoPath is the file at the root of a repository that holds for all of its
// packages.
const RepoPath = "repo.ocu.star"

// Repo is what repo.ocu.star declares.
type Repo struct {
	Alias         string   // by which references name this repository; empty for none
	State, Intent *Store   // nil where none is named
	Trigger       Function // called with a commit that has work; the zero Function for none
	Remotes       []string // addresses of the repository, the first that answers is taken
	Environments  []Environment
	Freezes       []Freeze
	Warnings      release.Problems
}

// Store is where documents are kept: one of Dir, Local and Git is set.
type Store struct {
	Dir    string            // from the repository's root
	Local  string            // a name: a folder of the user's, shared by all checkouts
	Git    string            // address of a git repository
	Branch string            // of Git; empty for the default
	Files  map[string]string // content by path: to be in the branch besides the documents
}

// RepoFile is an evaluated repo.ocu.star, or the zero Repo when there is none.
type RepoFile struct {
	Repo
	Sources []Source
	program *program
}

// LoadRepo evaluates repo.ocu.star at the root, if there is one. Its error is an
// *Error.
func LoadRepo(ctx context.Context, o Options) (*RepoFile, error) {
	if _, err := fs.Stat(o.Root, RepoPath); errors.Is(err, fs.ErrNotExist) {
		return &RepoFile{}, nil
	}
	o.Self = ref.Ref{Repo: o.Self.Repo, Path: RepoPath}
	p := &program{main: RepoPath, self: o.Self, files: map[string]*file{}}
	e := newEvaluation(o, repository, p)
	if err := e.run(ctx); err != nil {
		return nil, err
	}
	if err := e.repoGlobals(); err != nil {
		return nil, p.newError(err, release.Invalid)
	}
	e.repo.Environments, e.repo.Freezes, e.repo.Warnings = e.environments, e.freezes, e.warnings
	return &RepoFile{Repo: e.repo, Sources: p.sources(), program: p}, nil
}

// CallTrigger runs the trigger with a commit. It is refused where there is none.
func (r *RepoFile) CallTrigger(ctx context.Context, commit string, o Options) error {
	if r.Trigger == (Function{}) {
		return release.Invalidf("write trigger(fn) in "+RepoPath, "%s has no trigger", RepoPath)
	}
	f, err := r.program.named(r.Trigger)
	if err != nil {
		return err
	}
	_, err = newEvaluation(o, running, r.program).call(ctx, f, starlark.Tuple{starlark.String(commit)}, nil)
	return err
}

// repoGlobals reads what the file says with plain variables, and names the
// trigger.
func (e *evaluation) repoGlobals() error {
	globals := e.program.files[RepoPath].globals
	if v, ok := globals["repo_alias"].(starlark.String); ok {
		if bad := badAlias(string(v)); bad != "" {
			return faultf(Position{File: RepoPath, Line: 1, Column: 1}, aliasHint, "repo_alias %q %s", clip(string(v), 80), bad)
		}
		e.repo.Alias = string(v)
	}
	for name, slot := range map[string]**Store{"state_store": &e.repo.State, "intent_store": &e.repo.Intent} {
		switch v := globals[name].(type) {
		case nil, starlark.NoneType:
		case *storeValue:
			store := v.store
			*slot = &store
		default:
			return faultf(Position{File: RepoPath, Line: 1, Column: 1}, `write `+name+` = store.git("…", branch="state")`, "%s is %s, not a store", name, describe(v))
		}
	}
	if e.trigger == nil {
		return nil
	}
	found, ok := e.program.find(e.trigger)
	if !ok {
		return notGlobal(e.trigger, "fn", e.triggerAt)
	}
	e.repo.Trigger = found
	return nil
}

// inRepo refuses what only repo.ocu.star says.
func (e *evaluation) inRepo(thread *starlark.Thread, name string) error {
	if e.mode == repository {
		return nil
	}
	return faultf(e.here(thread), "move it to "+RepoPath+" at the root of the repository", "%s() belongs in %s", name, RepoPath)
}

var alias = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)

const aliasHint = `such as "github.com/acme/app"`

func badAlias(s string) string {
	switch {
	case len(s) > 200:
		return "has more than 200 characters"
	case !alias.MatchString(s), strings.Contains(s, "//"), strings.HasSuffix(s, "/"), strings.Contains("/"+s+"/", "/-/"), strings.Contains("/"+s+"/", "/../"), strings.Contains("/"+s+"/", "/./"):
		return "can't name a repository"
	}
	return ""
}

func setAlias(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.inRepo(thread, b.Name()); err != nil {
		return nil, err
	}
	var name string
	if err := unpack(b.Name(), args, kwargs, "alias", &name); err != nil {
		return nil, err
	}
	if bad := badAlias(name); bad != "" {
		return nil, faultf(e.at(thread, "alias", 0), aliasHint, "the alias %q %s", clip(name, 80), bad)
	}
	e.repo.Alias = name
	return starlark.None, nil
}

func setTrigger(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.inRepo(thread, b.Name()); err != nil {
		return nil, err
	}
	var v starlark.Value
	if err := unpack(b.Name(), args, kwargs, "fn", &v); err != nil {
		return nil, err
	}
	at := e.at(thread, "fn", 0)
	fn, err := e.aFunction(v, "fn", at)
	if err != nil {
		return nil, err
	}
	names := parameters(fn)
	needed := 0
	for i := range names {
		if fn.ParamDefault(i) == nil {
			needed++
		}
	}
	if needed > 1 || len(names) == 0 && !fn.HasVarargs() || fn.NumKwonlyParams() > 0 {
		return nil, faultf(at, "def "+fn.Name()+"(commit)", "the trigger is called with one argument, the commit, and %s takes %d", fn.Name(), len(names))
	}
	e.trigger, e.triggerAt = fn, at
	return starlark.None, nil
}

func setRemotes(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.inRepo(thread, b.Name()); err != nil {
		return nil, err
	}
	var v starlark.Value
	if err := unpack(b.Name(), args, kwargs, "remotes", &v); err != nil {
		return nil, err
	}
	list, err := text(v)
	if err != nil {
		return nil, faultf(e.at(thread, "remotes", 0), `write remotes(["https://…"])`, "remotes %v", err)
	}
	e.repo.Remotes = list
	return starlark.None, nil
}

// storeValue is what store.git and the like give.
type storeValue struct{ store Store }

func (s *storeValue) String() string {
	return fmt.Sprintf("store(%q)", s.store.Dir+s.store.Local+s.store.Git)
}
func (s *storeValue) Type() string          { return "store" }
func (s *storeValue) Freeze()               {}
func (s *storeValue) Truth() starlark.Bool  { return true }
func (s *storeValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: store") }

func storeModule() starlark.Value {
	return module("store", map[string]builtin{"set": setStore, "git": gitStore, "fs": dirStore, "local": localStore})
}

func setStore(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.inRepo(thread, b.Name()); err != nil {
		return nil, err
	}
	var state, intent starlark.Value
	if err := unpack(b.Name(), args, kwargs, "state", &state, "intent?", &intent); err != nil {
		return nil, err
	}
	for i, s := range []struct {
		name string
		v    starlark.Value
		slot **Store
	}{{"state", state, &e.repo.State}, {"intent", intent, &e.repo.Intent}} {
		if s.v == nil || i > 0 && s.v == starlark.None {
			continue
		}
		v, ok := s.v.(*storeValue)
		if !ok {
			return nil, faultf(e.at(thread, s.name, i), `write store.set(store.git("…"))`, "%s is %s, not a store", s.name, describe(s.v))
		}
		store := v.store
		*s.slot = &store
	}
	return starlark.None, nil
}

func gitStore(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.inRepo(thread, b.Name()); err != nil {
		return nil, err
	}
	var branch, create, files starlark.Value
	s := &storeValue{}
	// A branch that is not there is made: create_branch says nothing new.
	if err := unpack(b.Name(), args, kwargs, "remote_url", &s.store.Git, "branch?", &branch, "create_branch?", &create, "support_files?", &files); err != nil {
		return nil, err
	}
	if s.store.Git == "" || strings.HasPrefix(s.store.Git, "-") || strings.ContainsAny(s.store.Git, "\x00\r\n") {
		return nil, faultf(e.at(thread, "remote_url", 0), "", "%q is no address of a repository", clip(s.store.Git, 80))
	}
	if branch != nil && branch != starlark.None {
		name, ok := starlark.AsString(branch)
		if !ok || strings.HasPrefix(name, "-") || strings.ContainsAny(name, " \x00\r\n~^:?*[\\") {
			return nil, faultf(e.at(thread, "branch", 1), "", "%s is no name of a branch", show(branch, 80))
		}
		s.store.Branch = name
	}
	if d, ok := files.(*starlark.Dict); ok {
		content, err := e.variables(thread, d)
		if err != nil {
			return nil, faultf(e.at(thread, "support_files", 3), `write support_files={"README.md": "…"}`, "support_files: %v", err)
		}
		for name := range content {
			if !fs.ValidPath(name) {
				return nil, faultf(e.at(thread, "support_files", 3), "", "support_files: %q is no path in a repository", clip(name, 80))
			}
		}
		s.store.Files = content
	}
	return s, nil
}

func dirStore(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.inRepo(thread, b.Name()); err != nil {
		return nil, err
	}
	s := &storeValue{}
	if err := unpack(b.Name(), args, kwargs, "path", &s.store.Dir); err != nil {
		return nil, err
	}
	if s.store.Dir == "" || strings.Contains(s.store.Dir, "\x00") {
		return nil, faultf(e.at(thread, "path", 0), `such as ".store/state"`, "the path of the store is empty")
	}
	return s, nil
}

func localStore(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	if err := e.inRepo(thread, b.Name()); err != nil {
		return nil, err
	}
	s := &storeValue{}
	if err := unpack(b.Name(), args, kwargs, "name", &s.store.Local); err != nil {
		return nil, err
	}
	if bad := badName(s.store.Local); bad != "" {
		return nil, faultf(e.at(thread, "name", 0), nameHint, "the store's name %q %s", clip(s.store.Local, 60), bad)
	}
	return s, nil
}
