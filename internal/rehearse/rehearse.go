// Package rehearse runs the real thing on a stage: a forge in memory behind
// real HTTP, a repository with real history, and the slipway binary itself,
// which is told nothing of it. Faults show how a release recovers.
package rehearse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/image/registry"
	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// Options say what to rehearse.
type Options struct {
	Exe     string           // the slipway binary
	Dir     string           // the user's repository; empty takes the sample
	Config  string           // a config file; empty takes that of the repository
	Work    string           // folder for everything that is made; it exists
	Dialect memory.Dialect   // whose wire the forge speaks
	Faults  []simforge.Fault // what goes wrong
	Stderr  *os.File         // where the runs show their progress
	Say     func(line string)
}

// Result is how a rehearsal ended.
type Result struct {
	Report    release.Report // of the last run
	Runs      int            // how often slipway was started
	Requests  int            // to the forge, with a token
	Uploaded  int            // assets that arrived whole
	Unmet     []string       // faults that never came to pass
	Seen      []int          // how many assets of the release a reader saw, each time that changed
	Published string         // folder with the published files
	Tag       string
	Images    []Pushed // what the registry has
}

// maxRuns bounds how often a killed run is begun again.
const maxRuns = 20

// stage is a rehearsal under way.
type stage struct {
	Options
	server   *simforge.Server
	registry *registry.Server
	repo     string // the repository that is released
	name     string // owner/name on the forge
	result   Result

	repositories []string // of the images, in the registry
	inProcess    bool     // no image needs a builder

	mu   sync.Mutex
	kill context.CancelFunc // of the run that is going on
}

// Run rehearses a release. The error is why the release failed, or why there
// could be no rehearsal.
func Run(ctx context.Context, o Options) (Result, error) {
	s := &stage{Options: o, repo: filepath.Join(o.Work, "repository")}
	if err := s.prepare(ctx); err != nil {
		return s.result, err
	}
	defer s.server.Close()
	defer s.registry.Close()
	err := s.release(ctx)
	s.count()
	return s.result, err
}

// prepare makes the repository and the forge, and pushes one to the other.
func (s *stage) prepare(ctx context.Context) (err error) {
	name := "hello"
	if s.Dir == "" {
		s.result.Tag, err = makeSample(ctx, s.repo)
	} else {
		s.result.Tag, name, err = copyRepository(ctx, s.Dir, s.repo, s.Config)
	}
	s.name = "rehearsal/" + name
	if err != nil {
		return err
	}
	cfg, err := configOf(ctx, s.repo, s.result.Tag, s.Config)
	if err != nil {
		return err
	}
	if s.registry, err = registry.NewServer(); err != nil {
		return err
	}
	if s.Config, err = s.redirect(cfg); err != nil {
		return err
	}
	s.server, err = simforge.Start(simforge.Options{Dialect: s.Dialect, Faults: s.Faults, OnKill: s.killed})
	if err != nil {
		return err
	}
	bare := filepath.Join(s.Work, "forge.git")
	if err := runGit(ctx, "", nil, "init", "--quiet", "--bare", "--initial-branch=main", "--template=", bare); err != nil {
		return err
	}
	s.result.Published = filepath.Join(s.Work, "published")
	s.server.AddGitRepo(memory.Options{FullName: s.name, Dir: s.result.Published, OnChange: s.look}, bare)
	return s.push(ctx)
}

// push sends the branch, then the tags, over HTTP with the token as password.
func (s *stage) push(ctx context.Context) error {
	url := s.server.CloneURL(s.name)
	for _, args := range [][]string{{"remote", "remove", "origin"}, {"remote", "add", "origin", url}} {
		if err := runGit(ctx, s.repo, nil, args...); err != nil && args[1] == "add" {
			return err
		}
	}
	login := strings.Replace(url, "://", "://slipway:"+simforge.WriteToken+"@", 1)
	if err := runGit(ctx, s.repo, nil, "push", "--quiet", login, "HEAD:refs/heads/main", "refs/tags/*:refs/tags/*"); err != nil {
		return fmt.Errorf("push to the rehearsal's forge: %w", err)
	}
	s.Say(fmt.Sprintf("pushed tag %s to %s (%s's wire, in memory)", s.result.Tag, url, s.Dialect))
	return nil
}

// look notes what a reader sees after each change on the forge.
func (s *stage) look(public []forge.Release) {
	n := -1
	for _, r := range public {
		if r.Tag == s.result.Tag {
			n = len(r.Assets)
		}
	}
	if n >= 0 && (len(s.result.Seen) == 0 || s.result.Seen[len(s.result.Seen)-1] != n) {
		s.result.Seen = append(s.result.Seen, n)
	}
}

func (s *stage) killed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kill != nil {
		s.kill()
	}
}

// release starts slipway until it ends by itself.
func (s *stage) release(ctx context.Context) error {
	for s.result.Runs = 1; ; s.result.Runs++ {
		killed, err := s.once(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !killed || s.result.Runs == maxRuns {
			return err
		}
		s.Say("slipway was killed (SIGKILL) after a request to the forge; the same command once more:")
	}
}

// once starts slipway and waits for its end.
func (s *stage) once(ctx context.Context) (killed bool, err error) {
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.kill = cancel
	s.mu.Unlock()
	var out bytes.Buffer
	err = proc.Run(run, proc.Cmd{
		Args: []string{s.Exe, "release", "--json", "--dir", s.repo, "--tag", s.result.Tag, "--dist", filepath.Join(s.Work, "dist"),
			"--forge", string(s.Dialect), "--server", s.server.URL, "--repo", s.name, "--config", s.Config},
		Env: append(gitEnv(), "SLIPWAY_TOKEN="+simforge.WriteToken), Unset: s.unset(), Stdout: &out, Stderr: s.Stderr,
	})
	if ctx.Err() == nil && run.Err() != nil {
		return true, err
	}
	s.result.Report = release.Report{}
	if derr := json.Unmarshal(out.Bytes(), &s.result.Report); derr != nil {
		return false, errors.Join(err, fmt.Errorf("read the report: %w", derr))
	}
	if e := s.result.Report.Error; e != nil {
		return false, &release.Error{Kind: release.Kind(e.Code), Message: e.Message, Hint: e.Hint}
	}
	return false, err
}

// unset are the variables by which a workflow would tell slipway of another
// repository than the rehearsal's, or of a builder on a machine that does not
// see the rehearsal's registry.
func (s *stage) unset() []string {
	var names []string
	if s.inProcess {
		names = append(names, "BUILDX_BUILDER")
	}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		for _, prefix := range []string{"GITHUB_", "GITEA_", "FORGEJO_", "GH_", "SLIPWAY_"} {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
	}
	return names
}

func (s *stage) count() {
	s.result.Unmet = s.server.Unhit()
	s.result.Images = s.pushed()
	for _, r := range s.server.Recorder().Requests() {
		s.result.Requests = max(s.result.Requests, r.N)
		if r.Stored {
			s.result.Uploaded++
		}
	}
}
