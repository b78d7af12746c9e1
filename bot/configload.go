package bot

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-dev/slipway/internal/config"
	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
)

// LoadConfig reads bot.yaml (name may be empty: then the environment says it
// all), the environment over it, and the files and variables that secrets are
// in. The error is release.Problems, all of them with their place: that in the
// file, or the variable. None of them repeats a value of the file, which may be
// a secret.
func LoadConfig(name string, environ []string, cacheDir string) (Config, error) {
	var c Config
	v := &checker{config: &c, file: name}
	if name != "" {
		data, err := os.ReadFile(name)
		if err != nil {
			return c, release.Invalidf("give the bot's config with --config, or all of it by SLIPWAY_BOT_… variables", "read the config: %v", err)
		}
		v.places, v.problems = config.Read(name, data, &c, "url: https://bot.example")
	}
	v.environment(environ)
	v.written()
	c.complete(cacheDir)
	v.check()
	v.strays()
	maps.Copy(v.named, v.set)
	c.Variables = slices.Sorted(maps.Keys(v.named))
	if len(v.problems) == 0 {
		return c, nil
	}
	// What the file says comes first, in its order.
	slices.SortStableFunc(v.problems, func(a, b release.Problem) int {
		if (a.File == "") != (b.File == "") {
			return cmp.Compare(b.File, a.File)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return c, v.problems
}

// checker gathers what is wrong with a config, and reads its secrets.
type checker struct {
	config   *Config
	file     string
	places   config.Places
	problems release.Problems

	vars  map[string]string // the environment
	set   map[string]bool   // the variables that the config has values of
	asked map[string]bool   // those that it could have
	named map[string]bool   // those that it names for its secrets
	// unread are those that can't be read, of which a problem tells already.
	unread map[string]bool
}

// problem notes what is wrong at a field ("forges[0].token"): by its variable
// when that says it, else where it stands in the file.
func (v *checker) problem(field, hint, format string, args ...any) {
	p := release.Problem{Field: field, Message: fmt.Sprintf(format, args...), Hint: hint}
	if name, ok := v.byVariable(field); ok {
		if v.unread[name] {
			return
		}
		p.Field = name
	} else if v.file == "" {
		p.Field = variableOf(field)
	} else if !v.places.Put(&p) {
		return
	}
	v.problems = append(v.problems, p)
}

// written looks at numbers before defaults stand for them.
func (v *checker) written() {
	given := func(field string) bool {
		_, set := v.byVariable(field)
		return set || v.places.Has(field)
	}
	if v.config.Workers < 0 || v.config.Workers == 0 && given("workers") {
		v.problem("workers", "write how many releases may be made at once, such as 2", "no release could ever be made")
	}
	if v.config.RolloutMem < 0 || v.config.RolloutMem > 0 && v.config.RolloutMem < 64 || v.config.RolloutMem == 0 && given("rollout-memory") {
		v.problem("rollout-memory", "write 512", "a release package could hardly be evaluated in that much memory")
	}
	if v.config.CatchUp > 0 && v.config.CatchUp < time.Second {
		v.problem("catch-up", "write 10m", "the forges would be asked more than once a second")
	}
}

func (v *checker) check() {
	c := v.config
	v.oneOf("log", c.Log, "debug", "info", "warn", "error")
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		v.problem("listen", "write the address and the port, such as 127.0.0.1:8484, or :8484 for every address", "it is no address to listen on")
	}
	if c.URL != "" {
		v.server("url", c.URL)
	}
	v.database()
	if len(c.Forges) == 0 {
		v.problem("forges", "write forges: [{server: https://git.example, token: $TOKEN, secrets: [$SECRET], repositories: [acme/*]}], or set SLIPWAY_BOT_FORGES_0_SERVER and so on", "no forge is named")
	}
	folders := map[string]int{}
	for i := range c.Forges {
		at := fmt.Sprintf("forges[%d]", i)
		v.forge(at, &c.Forges[i])
		name := c.Forges[i].Name
		folder := strings.ToLower(fileName(name))
		if first, dup := folders[folder]; dup && name != "" {
			v.problem(at+".name", "give each a name of its own", "forges[%d] and forges[%d] have the same name, %s", first, i, name)
			continue
		}
		folders[folder] = i
	}
	for i, r := range c.Repositories {
		at := fmt.Sprintf("repositories[%d]", i)
		if r.Match == "" {
			v.problem(at+".match", "name the repository, or a pattern such as acme/*", "it says nothing of which repositories are meant")
		} else {
			v.pattern(at+".match", r.Match)
		}
		v.settings(at, &v.config.Repositories[i].Settings)
	}
}

// database reads the database's address, and puts the password into it.
func (v *checker) database() {
	c := v.config
	c.Database = v.secret("database", c.Database)
	kind, _, isURL := strings.Cut(c.Database, "://")
	isPostgres := isURL && (kind == "postgres" || kind == "postgresql")
	switch {
	case c.Database == "": // its variable is a problem already
	case isURL && !isPostgres && kind != "sqlite":
		v.problem("database", "write sqlite:/path/to/bot.db or postgres://user@host/database", "the database is neither SQLite nor PostgreSQL")
	case c.PasswordFile != "" && !isPostgres:
		v.problem("database-password-file", "leave it out", "the database takes no password")
	case c.PasswordFile != "":
		u, err := url.Parse(c.Database)
		if err != nil {
			v.problem("database", "write postgres://user@host:5432/database", "the database's address can't be read")
			return
		}
		if _, has := u.User.Password(); has {
			v.problem("database-password-file", "keep one of them", "the database's address has a password, too")
			return
		}
		u.User = url.UserPassword(u.User.Username(), v.secretFile("database-password-file", c.PasswordFile))
		c.Database = u.String()
	}
}

// forgeName is what identities and folders take.
var forgeName = regexp.MustCompile(`^[A-Za-z0-9._:\[\]-]{1,100}$`)

func (v *checker) forge(at string, f *ForgeConfig) {
	if f.Server == "" {
		v.problem(at+".server", "write the forge's address, such as https://git.example", "it is not said where the forge is")
	} else {
		v.server(at+".server", f.Server)
	}
	if f.Name != "" && !forgeName.MatchString(f.Name) {
		v.problem(at+".name", "use letters, digits, dots and dashes", "it is no name for a forge")
	}
	v.oneOf(at+".kind", f.Kind, "github", "gitea", "forgejo")
	v.settings(at, &f.Settings)
	v.account(at, f)
	v.secrets(at, f)
	if len(f.Repositories) == 0 {
		v.problem(at+".repositories", "name them, or a pattern such as acme/*", "the forge serves no repository")
	}
	for i, p := range f.Repositories {
		v.pattern(fmt.Sprintf("%s.repositories[%d]", at, i), p)
	}
}

// account reads the token, or the app's key.
func (v *checker) account(at string, f *ForgeConfig) {
	token, app := f.Token != "" || f.TokenFile != "", f.App != App{}
	f.Token = v.secretOr(at+".token", f.Token, at+".token-file", f.TokenFile)
	key := f.App.Key != "" || f.App.KeyFile != ""
	f.App.Key = v.secretOr(at+".app.key", f.App.Key, at+".app.key-file", f.App.KeyFile)
	switch {
	case token && app:
		v.problem(at+".app", "keep one of them", "a token and an app are both given")
	case app && f.Kind == "":
		v.problem(at+".kind", "write kind: github", "apps are GitHub's, and it is not said that this is one")
	case app && f.Kind != "github":
		v.problem(at+".app", "give a token", "apps are GitHub's")
	case app && f.App.ID <= 0:
		v.problem(at+".app.id", `write the number that the app's settings call "App ID"`, "the app has no id")
	case app && !key:
		v.problem(at+".app.key", "make one in the app's settings, and name its file: key-file", "the app has no private key")
	case app && f.App.Key != "" && !strings.Contains(f.App.Key, "PRIVATE KEY-----"):
		v.problem(at+".app.key", "give the whole text of the .pem file that GitHub made", "that is no private key")
	case !app && !token:
		v.problem(at+".token", "make a token that may write the repositories, and give it as token: $NAME or token-file", "the forge has no token")
	}
}

// secrets reads what deliveries are signed with.
func (v *checker) secrets(at string, f *ForgeConfig) {
	if len(f.Secrets)+len(f.SecretFiles) == 0 {
		v.problem(at+".secrets", "make a long random one, set it in the webhook and here: secrets: [$NAME]", "the forge has no secret: nobody could tell its deliveries from forged ones")
	}
	var secrets []string
	for i, s := range f.Secrets {
		field := fmt.Sprintf("%s.secrets[%d]", at, i)
		if s == "" {
			v.problem(field, "take it out", "a secret is empty")
			continue
		}
		secrets = append(secrets, v.secret(field, s))
	}
	for i, file := range f.SecretFiles {
		secrets = append(secrets, v.secretFile(fmt.Sprintf("%s.secret-files[%d]", at, i), file))
	}
	f.Secrets = slices.DeleteFunc(secrets, func(s string) bool { return s == "" }) // a problem is noted
}

func (v *checker) settings(at string, s *Settings) {
	v.buckets(at, s)
	v.oneOf(at+".work", s.Work, WorkInBot, WorkInWorkflow)
	v.oneOf(at+".host-builds", s.HostBuilds, "refuse", AllowHost)
	v.oneOf(at+".rollout-private-http", s.RolloutPrivate, "refuse", AllowHost)
	if s.Space != "" && !spaceName.MatchString(s.Space) {
		v.problem(at+".space", "letters, digits, dots and dashes, such as shop", "that is no name of a space")
	}
	for i, name := range s.RolloutEnv {
		if !variableName.MatchString(name) || strings.HasPrefix(name, "SLIPWAY_BOT_") {
			v.problem(fmt.Sprintf("%s.rollout-env[%d]", at, i), "write its name alone, such as KUBECONFIG", "that is no variable that scripts may see")
		}
	}
	for _, w := range []struct{ key, file string }{{"workflow", s.Workflow}, {"promote-workflow", s.PromoteWorkflow}, {"rollout-workflow", s.RolloutWorkflow}} {
		if strings.Contains(w.file, "/") {
			v.problem(at+"."+w.key, "leave the folder out, such as release.yml", "a workflow is named by its file alone")
		}
	}
}

// buckets reads the keys of buckets, and where they may be used.
func (v *checker) buckets(at string, s *Settings) {
	for i, b := range s.Buckets {
		if err := project.CheckBucket(b); err != nil {
			v.problem(fmt.Sprintf("%s.s3-buckets[%d]", at, i), "write it as https://garage.example/releases", "%v", err)
		}
	}
	for _, key := range []struct {
		name  string
		value *string
	}{{"s3-access-key", &s.S3AccessKey}, {"s3-secret-key", &s.S3SecretKey}} {
		switch {
		case *key.value != "":
			*key.value = v.secret(at+"."+key.name, *key.value)
		case len(s.Buckets) > 0:
			v.problem(at+"."+key.name, "write it as $NAME", "the buckets have no keys")
		}
	}
}

var (
	spaceName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func (v *checker) server(field, address string) {
	if _, err := forge.ParseServer(address); err != nil {
		v.problem(field, "", "%v", err)
	}
}

// pattern checks a repository's name, or a pattern of names.
func (v *checker) pattern(field, p string) {
	const hint = "write owner/name, owner/* or */*"
	if !strings.ContainsAny(p, "*?[{\\") {
		if _, _, err := forge.SplitRepository(p); err != nil {
			v.problem(field, hint, "that is no repository")
		}
		return
	}
	if !doublestar.ValidatePattern(p) || !strings.Contains(p, "/") {
		v.problem(field, hint, "that is no pattern of repositories")
	}
}

// oneOf refuses a value that is none of the allowed ones; empty is the default.
func (v *checker) oneOf(field, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		v.problem(field, release.EnumHint(value, allowed), "that is not one of %s", strings.Join(allowed, ", "))
	}
}
