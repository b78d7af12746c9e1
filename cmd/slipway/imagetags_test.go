package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/image/registry"
	"github.com/slipway-dev/slipway/internal/release"
)

// Promise: tags by class. A stable release moves latest and the shorter versions,
// an older patch moves only what is its own, a prerelease and any other tag get
// their tag alone, a branch gets its name and its commit's; templates of one's own
// say otherwise. Each release runs in a clone that has its own tag alone: what is
// newer is known from the registry.
func TestImageTagsByClass(t *testing.T) {
	t.Parallel()
	dir := projectOf(t, map[string]string{".slipway.yaml": "project: hello\n"})
	reg, err := registry.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	config := "project: hello\nbuilds: [{id: hello, builder: command, platforms: [linux/amd64], run: 'printf {commit} > {output}'}]\nimages:\n" +
		"  - {id: img, repository: '" + reg.Host + "/acme/hello'}\n" +
		"  - {id: own, repository: '" + reg.Host + "/acme/own', tags: {stable: ['{version}-slim', slim], '*': ['{tag}-{short}', edge]}}\n"
	writeIn(t, dir, ".slipway.yaml", config)
	for _, tag := range []string{"v1.2.3", "v1.2.4", "v1.3.0", "v1.2.5", "v2.0.0-rc1", "nightly/x", "v2.0.0"} {
		committed(t, dir, "feat: "+tag, tag)
	}
	committed(t, dir, "feat: on main")

	s := simSubject(t, memory.GitHub)
	server := s.fresh(t, dir)
	env := append(tokenEnv(cleanEnv(t, t.TempDir()), s), noDocker)
	points, own := map[string]string{}, map[string]string{} // tag → release that it must be at
	at := map[string]string{}                               // digest → release
	for _, step := range []struct {
		tag   string // empty: the branch
		moves []string
		own   []string
	}{
		{"v1.2.4", []string{"1.2.4", "1.2", "1", "latest"}, []string{"1.2.4-slim", "slim"}},
		{"v1.2.3", []string{"1.2.3"}, []string{"1.2.3-slim"}},
		{"v1.3.0", []string{"1.3.0", "1.3", "1", "latest"}, []string{"1.3.0-slim", "slim"}},
		{"v1.2.5", []string{"1.2.5", "1.2"}, []string{"1.2.5-slim"}},
		{"v2.0.0-rc1", []string{"v2.0.0-rc1"}, []string{"v2.0.0-rc1-SHORT", "edge"}},
		{"nightly/x", []string{"nightly-x"}, []string{"nightly-x-SHORT", "edge"}},
		{"", []string{"main", "sha-SHORT"}, []string{"dev-SHORT-SHORT", "edge"}},
		{"v2.0.0", []string{"2.0.0", "2.0", "2", "latest"}, []string{"2.0.0-slim", "slim"}},
	} {
		to, args := t.TempDir(), releaseArgs(server, s, "--branch", "main")
		mustRun(t, "", nil, "git", "clone", "--quiet", "--no-tags", dir, to)
		if step.tag != "" {
			mustRun(t, to, nil, "git", "fetch", "--quiet", "origin", "refs/tags/"+step.tag+":refs/tags/"+step.tag)
			mustRun(t, to, nil, "git", "checkout", "--quiet", step.tag)
			args = releaseArgs(server, s, "--tag", step.tag)
		}
		out := mustRun(t, to, env, args...)
		commit := strings.TrimSpace(mustRun(t, to, nil, "git", "rev-parse", "HEAD"))
		short := strings.NewReplacer("SHORT", release.ShortCommit(commit))
		for _, tag := range step.moves {
			points[short.Replace(tag)] = step.tag
		}
		for _, tag := range step.own {
			own[short.Replace(tag)] = step.tag
		}
		for repository, tag := range map[string]string{"acme/hello": step.moves[0], "acme/own": short.Replace(step.own[0])} {
			at[repository+reg.Tags(repository)[tag]] = step.tag
		}
		for repository, want := range map[string]map[string]string{"acme/hello": points, "acme/own": own} {
			got := map[string]string{}
			for tag, digest := range reg.Tags(repository) {
				got[tag] = at[repository+digest]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("after %q the tags of %s are (-want +got):\n%s\n%s", step.tag, repository, diff, out)
			}
		}
	}
}
