// Package branch is a branch of a git repository, such as a forge's pages, as a
// publish.Store for small trees: a file an object, a commit a publication.
package branch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/release"
)

// Options say where a branch is and how it is worked on.
type Options struct {
	// Repo is the path of a repository on this machine, whose settings, logins and
	// objects are used. Nothing of its work tree, index and HEAD is.
	Repo string
	// Remote is where the branch is: the name of one of the repository's remotes,
	// an address, or a path. Empty: the branch is the repository's own.
	Remote string
	Branch string // such as gh-pages
	// Author is whom the commits are by; empty: who the repository's settings say,
	// or else Slipway.
	Author Person
	// Settings are git's own, for the commands of the store alone, such as the
	// header of a login: no process beside them sees these.
	Settings [][2]string
	// Patience is how long a write goes on while others are faster, or the remote
	// is not reached; 0 is a minute.
	Patience time.Duration
}

// Person is an author of commits.
type Person struct{ Name, Email string }

// Store is a branch. Without Batch each write is a commit of its own. Each look at
// a remote's branch asks the remote, but for those of a batch: they see the branch
// as it was when the batch began, and what the batch has written.
type Store struct {
	git      git
	branch   string // refs/heads/…
	author   Person
	patience time.Duration
	remote   *remote // nil for the repository's own branch
	lock     string  // a file: one process at a time asks the remote, or commits
	turn     chan struct{}

	mu      sync.Mutex
	digests map[string]string // by blob; what a blob holds never changes
}

// remote is a branch elsewhere.
type remote struct {
	name  string // for git
	where string // for people: without a login
	ref   string // of this repository, where its newest known commit is
}

var (
	_ publish.Store   = (*Store)(nil)
	_ publish.Batcher = (*Store)(nil)
)

// New opens a branch, which is made by the first write. The remote is not asked.
func New(ctx context.Context, o Options) (*Store, error) {
	if !validBranch(o.Branch) {
		return nil, release.Invalidf("give the branch's name alone, such as gh-pages", "%q can't be a branch to publish to", o.Branch)
	}
	s := &Store{
		branch: "refs/heads/" + o.Branch, author: o.Author, patience: cmp.Or(o.Patience, time.Minute),
		turn: make(chan struct{}, 1), digests: map[string]string{},
	}
	common, err := git{dir: o.Repo, env: environment()}.line(ctx, "rev-parse", "--path-format=absolute", "--git-common-dir")
	if err != nil {
		return nil, fmt.Errorf("open the repository %s: %w", o.Repo, err)
	}
	s.git = git{dir: common, env: withSettings(append(environment(), "GIT_DIR="+common), o.Settings)}
	s.lock = filepath.Join(common, "slipway-pages.lock")
	if o.Remote != "" {
		err = s.openRemote(ctx, o)
	} else {
		err = s.checkUnused(ctx)
	}
	if err != nil {
		return nil, err
	}
	return s, s.chooseAuthor(ctx)
}

// openRemote finds out which remote is meant. An address reaches git by its
// environment, so that no other user of the machine sees it in a list of processes.
func (s *Store) openRemote(ctx context.Context, o Options) error {
	r := &remote{name: o.Remote, ref: "refs/slipway/pages/" + publish.DigestOf([]byte(o.Remote + "\x00" + s.branch))[7:23]}
	configured := ""
	if !strings.HasPrefix(o.Remote, "-") {
		configured, _ = s.git.line(ctx, "config", "--get-all", "remote."+o.Remote+".url") // none: it is an address
	}
	address := o.Remote
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case configured != "":
		r.where = o.Remote + " (" + withoutLogin(strings.SplitN(configured, "\n", 2)[0]) + ")"
	case isAddress(o.Remote):
		r.where = withoutLogin(o.Remote)
	default:
		var err error
		if address, err = filepath.Abs(o.Remote); err != nil {
			return err
		}
		if info, err := os.Stat(address); err != nil || !info.IsDir() || strings.HasPrefix(o.Remote, "-") {
			return release.Invalidf("give the name of a remote (see `git remote -v`), or an address", "%q is neither a remote of the repository nor an address", o.Remote)
		}
		r.where = o.Remote
	}
	if configured == "" {
		r.name = "slipway-pages"
		s.git.secret = address
		s.git.env = append(withSettings(s.git.env, [][2]string{{"remote." + r.name + ".url", address}}), transports)
	}
	s.remote = r
	return nil
}

// checkUnused refuses a branch that is checked out: its files would seem to be
// changed.
func (s *Store) checkUnused(ctx context.Context) error {
	at, err := s.git.line(ctx, "for-each-ref", "--format=%(worktreepath)", s.branch)
	if err != nil {
		return fmt.Errorf("look at %s: %w", s, err)
	}
	if at != "" {
		return release.Invalidf("publish to a branch of its own", "the branch %s is checked out in %s", s.name(), at)
	}
	return nil
}

func (s *Store) chooseAuthor(ctx context.Context) error {
	if s.author == (Person{}) {
		name, err1 := s.git.line(ctx, "config", "--get", "user.name")
		email, err2 := s.git.line(ctx, "config", "--get", "user.email")
		if ctx.Err() != nil {
			return context.Cause(ctx)
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

func (s *Store) name() string { return strings.TrimPrefix(s.branch, "refs/heads/") }

// String implements publish.Store.
func (s *Store) String() string {
	if s.remote == nil {
		return "branch " + s.name()
	}
	return "branch " + s.name() + " of " + s.remote.where
}
