package command

import (
	"slices"
	"strings"
	"time"
)

// parts splits words at the given keywords, each of which may stand there once,
// in any order; what comes before the first is under "".
func (c *Command) parts(words []string, keywords ...string) map[string][]string {
	parts, at := map[string][]string{}, ""
	for _, w := range words {
		key := strings.ToLower(w)
		if !slices.Contains(keywords, key) {
			parts[at] = append(parts[at], w)
			continue
		}
		if _, twice := parts[key]; twice {
			c.fail("write `"+usage(c.Name)+"`", "`%s` is written twice", key)
		}
		if at != "" && len(parts[at]) == 0 {
			c.fail("write `"+usage(c.Name)+"`", "nothing follows `%s`", at)
		}
		parts[key], at = []string{}, key
	}
	if at != "" && len(parts[at]) == 0 {
		c.fail("write `"+usage(c.Name)+"`", "nothing follows `%s`", at)
	}
	return parts
}

// single is the one word of a part, "" where there is none.
func (c *Command) single(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return c.rolloutName(words[0])
	}
	c.fail("write `"+usage(c.Name)+"`", "%s is more than `/%s` takes there", code(strings.Join(words, " ")), c.Name)
	return ""
}

// rolloutName checks a release, an environment or a file: as a tag, but that a
// release may be written @7.
func (c *Command) rolloutName(w string) string {
	bare := strings.TrimPrefix(w, "@")
	if bare == "" {
		return c.name(w)
	}
	return c.name(strings.TrimPrefix(bare, "./"))
}

// approve reads "", "v1.2.0", "backend/release.ocu.star as security".
func (c *Command) approve(words []string) {
	parts := c.parts(words, "as")
	c.Release, c.As = c.single(parts[""]), c.single(parts["as"])
	if strings.HasSuffix(c.Release, ".star") {
		c.Release, c.Package = "", c.Release
	}
}

// deploy reads "v1.2.0 to production" and "@7 to production of a.ocu.star".
func (c *Command) deploy(words []string) {
	parts := c.parts(words, "to", "of")
	c.Release, c.Environment, c.Package = c.single(parts[""]), c.single(parts["to"]), c.single(parts["of"])
	switch {
	case c.Problem != nil:
	case c.Release == "":
		c.fail("write `"+usage("deploy")+"`", "it does not say which release to deploy")
	case c.Environment == "":
		c.fail("write `/deploy "+plain(c.Release)+" to <environment>`", "it does not say where to deploy it")
	}
}

// rollback reads "production" and "production to @6".
func (c *Command) rollback(words []string) {
	parts := c.parts(words, "to", "of")
	c.Environment, c.Release, c.Package = c.single(parts[""]), c.single(parts["to"]), c.single(parts["of"])
	if c.Problem == nil && c.Environment == "" {
		c.fail("write `"+usage("rollback")+"`", "it does not say which environment to roll back")
	}
}

// because takes the reason of a freeze away, which is the rest of the line.
func (c *Command) because(rest string) string {
	words := strings.Fields(rest)
	at := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, "because") })
	if at < 0 {
		return rest
	}
	if c.Reason = shown(strings.Join(words[at+1:], " ")); c.Reason == "" {
		c.fail("write `"+usage("freeze")+"`", "nothing follows `because`")
	}
	return strings.Join(words[:at], " ")
}

// freeze reads "", "production staging", "production until monday 9:00".
func (c *Command) freeze(words []string) {
	parts := c.parts(words, "until")
	for _, w := range parts[""] {
		c.Environments = append(c.Environments, c.name(strings.Trim(w, ",")))
	}
	if len(parts["until"]) == 0 {
		return
	}
	c.Until = strings.Join(parts["until"], " ")
	if _, ok := Moment(c.Until, time.Unix(0, 0)); !ok {
		c.fail("such as `2026-12-24`, `2026-12-24 18:00 Europe/Paris`, `monday`, `2h` or `3d`", "%s is no time", code(c.Until))
	}
}
