package bot

import (
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-dev/slipway/internal/release"
)

// Config is bot.yaml. Each key can come from the environment instead, which
// wins: SLIPWAY_BOT_ and the key in capitals, dashes as underscores, items of
// lists by number (SLIPWAY_BOT_FORGES_0_TOKEN); lists of words are split at
// commas. A secret in the file, or the database's address, may be written as
// $NAME: then it is that variable's.
type Config struct {
	Listen       string        `yaml:"listen,omitempty" env:"LISTEN" description:"Address to listen on. Default: 127.0.0.1:8484."`
	URL          string        `yaml:"url,omitempty" env:"URL" description:"Public address of the bot, for doctor and for links."`
	Database     string        `yaml:"database,omitempty" env:"DATABASE" description:"sqlite:FILE or postgres://…. Default: sqlite:slipway-bot.db in data."`
	PasswordFile string        `yaml:"database-password-file,omitempty" env:"DATABASE_PASSWORD_FILE" description:"File with the password of the PostgreSQL database, when its address has none."`
	Data         string        `yaml:"data,omitempty" env:"DATA" description:"Folder for clones and artifacts. Default: slipway-bot in the user's cache folder."`
	Workers      int           `yaml:"workers,omitempty" env:"WORKERS" description:"Releases at once, over all repositories. Default: 2."`
	Keep         time.Duration `yaml:"keep,omitempty" env:"KEEP" description:"How long deliveries are kept. Default: 30d."`
	CatchUp      time.Duration `yaml:"catch-up,omitempty" env:"CATCH_UP" description:"How often tags, comments and failed deliveries are compared with the ledger. Default: 10m."`
	Drain        time.Duration `yaml:"drain,omitempty" env:"DRAIN" description:"How long work under way may go on after SIGTERM. Default: 30s."`
	GiveUp       time.Duration `yaml:"give-up,omitempty" env:"GIVE_UP" description:"How long an operation is tried again while the forge or a registry is away. Default: 24h."`
	RolloutTime  time.Duration `yaml:"rollout-time,omitempty" env:"ROLLOUT_TIME" description:"How long one run of a rollout may take. Default: 1h."`
	RolloutMem   int           `yaml:"rollout-memory,omitempty" env:"ROLLOUT_MEMORY" description:"MiB that a release package may take. Default: 512."`
	Builder      string        `yaml:"builder,omitempty" env:"BUILDER" description:"BuildKit for builds and images: a buildx builder's name or an address. Default: BUILDX_BUILDER, else docker."`
	Log          string        `yaml:"log,omitempty" env:"LOG" enum:"debug,info,warn,error" description:"Least level of log lines. Default: info."`
	Forges       []ForgeConfig `yaml:"forges" envPrefix:"FORGES" description:"The forges to serve."`
	Repositories []Repository  `yaml:"repositories,omitempty" envPrefix:"REPOSITORIES" description:"Settings of single repositories; the first that matches counts, before those of the forge."`

	// Variables are the names of those that the config, with its secrets, was
	// read from: what the bot starts is not to see them.
	Variables []string `yaml:"-" env:"-"`
}

// ForgeConfig is one forge, with one account.
type ForgeConfig struct {
	Name         string   `yaml:"name,omitempty" env:"NAME" description:"Name in logs and commands. Default: the server's host."`
	Kind         string   `yaml:"kind,omitempty" env:"KIND" enum:"github,gitea,forgejo" description:"Kind of forge. Default: github for github.com; else it is asked."`
	Server       string   `yaml:"server,omitempty" env:"SERVER" description:"Address of the forge. Default for kind github: https://github.com."`
	Token        string   `yaml:"token,omitempty" env:"TOKEN" description:"Token of the bot's account, usually written as $NAME."`
	TokenFile    string   `yaml:"token-file,omitempty" env:"TOKEN_FILE" description:"File with the token."`
	App          App      `yaml:"app,omitempty" envPrefix:"APP_" description:"GitHub App, instead of a token."`
	Secrets      []string `yaml:"secrets,omitempty" env:"SECRETS" description:"Secrets of webhooks; several while one is being changed."`
	SecretFiles  []string `yaml:"secret-files,omitempty" env:"SECRET_FILES" description:"Files with one secret each."`
	Repositories []string `yaml:"repositories" env:"REPOSITORIES" description:"Repositories to serve, as owner/name or patterns such as acme/*."`
	Settings     `yaml:",inline"`
}

// App is a GitHub App.
type App struct {
	ID           int64  `yaml:"id,omitempty" env:"ID" description:"The app's id."`
	Key          string `yaml:"key,omitempty" env:"KEY" description:"Its private key (PEM), usually written as $NAME."`
	KeyFile      string `yaml:"key-file,omitempty" env:"KEY_FILE" description:"File with its private key."`
	Installation int64  `yaml:"installation,omitempty" env:"INSTALLATION" description:"Id of the installation. Default: found for each repository."`
}

// Repository is settings for the repositories that match.
type Repository struct {
	Match    string `yaml:"match" env:"MATCH" description:"owner/name, or a pattern such as acme/*, of any forge."`
	Settings `yaml:",inline"`
}

// Settings are what a forge or a repository can choose.
type Settings struct {
	Work            string `yaml:"work,omitempty" env:"WORK" enum:"bot,workflow" description:"Where releases are made: bot (default), or workflow, which is dispatched and followed."`
	Workflow        string `yaml:"workflow,omitempty" env:"WORKFLOW" description:"With work: workflow, the file that releases a tag. Default: slipway-release.yml, which slipway init writes."`
	PromoteWorkflow string `yaml:"promote-workflow,omitempty" env:"PROMOTE_WORKFLOW" description:"With work: workflow, the file that promotes. Default: slipway-promote.yml."`
	HostBuilds      string `yaml:"host-builds,omitempty" env:"HOST_BUILDS" enum:"refuse,allow" description:"Whether builds, checks and scripts of release packages may run plain on the bot's machine: refuse (default: in BuildKit only) or allow."`

	Buckets     []string `yaml:"s3-buckets,omitempty" env:"S3_BUCKETS" description:"S3 buckets that releases may go to, as https://server/bucket or https://server/bucket/folder."`
	S3AccessKey string   `yaml:"s3-access-key,omitempty" env:"S3_ACCESS_KEY" description:"Access key for these buckets, usually written as $NAME."`
	S3SecretKey string   `yaml:"s3-secret-key,omitempty" env:"S3_SECRET_KEY" description:"Secret key for them, usually written as $NAME."`

	Space           string   `yaml:"space,omitempty" env:"SPACE" description:"Name of a state of rollouts that several repositories have together, so that their packages refer to each other. Default: each has its own."`
	RolloutWorkflow string   `yaml:"rollout-workflow,omitempty" env:"ROLLOUT_WORKFLOW" description:"With work: workflow, the file that rolls out. Default: slipway-rollout.yml."`
	RolloutImage    string   `yaml:"rollout-image,omitempty" env:"ROLLOUT_IMAGE" description:"Image that scripts of release packages run in, in BuildKit."`
	RolloutEnv      []string `yaml:"rollout-env,omitempty" env:"ROLLOUT_ENV" description:"Names of variables of the bot's environment that scripts of release packages may see."`
	RolloutPrivate  string   `yaml:"rollout-private-http,omitempty" env:"ROLLOUT_PRIVATE_HTTP" enum:"refuse,allow" description:"Whether http.get and the like of release packages may reach this machine and private addresses: refuse (default) or allow."`
}

// Where work is done, and whether it may be done plain on the bot's machine.
const (
	WorkInBot      = "bot"
	WorkInWorkflow = "workflow"
	AllowHost      = "allow"
)

// Serves reports whether the forge's list has the repository.
func (f ForgeConfig) Serves(repository string) bool {
	for _, pattern := range f.Repositories {
		if matches(pattern, repository) {
			return true
		}
	}
	return false
}

// Listed are the repositories that are named without a pattern, and whether
// there are patterns besides.
func (f ForgeConfig) Listed() (names []string, patterns bool) {
	for _, r := range f.Repositories {
		if strings.ContainsAny(r, "*?[{") {
			patterns = true
			continue
		}
		names = append(names, strings.ToLower(r))
	}
	return names, patterns
}

func matches(pattern, repository string) bool {
	ok, _ := doublestar.Match(strings.ToLower(pattern), strings.ToLower(repository))
	return ok
}

// Settings are what counts for a repository: its own, then its forge's, then
// the defaults.
func (c Config) Settings(f ForgeConfig, repository string) Settings {
	var own Settings
	for _, r := range c.Repositories {
		if matches(r.Match, repository) {
			own = r.Settings
			break
		}
	}
	pick := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	env := own.RolloutEnv
	if env == nil {
		env = f.RolloutEnv
	}
	bucket := f.Settings
	if own.Buckets != nil {
		bucket = own
	}
	return Settings{
		Buckets: bucket.Buckets, S3AccessKey: bucket.S3AccessKey, S3SecretKey: bucket.S3SecretKey,
		Space:           pick(own.Space, f.Space),
		RolloutWorkflow: pick(own.RolloutWorkflow, f.RolloutWorkflow, "slipway-rollout.yml"),
		RolloutImage:    pick(own.RolloutImage, f.RolloutImage),
		RolloutEnv:      env,
		RolloutPrivate:  pick(own.RolloutPrivate, f.RolloutPrivate, "refuse"),
		Work:            pick(own.Work, f.Work, WorkInBot),
		Workflow:        pick(own.Workflow, f.Workflow, "slipway-release.yml"),
		PromoteWorkflow: pick(own.PromoteWorkflow, f.PromoteWorkflow, "slipway-promote.yml"),
		HostBuilds:      pick(own.HostBuilds, f.HostBuilds, "refuse"),
	}
}

// Forge finds a forge by its name.
func (c Config) Forge(name string) (ForgeConfig, bool) {
	for _, f := range c.Forges {
		if f.Name == name {
			return f, true
		}
	}
	return ForgeConfig{}, false
}

// Webhook is where the forges deliver to, empty when url is not set.
func (c Config) Webhook() string {
	if c.URL == "" {
		return ""
	}
	return strings.TrimRight(c.URL, "/") + WebhookPath
}

// complete fills in defaults.
func (c *Config) complete(cacheDir string) {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&c.Listen, "127.0.0.1:8484")
	set(&c.Log, "info")
	set(&c.Data, filepath.Join(cacheDir, "slipway-bot"))
	set(&c.Database, "sqlite:"+filepath.Join(c.Data, "slipway-bot.db"))
	if c.Workers == 0 {
		c.Workers = 2
	}
	if c.RolloutMem == 0 {
		c.RolloutMem = 512
	}
	for field, value := range map[*time.Duration]time.Duration{
		&c.RolloutTime: time.Hour,
		&c.Keep:        30 * 24 * time.Hour, &c.CatchUp: 10 * time.Minute, &c.Drain: 30 * time.Second, &c.GiveUp: 24 * time.Hour,
	} {
		if *field == 0 {
			*field = value
		}
	}
	for i := range c.Forges {
		f := &c.Forges[i]
		if f.Kind == "github" {
			set(&f.Server, "https://github.com")
		}
		f.Server = strings.TrimRight(f.Server, "/")
		if f.Server != "" && !strings.Contains(f.Server, "://") {
			f.Server = "https://" + f.Server
		}
		if u, err := url.Parse(f.Server); err == nil {
			set(&f.Name, u.Host)
			if u.Host == "github.com" {
				set(&f.Kind, "github")
			}
		}
	}
}

// Target is a repository on the forge.
func (f ForgeConfig) Target(repository string) *release.Target {
	return &release.Target{Forge: f.Kind, Server: f.Server, Repository: repository}
}
