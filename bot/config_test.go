package bot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/slipway-dev/slipway/internal/release"
)

const testKey = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"

// configFolder is a folder with files of secrets.
func configFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"token": "from a file\n", "hook": "hook one\n", "hook2": " hook two ", "key": testKey + "\n", "empty": " \n", "password": "p@ss/w:rd\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load reads a config as the command does; text is empty when there is no file.
func load(t *testing.T, dir, text string, environ ...string) (Config, error) {
	t.Helper()
	name := ""
	if text != "" {
		name = filepath.Join(dir, "bot.yaml")
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range environ {
		environ[i] = strings.ReplaceAll(environ[i], "DIR", dir)
	}
	return LoadConfig(name, environ, "/cache")
}

// defaults is a config with all that it need not say.
func defaults(change func(*Config)) Config {
	c := Config{Listen: "127.0.0.1:8484", Database: "sqlite:/cache/slipway-bot/slipway-bot.db", Data: "/cache/slipway-bot", Workers: 2,
		Keep: 720 * time.Hour, CatchUp: 10 * time.Minute, Drain: 30 * time.Second, GiveUp: 24 * time.Hour, RolloutTime: time.Hour, RolloutMem: 512, Log: "info"}
	change(&c)
	return c
}

// tea is the least that a forge needs.
const tea = "forges: [{server: 'https://git.example/', token: abc, secrets: [s], repositories: [acme/*]}]\n"

func teaConfig() ForgeConfig {
	return ForgeConfig{Name: "git.example", Server: "https://git.example", Token: "abc", Secrets: []string{"s"}, Repositories: []string{"acme/*"}}
}

// What a file and the environment say reaches its field, the environment over
// the file, with secrets from where they are.
func TestLoadConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		env  []string
		want Config
	}{
		"the least": {tea, nil, defaults(func(c *Config) { c.Forges = []ForgeConfig{teaConfig()} })},
		"all of it": {`
listen: :80
url: https://bot.example
database: sqlite:DIR/x.db
data: /data
workers: 5
keep: 7d
catch-up: 90s
drain: 1m30s
give-up: 48h
builder: tcp://buildkit:1234
log: debug
forges:
  - name: tea
    kind: forgejo
    server: git.example:3000/forge/
    token: $TOKEN
    secrets: [plain, "${HOOK}"]
    secret-files: [DIR/hook, DIR/hook2]
    repositories: [acme/hello, 'acme/{a,b}*']
    work: workflow
    workflow: a.yml
    promote-workflow: b.yml
    host-builds: allow
  - kind: github
    app: {id: 123456789012, key-file: DIR/key, installation: 7}
    secrets: [x]
    repositories: ['*/*']
repositories:
  - {match: acme/*, work: bot, host-builds: refuse}
`, []string{"TOKEN=t0k", "HOOK=h00k", "UNRELATED=1"}, Config{
			Listen: ":80", URL: "https://bot.example", Database: "sqlite:DIR/x.db", Data: "/data", Workers: 5, Keep: 168 * time.Hour,
			CatchUp: 90 * time.Second, Drain: 90 * time.Second, GiveUp: 48 * time.Hour, RolloutTime: time.Hour, RolloutMem: 512, Builder: "tcp://buildkit:1234", Log: "debug",
			Forges: []ForgeConfig{
				{Name: "tea", Kind: "forgejo", Server: "https://git.example:3000/forge", Token: "t0k", Secrets: []string{"plain", "h00k", "hook one", "hook two"},
					SecretFiles: []string{"DIR/hook", "DIR/hook2"}, Repositories: []string{"acme/hello", "acme/{a,b}*"},
					Settings: Settings{Work: "workflow", Workflow: "a.yml", PromoteWorkflow: "b.yml", HostBuilds: "allow"}},
				{Name: "github.com", Kind: "github", Server: "https://github.com", App: App{ID: 123456789012, Key: testKey, KeyFile: "DIR/key", Installation: 7},
					Secrets: []string{"x"}, Repositories: []string{"*/*"}},
			},
			Repositories: []Repository{{Match: "acme/*", Settings: Settings{Work: "bot", HostBuilds: "refuse"}}},
		}},
		"the environment alone": {"", []string{
			"SLIPWAY_BOT_LISTEN=:1", "SLIPWAY_BOT_WORKERS=3", "SLIPWAY_BOT_KEEP=2d", "SLIPWAY_BOT_CATCH_UP=1m", "SLIPWAY_BOT_GIVE_UP=1h", "SLIPWAY_BOT_DRAIN= 5s ",
			"SLIPWAY_BOT_FORGES_0_SERVER=https://git.example", "SLIPWAY_BOT_FORGES_0_TOKEN=abc", "SLIPWAY_BOT_FORGES_0_SECRETS=s, s2",
			"SLIPWAY_BOT_FORGES_0_REPOSITORIES=acme/a, acme/b", "SLIPWAY_BOT_FORGES_0_WORK=workflow", "SLIPWAY_BOT_FORGES_0_HOST_BUILDS=allow",
			"SLIPWAY_BOT_FORGES_1_KIND=github", "SLIPWAY_BOT_FORGES_1_APP_ID=5", "SLIPWAY_BOT_FORGES_1_APP_KEY=" + testKey, "SLIPWAY_BOT_FORGES_1_APP_INSTALLATION=6",
			"SLIPWAY_BOT_FORGES_1_SECRET_FILES=DIR/hook,DIR/hook2", "SLIPWAY_BOT_FORGES_1_REPOSITORIES=acme/*",
			"SLIPWAY_BOT_REPOSITORIES_0_MATCH=acme/b", "SLIPWAY_BOT_REPOSITORIES_0_WORK=bot", "SLIPWAY_BOT_REPOSITORIES_0_WORKFLOW=c.yml",
		}, defaults(func(c *Config) {
			c.Listen, c.Workers, c.Keep, c.CatchUp, c.GiveUp, c.Drain = ":1", 3, 48*time.Hour, time.Minute, time.Hour, 5*time.Second
			c.Forges = []ForgeConfig{
				{Name: "git.example", Server: "https://git.example", Token: "abc", Secrets: []string{"s", "s2"}, Repositories: []string{"acme/a", "acme/b"},
					Settings: Settings{Work: "workflow", HostBuilds: "allow"}},
				{Name: "github.com", Kind: "github", Server: "https://github.com", App: App{ID: 5, Key: testKey, Installation: 6},
					Secrets: []string{"hook one", "hook two"}, SecretFiles: []string{"DIR/hook", "DIR/hook2"}, Repositories: []string{"acme/*"}},
			}
			c.Repositories = []Repository{{Match: "acme/b", Settings: Settings{Work: "bot", Workflow: "c.yml"}}}
		})},
		"the environment over the file": {"workers: 7\nlog: warn\n" + tea, []string{
			"SLIPWAY_BOT_WORKERS=8", "SLIPWAY_BOT_LOG=", "SLIPWAY_BOT_FORGES_0_TOKEN_FILE=DIR/token", "SLIPWAY_BOT_FORGES_0_SECRETS=new",
			"SLIPWAY_BOT_FORGES_0_REPOSITORIES=other/*",
		}, defaults(func(c *Config) {
			c.Workers, c.Log = 8, "warn"
			f := teaConfig()
			f.Token, f.TokenFile, f.Secrets, f.Repositories = "from a file", "DIR/token", []string{"new"}, []string{"other/*"}
			c.Forges = []ForgeConfig{f}
		})},
		"a token of the environment over a file of the file": {strings.Replace(tea, "token: abc", "token-file: DIR/nowhere", 1), []string{"SLIPWAY_BOT_FORGES_0_TOKEN=abc"},
			defaults(func(c *Config) {
				f := teaConfig()
				f.TokenFile = "DIR/nowhere"
				c.Forges = []ForgeConfig{f}
			})},
		"a further forge by the environment": {tea, []string{
			"SLIPWAY_BOT_FORGES_1_SERVER=https://two.example", "SLIPWAY_BOT_FORGES_1_TOKEN=$LITERAL", "SLIPWAY_BOT_FORGES_1_SECRETS=s", "SLIPWAY_BOT_FORGES_1_REPOSITORIES=a/b",
		}, defaults(func(c *Config) {
			c.Forges = []ForgeConfig{teaConfig(), {Name: "two.example", Server: "https://two.example", Token: "$LITERAL", Secrets: []string{"s"}, Repositories: []string{"a/b"}}}
		})},
		"PostgreSQL with its password in a file": {"database: postgres://slipway@db/slipway?sslmode=disable\ndatabase-password-file: DIR/password\n" + tea, nil,
			defaults(func(c *Config) {
				c.Database, c.PasswordFile = "postgres://slipway:p%40ss%2Fw%3Ard@db/slipway?sslmode=disable", "DIR/password"
				c.Forges = []ForgeConfig{teaConfig()}
			})},
		"PostgreSQL by a variable": {"database: $DATABASE_URL\n" + tea, []string{"DATABASE_URL=postgres://u:p@h/d"},
			defaults(func(c *Config) { c.Database, c.Forges = "postgres://u:p@h/d", []ForgeConfig{teaConfig()} })},
		"a variable named like the bot's own": {strings.Replace(tea, "abc", "$SLIPWAY_BOT_TEA_TOKEN", 1), []string{"SLIPWAY_BOT_TEA_TOKEN=abc",
			"SLIPWAY_BOT_PORT=tcp://10.0.0.1:8484", "SLIPWAY_BOT_SERVICE_HOST=10.0.0.1", "SLIPWAY_BOT_SERVICE_PORT=8484", "SLIPWAY_BOT_PORT_8484_TCP_ADDR=10.0.0.1"},
			defaults(func(c *Config) { c.Forges = []ForgeConfig{teaConfig()} })},
		"anchors": {"forges:\n  - &first {server: https://git.example, token: abc, secrets: &s [s], repositories: [acme/*]}\n  - {<<: *first, name: two, secrets: *s}\n", nil,
			defaults(func(c *Config) {
				two := teaConfig()
				two.Name = "two"
				c.Forges = []ForgeConfig{teaConfig(), two}
			})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := configFolder(t)
			got, err := load(t, dir, c.file, c.env...)
			if err != nil {
				t.Fatal(err)
			}
			want := c.want
			want.Database, want.PasswordFile = strings.ReplaceAll(want.Database, "DIR", dir), strings.ReplaceAll(want.PasswordFile, "DIR", dir)
			for i := range want.Forges {
				f := &want.Forges[i]
				f.TokenFile, f.App.KeyFile = strings.ReplaceAll(f.TokenFile, "DIR", dir), strings.ReplaceAll(f.App.KeyFile, "DIR", dir)
				for j := range f.SecretFiles {
					f.SecretFiles[j] = strings.ReplaceAll(f.SecretFiles[j], "DIR", dir)
				}
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Config{}, "Variables")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// All that is wrong with a config is told at once, each with its place or its
// variable.
func TestLoadConfigProblems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		env  []string
		want []string
	}{
		"nothing":       {"", nil, []string{"SLIPWAY_BOT_FORGES: no forge is named"}},
		"an empty file": {"# nothing\n", nil, []string{"bot.yaml:1:1: forges: no forge is named"}},
		"no map":        {"- a\n", nil, []string{"bot.yaml:1:1: a config is a map of keys, not a list (write `key: value` lines, such as `url: https://bot.example`)"}},
		"no YAML":       {"a: [\n", nil, []string{"bot.yaml:1:4: no valid YAML"}},
		"unknown keys": {"lisen: x\nforge: []\n" + strings.ReplaceAll(tea, "token", "tokn"), nil, []string{
			"bot.yaml:1:1: lisen: unknown key `lisen` (did you mean `listen`?)",
			"bot.yaml:2:1: forge: unknown key `forge` (did you mean `forges`?)",
			"bot.yaml:3:43: forges[0].tokn: unknown key `tokn` (did you mean `token`?)",
		}},
		"a key of elsewhere": {"repositories: [{match: a/b, secrets: [x]}]\n" + tea, nil, []string{
			"bot.yaml:1:29: repositories[0].secrets: unknown key `secrets` (`secrets` belongs to an entry of `forges`; the keys here are match, work,"}},
		"a key twice": {"log: info\nlog: warn\n" + tea, nil, []string{"bot.yaml:2:1: log: `log` is given twice, first on line 1"}},
		"wrong types": {"workers: many\nkeep: 30\ndrain: [1]\ngive-up: soon\nlog: loud\nurl: {}\n" + tea, nil, []string{
			"bot.yaml:1:10: workers: workers must be a whole number, not text",
			"bot.yaml:2:7: keep: keep: the number has no unit (write it with its unit, such as 90s, 10m, 1h30m or 7d)",
			"bot.yaml:3:8: drain: drain must be a duration, not a list",
			"bot.yaml:4:10: give-up: give-up: that is no duration",
			"bot.yaml:5:6: log: that is not one of debug, info, warn, error",
			"bot.yaml:6:6: url: url must be text, not a map",
		}},
		"numbers that mean nothing": {"workers: 0\nkeep: 0s\ndrain: -1s\ncatch-up: 1ms\n" + tea, nil, []string{
			"bot.yaml:1:10: workers: no release could ever be made",
			"bot.yaml:2:7: keep: keep: the duration is not above zero",
			"bot.yaml:3:8: drain: drain: the duration is not above zero",
			"bot.yaml:4:11: catch-up: the forges would be asked more than once a second",
		}},
		"addresses": {"listen: '8484'\nurl: ftp://x\ndatabase: mysql://u:pw@h/d\nforges: [{server: 'https://u:pw@git.example', token: a, secrets: [s], repositories: [a/b]}]\n", nil, []string{
			"bot.yaml:1:9: listen: it is no address to listen on",
			"bot.yaml:2:6: url: the forge's address begins with",
			"bot.yaml:3:11: database: the database is neither SQLite nor PostgreSQL",
			"bot.yaml:4:19: forges[0].server: the forge's address for git.example has a user or password in it",
		}},
		"buckets": {`forges:
  - {server: git.example, token: t, secrets: [s], repositories: [a/b], s3-buckets: [https://garage.example/a, garage.example/a, 'https://garage.example', 'ftp://g/a'], s3-access-key: $NOBODY, s3-secret-key: "${NOWHERE}"}
  - {name: b, server: git.example, token: t, secrets: [s], repositories: [a/b], s3-buckets: ['https://garage.example/a']}
repositories:
  - {match: a/*, s3-buckets: ['https://u:pw@garage.example/a', 'https://garage.example/a?b=c', 'https://garage.example/a/../b'], s3-access-key: key}
  - {match: b/*, s3-secret-key: $NOWHERE}
`, nil, []string{
			"bot.yaml:2:111: forges[0].s3-buckets[1]: that is no address of a bucket (write it as https://garage.example/releases)",
			"bot.yaml:2:129: forges[0].s3-buckets[2]: the address names no bucket",
			"bot.yaml:2:155: forges[0].s3-buckets[3]: that is no address of a bucket",
			"bot.yaml:2:184: forges[0].s3-access-key: the variable NOBODY is empty or not set",
			"bot.yaml:2:208: forges[0].s3-secret-key: the variable NOWHERE is empty or not set",
			"bot.yaml:3:5: forges[1].s3-access-key: the buckets have no keys (write it as $NAME)",
			"bot.yaml:3:5: forges[1].s3-secret-key: the buckets have no keys",
			"bot.yaml:5:5: repositories[0].s3-secret-key: the buckets have no keys",
			"bot.yaml:5:31: repositories[0].s3-buckets[0]: an address of a bucket has no user, query or fragment",
			"bot.yaml:5:64: repositories[0].s3-buckets[1]: an address of a bucket has no user, query or fragment",
			"bot.yaml:5:96: repositories[0].s3-buckets[2]: the address has an empty segment, . or .. in its path",
			"bot.yaml:6:33: repositories[1].s3-secret-key: the variable NOWHERE is empty or not set",
		}},
		"a forge of nothing": {"forges:\n  - name: x\n", nil, []string{
			"bot.yaml:2:5: forges[0].server: it is not said where the forge is",
			"bot.yaml:2:5: forges[0].token: the forge has no token",
			"bot.yaml:2:5: forges[0].secrets: the forge has no secret",
			"bot.yaml:2:5: forges[0].repositories: the forge serves no repository",
		}},
		"apps": {`forges:
  - {name: a, kind: gitea, server: x.example, app: {id: 1, key: K}, secrets: [s], repositories: [a/b]}
  - {name: b, server: ghe.example, app: {id: 1, key: K}, secrets: [s], repositories: [a/b]}
  - {name: c, kind: github, app: {id: 1}, secrets: [s], repositories: [a/b]}
  - {name: d, kind: github, app: {key-file: DIR/key}, secrets: [s], repositories: [a/b]}
  - {name: e, kind: github, app: {id: 1, key: K}, secrets: [s], repositories: [a/b]}
  - {name: f, kind: github, token: t, app: {id: 1, key-file: DIR/key}, secrets: [s], repositories: [a/b]}
`, nil, []string{
			"bot.yaml:2:52: forges[0].app: apps are GitHub's (give a token)",
			"bot.yaml:3:5: forges[1].kind: apps are GitHub's, and it is not said that this is one (write kind: github)",
			"bot.yaml:4:34: forges[2].app.key: the app has no private key",
			"bot.yaml:5:34: forges[3].app.id: the app has no id",
			"bot.yaml:6:47: forges[4].app.key: that is no private key",
			"bot.yaml:7:44: forges[5].app: a token and an app are both given",
		}},
		"names": {`forges:
  - {server: git.example, token: t, secrets: [s], repositories: [a/b]}
  - {server: git.example, token: t, secrets: [s], repositories: [a/b]}
  - {name: 'a b', server: other.example, token: t, secrets: [s], repositories: [a/b]}
`, nil, []string{
			"bot.yaml:3:5: forges[1].name: forges[0] and forges[1] have the same name, git.example (give each a name of its own)",
			"bot.yaml:4:12: forges[2].name: it is no name for a forge",
		}},
		"patterns": {`forges: [{server: git.example, token: t, secrets: [s], repositories: [acme, a/b/c, '[/*', 'acme/', '*', ../x]}]
repositories: [{work: bot}, {match: acme, work: nowhere, host-builds: maybe, workflow: .github/workflows/release.yml}]
`, nil, []string{
			"bot.yaml:1:71: forges[0].repositories[0]: that is no repository (write owner/name, owner/* or */*)",
			"bot.yaml:1:77: forges[0].repositories[1]: that is no repository",
			"bot.yaml:1:84: forges[0].repositories[2]: that is no pattern of repositories",
			"bot.yaml:1:91: forges[0].repositories[3]: that is no repository",
			"bot.yaml:1:100: forges[0].repositories[4]: that is no pattern of repositories",
			"bot.yaml:1:105: forges[0].repositories[5]: that is no repository",
			"bot.yaml:2:16: repositories[0].match: it says nothing of which repositories are meant",
			"bot.yaml:2:37: repositories[1].match: that is no repository",
			"bot.yaml:2:49: repositories[1].work: that is not one of bot, workflow",
			"bot.yaml:2:71: repositories[1].host-builds: that is not one of refuse, allow",
			"bot.yaml:2:88: repositories[1].workflow: a workflow is named by its file alone (leave the folder out, such as release.yml)",
		}},
		"secrets": {`forges:
  - name: a
    server: git.example
    token: $NOT_THERE
    secrets: [$EMPTY, ok]
    secret-files:
      - DIR/nowhere
      - DIR/empty
      - DIR
    repositories: [a/b]
  - {name: b, server: git.example, token: t, token-file: DIR/token, secrets: [s], repositories: [a/b]}
`, []string{"EMPTY= "}, []string{
			"bot.yaml:4:12: forges[0].token: the variable NOT_THERE is empty or not set",
			"bot.yaml:5:15: forges[0].secrets[0]: the variable EMPTY is empty or not set",
			"bot.yaml:7:9: forges[0].secret-files[0]: there is no such file",
			"bot.yaml:8:9: forges[0].secret-files[1]: the file is empty",
			"bot.yaml:9:9: forges[0].secret-files[2]: the file can't be read: is a directory",
			"bot.yaml:11:58: forges[1].token-file: the secret is given beside it, too (keep one of them)",
		}},
		"a password twice": {"database: postgres://u:p@h/d\ndatabase-password-file: DIR/password\n" + tea, nil, []string{
			"bot.yaml:2:25: database-password-file: the database's address has a password, too"}},
		"a password for a file": {"database-password-file: DIR/password\n" + tea, nil, []string{"bot.yaml:1:25: database-password-file: the database takes no password"}},
		"the environment's own": {tea, []string{"SLIPWAY_BOT_WORKERS=none", "SLIPWAY_BOT_KEEP=30", "SLIPWAY_BOT_LOG=loud", "SLIPWAY_BOT_FORGES_0_KIND=gitlab",
			"SLIPWAY_BOT_FORGES_0_REPOSITORIES=acme", "SLIPWAY_BOT_FORGES_0_APP_ID=x", "SLIPWAY_BOT_LISTN=:1", "SLIPWAY_BOT_FORGES_0_TOKN=x", "SLIPWAY_BOT_FORGES_2_TOKEN=x",
			"SLIPWAY_BOT_REPOSITORIES_1_MATCH=a/b"}, []string{
			"SLIPWAY_BOT_WORKERS: that is no whole number",
			"SLIPWAY_BOT_KEEP: the number has no unit (write it with its unit",
			"SLIPWAY_BOT_FORGES_0_APP_ID: that is no whole number",
			"SLIPWAY_BOT_LOG: that is not one of debug, info, warn, error",
			"SLIPWAY_BOT_FORGES_0_KIND: that is not one of github, gitea, forgejo",
			"SLIPWAY_BOT_FORGES_0_REPOSITORIES: that is no repository",
			"SLIPWAY_BOT_FORGES_0_TOKN: there is no such variable (did you mean SLIPWAY_BOT_FORGES_0_TOKEN?)",
			"SLIPWAY_BOT_FORGES_2_TOKEN: there is no entry before it (count them from 0 on, and leave none out)",
			"SLIPWAY_BOT_LISTN: there is no such variable (did you mean SLIPWAY_BOT_LISTEN?)",
			"SLIPWAY_BOT_REPOSITORIES_1_MATCH: there is no entry before it",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := configFolder(t)
			_, err := load(t, dir, c.file, c.env...)
			if release.KindOf(err) != release.Invalid {
				t.Fatalf("kind %v: %v", release.KindOf(err), err)
			}
			got := strings.Split(strings.ReplaceAll(err.Error(), dir+"/", ""), "\n")
			if len(got) != len(c.want) {
				t.Fatalf("%d problems, want %d:\n%s", len(got), len(c.want), strings.Join(got, "\n"))
			}
			for i := range got {
				if !strings.HasPrefix(got[i], c.want[i]) {
					t.Errorf("got  %s\nwant %s…", got[i], c.want[i])
				}
			}
		})
	}
}

// A config that can't be read at all is named.
func TestLoadConfigMissing(t *testing.T) {
	t.Parallel()
	_, err := LoadConfig(filepath.Join(t.TempDir(), "nowhere.yaml"), nil, "")
	if release.KindOf(err) != release.Invalid || !strings.Contains(err.Error(), "nowhere.yaml") || release.HintOf(err) == "" {
		t.Errorf("%v (%s)", err, release.HintOf(err))
	}
}

// No secret is repeated, wherever in a config it is written, rightly or not.
func TestLoadConfigTellsNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, written := range []string{secret, "'" + secret + "'", "*" + secret, "!" + secret, "&" + secret, `"` + secret, "[" + secret + "]", "{a: " + secret + "}", "|\n    " + secret, "@" + secret, "1234567"} {
		for _, at := range []string{
			"forges: [{server: x.example, token: %s}]", "forges: [{server: x.example, token-file: %s}]", "forges: [{app: %s}]", "forges: [{app: {id: %s, key: x}}]",
			"forges: [{app: {id: 1, key-file: %s}}]", "forges: [{secrets: %s}]", "forges: [{secrets: [%s, []]}]", "forges: [{secret-files: [%s]}]", "forges: %s", "%s",
			"workers: %s", "keep: %s", "log: %s", "url: %s", "listen: %s", "database: %s", "database: postgres://u:%s@h:x/d\ndatabase-password-file: /nowhere", "forges: [{kind: %s}]",
			"forges: [{server: 'https://u:%s@x.example'}]", "forges: [{s3-buckets: [%s, 'https://u:%[1]s@/b', 'https://u:%%zz%[1]s@g.example/b']}]", "forges: [{s3-buckets: %s}]",
			"forges: [{s3-access-key: %s}]", "repositories: [{match: a/*, s3-buckets: [], s3-secret-key: %s}]", "forges: [{repositories: [%s]}]", "repositories: [{match: %s, work: %[1]s, workflow: a/%[1]s}]",
			"forges:\n  - token: %s\n    server: [\n",
		} {
			text := fmt.Sprintf(at, written)
			_, err := load(t, t.TempDir(), text+"\n")
			if err == nil {
				t.Errorf("no problem: %s", text)
			} else if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "1234567") {
				t.Errorf("%s:\n%v", text, err)
			}
		}
	}
	for _, name := range []string{"WORKERS", "KEEP", "LOG", "URL", "LISTEN", "DATABASE", "FORGES_0_TOKEN_FILE", "FORGES_0_APP_ID", "FORGES_0_APP_KEY", "FORGES_0_SECRETS", "FORGES_0_SECRET_FILES",
		"FORGES_0_KIND", "FORGES_0_SERVER", "FORGES_0_REPOSITORIES", "FORGES_0_S3_BUCKETS", "FORGES_0_S3_ACCESS_KEY", "REPOSITORIES_0_S3_SECRET_KEY", "FORGES_0_TOKN", "FORGES_5_TOKEN", "REPOSITORIES_0_MATCH"} {
		_, err := LoadConfig("", []string{"SLIPWAY_BOT_" + name + "=" + secret}, "")
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The variables that secrets came from are known, so that nothing that the bot
// starts sees them.
func TestLoadConfigVariables(t *testing.T) {
	t.Parallel()
	c, err := load(t, t.TempDir(), strings.Replace(tea, "abc", "$TOKEN", 1), "TOKEN=abc", "SLIPWAY_BOT_FORGES_0_SECRETS=s", "SLIPWAY_BOT_LOG=", "HOME=/")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"SLIPWAY_BOT_FORGES_0_SECRETS", "TOKEN"}, c.Variables); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
