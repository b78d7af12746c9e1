package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// Promise: never plain on the bot's host unless allowed. Such a build is refused,
// with the setting that would allow it; in BuildKit it is done.
func TestBotBuildsInImages(t *testing.T) {
	t.Parallel()
	registry := realtest.Registry(t)
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project(""), forge: "host-builds: refuse", bot: "builder: " + realtest.BuildKit(t)})
	s.begin(t)
	s.pushTags(t, "v1.0.0")
	s.status(t, s.head(t), "failure")
	s.settled(t, "release", "[release v1.0.0 refused]")
	if got := fmt.Sprint(s.list(t, "operations", "--state", "refused")); !strings.Contains(got, "host-builds: allow") {
		t.Errorf("it says %s", got)
	}
	if got := w.versions(t); len(got) > 0 {
		t.Errorf("built on the host: %v", got)
	}
	s.push(t, map[string]string{".slipway.yaml": `project: hello
test: [{name: unit, image: BASE, run: 'test -e LICENSE'}]
builds: [{id: hello, builder: command, image: BASE, platforms: [linux/amd64], run: 'printf %s "$SLIPWAY_VERSION" > {output}'}]
`}, "ci: build in an image")
	s.write(t, map[string]string{".slipway.yaml": strings.ReplaceAll(string(mustRead(t, s.dir+"/.slipway.yaml")), "BASE", realtest.BaseImage(t, registry))})
	s.push(t, nil, "ci: name the image")
	s.pushTags(t, "v1.0.1")
	if r := s.released(t, "v1.0.1"); len(r.Assets) != 3 {
		t.Errorf("%v", r.Assets)
	}
	s.status(t, s.head(t), "success")
}

// Promise: a schedule releases each commit once, however often its time comes;
// its name is that of the default branch's config, which is read anew with each
// push.
func TestBotSchedules(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	s := newBotGitea(t, rig{project: w.project("")})
	s.begin(t)
	first := s.push(t, map[string]string{".slipway.yaml": w.project("schedule: [{cron: '@every 1s', class: development}]")}, "ci: each second")
	s.released(t, "dev-"+first[:12])
	ticks := func() int { return s.log.count(`"msg":"an operation ends"`) }
	before := ticks()
	eventually(t, "the time comes again", func() bool { return ticks() >= before+2 })
	second := s.push(t, nil, "feat: two")
	s.released(t, "dev-"+second[:12])
	time.Sleep(1500 * time.Millisecond) // a tick more
	s.stop(t)
	s.start(t)
	time.Sleep(1500 * time.Millisecond)
	s.push(t, map[string]string{".slipway.yaml": w.project("")}, "ci: no more")
	eventually(t, "the schedule is gone", func() bool { return strings.Contains(s.log.String(), "The default branch has 0 schedules") })
	// A tick may have come before the schedule went: then the third commit is
	// released, too.
	var made []string
	eventually(t, "all has ended", func() bool {
		made = made[:0]
		for _, op := range s.operations(t, "release") {
			if strings.HasPrefix(op, "release main") {
				made = append(made, op)
			}
		}
		return strings.Count(fmt.Sprint(made), " done") == len(made)
	})
	if len(made) < 2 || len(made) > 3 || len(s.releases(t)) != len(made) {
		t.Errorf("operations %v, releases %s", made, s.tags(t))
	}
}
