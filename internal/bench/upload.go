package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

const (
	assets    = 40
	assetSize = 5 * mega
)

// parallelCurl is what a person writes without Slipway.
const parallelCurl = `ls files | xargs -P4 -I{} curl --silent --show-error --fail -o /dev/null \
	-H "Authorization: token $TOKEN" -F "attachment=@files/{}" "$RELEASE/assets?name={}"`

// measureUpload releases files of a repository that are packed already to a
// real Gitea.
func measureUpload(ctx context.Context, b *bench) ([]row, error) {
	gitea, stop, err := realtest.StartGitea(ctx, b.log)
	if err != nil {
		return nil, err
	}
	defer stop()
	u := &uploads{bench: b, dir: filepath.Join(b.dir, "upload")}
	if err := u.prepare(ctx, gitea); err != nil {
		return nil, err
	}
	idle, err := b.idle(ctx)
	if err != nil {
		return nil, err
	}
	turn := 0
	plain := &contender{run: func() (time.Duration, error) { return u.curl(ctx, turn) }}
	var whole times
	ours := &contender{
		before: func() error { turn++; return quiet(ctx, u.slipwayCmd("build", "--tag", u.tags[turn])) },
		run: func() (time.Duration, error) {
			begun := time.Now()
			r, err := u.release(ctx, u.tags[turn])
			whole = append(whole, time.Since(begun))
			return stageTime(r, "stage"), err
		},
	}
	if err := b.race("upload", plain, ours); err != nil {
		return nil, err
	}
	peak, err := u.peakOfRelease(ctx)
	if err != nil {
		return nil, err
	}
	rerun, err := u.rerun(ctx)
	if err != nil {
		return nil, err
	}
	return append([]row{
		ratioRow("upload 40 × 5 MB to Gitea, beside xargs -P4 curl", ours, plain, 1.2),
		note("… the whole process, with checkout, packing, checks", whole),
		memoryRow("upload: peak memory above the idle process ("+megabytes(idle)+")", peak-idle, 100*mega),
	}, rerun...), nil
}

// uploads is a repository of files to release, and where to.
type uploads struct {
	*bench
	dir   string
	tags  []string // all at one commit; the first is for warming up
	repo  hosted   // for Slipway
	other hosted   // for curl
}

func (u *uploads) prepare(ctx context.Context, gitea *realtest.GiteaServer) error {
	files := filepath.Join(u.dir, "files")
	if err := os.MkdirAll(files, 0o755); err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte{1})
	data := make([]byte, assetSize)
	for i := range assets {
		_, _ = random.Read(data) // never fails
		if err := os.WriteFile(filepath.Join(files, fmt.Sprintf("part-%02d.bin", i)), data, 0o644); err != nil {
			return err
		}
	}
	for i := range u.turns + 3 { // and one to warm up, one for the memory, one for the rerun
		u.tags = append(u.tags, fmt.Sprintf("v1.0.%d", i))
	}
	config := map[string]string{".slipway.yaml": "project: parts\nbuilds: []\nassets: ['files/*']\n"}
	if err := u.repository(ctx, u.dir, config, u.tags...); err != nil {
		return err
	}
	var err error
	if u.repo, err = create(ctx, gitea, "parts", true); err != nil {
		return err
	}
	if u.other, err = create(ctx, gitea, "plain", false); err != nil {
		return err
	}
	if err := u.git(ctx, u.dir, "remote", "add", "origin", u.repo.page()+".git"); err != nil {
		return err
	}
	if err := u.repo.push(ctx, u.bench, u.dir); err != nil {
		return err
	}
	if err := u.repo.settle(ctx, len(u.tags)); err != nil {
		return err
	}
	// Both ways once, for the server's caches.
	if _, err := u.curl(ctx, -1); err != nil {
		return err
	}
	_, err = u.release(ctx, u.tags[0])
	return err
}

// curl sends the files to a draft of its own.
func (u *uploads) curl(ctx context.Context, turn int) (time.Duration, error) {
	id, err := u.other.draft(ctx, fmt.Sprintf("t%d", turn))
	if err != nil {
		return 0, err
	}
	c := u.cmd(u.dir, "sh", "-c", parallelCurl)
	c.Env = append(c.Env, "TOKEN="+u.other.server.Admin,
		fmt.Sprintf("RELEASE=%s/api/v1/repos/%s/releases/%d", u.other.server.URL, u.other.name, id))
	begun := time.Now()
	err = proc.Run(ctx, c)
	return time.Since(begun), err
}

func (u *uploads) slipwayCmd(args ...string) proc.Cmd {
	c := u.cmd(u.dir, append([]string{u.slipway}, args...)...)
	c.Env = append(c.Env, "SLIPWAY_TOKEN="+u.repo.server.Admin, "SLIPWAY_FORGE=gitea")
	return c
}

// release publishes a tag, and fails unless it has all assets then.
func (u *uploads) release(ctx context.Context, tag string, more ...string) (release.Report, error) {
	var r release.Report
	out, err := proc.Output(ctx, u.slipwayCmd(append([]string{"release", "--json", "--tag", tag}, more...)...))
	if err != nil {
		return r, err
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&r); err != nil {
		return r, fmt.Errorf("read the report: %w", err)
	}
	if r.Outcome != release.Published || len(r.Assets) < assets {
		return r, fmt.Errorf("the release of %s ended %s with %d assets", tag, r.Outcome, len(r.Assets))
	}
	return r, nil
}

func (u *uploads) peakOfRelease(ctx context.Context) (int64, error) {
	return u.peak(ctx, u.slipwayCmd("release", "--tag", u.tags[u.turns+1]))
}

// rerun stops a release after everything was staged, because the forge will
// not publish it, and runs the same command again.
func (u *uploads) rerun(ctx context.Context) ([]row, error) {
	c, err := newCounter(u.repo.server.URL)
	if err != nil {
		return nil, err
	}
	defer c.close()
	tag, through := u.tags[u.turns+2], []string{"--server", c.address, "--repo", u.repo.name}
	c.refuse.Store(true)
	fmt.Fprintln(u.log, "upload: a release that can't be published at first")
	var failed *proc.Error
	if _, err := u.release(ctx, tag, through...); !errors.As(err, &failed) {
		return nil, fmt.Errorf("the release was to fail at its end, and gave: %w", err)
	}
	first := c.sent.Load()
	if first < assets*assetSize {
		return nil, fmt.Errorf("the release failed before all was staged: %w", failed)
	}
	c.refuse.Store(false)
	c.sent.Store(0)
	c.fetched.Store(0)
	begun := time.Now()
	if _, err := u.release(ctx, tag, through...); err != nil {
		return nil, err
	}
	took, sent := time.Since(begun), c.sent.Load()
	return []row{{what: "upload: rerun after a failure at the end", ours: seconds(took), rival: megabytes(first) + " in the first run",
		figure: fmt.Sprintf("%d bytes sent, %d read back", sent, c.fetched.Load()), goal: "0 bytes sent", met: sent == 0}}, nil
}

func stageTime(r release.Report, name string) time.Duration {
	for _, s := range r.Stages {
		if s.Stage == name {
			return s.Duration
		}
	}
	return 0
}
