package main

import (
	"fmt"
	"testing"
	"time"
)

// A pushed tag becomes a release, once, though Gitea tells of it by two events;
// the trail says who asked.
func TestBotReleasesPushedTag(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{})
	s.begin(t)
	s.pushTags(t, "v1.0.0")
	r := s.released(t, "v1.0.0")
	if len(r.Assets) < 6 {
		t.Errorf("assets: %v", r.Assets)
	}
	commit := s.repo.Head(t, "main")
	s.status(t, commit, "success")
	if code := s.stop(t); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	s.settled(t, "release", "[release v1.0.0 done]")
	found := false
	for _, row := range s.list(t, "audit") {
		found = found || row["action"] == "release" && row["outcome"] == "done" && row["commit"] == commit && row["actor"] == s.repo.Server.User
	}
	if !found {
		t.Errorf("the audit trail: %v", s.list(t, "audit"))
	}
}

// /promote of a green merge commit ends in a release; of a red one in a refusal
// that names the failing check.
func TestBotPromotesPullRequest(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{})
	s.begin(t)
	s.repo.CommitFile(t, "one", "one.txt", "1", "feat: one")
	pull := s.repo.OpenPull(t, "one")
	s.repo.Comment(t, s.maintainer, pull, "/promote")
	s.answer(t, pull, "is not merged")

	commit := s.repo.Merge(t, pull)
	s.repo.SetStatus(t, commit, "ci/test", "failure")
	red := s.repo.Comment(t, s.maintainer, pull, "Looks good!\r\n\r\n/promote\r\n")
	s.answer(t, pull, "ci/test did not pass (failure)")
	eventually(t, "the red one is confused", func() bool { return fmt.Sprint(s.repo.Reactions(t, red)) == "["+s.repo.Server.User+" confused]" })

	s.repo.SetStatus(t, commit, "ci/test", "success")
	green := s.repo.Comment(t, s.maintainer, pull, "/promote")
	s.answer(t, pull, "v0.1.0 is published")
	s.released(t, "v0.1.0")
	eventually(t, "the green one is a rocket", func() bool { return fmt.Sprint(s.repo.Reactions(t, green)) == "["+s.repo.Server.User+" rocket]" })
	if n := len(s.releases(t)); n != 1 {
		t.Errorf("%d releases", n)
	}
}

// Somebody who may not write is refused, and nothing is released.
func TestBotRefusesStranger(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{})
	s.begin(t)
	_, stranger := s.repo.Server.Stranger(t)
	issue := s.repo.OpenIssue(t, "a question")
	s.repo.Comment(t, stranger, issue, "/promote v9.9.9")
	s.answer(t, issue, "it needs write")
	if n := len(s.releases(t)); n != 0 {
		t.Errorf("%d releases", n)
	}
}

// What happened while the bot was off is made up for: each tag is released and
// each command answered, once; what was there before it came is left alone.
func TestBotCatchesUp(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{bot: "catch-up: 1h", deaf: true})
	s.pushTags(t, "v0.0.1")
	issue := s.repo.OpenIssue(t, "release")
	s.repo.Comment(t, s.maintainer, issue, "/status of before")
	s.begin(t)
	s.repo.AddHook(t, s.hook(), botSecret, hookEvents...) // Gitea is late at times
	if code := s.stop(t); code != 0 {
		t.Fatalf("it ended with %d", code)
	}
	var tags []string
	for i := range 10 {
		tags = append(tags, fmt.Sprintf("v1.0.%d", i))
	}
	s.pushTags(t, tags...)
	for _, text := range []string{"/status", "/help", "/hold\n/unhold"} {
		s.repo.Comment(t, s.maintainer, issue, text)
	}
	s.start(t)
	for _, tag := range tags {
		s.released(t, tag)
	}
	eventually(t, "three answers are there", func() bool { return len(s.answers(t, issue)) >= 3 })
	s.stop(t)
	s.start(t)
	time.Sleep(time.Second) // a second answer would come now
	if n := len(s.answers(t, issue)); n != 3 {
		t.Errorf("%d answers", n)
	}
	if n := len(s.releases(t)); n != 10 {
		t.Errorf("%d releases", n)
	}
}
