package simforge_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

func TestParseFault(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"upload-502", "upload-502-after", "publish-cut-after@2", "any-503@all", "read-html", "download-slow=20ms", "upload-413", "create-422",
		"upload-cut-body", "secondary-limit", "secondary-limit=2@3", "rate-limit=5", "too-many", "down=4", "read-only", "archived", "immutable",
		"tag-moves", "kill-after=3", "kill-before=12", "delete-cut-answer", "update-garbage",
	} {
		f, err := simforge.ParseFault(text)
		if err != nil || f.String() != text {
			t.Errorf("ParseFault(%q) = %v, %v", text, f, err)
		}
	}
	for text, want := range map[string]string{
		"uplod-502":         "did you mean upload-502?",
		"secondry-limit":    "did you mean secondary-limit?",
		"kill-after":        "such as kill-after=3",
		"kill-after=0":      "such as kill-after=3",
		"kill-after=x":      "such as kill-after=3",
		"kill-after=3@2":    "cannot be bound",
		"upload-502@0":      "a number from 1 up, or all",
		"upload-502=3":      "takes no value",
		"create-413":        "there is no fault",
		"create-cut-body":   "there is no fault",
		"upload-422-after":  "there is no fault",
		"upload-slow=-1s":   "must be a duration",
		"rate-limit=later":  "must be seconds",
		"":                  "the help lists them all",
		"everything-breaks": "the help lists them all",
	} {
		if _, err := simforge.ParseFault(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseFault(%q): error %v, want %q in it", text, err, want)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	for _, s := range []string{"upload-502@2", "kill-after=3", "any-slow=1s@all", "@", "=", "-", "a-b-c=d@e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fault, err := simforge.ParseFault(s)
		if err == nil && fault.String() != s {
			t.Errorf("ParseFault(%q) reads %q", s, fault)
		}
	})
}

// Each fault of a call does what its name says, once, and is reported as met.
func TestCallFaults(t *testing.T) {
	t.Parallel()
	for _, dialect := range []memory.Dialect{memory.GitHub, memory.Gitea} {
		for _, tt := range []struct {
			fault  string
			status int  // 0: the connection breaks
			done   bool // an asset is there afterwards
			broken bool // a starter is there afterwards, on GitHub
		}{
			{"upload-500", 500, false, false},
			{"upload-502", 502, false, true},
			{"upload-502-after", 502, true, false},
			{"upload-504-after", 504, true, false},
			{"upload-413", 413, false, false},
			{"upload-422", 422, false, false},
			{"upload-cut-before", 0, false, false},
			{"upload-cut-body", 0, false, true},
			{"upload-cut-after", 0, true, false},
			{"upload-cut-answer", 0, true, false},
			{"upload-html", 200, false, false},
			{"upload-garbage", 200, false, false},
			{"upload-slow=30ms", 201, true, false},
			{"any-503@2", 503, false, false},
			{"down=2", 503, false, false},
		} {
			t.Run(string(dialect)+"/"+tt.fault, func(t *testing.T) {
				t.Parallel()
				s, repo, c := start(t, simforge.Options{Dialect: dialect, Faults: parse(t, tt.fault)}, memory.Options{})
				var id int64
				if tt.fault == "down=2" {
					c.do(503, "GET", "/repos/acme/hello", nil)
					rel, err := repo.Create(t.Context(), memory.Writer, memory.NewRelease{Tag: "v1.0.0", Draft: true})
					if err != nil {
						t.Fatal(err)
					}
					id = rel.ID
				} else {
					id = c.draft("v1.0.0")
				}
				a, err := c.send("POST", assetPath(id, "a.bin"), "application/octet-stream", make([]byte, 5000))
				if (err != nil) != (tt.status == 0) || a.status != tt.status && tt.status != 0 {
					t.Errorf("status %d, %v; want %d", a.status, err, tt.status)
				}
				checkAssets(t, repo, id, tt.done, tt.broken && dialect == memory.GitHub)
				if un := s.Unhit(); len(un) > 0 {
					t.Errorf("unhit: %v", un)
				}
				if !strings.Contains(s.Recorder().String(), "["+tt.fault+"]") {
					t.Errorf("the record does not name the fault:\n%s", s.Recorder())
				}
				c.do(201, "POST", assetPath(id, "b.bin"), []byte("bb")) // faults are over
			})
		}
	}
}

func checkAssets(t *testing.T, repo *memory.Repo, id int64, whole, starter bool) {
	t.Helper()
	list, err := repo.Assets(memory.Writer, id)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	switch {
	case whole:
		want = "[a.bin 5000 false]"
	case starter:
		want = "[a.bin 0 true]"
	}
	got := ""
	for _, a := range list {
		got += fmt.Sprintf("[%s %d %v]", a.Name, a.Size, a.Starter)
	}
	if got != want {
		t.Errorf("assets are %q, want %q", got, want)
	}
}

// A starter blocks its name and is shown by the assets list alone; deleting it
// frees the name.
func TestStarter(t *testing.T) {
	t.Parallel()
	_, _, c := start(t, simforge.Options{Faults: parse(t, "upload-502")}, memory.Options{})
	id := c.draft("v1.0.0")
	c.do(502, "POST", assetPath(id, "a.bin"), []byte("abc"))
	c.do(422, "POST", assetPath(id, "a.bin"), []byte("abc"))
	var rel struct{ Assets []struct{ ID int64 } }
	c.do(200, "GET", fmt.Sprintf("/repos/acme/hello/releases/%d", id), nil).json(t, &rel)
	if len(rel.Assets) != 0 {
		t.Errorf("the release shows its starter: %+v", rel)
	}
	var list []struct {
		ID    int64
		State string
	}
	c.do(200, "GET", fmt.Sprintf("/repos/acme/hello/releases/%d/assets", id), nil).json(t, &list)
	if len(list) != 1 || list[0].State != "starter" {
		t.Fatalf("assets: %+v", list)
	}
	c.do(204, "DELETE", fmt.Sprintf("/repos/acme/hello/releases/assets/%d", list[0].ID), nil)
	c.do(201, "POST", assetPath(id, "a.bin"), []byte("abc"))
}

// kill-after calls the hook once the N-th answer has reached the client;
// kill-before leaves the N-th request undone. Readers without a token, git and
// the rerun are not counted out.
func TestKill(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault string
		cut   bool
		made  int
	}{{"kill-after=2", false, 1}, {"kill-before=2", true, 0}} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			var kills atomic.Int32
			s, repo, c := start(t, simforge.Options{Faults: parse(t, tt.fault), OnKill: func() { kills.Add(1) }}, memory.Options{})
			client{t, c.base, ""}.do(200, "GET", "/repos/acme/hello/releases", nil)
			c.do(200, "GET", "/repos/acme/hello", nil)
			if kills.Load() != 0 {
				t.Fatal("killed too early")
			}
			_, err := c.send("POST", "/repos/acme/hello/releases", "application/json", []byte(`{"tag_name":"v1.0.0","draft":true}`))
			if (err != nil) != tt.cut {
				t.Errorf("second request: %v", err)
			}
			list, err := repo.Releases(memory.Writer)
			if err != nil || len(list) != tt.made {
				t.Errorf("%d releases, want %d (%v)", len(list), tt.made, err)
			}
			c.do(200, "GET", "/repos/acme/hello", nil)
			// The hook runs after the answer, so the client may be ahead of it.
			for end := time.Now().Add(5 * time.Second); kills.Load() == 0 && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			if kills.Load() != 1 || s.Recorder().Count() != 3 {
				t.Errorf("%d kills, %d requests counted; want 1 and 3", kills.Load(), s.Recorder().Count())
			}
		})
	}
}

// The faults of the state of things hold for as long as the server runs.
func TestStandingFaults(t *testing.T) {
	t.Parallel()
	s, _, c := start(t, simforge.Options{Faults: parse(t, "read-only")}, memory.Options{})
	c.do(403, "POST", "/repos/acme/hello/releases", map[string]any{"tag_name": "v1.0.0", "draft": true})
	var repo struct{ Permissions struct{ Push bool } }
	c.do(200, "GET", "/repos/acme/hello", nil).json(t, &repo)
	if repo.Permissions.Push || len(s.Unhit()) != 0 {
		t.Errorf("push %v, unhit %v", repo.Permissions.Push, s.Unhit())
	}

	_, _, c = start(t, simforge.Options{Faults: parse(t, "archived")}, memory.Options{})
	c.do(403, "POST", "/repos/acme/hello/releases", map[string]any{"tag_name": "v1.0.0", "draft": true})

	s, _, c = start(t, simforge.Options{Faults: parse(t, "immutable")}, memory.Options{})
	c.do(200, "GET", "/repos/acme/hello/immutable-releases", nil)
	id := c.draft("v1.0.0")
	if len(s.Unhit()) != 1 {
		t.Error("immutable counts as met before anything was published")
	}
	c.do(200, "PATCH", fmt.Sprintf("/repos/acme/hello/releases/%d", id), map[string]any{"draft": false})
	c.do(422, "POST", assetPath(id, "late.txt"), []byte("x"))
	if len(s.Unhit()) != 0 {
		t.Errorf("unhit %v", s.Unhit())
	}
}

// tag-moves points the tag elsewhere once the draft is there.
func TestTagMoves(t *testing.T) {
	t.Parallel()
	_, repo, c := start(t, simforge.Options{Faults: parse(t, "tag-moves")}, memory.Options{})
	before, _, _ := repo.Refs().Peel(t.Context(), "refs/tags/v1.0.0")
	c.draft("v1.0.0")
	after, ok, err := repo.Refs().Peel(t.Context(), "refs/tags/v1.0.0")
	if err != nil || !ok || after.Hash == before.Hash {
		t.Errorf("the tag is at %s, was at %s: %v", after.Hash, before.Hash, err)
	}
}

// Faults that this server cannot have are refused when it is made.
func TestImpossibleFaults(t *testing.T) {
	t.Parallel()
	if _, err := simforge.New(simforge.Options{Dialect: memory.Gitea, Faults: parse(t, "immutable")}); err == nil {
		t.Error("Gitea took the fault immutable")
	}
	if _, err := simforge.New(simforge.Options{Faults: parse(t, "kill-after=1")}); err == nil {
		t.Error("kill-after was taken without a hook")
	}
	if _, err := simforge.New(simforge.Options{Faults: []simforge.Fault{{}}}); err == nil {
		t.Error("an empty fault was taken")
	}
}

// A limited call names the seconds to wait, is not done, and works afterwards.
func TestLimitFaults(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]struct {
		status int
		header string
	}{
		"secondary-limit=7": {403, "Retry-After"},
		"too-many=7@2":      {429, "Retry-After"},
		"rate-limit=7@2":    {403, "X-Ratelimit-Reset"},
	} {
		_, repo, c := start(t, simforge.Options{Faults: parse(t, fault)}, memory.Options{})
		c.do(200, "GET", "/repos/acme/hello", nil)
		a := c.do(want.status, "POST", "/repos/acme/hello/releases", map[string]any{"tag_name": "v1.0.0", "draft": true})
		if v := a.header.Get(want.header); v == "" || want.header == "Retry-After" && v != "7" {
			t.Errorf("%s: %s is %q", fault, want.header, v)
		}
		if list, err := repo.Releases(memory.Writer); err != nil || len(list) != 0 {
			t.Errorf("%s: a limited call was done", fault)
		}
		c.draft("v1.0.0")
	}
}
