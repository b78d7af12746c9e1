// Package rehearse runs the real thing on a stage: a forge in memory behind
// real HTTP that sends webhooks, a repository with real history, and the slipway
// bot itself, which is told nothing of it: a tag is pushed, somebody writes
// /promote, a schedule comes due. Faults show how a release recovers.
package rehearse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/image/registry"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// Act is one way to ask the bot for a release.
type Act string

// The acts, in their order.
const (
	Push     Act = "push"     // a tag is pushed
	Promote  Act = "promote"  // somebody writes /promote
	Schedule Act = "schedule" // a schedule comes due
)

// Acts are all acts.
func Acts() []Act { return []Act{Push, Promote, Schedule} }

// Options say what to rehearse.
type Options struct {
	Exe     string           // the slipway binary
	Dir     string           // the user's repository; empty takes the sample
	Config  string           // a config file; empty takes that of the repository
	Work    string           // folder for everything that is made; it exists
	Dialect memory.Dialect   // whose wire the forge speaks
	Faults  []simforge.Fault // what goes wrong
	Only    []Act            // the others are left out; none leaves out none
	Show    progress.Teller  // hears how it goes
}

// Result is how a rehearsal ended.
type Result struct {
	Releases  []Release // one for each act that came to its end
	Runs      int       // how often the bot was started
	Requests  int       // of the bot to the forge, since the first act began
	Uploaded  int       // assets that arrived whole
	Delivered int       // webhooks that the bot took
	Unmet     []string  // faults that never came to pass
	Public    bool      // a reader saw a release, or part of one
	Published string    // folder with the published files
	Bot       string    // folder with the bot's config, log and data
	Images    []Pushed  // what the registry has
}

// Release is what an act ended with.
type Release struct {
	Act    Act
	Report release.Report
	Seen   []int // how many assets of the release a reader saw, each time that changed
}

// Tokens that the rehearsal's forge knows: the maintainer's and the bot's.
const (
	personToken = simforge.WriteToken
	botToken    = "sim-bot-token"
	botLogin    = "slipway-bot"
)

// stage is a rehearsal under way.
type stage struct {
	Options
	server   *simforge.Server
	forge    *memory.Repo
	registry *registry.Server
	bot      *bot
	teller   *teller
	repo     string // the repository that is released
	name     string // owner/name on the forge
	branch   string // the default branch
	tag      string // that is pushed; empty when nothing is
	changed  string // the config's name, when the commit is not the user's own
	config   release.Config
	result   Result
	ended    []ended

	repositories []string // of the images, in the registry
	inProcess    bool     // no image needs a builder
	builder      string   // for the images that need one

	mu   sync.Mutex
	seen map[string][]int // by tag
	talk []memory.Comment // each comment after each change
}

// ended is an act and the operation that it ended with.
type ended struct {
	act Act
	end entry
}

// Run rehearses the acts. The error is why a release failed, or why there could
// be no rehearsal.
func Run(ctx context.Context, o Options) (Result, error) {
	s := &stage{Options: o, repo: filepath.Join(o.Work, "repository"), seen: map[string][]int{}, teller: newTeller(o.Show)}
	defer s.close()
	if err := s.prepare(ctx); err != nil {
		return s.result, err
	}
	err := s.acts(ctx)
	if err == nil {
		err = s.stop(ctx)
	}
	return s.result, errors.Join(err, s.count(ctx))
}

// acts plays one act after another, until one fails.
func (s *stage) acts(ctx context.Context) error {
	play := map[Act]func(context.Context) (entry, error){Push: s.pushTag, Promote: s.promote, Schedule: s.schedule}
	heads := map[Act]string{Push: "A tag is pushed", Promote: "Somebody writes /promote", Schedule: "A schedule comes due"}
	s.server.Begin()
	n := 0
	for _, act := range Acts() {
		if len(s.Only) > 0 && !slices.Contains(s.Only, act) {
			continue
		}
		n++
		s.Show.Head(fmt.Sprintf("\n%d. %s", n, heads[act]))
		if why := s.impossible(act); why != "" {
			s.Show.Say("left out: " + why)
			continue
		}
		end, err := play[act](ctx)
		if err != nil {
			return err
		}
		s.ended = append(s.ended, ended{act, end})
		if end.State != "done" {
			return s.failure(ctx, end)
		}
	}
	return nil
}

// impossible says why the project can't have an act.
func (s *stage) impossible(act Act) string {
	switch act {
	case Promote:
		if s.config.PromoteRules().Class == "" {
			return "no class of the config takes tags, so nothing can be promoted to one"
		}
	case Schedule:
		d, err := release.Classify(release.Event{Branch: s.branch, Commit: strings.Repeat("0", 40)}, s.config)
		if err == nil && d.Skip {
			return "the config releases nothing from branch " + s.branch
		}
	}
	return ""
}

// failure is the error of an operation that did not end well.
func (s *stage) failure(ctx context.Context, end entry) error {
	kind := release.Failed
	if end.State == "refused" {
		kind = release.Refused
	}
	failed := &release.Error{Kind: kind, Message: end.Summary}
	ops, err := s.bot.operations(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	if e := ops[end.Operation].Report.Error; e != nil {
		failed = &release.Error{Kind: release.Kind(e.Code), Message: e.Message, Hint: e.Hint}
	}
	return failed
}

// look notes what a reader sees after each change on the forge.
func (s *stage) look(public []forge.Release) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range public {
		s.result.Public = true
		if seen := s.seen[r.Tag]; len(seen) == 0 || seen[len(seen)-1] != len(r.Assets) {
			s.seen[r.Tag] = append(seen, len(r.Assets))
		}
	}
}

// heard notes a comment after each change of it.
func (s *stage) heard(c memory.Comment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.talk = append(s.talk, c)
}

// seenOf is what a reader saw of a tag's release.
func (s *stage) seenOf(tag string) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen[tag])
}

// count gathers what there is to tell in the end.
func (s *stage) count(ctx context.Context) error {
	s.result.Unmet = s.server.Unhit()
	s.result.Images = s.pushed()
	s.result.Runs = s.bot.runs
	for _, r := range s.server.Recorder().Requests() {
		s.result.Requests = max(s.result.Requests, r.N)
		if r.Stored {
			s.result.Uploaded++
		}
	}
	for _, d := range s.forge.Deliveries(0) {
		if d.OK() {
			s.result.Delivered++
		}
	}
	if len(s.ended) == 0 {
		return nil
	}
	ops, err := s.bot.operations(ctx)
	if err != nil {
		return err
	}
	for _, e := range s.ended {
		r := Release{Act: e.act, Report: ops[e.end.Operation].Report}
		r.Report.Dist = "" // the bot keeps no artifacts
		if r.Report.Plan != nil {
			r.Seen = s.seenOf(r.Report.Plan.Tag)
		}
		s.result.Releases = append(s.result.Releases, r)
	}
	return nil
}

// close ends whatever was begun.
func (s *stage) close() {
	if s.bot != nil {
		s.bot.close()
	}
	if s.server != nil {
		_ = s.server.Close() // nobody asks it any more
	}
	if s.registry != nil {
		_ = s.registry.Close()
	}
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
