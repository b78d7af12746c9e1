package bot

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/slipway-dev/slipway/internal/realtest"
)

const deployFolder = "../docs/bot"

func readDeploy(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(deployFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// exampleConfig loads docs/bot/bot.yaml with variables over it; the secrets that
// either names lie in a folder of the test's.
func exampleConfig(t *testing.T, environ ...string) (Config, error) {
	t.Helper()
	text, dir := readDeploy(t, "bot.yaml"), t.TempDir()
	for _, name := range mountedSecrets(text + strings.Join(environ, "\n")) {
		secret := "secret of " + name
		if strings.HasSuffix(name, "-key") {
			secret = testKey
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here := func(s string) string { return strings.ReplaceAll(s, "/run/secrets", dir) }
	name := filepath.Join(dir, "bot.yaml")
	if err := os.WriteFile(name, []byte(here(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range environ {
		environ[i] = here(environ[i])
	}
	return LoadConfig(name, environ, dir)
}

// mountedSecrets are the names of the secrets that a text has the files of.
func mountedSecrets(text string) []string {
	var names []string
	for _, m := range regexp.MustCompile(`/run/secrets/([a-z-]+)`).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// The example of a config is one.
func TestExampleConfig(t *testing.T) {
	t.Parallel()
	c, err := exampleConfig(t)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Forges) != 2 || c.Forges[0].Token != "secret of gitea-token" || c.Forges[1].App.Key != testKey || c.Settings(c.Forges[0], "acme/website").Work != WorkInWorkflow {
		t.Errorf("%+v", c)
	}
}

// compose is what this test looks at of docs/bot/compose.yaml.
type compose struct {
	Services map[string]struct {
		Image       string            `yaml:"image"`
		Init        bool              `yaml:"init"`
		Command     []string          `yaml:"command"`
		Environment map[string]string `yaml:"environment"`
		Configs     []struct{ Source, Target string }
		Secrets     []string       `yaml:"secrets"`
		Volumes     []string       `yaml:"volumes"`
		Ports       []string       `yaml:"ports"`
		Networks    []string       `yaml:"networks"`
		DependsOn   map[string]any `yaml:"depends_on"`
		Healthcheck *struct {
			Test              []string
			Interval, Timeout string
			Retries           int
		} `yaml:"healthcheck"`
		Restart     string   `yaml:"restart"`
		StopGrace   string   `yaml:"stop_grace_period"`
		Privileged  bool     `yaml:"privileged"`
		ReadOnly    bool     `yaml:"read_only"`
		Tmpfs       []string `yaml:"tmpfs"`
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
	} `yaml:"services"`
	Name     string                           `yaml:"name"`
	Configs  map[string]struct{ File string } `yaml:"configs"`
	Secrets  map[string]struct{ File string } `yaml:"secrets"`
	Networks map[string]any                   `yaml:"networks"`
	Volumes  map[string]any                   `yaml:"volumes"`
}

// The compose file hands the bot what its config names, keeps secrets in files
// and data in named volumes, and gives nobody the docker socket.
func TestComposeFile(t *testing.T) {
	t.Parallel()
	text := readDeploy(t, "compose.yaml")
	var c compose
	if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "docker.sock") {
		t.Error("it hands out the docker socket")
	}
	for name, s := range c.Services {
		for _, secret := range s.Secrets {
			if !strings.HasPrefix(c.Secrets[secret].File, "./secrets/") {
				t.Errorf("%s: secret %s is no file of the folder secrets", name, secret)
			}
		}
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			if _, ok := c.Volumes[volume]; !ok {
				t.Errorf("%s: there is no volume %s", name, volume)
			}
		}
		for _, n := range s.Networks {
			if _, ok := c.Networks[n]; !ok {
				t.Errorf("%s: there is no network %s", name, n)
			}
		}
		for on := range s.DependsOn {
			if c.Services[on].Healthcheck == nil {
				t.Errorf("%s waits for %s, whose health nobody checks", name, on)
			}
		}
		for variable, value := range s.Environment {
			if regexp.MustCompile(`(?i)(password|token|secret)`).MatchString(variable) && !strings.HasPrefix(value, "/run/secrets/") {
				t.Errorf("%s: %s holds a secret", name, variable)
			}
		}
	}
	bot := c.Services["bot"]
	var environ []string
	for variable, value := range bot.Environment {
		environ = append(environ, variable+"="+value)
	}
	want := mountedSecrets(readDeploy(t, "bot.yaml") + strings.Join(environ, "\n"))
	if got := slices.Sorted(slices.Values(bot.Secrets)); !slices.Equal(got, want) {
		t.Errorf("the bot gets the secrets %v, and its config names %v", got, want)
	}
	config, err := exampleConfig(t, environ...)
	if err != nil {
		t.Fatal(err)
	}
	if want := "postgres://slipway:secret%20of%20database-password@db:5432/slipway?sslmode=disable"; config.Database != want {
		t.Errorf("database %s", config.Database)
	}
	if grace, err := time.ParseDuration(bot.StopGrace); err != nil || grace < config.Drain+10*time.Second {
		t.Errorf("it is killed after %s, and drains for %s", bot.StopGrace, config.Drain)
	}
	if len(bot.Configs) != 1 || c.Configs[bot.Configs[0].Source].File != "./bot.yaml" || !slices.Equal(bot.Command, []string{"--config", bot.Configs[0].Target}) {
		t.Errorf("configs %v, command %v", bot.Configs, bot.Command)
	}
	socket := strings.TrimPrefix(config.Builder, "unix://")
	if !slices.Contains(c.Services["buildkit"].Command, config.Builder) || !slices.Contains(bot.Volumes, "buildkit-socket:"+filepath.Dir(socket)) {
		t.Errorf("BuildKit is not where the bot looks for it: %s", config.Builder)
	}
}

// systemd takes the unit, and what it hands to the bot is a config.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("apt-get install systemd")
	}
	text := readDeploy(t, "slipway-bot.service")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const binary = "ExecStart=/usr/local/bin/slipway bot --config /etc/slipway/bot.yaml"
	if !strings.Contains(text, binary) {
		t.Fatal("it starts something else")
	}
	unit := filepath.Join(t.TempDir(), "slipway-bot.service")
	if err := os.WriteFile(unit, []byte(strings.Replace(text, binary, "ExecStart="+self, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "slipway-bot.service:") {
		t.Errorf("%v: %s", err, out)
	}

	var environ []string
	values := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "Environment" {
			environ = append(environ, strings.NewReplacer("%S", "/var/lib", "%d", "/run/secrets").Replace(value))
		}
		values[key] += value + "\n"
	}
	c, err := exampleConfig(t, environ...)
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != "/var/lib/slipway-bot" || c.Forges[0].Token != "secret of gitea-token" || !slices.Equal(c.Forges[0].Secrets, []string{"secret of gitea-webhook"}) {
		t.Errorf("%+v", c)
	}
	for _, name := range mountedSecrets(strings.Join(environ, "\n")) {
		if !strings.Contains(values["LoadCredential"], name+":/etc/slipway/secrets/"+name+"\n") {
			t.Errorf("%s is not loaded", name)
		}
	}
	if stop, err := time.ParseDuration(strings.TrimSpace(values["TimeoutStopSec"]) + "s"); err != nil || stop < c.Drain+10*time.Second {
		t.Errorf("it is killed after %s, and drains for %s", stop, c.Drain)
	}
}

// The Dockerfile's target bot runs as the compose file runs it: as nobody in
// particular, with a root that is read only, healthy, and ending when told to.
func TestBotImage(t *testing.T) {
	t.Parallel()
	var c compose
	if err := yaml.Unmarshal([]byte(readDeploy(t, "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	host := realtest.Docker(t)
	realtest.LoadActionImage(t, host)
	docker := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("docker", append([]string{"--host", host}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if help := docker("run", "--rm", "--network", "host", realtest.BotImage, "--help"); !strings.Contains(help, "Run the companion bot") {
		t.Errorf("its help: %s", help)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	l.Close()
	args := []string{"run", "--detach", "--network", "host", "--volume", "slipway-bot:/var/lib/slipway-bot", "--health-interval", "1s"}
	s := c.Services["bot"]
	if s.ReadOnly {
		args = append(args, "--read-only")
	}
	for _, folder := range s.Tmpfs {
		args = append(args, "--tmpfs", folder)
	}
	for _, capability := range s.CapDrop {
		args = append(args, "--cap-drop", capability)
	}
	for _, option := range s.SecurityOpt {
		args = append(args, "--security-opt", option)
	}
	for _, variable := range []string{"LISTEN=" + listen, "FORGES_0_KIND=gitea", "FORGES_0_SERVER=http://127.0.0.1:1", "FORGES_0_TOKEN=t", "FORGES_0_SECRETS=s", "FORGES_0_REPOSITORIES=acme/hello"} {
		args = append(args, "--env", variables+variable)
	}
	id := docker(append(args, realtest.BotImage)...)
	state := func() (s struct {
		Status   string
		ExitCode int
		Health   struct{ Status string }
	}) {
		if err := json.Unmarshal([]byte(docker("inspect", "--format", "{{json .State}}", id)), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for end := time.Now().Add(time.Minute); state().Health.Status != "healthy"; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) || state().Status != "running" {
			t.Fatalf("%+v\n%s", state(), docker("logs", id))
		}
	}
	resp, err := http.Get("http://" + listen + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if who := docker("exec", id, "id", "-u"); who != "65532" {
		t.Errorf("it runs as %s", who)
	}
	docker("exec", id, "git", "--version")
	docker("exec", id, "test", "-f", "/var/lib/slipway-bot/slipway-bot.db")
	docker("stop", id)
	if s := state(); s.ExitCode != 0 {
		t.Errorf("it ended with %d\n%s", s.ExitCode, docker("logs", id))
	}
}
