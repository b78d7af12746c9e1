// Package gitstate keeps state's documents on a branch of a git repository, here
// or at a remote: a file a document, a commit a change.
package gitstate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/state"
)

// Options say where a branch is and how it is worked on.
type Options struct {
	// Repo is the path of a repository on this machine, whose settings, logins
	// and objects are used. Nothing of its work tree, index and HEAD is.
	Repo string
	// Remote is where the branch is: the name of one of the repository's remotes,
	// or an address. Empty: the branch is the repository's own.
	Remote string
	Branch string // empty: slipway-state
	// Cache is the folder of a bare repository that is made and kept for a Remote
	// when there is no Repo.
	Cache string
	// Prefix is a folder of the branch that the documents are in; empty for all
	// of it.
	Prefix string
	// Author is whom the branch's commits are by; empty: who the repository's
	// settings say, or else Slipway.
	Author Person
	// Settings are git's own, for the commands of the store alone, such as the
	// header of a login: no process beside them sees these.
	Settings [][2]string
	// MaxAge is how old what is read of a remote branch may be; 0 is one second, a
	// negative one asks the remote each time. Apply always goes by the newest.
	MaxAge time.Duration
	// Patience is how long Apply goes on when others are faster, or the remote is
	// not reached; 0 is a minute.
	Patience time.Duration
}

// Person is an author of commits.
type Person struct{ Name, Email string }

// DefaultBranch is where documents are when nothing else is said.
const DefaultBranch = "slipway-state"

// Store is a state.Store on a branch. A version is the hash of a document's blob.
type Store struct {
	git      git
	branch   string // refs/heads/…
	prefix   string // with a slash at its end, or empty
	author   Person
	maxAge   time.Duration
	patience time.Duration
	remote   *remote // nil for the repository's own branch
	format   string  // of the repository's hashes: sha1 or sha256
	ownCache bool
	lock     string // a file: one process at a time asks the remote, or commits
	group    state.Group
	objects  *objects

	mu      sync.Mutex // of what is known of the remote
	tip     string     // the branch's newest commit; empty for none
	fetched time.Time  // when the remote was asked; zero for never
}

// remote is a branch elsewhere.
type remote struct {
	name    string // for git
	where   string // for people: without a login
	address string // the given one, to be kept out of errors; empty when it is the repository's
	ref     string // of this repository, where its newest known commit is
}

// Open opens a branch, which is made with the first document. A Close ends it.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{author: o.Author, patience: cmp.Or(o.Patience, time.Minute), maxAge: cmp.Or(o.MaxAge, time.Second)}
	if err := s.checkNames(o); err != nil {
		return nil, err
	}
	if err := s.openRepository(ctx, o); err != nil {
		return nil, err
	}
	if o.Remote != "" {
		if err := s.openRemote(ctx, o); err != nil {
			return nil, err
		}
	} else if err := s.checkUnused(ctx); err != nil {
		return nil, err
	}
	if err := s.chooseAuthor(ctx); err != nil {
		return nil, err
	}
	s.objects = &objects{git: s.git}
	return s, nil
}

// Close ends the programs that the Store has running.
func (s *Store) Close() error {
	s.objects.close()
	if !s.ownCache {
		return nil
	}
	// Nobody else tidies up there; git does so only when there is much to do.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := s.git.output(ctx, "-c", "gc.auto=6700", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"); err != nil {
		return fmt.Errorf("tidy up %s: %w", s.git.dir, err)
	}
	return nil
}

func (s *Store) checkNames(o Options) error {
	branch := cmp.Or(o.Branch, DefaultBranch)
	if !validBranch(branch) {
		return release.Invalidf("give the branch's name alone, such as "+DefaultBranch, "%q can't be a branch for the state", branch)
	}
	s.branch = "refs/heads/" + branch
	if o.Prefix != "" {
		for part := range strings.SplitSeq(o.Prefix, "/") {
			if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") || strings.ContainsFunc(part, notInPath) {
				return release.Invalidf("give a path such as state/production", "%q can't be the folder of the state", o.Prefix)
			}
		}
		s.prefix = o.Prefix + "/"
	}
	return nil
}

func notInPath(c rune) bool {
	return c < ' ' || c == 0x7f || c == 0xfffd || c == '"' || c == '\\' || c == ':'
}

// openRepository finds the given repository, or makes the one that is kept for
// a remote.
func (s *Store) openRepository(ctx context.Context, o Options) error {
	dir := o.Repo
	switch {
	case dir == "" && o.Remote == "":
		return release.Invalidf("give a repository, or a remote's address", "there is no repository to keep the state in")
	case dir == "" && o.Cache == "":
		return release.Invalidf("give a folder for it", "there is no place for a copy of the state's branch")
	case dir == "":
		var err error
		if dir, err = filepath.Abs(o.Cache); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make a place for a copy of the state's branch: %w", err)
		}
		if _, err := (git{dir: dir, env: environment()}).output(ctx, "init", "--quiet", "--bare", "--", dir); err != nil {
			return fmt.Errorf("make a place for a copy of the state's branch: %w", err)
		}
		s.ownCache = true
	}
	out, err := git{dir: dir, env: environment()}.line(ctx,
		"rev-parse", "--path-format=absolute", "--git-common-dir", "--show-object-format")
	if err != nil {
		return fmt.Errorf("open the repository %s: %w", dir, err)
	}
	common, format, ok := strings.Cut(out, "\n")
	if !ok {
		return fmt.Errorf("open the repository %s: git answers %q", dir, out)
	}
	s.git, s.format = git{dir: common, env: append(environment(), "GIT_DIR="+common)}, format
	s.lock = filepath.Join(common, "slipway-state.lock")
	if os.Getenv("GIT_SSH_COMMAND") == "" && os.Getenv("GIT_SSH") == "" {
		// Nor is ssh to ask anything, unless the user says how it is run.
		if own, err := s.git.line(ctx, "config", "--get", "core.sshCommand"); err != nil || own == "" {
			s.git.env = append(s.git.env, "GIT_SSH_COMMAND=ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=20")
		}
	}
	return nil
}

// openRemote finds out which remote is meant. An address reaches git by its
// environment, so that no other user of the machine sees it in a list of
// processes.
func (s *Store) openRemote(ctx context.Context, o Options) error {
	r := &remote{name: o.Remote, where: o.Remote}
	s.git.env = withSettings(s.git.env, o.Settings)
	configured := ""
	if o.Repo != "" {
		var err error
		configured, err = s.git.line(ctx, "config", "--get-all", "remote."+o.Remote+".url")
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			configured = ""
		}
	}
	switch {
	case configured != "" && !strings.HasPrefix(o.Remote, "-"):
		r.where = o.Remote + " (" + withoutLogin(strings.SplitN(configured, "\n", 2)[0]) + ")"
	case isAddress(o.Remote):
		r.name, r.where, r.address = "slipway-state", withoutLogin(o.Remote), o.Remote
	default:
		address, err := localAddress(o.Remote)
		if err != nil {
			return err
		}
		r.name, r.where, r.address = "slipway-state", o.Remote, address
	}
	if r.address != "" {
		s.git.env = append(withSettings(s.git.env, [][2]string{{"remote." + r.name + ".url", r.address}}), transports)
		s.git.secret = r.address
	}
	sum := sha256.Sum256([]byte(o.Remote + "\x00" + s.branch))
	r.ref = "refs/slipway/state/" + hex.EncodeToString(sum[:8])
	s.remote = r
	return nil
}

// localAddress is the address of a repository by its path on this machine.
func localAddress(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() || strings.HasPrefix(path, "-") {
		return "", release.Invalidf("give the name of a remote (see `git remote -v`), or an address", "%q is neither a remote of the repository nor an address", path)
	}
	return abs, nil
}

// checkUnused refuses a branch that is checked out: its files would seem to be
// changed.
func (s *Store) checkUnused(ctx context.Context) error {
	at, err := s.git.line(ctx, "for-each-ref", "--format=%(worktreepath)", s.branch)
	if err != nil {
		return fmt.Errorf("read the branch of the state: %w", err)
	}
	if at != "" {
		name := strings.TrimPrefix(s.branch, "refs/heads/")
		return release.Invalidf("give the state a branch of its own", "the branch %s is checked out in %s", name, at)
	}
	return nil
}

func (s *Store) chooseAuthor(ctx context.Context) error {
	if s.author == (Person{}) {
		name, err1 := s.git.line(ctx, "config", "--get", "user.name")
		email, err2 := s.git.line(ctx, "config", "--get", "user.email")
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Join(err1, err2) == nil {
			s.author = Person{name, email}
		}
	}
	plain := strings.NewReplacer("<", "", ">", "", "\n", " ", "\r", " ", "\x00", "")
	s.author.Name = cmp.Or(strings.TrimSpace(plain.Replace(s.author.Name)), "Slipway")
	s.author.Email = cmp.Or(strings.TrimSpace(plain.Replace(s.author.Email)), "slipway@localhost")
	return nil
}
