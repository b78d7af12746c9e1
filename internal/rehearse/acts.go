package rehearse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/config"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/release"
)

// maxAttempts bounds how often an operation that can't go on is waited for.
const maxAttempts = 4

// errKilled is why a stage did not end.
var errKilled = errors.New("the bot was killed")

// until shows what the bot does until its log has a line. A bot that is killed
// on the way is started again.
func (s *stage) until(ctx context.Context, is func(entry) bool) (entry, error) {
	for {
		select {
		case e := <-s.bot.lines:
			found, err := s.line(e, is)
			if found || err != nil {
				return e, err
			}
		case <-s.bot.process.Done():
			// What it wrote at last is still to be read.
			for len(s.bot.lines) > 0 {
				e := <-s.bot.lines
				if found, err := s.line(e, is); found || err != nil {
					return e, err
				}
			}
			if err := s.again(ctx); err != nil {
				return entry{}, err
			}
		case <-ctx.Done():
			return entry{}, ctx.Err()
		}
	}
}

func (s *stage) line(e entry, is func(entry) bool) (found bool, err error) {
	s.teller.tell(e)
	if is(e) {
		return true, nil
	}
	if e.Msg == operationEnds && !e.final() && e.Attempt >= maxAttempts {
		return false, &release.Error{Kind: release.Waiting, Message: e.Summary}
	}
	return false, nil
}

// again starts a bot that was killed.
func (s *stage) again(ctx context.Context) error {
	err := s.bot.process.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !s.bot.wasKilled() || s.bot.runs == maxRuns {
		return s.bot.ended(err)
	}
	s.teller.cut(0, errKilled)
	s.Show.Note("the bot was killed (SIGKILL) after a request to the forge; it is started again:")
	return s.bot.start(ctx)
}

// settled waits for the bot to hear of a pushed branch, so that one thing is
// told after another. It may not hear of it while it is started again.
func (s *stage) settled(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := s.until(short, func(e entry) bool { return e.final() && e.Kind == "refresh" })
	if short.Err() != nil {
		return ctx.Err()
	}
	return err
}

// released waits for the end of a release that a ref's operation makes, or of
// a command or a schedule that ends in none.
func (s *stage) released(ctx context.Context, fits func(entry) bool) (entry, error) {
	return s.until(ctx, func(e entry) bool {
		if !e.final() {
			return false
		}
		return e.makesRelease() && fits(e) || !e.makesRelease() && e.State != "done"
	})
}

// pushTag is the first act.
func (s *stage) pushTag(ctx context.Context) (entry, error) {
	if err := s.push(ctx, "refs/tags/"+s.tag); err != nil {
		return entry{}, err
	}
	s.Show.Say(fmt.Sprintf("git push: tag %s to %s", s.tag, s.server.CloneURL(s.name)))
	end, err := s.released(ctx, func(e entry) bool { return e.Ref == "refs/tags/"+s.tag })
	if err == nil {
		s.saw(s.tag)
	}
	return end, err
}

// saw tells what readers saw of a release.
func (s *stage) saw(tag string) {
	switch seen := s.seenOf(tag); len(seen) {
	case 0:
	case 1:
		s.Show.Say(fmt.Sprintf("a reader saw no release, then all %d assets at once", seen[0]))
	default:
		s.Show.Note(fmt.Sprintf("a reader saw the release with %v assets in turn", seen))
	}
}

// promote is the second act: a commit on the default branch whose checks are
// green, and a comment on it (GitHub) or on its pull request (Gitea).
func (s *stage) promote(ctx context.Context) (entry, error) {
	text, err := s.promoteText(ctx)
	if err != nil {
		return entry{}, err
	}
	subject, err := s.commitFeature(ctx)
	if err != nil {
		return entry{}, err
	}
	at, commit, err := s.mergeFeature(ctx, subject)
	if err != nil {
		return entry{}, err
	}
	if err := s.settled(ctx); err != nil {
		return entry{}, err
	}
	person := s.Dialect.Self()
	for _, name := range s.greenChecks() {
		if _, err := s.forge.AddStatus(person, memory.Status{Commit: commit, Context: name, State: "success"}); err != nil {
			return entry{}, err
		}
		s.Show.Say(fmt.Sprintf("its check %s is green", name))
	}
	s.mayCommand(person)
	comment, err := s.forge.AddComment(at, person, text)
	if err != nil {
		return entry{}, err
	}
	s.Show.Say(fmt.Sprintf("%s writes below it: %s", person, text))
	end, err := s.released(ctx, func(e entry) bool { return e.Kind == "promote" })
	if err == nil {
		s.saw(shortRef(end.Ref))
		s.showTalk(comment)
	}
	return end, err
}

// promoteText is the comment: the version is written where it can't be counted
// from the rehearsal's commit.
func (s *stage) promoteText(ctx context.Context) (string, error) {
	if s.config.PromoteRules().Version != "given" && len(s.config.Notes.Paths) == 0 {
		return "/promote", nil
	}
	clone, err := git.Open(ctx, s.repo)
	if err != nil {
		return "", err
	}
	tag, err := nextTag(ctx, clone)
	return "/promote " + tag, err
}

// commitFeature makes the commit that is promoted.
func (s *stage) commitFeature(ctx context.Context) (subject string, err error) {
	if s.Dir == "" {
		return makeFeature(ctx, s.repo)
	}
	subject = "feat: a change that the rehearsal made up"
	return subject, runGit(ctx, s.repo, nil, "commit", "--quiet", "--allow-empty", "--no-verify", "--message", subject)
}

// mergeFeature brings the commit to the default branch: pushed on GitHub, by a
// pull request on Gitea, which has no comments on commits.
func (s *stage) mergeFeature(ctx context.Context, subject string) (at forge.Place, commit string, err error) {
	if s.Dialect == memory.GitHub {
		if err := s.push(ctx, "HEAD:refs/heads/"+s.branch); err != nil {
			return at, "", err
		}
		if commit, err = s.forgeHead(ctx); err != nil {
			return at, "", err
		}
		s.Show.Say(fmt.Sprintf("git push: commit %s to %s: %s", release.ShortCommit(commit), s.branch, subject))
		return forge.Place{Commit: commit}, commit, nil
	}
	const branch = "rehearsal"
	if err := s.push(ctx, "HEAD:refs/heads/"+branch); err != nil {
		return at, "", err
	}
	person := s.Dialect.Self()
	pull, err := s.forge.OpenPull(ctx, memory.NewPull{Author: person, Title: subject, HeadBranch: branch})
	if err == nil {
		pull, err = s.forge.MergePull(ctx, pull.Number, person)
	}
	if err != nil {
		return at, "", fmt.Errorf("merge a pull request on the rehearsal's forge: %w", err)
	}
	s.Show.Say(fmt.Sprintf("pull request #%d is merged to %s by commit %s: %s", pull.Number, s.branch, release.ShortCommit(pull.Pull.MergeCommit), subject))
	// The next commit goes on top of the merge.
	for _, args := range [][]string{{"fetch", "--quiet", "origin", s.branch}, {"reset", "--quiet", "--hard", "FETCH_HEAD"}} {
		if err := runGit(ctx, s.repo, nil, args...); err != nil {
			return at, "", err
		}
	}
	return forge.Place{Issue: pull.Number, OnPullRequest: true}, pull.Pull.MergeCommit, nil
}

func (s *stage) forgeHead(ctx context.Context) (string, error) {
	c, ok, err := s.forge.Refs().Commit(ctx, s.branch)
	if err == nil && !ok {
		err = fmt.Errorf("the rehearsal's forge has no branch %s", s.branch)
	}
	return c.Hash, err
}

// greenChecks are names that satisfy the config.
func (s *stage) greenChecks() []string {
	var names []string
	for _, required := range s.config.Promote.Require {
		names = append(names, strings.NewReplacer("**", "x", "*", "x", "?", "x").Replace(required))
	}
	if len(names) == 0 {
		return []string{"ci/test"}
	}
	return names
}

// mayCommand gives somebody what the config asks for of who writes /promote.
func (s *stage) mayCommand(person string) {
	rule := s.config.Commands.Of("promote")
	s.forge.SetPermission(person, forge.MayAdmin)
	for _, team := range rule.Teams {
		s.forge.People().AddTeam(team, person)
	}
}

// showTalk shows how the bot answered a comment.
func (s *stage) showTalk(comment memory.Comment) {
	var reactions, answers []string
	have := map[int64]bool{}
	s.mu.Lock()
	for _, c := range s.talk {
		if c.ID == comment.ID {
			for _, r := range c.Reactions {
				if !have[r.ID] {
					reactions = append(reactions, r.Content)
				}
				have[r.ID] = true
			}
		} else if c.Author.Login == botLogin && c.Place == comment.Place && !slices.Contains(answers, c.Body) {
			answers = append(answers, c.Body)
		}
	}
	s.mu.Unlock()
	if len(reactions) == 0 {
		reactions = []string{"none"}
	}
	s.Show.Say("reactions to the comment: " + strings.Join(reactions, ", then "))
	if len(answers) == 0 {
		return
	}
	s.Show.Say(fmt.Sprintf("one comment of the bot's, %s; it says in the end:", edited(len(answers)-1)))
	for line := range strings.Lines(answerText(answers[len(answers)-1])) {
		s.Show.Say(strings.TrimRight("  │ "+line, " \n"))
	}
}

func edited(n int) string {
	switch n {
	case 0:
		return "never edited"
	case 1:
		return "edited once"
	}
	return fmt.Sprintf("edited %d times", n)
}

// answerText is a comment of the bot's without its mark, which no reader sees,
// with the table of stages, which have been told of, and what is folded away as
// one line each.
func answerText(body string) string {
	_, body, _ = strings.Cut(body, "-->\n")
	var b strings.Builder
	rows, folded := 0, false
	for line := range strings.Lines(body + "\n") {
		if folded {
			folded = !strings.HasPrefix(line, "</details>")
			continue
		}
		if strings.HasPrefix(line, "| ") {
			rows++
			continue
		}
		if rows > 2 {
			fmt.Fprintf(&b, "▸ %s\n", counted(rows-2, "stage"))
		}
		rows = 0
		if summary, ok := strings.CutPrefix(line, "<details><summary>"); ok {
			fmt.Fprintf(&b, "▸ %s\n", strings.TrimSuffix(strings.TrimSpace(summary), "</summary>"))
			folded = true
			continue
		}
		if strings.TrimSpace(line) != "" || !strings.HasSuffix(b.String(), "\n\n") {
			b.WriteString(line)
		}
	}
	return strings.TrimSpace(b.String())
}

// everySecond is the schedule of the third act.
const everySecond = "@every 1s"

// schedule is the third act: the default branch's config gets a schedule.
func (s *stage) schedule(ctx context.Context) (entry, error) {
	cfg := s.config
	cfg.Schedule = append(slices.Clone(cfg.Schedule), release.Schedule{Cron: everySecond})
	name := configName(s.repo)
	if err := os.WriteFile(filepath.Join(s.repo, name), config.Write(cfg), 0o644); err != nil {
		return entry{}, err
	}
	for _, args := range [][]string{{"add", "--force", "--", name}, {"commit", "--quiet", "--no-verify", "--message", "ci: release by schedule"}} {
		if err := runGit(ctx, s.repo, nil, args...); err != nil {
			return entry{}, err
		}
	}
	if err := s.push(ctx, "HEAD:refs/heads/"+s.branch); err != nil {
		return entry{}, err
	}
	s.Show.Say(fmt.Sprintf("git push: %s of %s says schedule: [{cron: '%s'}]", name, s.branch, everySecond))
	end, err := s.released(ctx, func(e entry) bool { return e.Ref == "refs/heads/"+s.branch })
	if err == nil {
		s.sawNewest()
	}
	return end, err
}

// sawNewest tells of the release that no other act has told of.
func (s *stage) sawNewest() {
	list, err := s.forge.Releases(memory.Anonymous)
	if err != nil || len(list) == 0 {
		return
	}
	s.saw(list[len(list)-1].Tag)
}

// stop ends the bot as a service manager does.
func (s *stage) stop(ctx context.Context) error {
	s.bot.process.Terminate()
	for {
		select {
		case <-s.bot.lines: // nothing is under way but the next look at the schedule
		case <-s.bot.process.Done():
			if err := s.bot.process.Wait(); err != nil && !s.bot.wasKilled() {
				return s.bot.ended(err)
			}
			s.Show.Say("the bot is told to stop (SIGTERM), and ends once nothing is under way")
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
