package command

import (
	"fmt"
	"slices"
	"strings"
)

// usages are how each command is written, and what it does.
var usages = []struct{ name, usage, does string }{
	{"promote", "/promote", "releases the commit of this place, or the release that it has, as the next version"},
	{"promote", "/promote v1.4.0", "the same, as this version or tag"},
	{"promote", "/promote <tag or commit> to <class, environment or tag>", "the same for another release or commit"},
	{"promote", "/promote … --plan", "shows what would be done, and does nothing"},
	{"approve", "/approve [release or package] [as <name>]", "approves the rollout that waits for it"},
	{"deploy", "/deploy <release> to <environment> [of <package>]", "deploys a release into an environment"},
	{"rollback", "/rollback <environment> [to <release>] [of <package>]", "deploys what was there before, or that release"},
	{"freeze", "/freeze [environment…] until <time> [because …]", "lets nothing be deployed until then; without `until`, until /unfreeze. A time is 2026-12-24, 2026-12-24 18:00, monday, 2h or 3d, and a zone may follow"},
	{"unfreeze", "/unfreeze [environment…]", "lifts that"},
	{"retry", "/retry [tag]", "begins a release or a rollout that failed, or was cancelled, once more"},
	{"cancel", "/cancel [tag]", "stops a release that is not public yet, or a rollout"},
	{"status", "/status [tag]", "says how a release stands, and what runs where"},
	{"hold", "/hold [reason]", "lets nothing new be released or rolled out in this repository"},
	{"unhold", "/unhold", "lifts the hold"},
	{"help", "/help [command]", "shows this"},
}

// usage is a command's first form.
func usage(name string) string {
	return usages[slices.IndexFunc(usages, func(u struct{ name, usage, does string }) bool { return u.name == name })].usage
}

// Help is the answer to /help in Markdown: a table of the commands, and the
// classes that /promote knows.
func Help(classes []string) string { return HelpOn("", classes) }

// HelpOn is the answer to /help with a topic: only what belongs to that command.
func HelpOn(topic string, classes []string) string {
	var b strings.Builder
	b.WriteString("| command | |\n|---|---|\n")
	for _, u := range usages {
		if topic == "" || topic == u.name {
			fmt.Fprintf(&b, "| `%s` | %s |\n", u.usage, u.does)
		}
	}
	if len(classes) > 0 && (topic == "" || topic == "promote") {
		fmt.Fprintf(&b, "\nClasses: %s.\n", strings.Join(quoted(classes), ", "))
	}
	b.WriteString("\nA command stands at the beginning of a line of its own. Where another program listens to the same word, write `/slipway promote`.\n")
	return b.String()
}

func quoted(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = code(s)
	}
	return out
}
