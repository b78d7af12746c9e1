package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

const prebuiltSize = 25 * mega

// imagesConfig takes binaries that are built already. The file turn is the
// commit's own, so that every commit has binaries, and layers, of its own.
const imagesConfig = `project: hello
builds:
  - {id: hello, builder: command, static: false, env: {PREBUILT: %q}, run: 'cat "$PREBUILT/{arch}" turn >{output}'}
archives: []
images:
  - {id: hello, repository: %s/acme/hello}
`

// imagesDockerfile is what a person writes without Slipway.
const imagesDockerfile = `FROM scratch
ARG TARGETARCH
COPY etc /etc
COPY --chmod=0755 bin/$TARGETARCH /hello
USER 65532:65532
ENTRYPOINT ["/hello"]
`

// measureImages makes images of prebuilt binaries for four platforms and pushes
// them to a real registry, and builds one of sources.
func measureImages(ctx context.Context, b *bench) ([]row, error) {
	tools, stop, err := realtest.StartImageTools(ctx, b.log)
	if err != nil {
		return nil, err
	}
	defer stop()
	gitea, stopGitea, err := realtest.StartGitea(ctx, b.log)
	if err != nil {
		return nil, err
	}
	defer stopGitea()
	m := &imaging{bench: b, tools: tools, dir: filepath.Join(b.dir, "images")}
	if err := m.prepare(ctx, gitea); err != nil {
		return nil, err
	}
	turn := 0
	plain := timed(func() error { return m.buildx(ctx) })
	plain.before = func() error { turn++; return m.context(turn) }
	// The builds are not what is measured: they have run before.
	slipway := func(patch int, through bool) *contender {
		return &contender{
			before: func() error { return quiet(ctx, m.slipwayCmd("build", "--tag", m.tag(turn, patch))) },
			run:    func() (time.Duration, error) { return m.release(ctx, m.tag(turn, patch), through) },
		}
	}
	first, again, through := slipway(0, false), slipway(1, false), slipway(2, true)
	if err := b.race("images", plain, first, again, through); err != nil {
		return nil, err
	}
	second := again.took.median()
	rows := []row{
		imagesRow("images: 4 × 25 MB to a pushed index, in process, beside docker buildx build", first, plain, 0.35),
		{what: "images: second push, its layers unchanged", ours: seconds(second), goal: "< 200 ms", met: second < 200*time.Millisecond},
		imagesRow("images: the same through buildx, beside docker buildx build", through, plain, 1.1),
	}
	more, err := m.measureSource(ctx)
	return append(rows, more...), err
}

// imagesRow holds medians against each other. Processor time says nothing here:
// the work of BuildKit and of the registry is done in other processes.
func imagesRow(what string, ours, rival *contender, goal float64) row {
	ratio := per(ours.took.median(), rival.took.median())
	return row{what: what, ours: seconds(ours.took.median()), rival: seconds(rival.took.median()),
		figure: fmt.Sprintf("%.2f (best %.2f)", ratio, per(ours.took.best(), rival.took.best())),
		goal:   fmt.Sprintf("≤ %.3g", goal), met: ratio <= goal}
}

// imaging is a repository whose releases have an image.
type imaging struct {
	*bench
	tools realtest.ImageTools
	dir   string // of the repository
	repo  hosted
}

func (m *imaging) path(elem ...string) string {
	return filepath.Join(append([]string{m.bench.dir, "images-beside"}, elem...)...)
}

// tag is one of a turn: 0 and 1 are at its first commit, 2 at its second.
func (m *imaging) tag(turn, patch int) string { return fmt.Sprintf("v1.%d.%d", turn, patch) }

func (m *imaging) platforms() []release.Platform { return release.DefaultPlatforms }

func (m *imaging) prepare(ctx context.Context, gitea *realtest.GiteaServer) error {
	if err := m.prebuilt(ctx); err != nil {
		return err
	}
	certificates, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for name, text := range map[string]string{
		"context/Dockerfile": imagesDockerfile, "context/etc/passwd": "nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n",
		"context/etc/ssl/certs/ca-certificates.crt": string(certificates), "docker/config.json": "{}",
	} {
		if err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(m.path(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := proc.Run(ctx, m.buildxCmd("create", "--name", "bench", "--driver", "remote", m.tools.BuildKit)); err != nil {
		return err
	}
	if err := m.commits(ctx); err != nil {
		return err
	}
	if m.repo, err = create(ctx, gitea, "images", true); err != nil {
		return err
	}
	if err := m.git(ctx, m.dir, "remote", "add", "origin", m.repo.page()+".git"); err != nil {
		return err
	}
	if err := m.repo.push(ctx, m.bench, m.dir); err != nil {
		return err
	}
	if err := m.repo.settle(ctx, 3*(m.turns+1)); err != nil {
		return err
	}
	// All ways once, for the servers' caches.
	if err := m.context(0); err != nil {
		return err
	}
	if err := m.buildx(ctx); err != nil {
		return err
	}
	for patch := range 3 {
		if _, err := m.release(ctx, m.tag(0, patch), patch == 2); err != nil {
			return err
		}
	}
	return nil
}

// commits makes two a turn: what goes through buildx has layers of its own,
// which no other way has compressed or pushed.
func (m *imaging) commits(ctx context.Context) error {
	config := fmt.Sprintf(imagesConfig, m.path("prebuilt"), m.tools.Registry)
	if err := m.repository(ctx, m.dir, map[string]string{".slipway.yaml": config}); err != nil {
		return err
	}
	for turn := range m.turns + 1 {
		for patch := range 3 {
			if patch != 1 {
				if err := m.commit(ctx, turn, patch); err != nil {
					return err
				}
			}
			if err := m.git(ctx, m.dir, "tag", m.tag(turn, patch)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *imaging) commit(ctx context.Context, turn, patch int) error {
	if err := os.WriteFile(filepath.Join(m.dir, "turn"), fmt.Appendln(nil, turn, patch), 0o644); err != nil {
		return err
	}
	if err := m.git(ctx, m.dir, "add", "turn"); err != nil {
		return err
	}
	return m.git(ctx, m.dir, "commit", "--quiet", "-m", "fix: another turn")
}

// prebuilt writes a binary a platform: the programs of the Go that runs this,
// one behind the other, beginning with another one for each.
func (m *imaging) prebuilt(ctx context.Context) error {
	out, err := proc.Output(ctx, proc.Cmd{Args: []string{"go", "env", "GOTOOLDIR"}})
	if err != nil {
		return err
	}
	programs, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "*"))
	if err != nil {
		return err
	}
	if len(programs) == 0 {
		return errors.New("this Go has no tools to make binaries of")
	}
	if err := os.MkdirAll(m.path("prebuilt"), 0o755); err != nil {
		return err
	}
	for i, p := range m.platforms() {
		var content bytes.Buffer
		for n := i; content.Len() < prebuiltSize; n++ {
			data, err := os.ReadFile(programs[n%len(programs)])
			if err != nil {
				return err
			}
			content.Write(data)
		}
		if err := os.WriteFile(m.path("prebuilt", p.Arch), content.Bytes()[:prebuiltSize], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// context gives the buildx command new binaries, because BuildKit makes a layer
// that it knows only once.
func (m *imaging) context(turn int) error {
	for _, p := range m.platforms() {
		data, err := os.ReadFile(m.path("prebuilt", p.Arch))
		if err != nil {
			return err
		}
		to := m.path("context", "bin", p.Arch)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, fmt.Appendf(data, "beside %d\n", turn), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (m *imaging) buildxCmd(args ...string) proc.Cmd {
	c := m.cmd(m.path(), append([]string{m.tools.Buildx}, args...)...)
	c.Env = append(c.Env, "DOCKER_CONFIG="+m.path("docker"), "BUILDX_CONFIG="+m.path("buildx"))
	return c
}

func (m *imaging) buildx(ctx context.Context) error {
	var all []string
	for _, p := range m.platforms() {
		all = append(all, p.String())
	}
	return proc.Run(ctx, m.buildxCmd("build", "--builder", "bench", "--quiet", "--platform", strings.Join(all, ","), "--provenance=false",
		"--output", "type=image,name="+m.tools.Registry+"/acme/beside,push=true,oci-mediatypes=true", m.path("context")))
}

// slipwayCmd finds no docker, so that nothing but a flag gives it a builder.
func (m *imaging) slipwayCmd(args ...string) proc.Cmd {
	c := m.cmd(m.dir, append([]string{m.slipway}, args...)...)
	c.Env = append(c.Env, "SLIPWAY_TOKEN="+m.repo.server.Admin, "SLIPWAY_FORGE=gitea",
		"DOCKER_CONFIG="+m.path("docker"), "DOCKER_HOST=unix://"+m.path("no-docker.sock"))
	c.Unset = append([]string{"BUILDX_BUILDER", "DOCKER_CONTEXT"}, c.Unset...)
	return c
}

// release gives the time that the images of a release took, and the start of
// the process, which the command beside it has as well.
func (m *imaging) release(ctx context.Context, tag string, through bool) (time.Duration, error) {
	begun := time.Now()
	if err := quiet(ctx, m.slipwayCmd("version")); err != nil {
		return 0, err
	}
	start := time.Since(begun)
	args := []string{"release", "--json", "--tag", tag}
	if through {
		args = append(args, "--builder", m.tools.BuildKit)
	}
	out, err := proc.Output(ctx, m.slipwayCmd(args...))
	if err != nil {
		return 0, err
	}
	var r release.Report
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&r); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read the report: %w", err)
	}
	if r.Outcome != release.Published || len(r.Images) != 1 || r.Images[0].Kept || r.Images[0].Way.Buildx != through || len(r.Images[0].Manifests) != len(m.platforms()) {
		return 0, fmt.Errorf("the release of %s ended %s with the images %+v", tag, r.Outcome, r.Images)
	}
	return start + stageTime(r, "images"), nil
}
