package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/image/registry"
	"github.com/slipway-dev/slipway/internal/release"
)

// Promise: what is called the latest goes back when a release is withdrawn: each
// moving tag of its images to the newest release that is left and would have it; a
// tag that no other would have goes. Tags that name the release stay. Said again,
// or released again, nothing changes.
func TestWithdrawImageTags(t *testing.T) {
	t.Parallel()
	reg, err := registry.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	dir := projectOf(t, map[string]string{".slipway.yaml": "project: hello\nbuilds: [{id: hello, builder: command, platforms: [linux/amd64], run: 'printf {commit} > {output}'}]\n" +
		"images: [{id: img, repository: '" + reg.Host + "/acme/hello'}]\n"})
	tags := []string{"v1.2.3", "v1.2.4", "v2.0.0"}
	for _, tag := range tags {
		committed(t, dir, "feat: "+tag, tag)
	}
	s := simSubject(t, memory.GitHub)
	server := s.fresh(t, dir)
	env := append(tokenEnv(cleanEnv(t, t.TempDir()), s), noDocker)
	at := map[string]string{} // digest → release
	for _, tag := range tags {
		mustRun(t, dir, env, releaseArgs(server, s, "--tag", tag)...)
		at[reg.Tags("acme/hello")[strings.TrimPrefix(tag, "v")]] = tag
	}
	withdraw := func(tag string) (r release.ReportWithdrawal) {
		t.Helper()
		out := mustRun(t, dir, env, "slipway", "withdraw", tag, "--reason", "it is broken", "--json", "--forge", s.kind, "--server", server, "--repo", s.repo)
		if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &r); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return r
	}
	check := func(what string, want map[string]string) {
		t.Helper()
		got := map[string]string{}
		for tag, digest := range reg.Tags("acme/hello") {
			got[tag] = at[digest]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, the tags are (-want +got):\n%s", what, diff)
		}
	}
	fixed := map[string]string{"1.2.3": "v1.2.3", "1.2.4": "v1.2.4", "2.0.0": "v2.0.0"}
	with := func(moving map[string]string) map[string]string {
		for tag, at := range fixed {
			moving[tag] = at
		}
		return moving
	}
	check("released", with(map[string]string{"1.2": "v1.2.4", "1": "v1.2.4", "2.0": "v2.0.0", "2": "v2.0.0", "latest": "v2.0.0"}))
	if r := withdraw("v2.0.0"); r.Latest != "v1.2.4" || !r.Changed || len(r.Tags) != 3 {
		t.Errorf("withdrawn: %+v", r)
	}
	check("with 2.0.0 withdrawn", with(map[string]string{"1.2": "v1.2.4", "1": "v1.2.4", "latest": "v1.2.4"}))
	if r := withdraw("v2.0.0"); r.Changed {
		t.Errorf("withdrawn again: %+v", r)
	}
	mustRun(t, dir, env, releaseArgs(server, s, "--tag", "v2.0.0")...)
	check("with 2.0.0 released again", with(map[string]string{"1.2": "v1.2.4", "1": "v1.2.4", "latest": "v1.2.4"}))
	if r := withdraw("v1.2.4"); r.Latest != "v1.2.3" {
		t.Errorf("withdrawn: %+v", r)
	}
	check("with 1.2.4 withdrawn, too", with(map[string]string{"1.2": "v1.2.3", "1": "v1.2.3", "latest": "v1.2.3"}))
	if out, code := tryRun(t, dir, env, "slipway", "promote", "v1.2.4", "v3.0.0", "--forge", s.kind, "--server", server, "--repo", s.repo); code != 4 || !strings.Contains(out, "withdrawn") {
		t.Errorf("a withdrawn release is promoted: %d\n%s", code, out)
	}
	if r := withdraw("v1.2.3"); r.Latest != "" {
		t.Errorf("the last one withdrawn: %+v", r)
	}
	check("with all withdrawn", fixed)
}
