package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// A tag's name is text and nothing else: whatever git allows in it is released,
// or refused, and never run.
func TestBotRunsNoTagNames(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{project: newWork(t).project("")})
	s.begin(t)
	trap := filepath.Join(t.TempDir(), "trap")
	tags := []string{
		"v1.0.0-$(touch${IFS}" + trap + ")", "v1.0.1;touch${IFS}" + trap + ";", "v1.0.2-`touch${IFS}" + trap + "`", `v1.0.3'"$(touch${IFS}` + trap + `)"'`,
		"v1.0.4|touch${IFS}" + trap, "v1.0.5&&touch${IFS}" + trap, "v1.0.6-%s%n{version}{{.}}", "v1.0.7-<b>", "-v1.0.8",
	}
	// git names no tag with a dash in front, but a push can make one.
	for _, tag := range tags {
		mustRun(t, s.dir, nil, "git", "update-ref", "refs/tags/"+tag, "HEAD")
	}
	s.repo.PushNow(t, s.dir, "refs/tags/*:refs/tags/*")
	s.pushTags(t, "v2.0.0")
	s.released(t, "v2.0.0")
	var ended []string
	eventually(t, "all have ended", func() bool {
		ended = nil
		for _, op := range s.operations(t, "release") {
			if strings.HasSuffix(op, " done") || strings.HasSuffix(op, " refused") || strings.HasSuffix(op, " failed") {
				ended = append(ended, op)
			}
		}
		return len(ended) >= len(tags)+1
	})
	if _, err := os.Stat(trap); err == nil {
		t.Error("a tag's name was run")
	}
	t.Logf("%s", strings.Join(ended, "\n"))
	done := 0
	for _, r := range s.releases(t) {
		done++
		if len(r.Assets) != 3 {
			t.Errorf("release %s: %v", r.Tag, r.Assets)
		}
	}
	if done < 6 {
		t.Errorf("%d releases: %s", done, s.tags(t))
	}
}

// A tag that is deleted while its release runs is not released, and not made
// again; pushed anew, it is.
func TestBotTagDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("")})
	s.begin(t)
	w.shut(t)
	s.pushTags(t, "v1.0.0")
	w.begun(t, 1)
	s.deleteTag(t, "v1.0.0")
	eventually(t, "the deletion is known", func() bool { return s.log.count("Tag v1.0.0 was deleted") > 0 })
	w.open(t)
	s.status(t, s.head(t), "failure")
	if got := s.tags(t); got != "[]" {
		t.Errorf("released: %s", got)
	}
	var tags []struct{ Name string }
	s.repo.Server.Call(t, "", http.MethodGet, "/repos/"+s.repo.FullName()+"/tags", nil, &tags)
	if len(tags) > 0 {
		t.Errorf("tags: %v", tags)
	}
	s.pushTags(t, "v1.0.0")
	s.released(t, "v1.0.0")
	s.status(t, s.head(t), "success")
}

// A tag that is moved while its release runs: what was begun ends, and the new
// place is released, whole and of that commit only.
func TestBotTagMovedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("")})
	s.begin(t)
	w.shut(t)
	s.pushTags(t, "v1.0.0")
	w.begun(t, 1)
	first := s.head(t)
	second := s.push(t, map[string]string{"LICENSE": "other terms\n"}, "feat: two")
	s.pushTags(t, "v1.0.0")
	eventually(t, "the move is known", func() bool { return s.log.count("Tag v1.0.0 was pushed, at commit "+second[:12]) > 0 })
	w.open(t)
	r := s.released(t, "v1.0.0")
	s.status(t, second, "success")
	s.status(t, first, "failure")
	if len(r.Assets) != 3 || !bytes.Contains(s.manifest(t, "v1.0.0"), []byte(second)) {
		t.Errorf("%v: %s", r.Assets, s.manifest(t, "v1.0.0"))
	}
	if got := s.tags(t); got != "[v1.0.0]" {
		t.Errorf("released: %s", got)
	}
}

func (s *botGitea) manifest(t *testing.T, tag string) []byte {
	t.Helper()
	return fetch(t, s.repo.URL+"/releases/download/"+tag+"/slipway.json")
}

// Whoever deletes a release and its tag by hand can have it made again by pushing
// the tag again, at the same commit.
func TestBotTagComesBack(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{})
	s.begin(t)
	s.pushTags(t, "v1.0.0")
	s.released(t, "v1.0.0")
	s.settled(t, "release", "[release v1.0.0 done]")
	if code := s.repo.Server.Call(t, s.repo.Server.Admin, http.MethodDelete, "/repos/"+s.repo.FullName()+"/releases/tags/v1.0.0", nil, nil); code != http.StatusNoContent {
		t.Fatalf("Gitea answers %d", code)
	}
	s.deleteTag(t, "v1.0.0")
	eventually(t, "the deletion is known", func() bool { return s.log.count("Tag v1.0.0 was deleted") > 0 })
	s.pushTags(t, "v1.0.0")
	s.released(t, "v1.0.0")
	s.settled(t, "release", "[release v1.0.0 done release v1.0.0 done]")
}

// A published release is never changed: its tag, moved afterwards, is refused,
// with the reason on the new commit.
func TestBotTagMovedAfterwards(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{})
	s.begin(t)
	s.pushTags(t, "v1.0.0")
	before := s.released(t, "v1.0.0")
	second := s.push(t, nil, "feat: two")
	s.pushTags(t, "v1.0.0")
	s.status(t, second, "failure")
	if after := s.released(t, "v1.0.0"); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%v, before %v", after, before)
	}
}

// Deliveries that nobody signed with a secret of the config are refused and
// counted, and nothing of them is kept; those of other repositories are passed
// over; a form is read like JSON.
func TestBotHooks(t *testing.T) {
	t.Parallel()
	s := newBotGitea(t, rig{deaf: true})
	s.begin(t)
	wrong := s.repo.AddHook(t, s.hook(), "a guess", hookEvents...)
	s.pushTags(t, "v1.0.0")
	eventually(t, "the wrong secret is noticed", func() bool { return s.metric(t, "slipway_deliveries_total", `outcome="forged"`) > 0 })
	s.repo.RemoveHook(t, wrong)

	unsigned := s.repo.AddHook(t, s.hook(), "", hookEvents...)
	s.pushTags(t, "v1.0.1")
	eventually(t, "the missing secret is noticed", func() bool { return s.metric(t, "slipway_deliveries_total", `outcome="unsigned"`) > 0 })
	s.repo.RemoveHook(t, unsigned)

	other := s.repo.Server.CreateRepo(t, "other")
	other.Push(t, s.dir, "refs/heads/main")
	other.AddHook(t, s.hook(), botSecret, hookEvents...)
	other.PushNow(t, s.dir, "refs/tags/v1.0.1")
	eventually(t, "the other repository is noticed", func() bool { return s.metric(t, "slipway_deliveries_total", `outcome="unserved"`) > 0 })

	if got := s.list(t, "deliveries"); len(got) > 0 {
		t.Errorf("kept: %v", got)
	}
	if n := s.metric(t, "slipway_deliveries_total", `outcome="accepted"`); n > 0 {
		t.Errorf("%v were accepted", n)
	}

	addFormHook(t, s.repo, s.hook())
	s.pushTags(t, "v1.0.2")
	s.released(t, "v1.0.2")
	if got := s.tags(t); got != "[v1.0.2]" {
		t.Errorf("released: %s", got)
	}
}

func addFormHook(t *testing.T, r *realtest.GiteaRepo, address string) {
	t.Helper()
	code := r.Server.Call(t, r.Server.Admin, http.MethodPost, "/repos/"+r.FullName()+"/hooks", map[string]any{
		"type": "gitea", "active": true, "events": hookEvents,
		"config": map[string]string{"url": address, "content_type": "form", "secret": botSecret},
	}, nil)
	if code != http.StatusCreated {
		t.Fatalf("Gitea answers %d", code)
	}
}

// signed is a delivery as Gitea sends it.
func signed(t *testing.T, address, event, secret string, body []byte) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Gitea-Event", event)
	req.Header.Set("X-Gitea-Delivery", fmt.Sprintf("guid-%d", time.Now().UnixNano()))
	req.Header.Set("X-Gitea-Signature", hex.EncodeToString(mac.Sum(nil)))
	return req
}

// pushOf is the body of a tag's push.
func (s *botGitea) pushOf(tag, commit string) []byte {
	page := s.repo.Server.URL + "/" + s.repo.FullName()
	return fmt.Appendf(nil, `{"ref":"refs/tags/%s","before":"%040d","after":"%s","head_commit":{"id":"%s","timestamp":"2024-03-01T10:00:00Z"},`+
		`"repository":{"full_name":"%s","html_url":"%s","clone_url":"%s.git","default_branch":"main"},"sender":{"login":"ada"},"pusher":{"login":"ada"}}`,
		url.PathEscape(tag), 0, commit, commit, s.repo.FullName(), page, page)
}
