package rehearse

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/image/registry"
)

// prepare makes the repository, the forge and the bot, and waits until the bot
// has looked at the repository for the first time.
func (s *stage) prepare(ctx context.Context) (err error) {
	if s.registry, err = registry.NewServer(); err != nil {
		return err
	}
	made, err := s.makeRepository(ctx)
	if err != nil {
		return err
	}
	if err := s.startForge(ctx); err != nil {
		return err
	}
	if made && s.leftOut(Push) {
		// Nobody asks for the tag that the rehearsal made up.
		if err := runGit(ctx, s.repo, nil, "tag", "--delete", s.tag); err != nil {
			return err
		}
		s.tag = ""
	}
	if err := s.pushHistory(ctx); err != nil {
		return err
	}
	if s.bot, err = s.newBot(); err != nil {
		return err
	}
	s.result.Bot = s.bot.folder
	return s.startBot(ctx)
}

func (s *stage) leftOut(act Act) bool { return len(s.Only) > 0 && !slices.Contains(s.Only, act) }

// startForge makes the forge, with an empty repository.
func (s *stage) startForge(ctx context.Context) (err error) {
	s.server, err = simforge.Start(simforge.Options{
		Dialect: s.Dialect, Faults: s.Faults, Later: true, OnKill: func() { s.bot.kill() },
		Tokens: map[string]memory.Access{personToken: memory.Writer, botToken: memory.Writer}, Logins: map[string]string{botToken: botLogin},
	})
	if err != nil {
		return err
	}
	bare := filepath.Join(s.Work, "forge.git")
	if err := runGit(ctx, "", nil, "init", "--quiet", "--bare", "--initial-branch="+s.branch, "--template=", bare); err != nil {
		return err
	}
	s.result.Published = filepath.Join(s.Work, "published")
	s.forge = s.server.AddGitRepo(memory.Options{FullName: s.name, Dir: s.result.Published, OnChange: s.look, OnTalk: s.heard}, bare)
	s.forge.SetPermission(botLogin, forge.MayAdmin) // Gitea tells only administrators who may what
	s.Show.Head("The stage")
	s.Show.Say(fmt.Sprintf("a forge in memory that speaks %s's wire: %s", s.Dialect, s.server.URL))
	if s.changed != "" {
		s.Show.Say("the tag's commit has another hash here than in your repository: " + s.changed + " says what is rehearsed")
	}
	if len(s.repositories) > 0 {
		s.Show.Say("a registry in memory: " + s.registry.Host)
	}
	return nil
}

// push sends refs over HTTP, with the maintainer's token as password.
func (s *stage) push(ctx context.Context, refspecs ...string) error {
	login := strings.Replace(s.server.CloneURL(s.name), "://", "://"+s.Dialect.Self()+":"+personToken+"@", 1)
	if err := runGit(ctx, s.repo, nil, append([]string{"push", "--quiet", login}, refspecs...)...); err != nil {
		return fmt.Errorf("push to the rehearsal's forge: %w", err)
	}
	return nil
}

// pushHistory sends the branch and every tag but the one that is released.
func (s *stage) pushHistory(ctx context.Context) error {
	_ = runGit(ctx, s.repo, nil, "remote", "remove", "origin") // the sample has none
	if err := runGit(ctx, s.repo, nil, "remote", "add", "origin", s.server.CloneURL(s.name)); err != nil {
		return err
	}
	refs := []string{"HEAD:refs/heads/" + s.branch, "refs/tags/*:refs/tags/*"}
	if s.tag != "" && !s.leftOut(Push) {
		refs = append(refs, "^refs/tags/"+s.tag)
	}
	return s.push(ctx, refs...)
}

// startBot starts the bot, gives the forge its webhook, and waits until the bot
// has seen what is there: that is never released.
func (s *stage) startBot(ctx context.Context) error {
	if err := s.bot.start(ctx); err != nil {
		return err
	}
	up, err := s.until(ctx, func(e entry) bool { return e.Msg == botListens })
	if err != nil {
		return err
	}
	s.bot.at(up.Address)
	events := []string{"push", "create", "delete", "release", "issue_comment"}
	if s.Dialect == memory.Gitea {
		events = append(events, "pull_request_comment")
	} else {
		events = append(events, "commit_comment")
	}
	url := "http://" + up.Address + "/webhook"
	if _, err := s.server.AddHook(s.name, simforge.Hook{URL: url, Secret: s.bot.secret(), Events: events}); err != nil {
		return err
	}
	s.Show.Say(fmt.Sprintf("slipway bot, with a webhook of %s: %s", s.name, url))
	s.Show.Say("builds and checks run plain on this machine (host-builds: allow)")
	seen, err := s.until(ctx, func(e entry) bool { return e.Msg == botCompared })
	if err != nil {
		return err
	}
	s.Show.Say(fmt.Sprintf("the bot has seen the repository; what is there (%s) it leaves alone", counted(seen.Tags, "tag")))
	return nil
}
