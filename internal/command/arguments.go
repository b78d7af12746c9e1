package command

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/slipway-dev/slipway/internal/release"
)

// arguments reads what follows the name.
func (c *Command) arguments(rest string) {
	if c.Name == "hold" {
		c.hold(rest)
		return
	}
	if c.Name == "freeze" {
		rest = c.because(rest)
	}
	var words []string
	for _, w := range strings.Fields(rest) {
		w = strings.Map(func(r rune) rune {
			if isJoiner(r) {
				return -1
			}
			return r
		}, w)
		switch {
		case w == "":
		case isFlag(w):
			c.flag(w)
		default:
			words = append(words, w)
		}
	}
	if c.Problem == nil {
		c.words(words)
	}
	if c.Problem != nil {
		*c = Command{Name: c.Name, Line: c.Line, Text: c.Text, Prefixed: c.Prefixed, Problem: c.Problem}
	}
}

func (c *Command) fail(hint, format string, args ...any) {
	if c.Problem == nil {
		c.Problem = &Problem{Message: fmt.Sprintf(format, args...), Hint: hint}
	}
}

// hold takes the rest of the line for the reason. "/hold cancel" is how other
// programs' holds are lifted.
func (c *Command) hold(rest string) {
	if strings.EqualFold(rest, "cancel") {
		c.fail("write `/unhold` to lift the hold, or a reason of more than one word", "`/hold cancel` can be meant in two ways")
		return
	}
	c.Reason = shown(rest)
}

// dashes are what phones and word processors make of two hyphens, too.
const dashes = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"

// isFlag takes every word that begins with a dash for a flag: no tag may.
func isFlag(w string) bool { return strings.IndexFunc(w, isDash) == 0 }

func isDash(r rune) bool { return strings.ContainsRune(dashes, r) }

// flag reads a flag; there is but one.
func (c *Command) flag(w string) {
	name := strings.TrimLeftFunc(w, isDash)
	lead := w[:len(w)-len(name)]
	switch known := c.Name == "promote"; {
	case known && strings.EqualFold(name, "plan") && lead != "-":
		c.Plan = true
	case known && (release.Nearest(name, []string{"plan"}) != "" || slices.Contains([]string{"dry-run", "dryrun", "preview", "n"}, strings.ToLower(name))):
		c.fail("did you mean `--plan`?", "there is no flag %s", code(w))
	case known:
		c.fail("the only flag is `--plan`", "there is no flag %s", code(w))
	default:
		c.fail("write `"+usage(c.Name)+"`", "`/%s` has no flags, but %s is written", c.Name, code(w))
	}
}

func (c *Command) words(words []string) {
	switch c.Name {
	case "promote":
		c.promote(words)
	case "unhold":
		if len(words) > 0 {
			c.fail("write `/unhold`", "`/unhold` takes nothing, but %s is written", code(strings.Join(words, " ")))
		}
	case "help":
		c.help(words)
	case "approve":
		c.approve(words)
	case "deploy":
		c.deploy(words)
	case "rollback":
		c.rollback(words)
	case "freeze":
		c.freeze(words)
	case "unfreeze":
		for _, w := range words {
			c.Environments = append(c.Environments, c.name(strings.Trim(w, ",")))
		}
	default:
		if len(words) > 1 {
			c.fail("write `"+usage(c.Name)+"`", "`/%s` takes one tag, but %s is written", c.Name, code(strings.Join(words, " ")))
		} else if len(words) == 1 {
			c.Tag = c.name(words[0])
		}
	}
}

// promote reads "", "v1.4.0", "to stable" and "v1.4.0-rc2 to stable".
func (c *Command) promote(words []string) {
	to := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, "to") })
	switch {
	case len(words) == 0:
	case to < 0 && len(words) == 1:
		c.Source = c.name(words[0])
	case to < 0 && len(words) == 2:
		c.fail(fmt.Sprintf("write `/promote %s to %s`", plain(words[0]), plain(words[1])), "`to` is missing between %s and %s", code(words[0]), code(words[1]))
	case to >= 0 && to == len(words)-1:
		c.fail("write "+promoteForms, "nothing follows `to`")
	case to == 0 && len(words) == 2:
		c.To = c.name(words[1])
	case to == 1 && len(words) == 3:
		c.Source, c.To = c.name(words[0]), c.name(words[2])
	default:
		c.fail("write "+promoteForms, "%s is more than `/promote` takes", code(strings.Join(words, " ")))
	}
}

const promoteForms = "`/promote`, `/promote v1.4.0`, or `/promote v1.4.0-rc2 to stable`"

func (c *Command) help(words []string) {
	if len(words) == 0 {
		return
	}
	topic := strings.ToLower(strings.TrimPrefix(words[0], "/"))
	switch near := nearCommand(topic); {
	case slices.Contains(Names(), topic):
		c.Topic = topic
	case near != "":
		c.fail("did you mean `/help "+near+"`?", "there is no command %s", code(words[0]))
	default:
		c.fail("the commands are "+strings.Join(Names(), ", "), "there is no command %s", code(words[0]))
	}
}

// name checks what is a tag, a commit, a class or an environment: by git's rules
// for tags, which are the widest.
func (c *Command) name(w string) string {
	why := ""
	switch {
	case len(w) > 250:
		why = "is too long"
	case strings.ContainsFunc(w, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }):
		why = "has characters that no name has"
	case strings.ContainsAny(w, "~^:?*[\\`<>"):
		why = "has a sign that no tag may have"
	case strings.Contains(w, ".."), strings.Contains(w, "//"), strings.Contains(w, "@{"), w == "@",
		strings.HasPrefix(w, "/"), strings.HasSuffix(w, "/"), strings.HasPrefix(w, "."), strings.HasSuffix(w, "."), strings.HasSuffix(w, ".lock"):
		why = "can't be the name of a tag"
	}
	if why == "" {
		return w
	}
	hint := ""
	if bare := strings.Trim(w, "`<>[]\"'.,:;!?*"); bare != w && bare != "" && len(w) <= 250 {
		hint = "write " + plain(bare) + " without the signs around it"
	}
	c.fail(hint, "%s %s", code(w), why)
	return ""
}

// code shows a word as code in Markdown, whatever is in it.
func code(s string) string { return "`" + plain(s) + "`" }

// plain is a word for inside of backticks.
func plain(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if r == '`' {
			return '\''
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}
