package bot

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/release"
)

// LoadConfig reads bot.yaml (name may be empty: then the environment says it
// all), the environment over it, and the files and variables that secrets are
// in. The error is release.Problems, all of them with their place.
func LoadConfig(name string, environ []string, cacheDir string) (Config, error) {
	var c Config
	var file *ast.File
	if name != "" {
		data, err := os.ReadFile(name)
		if err != nil {
			return c, release.Invalidf("give the bot's config with --config, or all of it by SLIPWAY_BOT_… variables", "read the config: %v", err)
		}
		if file, err = decode(name, data, &c); err != nil {
			return c, err
		}
	}
	vars := env.ToMap(environ)
	if err := env.ParseWithOptions(&c, env.Options{Environment: vars, Prefix: "SLIPWAY_BOT_"}); err != nil {
		return c, environmentError(err)
	}
	c.complete(cacheDir)
	v := checker{name: name, file: file, vars: vars}
	v.config(&c)
	if len(v.problems) > 0 {
		return c, v.problems
	}
	return c, nil
}

func decode(name string, data []byte, c *Config) (*ast.File, error) {
	file, err := parser.ParseBytes(data, 0)
	if err == nil {
		err = yaml.NewDecoder(strings.NewReader(string(data)), yaml.Strict(), yaml.DisallowUnknownField()).Decode(c)
	}
	if err == nil || err.Error() == "EOF" {
		return file, nil
	}
	p := release.Problem{File: name, Message: err.Error(), Hint: "see docs/bot.md for the keys"}
	var at yaml.Error
	if errors.As(err, &at) {
		p.Message = at.GetMessage()
		if t := at.GetToken(); t != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
			if key := unknownKey.FindStringSubmatch(p.Message); key != nil {
				p.Message = fmt.Sprintf("there is no key %q here", key[1])
				if near := release.Nearest(key[1], keys()); near != "" {
					p.Hint = fmt.Sprintf("did you mean %q?", near)
				}
			}
		}
	}
	return nil, release.Problems{p}
}

var unknownKey = regexp.MustCompile(`unknown field "([^"]*)"`)

// keys are all keys of the config.
func keys() []string {
	var out []string
	for _, t := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[ForgeConfig](), reflect.TypeFor[App](), reflect.TypeFor[Repository](), reflect.TypeFor[Settings]()} {
		for f := range t.Fields() {
			if key, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); key != "" {
				out = append(out, key)
			}
		}
	}
	return out
}

func environmentError(err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return release.Invalidf("", "environment: %v", err)
	}
	var ps release.Problems
	for _, e := range all.Errors {
		ps = append(ps, release.Problem{Message: "environment: " + e.Error(), Hint: "see docs/bot.md for the variables"})
	}
	return ps
}

// checker gathers what is wrong with a config, and reads its secrets.
type checker struct {
	name     string
	file     *ast.File
	vars     map[string]string
	problems release.Problems
}

// problem notes what is wrong at a key ("$.forges[0].token").
func (v *checker) problem(at, hint, format string, args ...any) {
	p := release.Problem{Field: strings.TrimPrefix(at, "$."), Message: fmt.Sprintf(format, args...), Hint: hint}
	if path, err := yaml.PathString(at); err == nil && v.file != nil {
		if node, err := path.FilterFile(v.file); err == nil && node != nil {
			p.File, p.Line, p.Column = v.name, node.GetToken().Position.Line, node.GetToken().Position.Column
		}
	}
	v.problems = append(v.problems, p)
}

func (v *checker) config(c *Config) {
	if len(c.Forges) == 0 {
		v.problem("$.forges", "add one: forges: [{server: https://git.example, token: $TOKEN, secrets: [$SECRET], repositories: [acme/*]}]", "no forge is named")
	}
	v.oneOf("$.log", c.Log, "debug", "info", "warn", "error")
	if c.Workers < 0 {
		v.problem("$.workers", "", "%d releases at once can't be", c.Workers)
	}
	if c.URL != "" {
		if _, err := forge.ParseServer(c.URL); err != nil {
			v.problem("$.url", "", "the bot's public address: %v", err)
		}
	}
	seen := map[string]int{}
	for i := range c.Forges {
		at := fmt.Sprintf("$.forges[%d]", i)
		v.forge(at, &c.Forges[i])
		if first, dup := seen[c.Forges[i].Name]; dup {
			v.problem(at, "give each a name of its own", "the forges %d and %d have the same name, %q", first, i, c.Forges[i].Name)
		}
		seen[c.Forges[i].Name] = i
	}
	for i, r := range c.Repositories {
		at := fmt.Sprintf("$.repositories[%d]", i)
		v.pattern(at+".match", r.Match)
		v.settings(at, r.Settings)
	}
}

func (v *checker) forge(at string, f *ForgeConfig) {
	if _, err := forge.ParseServer(f.Server); err != nil {
		v.problem(at+".server", "", "%v", err)
	}
	v.oneOf(at+".kind", f.Kind, "", "github", "gitea", "forgejo")
	v.settings(at, f.Settings)
	f.Token = v.secret(at+".token", f.Token, f.TokenFile)
	f.App.Key = v.secret(at+".app.key", f.App.Key, f.App.KeyFile)
	switch {
	case f.App.ID != 0 && f.Kind != "github":
		v.problem(at+".app", "give a token", "apps are GitHub's")
	case f.App.ID != 0 && f.App.Key == "":
		v.problem(at+".app", "add key-file", "the app has no private key")
	case f.App.ID == 0 && f.Token == "":
		v.problem(at+".token", "make a token that may write the repositories, and give it as token: $NAME or token-file", "forge %s has no token", f.Name)
	}
	var secrets []string
	for i, s := range f.Secrets {
		if s = v.secret(fmt.Sprintf("%s.secrets[%d]", at, i), s, ""); s != "" {
			secrets = append(secrets, s)
		}
	}
	for i, file := range f.SecretFiles {
		if s := v.secret(fmt.Sprintf("%s.secret-files[%d]", at, i), "", file); s != "" {
			secrets = append(secrets, s)
		}
	}
	if f.Secrets = secrets; len(secrets) == 0 {
		v.problem(at+".secrets", "make a long random one, set it in the webhook and here: secrets: [$NAME]", "forge %s has no secret: nobody could tell its deliveries from forged ones", f.Name)
	}
	if len(f.Repositories) == 0 {
		v.problem(at+".repositories", "name them, or a pattern such as acme/*", "forge %s serves no repository", f.Name)
	}
	for i, p := range f.Repositories {
		v.pattern(fmt.Sprintf("%s.repositories[%d]", at, i), p)
	}
}

func (v *checker) settings(at string, s Settings) {
	v.oneOf(at+".work", s.Work, "", WorkInBot, WorkInWorkflow)
	v.oneOf(at+".host-builds", s.HostBuilds, "", "refuse", AllowHost)
}

func (v *checker) pattern(at, p string) {
	if owner, name, ok := strings.Cut(p, "/"); !ok || owner == "" || name == "" {
		v.problem(at, "", "%q is not of the form owner/name or owner/*", p)
	}
}

func (v *checker) oneOf(at, value string, allowed ...string) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	v.problem(at, "it takes "+strings.Join(strings.Fields(strings.Join(allowed, " ")), ", "), "%q is not known", value)
}

var variable = regexp.MustCompile(`^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})$`)

// secret reads a secret from its variable or its file.
func (v *checker) secret(at, value, file string) string {
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			v.problem(at, "", "read it: %v", err)
		}
		value = string(data)
	} else if m := variable.FindStringSubmatch(value); m != nil {
		name := m[1] + m[2]
		if value = v.vars[name]; value == "" {
			v.problem(at, "set it, or name another one", "the variable %s is not set", name)
		}
	}
	return strings.TrimSpace(value)
}
