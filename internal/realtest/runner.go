package realtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// RunnerLabel is what a workflow's job has under runs-on for a job container
// (JobImage) that sees dockerd's socket, and NoSocketLabel for one that doesn't.
const (
	RunnerLabel   = "ubuntu-latest"
	NoSocketLabel = "no-socket"
)

// Runner registers a real runner of Gitea's with the Gitea of the package
// (Gitea), for RunnerLabel, and starts it on the dockerd of the package (Docker).
// All tests of the package share it; it ends with the test process, however that
// ends. The images that it needs must be in that dockerd: LoadActionImage.
func Runner(t testing.TB) *GiteaServer {
	t.Helper()
	return runnerWith(t, RunnerLabel, sharedRunner)
}

// RunnerWithoutSocket is Runner for NoSocketLabel.
func RunnerWithoutSocket(t testing.TB) *GiteaServer {
	t.Helper()
	return runnerWith(t, NoSocketLabel, sharedOtherRunner)
}

var sharedRunner, sharedOtherRunner = once(startRunner), once(startRunner)

func runnerWith(t testing.TB, label string, start func(runnerOptions) (*server, error)) *GiteaServer {
	t.Helper()
	o := runnerOptions{gitea: Gitea(t), docker: Docker(t), label: label, bin: filepath.Join(need(t, runnerPart()), "runner")}
	if _, err := start(o); err != nil {
		t.Fatal(err)
	}
	return o.gitea
}

type runnerOptions struct {
	gitea              *GiteaServer
	docker, label, bin string
}

func startRunner(o runnerOptions) (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := proc.Output(ctx, proc.Cmd{Dir: o.gitea.dir, Env: o.gitea.env(),
		Args: []string{o.gitea.bin, "actions", "generate-runner-token", "--config", o.gitea.config()}})
	if err != nil {
		return nil, fmt.Errorf("ask Gitea for a runner's token: %w", err)
	}
	token := strings.TrimSpace(string(out))
	var home string
	return launch{
		name: "runner",
		prepare: func(dir string) (args, env []string, err error) {
			home = dir
			config := filepath.Join(dir, "config.yaml")
			data, err := json.Marshal(o.config(dir)) // JSON is YAML
			if err != nil {
				return nil, nil, err
			}
			// Where it looks for dockerd when the socket is not to be seen by jobs.
			env = []string{"HOME=" + dir, "DOCKER_HOST=" + o.docker}
			err = errors.Join(os.WriteFile(config, data, 0o600), proc.Run(ctx, proc.Cmd{Dir: dir, Env: env,
				Args: []string{o.bin, "register", "--no-interactive", "--config", config, "--instance", o.gitea.URL,
					"--token", token, "--name", o.label, "--labels", o.label + ":docker://" + JobImage}}))
			return []string{o.bin, "daemon", "--config", config}, env, err
		},
		ready: func(context.Context) error {
			log, err := os.ReadFile(filepath.Join(home, "server.log"))
			if err == nil && !strings.Contains(string(log), "declare successfully") {
				err = errors.New("it has not told Gitea of itself")
			}
			return err
		},
	}.start()
}

// config is the runner's configuration. Jobs have the machine's network, as
// dockerd has no other, and the images that are there.
func (o runnerOptions) config(dir string) map[string]any {
	host := o.docker
	if o.label == NoSocketLabel {
		host = "-"
	}
	return map[string]any{
		"runner": map[string]any{
			"file": filepath.Join(dir, "registration"), "capacity": 6, "shutdown_timeout": "0s",
			"fetch_interval": "200ms", "fetch_interval_max": "200ms",
			"log_report_interval": "500ms", "log_report_max_latency": "200ms", "state_report_interval": "500ms",
		},
		"cache":     map[string]any{"enabled": false},
		"container": map[string]any{"network": "host", "docker_host": host, "force_pull": false},
	}
}
