package bot

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/agext/levenshtein"
	"github.com/caarlos0/env/v11"

	"github.com/slipway-dev/slipway/internal/config"
	"github.com/slipway-dev/slipway/internal/release"
)

// variables is what the names of the bot's variables begin with.
const variables = "SLIPWAY_BOT_"

// variableOf is the variable for a field: SLIPWAY_BOT_FORGES_0_TOKEN for
// "forges[0].token".
func variableOf(field string) string {
	return variables + strings.ToUpper(strings.NewReplacer("[", "_", "]", "", ".", "_", "-", "_").Replace(field))
}

// byVariable reports whether a variable says what a field is, and its name. A
// list of words is one variable.
func (v *checker) byVariable(field string) (string, bool) {
	name := variableOf(field)
	if i := strings.LastIndexByte(field, '['); i > 0 && strings.HasSuffix(field, "]") && !v.set[name] {
		name = variableOf(field[:i])
	}
	return name, v.set[name]
}

// environment reads the variables over what the file says. An empty one counts
// as one that is not set.
func (v *checker) environment(environ []string) {
	v.vars = env.ToMap(environ)
	v.set, v.asked, v.named, v.unread = map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	v.grow()
	var name string // of the variable that is being read
	bad := func(hint, message string) {
		v.unread[name] = true
		v.problems = append(v.problems, release.Problem{Field: name, Message: message, Hint: hint})
	}
	whole := func(text string, bits int) int64 {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, bits)
		if err != nil {
			bad("", "that is no whole number")
			return 0
		}
		return n
	}
	err := env.ParseWithOptions(v.config, env.Options{
		Environment: v.vars, Prefix: variables,
		OnSet: func(tag string, value any, _ bool) {
			name, v.asked[tag] = tag, true
			if value != "" {
				v.set[tag] = true
			}
		},
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[string](): func(text string) (any, error) { return strings.TrimSpace(text), nil },
			reflect.TypeFor[int]():    func(text string) (any, error) { return int(whole(text, strconv.IntSize)), nil },
			reflect.TypeFor[int64]():  func(text string) (any, error) { return whole(text, 64), nil },
			reflect.TypeFor[time.Duration](): func(text string) (any, error) {
				d, err := config.ParseDuration(strings.TrimSpace(text))
				if err != nil {
					bad(config.DurationHint, err.Error())
				}
				return d, nil
			},
		},
	})
	if err != nil {
		v.problems = append(v.problems, release.Problem{Message: "read the environment: " + err.Error()})
	}
}

// grow makes room for entries that variables add to the file's lists: the
// library begins with the first.
func (v *checker) grow() {
	has := func(list string, n int) bool {
		prefix := fmt.Sprintf("%s%s_%d_", variables, list, n)
		for name, value := range v.vars {
			if value != "" && strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return false
	}
	c := v.config
	for has("FORGES", len(c.Forges)) {
		c.Forges = append(c.Forges, ForgeConfig{})
	}
	for has("REPOSITORIES", len(c.Repositories)) {
		c.Repositories = append(c.Repositories, Repository{})
	}
}

var listed = regexp.MustCompile(`^(FORGES|REPOSITORIES)_([0-9]+)_`)

// strays finds variables that were meant for the config and say nothing: of an
// entry that is not there, or with a slip in the name. Others are left alone:
// Kubernetes sets some for a service called slipway-bot.
func (v *checker) strays() {
	for _, name := range slices.Sorted(maps.Keys(v.vars)) {
		rest, ours := strings.CutPrefix(name, variables)
		if !ours || v.asked[name] || v.named[name] || v.vars[name] == "" {
			continue
		}
		near := release.Nearest(name, slices.Sorted(maps.Keys(v.asked)))
		hint := fmt.Sprintf("did you mean %s?", near)
		entry := listed.FindStringSubmatch(rest)
		switch {
		case entry != nil && !v.there(entry[1], entry[2]):
			v.problems = append(v.problems, release.Problem{Field: name, Message: "there is no entry before it", Hint: "count them from 0 on, and leave none out"})
		case entry != nil || near != "" && levenshtein.Distance(name, near, nil) <= 2:
			v.problems = append(v.problems, release.Problem{Field: name, Message: "there is no such variable", Hint: hint})
		}
	}
}

// there reports whether a list has an entry of that number.
func (v *checker) there(list, number string) bool {
	n, err := strconv.Atoi(number)
	if list == "FORGES" {
		return err == nil && n < len(v.config.Forges)
	}
	return err == nil && n < len(v.config.Repositories)
}

var variable = regexp.MustCompile(`^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})$`)

// secret is a secret as the config gives it: in itself, or by the name of a
// variable. What came from a variable is taken as it is.
func (v *checker) secret(field, value string) string {
	m := variable.FindStringSubmatch(value)
	if _, set := v.byVariable(field); m == nil || set {
		return strings.TrimSpace(value)
	}
	name := m[1] + m[2]
	v.named[name] = true
	if value = strings.TrimSpace(v.vars[name]); value == "" {
		v.problem(field, "set it, or name another one", "the variable %s is empty or not set", name)
	}
	return value
}

// secretOr is a secret that may be in a file instead.
func (v *checker) secretOr(field, value, fileField, file string) string {
	if value != "" && file != "" {
		_, first := v.byVariable(field)
		_, second := v.byVariable(fileField)
		switch {
		case first == second:
			v.problem(fileField, "keep one of them", "the secret is given beside it, too")
			return ""
		case first:
			file = "" // the environment wins
		}
	}
	if file != "" {
		return v.secretFile(fileField, file)
	}
	return v.secret(field, value)
}

// secretFile reads a secret from its file. Problems don't repeat the name: it
// may be the secret itself that stands there by mistake.
func (v *checker) secretFile(field, file string) string {
	data, err := os.ReadFile(file)
	value := strings.TrimSpace(string(data))
	var cause syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.problem(field, "name a file that holds the secret and nothing else", "there is no such file")
	case errors.As(err, &cause):
		v.problem(field, "", "the file can't be read: %v", cause)
	case err != nil:
		v.problem(field, "", "the file can't be read")
	case value == "":
		v.problem(field, "write the secret into it", "the file is empty")
	}
	return value
}
