package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// pushedTags is how often the way from a delivery to the first compile is taken.
const pushedTags = 10

// botGitea is a repository on a real Gitea for bots to serve.
type botGitea struct {
	*bench
	dir  string
	repo hosted
}

func (b *bench) newBotGitea(ctx context.Context) (g *botGitea, stop func(), err error) {
	gitea, stop, err := realtest.StartGitea(ctx, b.log)
	if err != nil {
		return nil, nil, err
	}
	g = &botGitea{bench: b, dir: filepath.Join(b.dir, "gitea")}
	if g.repo, err = create(ctx, gitea, "hello", true); err == nil {
		err = g.repository(ctx, g.work(), map[string]string{
			"go.mod": "module example.org/hello\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() { println(\"hello\") }\n",
			".slipway.yaml": "project: hello\nbuilds:\n  - {id: hello, builder: go, platforms: [linux/amd64]}\n",
		})
	}
	if err == nil {
		err = g.repo.push(ctx, b, g.work())
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return g, stop, nil
}

func (g *botGitea) work() string { return filepath.Join(g.dir, "hello") }

func (g *botGitea) forge() forgeYAML {
	return forgeYAML{Kind: "gitea", Server: g.repo.server.URL, Token: g.repo.server.Admin, Secrets: []string{floodSecret},
		Repositories: []string{g.repo.name}, HostBuilds: "allow"}
}

// goScript notes when go is called, and with what, and becomes it.
const goScript = `#!/bin/bash
echo "$EPOCHREALTIME $*" >>%q
PATH=%q exec go "$@"
`

// measureFirstCompile pushes tags to Gitea, one after another, and takes the
// time from the delivery's arrival at the bot to its first go build.
func (g *botGitea) measureFirstCompile(ctx context.Context) ([]row, error) {
	calls, bin, database := filepath.Join(g.dir, "calls"), filepath.Join(g.dir, "bin"), filepath.Join(g.dir, "compile.db")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(bin, "go"), fmt.Appendf(nil, goScript, calls, os.Getenv("PATH")), 0o755); err != nil {
		return nil, err
	}
	s, err := g.startBot(ctx, filepath.Join(g.dir, "compile"), "sqlite:"+database, g.forge(), "PATH="+bin+":"+os.Getenv("PATH"))
	if err != nil {
		return nil, err
	}
	defer s.end()
	hook := map[string]any{"type": "gitea", "active": true, "events": []string{"push", "create"},
		"config": map[string]string{"url": "http://" + s.address + "/webhook", "content_type": "json", "secret": floodSecret}}
	if err := g.repo.call(ctx, http.MethodPost, g.repo.server.URL+"/api/v1/repos/"+g.repo.name+"/hooks", hook, nil); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+database)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var compile, release times
	for i := range pushedTags + 1 {
		one, err := g.pushTag(ctx, s, db, fmt.Sprintf("v1.0.%d", i), calls)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(g.log, "bot: tag %d of %d: compiles after %s, released after %s\n", i, pushedTags, seconds(one.compiled), seconds(one.released))
		if i > 0 { // the first makes the bot's clone
			compile, release = append(compile, one.compiled), append(release, one.released)
		}
	}
	return []row{
		{what: "bot: from Gitea's delivery to the first go build", ours: seconds(compile.median()), figure: fmt.Sprintf("%s (best %s)", seconds(compile.median()), seconds(compile.best())),
			goal: "< 300 ms", met: compile.median() < 300*time.Millisecond},
		note("… to the release's end", release),
	}, nil
}

// fromDelivery are times since a delivery arrived.
type fromDelivery struct{ compiled, released time.Duration }

func (g *botGitea) pushTag(ctx context.Context, s *receiver, db *sql.DB, tag, calls string) (took fromDelivery, err error) {
	if err := os.RemoveAll(calls); err != nil {
		return took, err
	}
	if err := g.git(ctx, g.work(), "tag", tag); err != nil {
		return took, err
	}
	if err := g.repo.push(ctx, g.bench, g.work()); err != nil {
		return took, err
	}
	var state string
	var received, finished int64
	var failed error
	err = s.await(ctx, func() bool {
		failed = db.QueryRowContext(ctx, `SELECT o.state, o.finished, d.received FROM slipway_operations o JOIN slipway_deliveries d ON d.id = o.delivery
			WHERE o.kind = 'release' AND o.ref = ?`, "refs/tags/"+tag).Scan(&state, &finished, &received)
		return failed == nil && finished > 0 || failed != nil && !errors.Is(failed, sql.ErrNoRows)
	})
	if err = errors.Join(err, failed); err != nil {
		return took, err
	}
	if state != "done" {
		return took, fmt.Errorf("the release of %s ended as %s; the end of the log:\n%s", tag, state, s.tail())
	}
	first, err := firstBuild(calls)
	if err != nil {
		return took, err
	}
	at := time.UnixMicro(received)
	return fromDelivery{first.Sub(at), time.UnixMicro(finished).Sub(at)}, nil
}

// firstBuild is when go build was called for the first time.
func firstBuild(calls string) (time.Time, error) {
	text, err := os.ReadFile(calls)
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(string(text)) {
		at, args, _ := strings.Cut(line, " ")
		if strings.HasPrefix(args, "build ") {
			us, err := strconv.ParseInt(strings.Replace(at, ".", "", 1), 10, 64)
			return time.UnixMicro(us), err
		}
	}
	return time.Time{}, fmt.Errorf("there was no go build among:\n%s", text)
}
