package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// outline is what was parsed in a few words.
func outline(p Parsed) []string {
	var out []string
	for _, c := range p.Commands {
		s := fmt.Sprintf("%d %s", c.Line, c.Name)
		for _, f := range []struct{ name, value string }{{"source", c.Source}, {"to", c.To}, {"tag", c.Tag}, {"reason", c.Reason}, {"topic", c.Topic},
			{"release", c.Release}, {"environment", c.Environment}, {"package", c.Package}, {"as", c.As}, {"environments", strings.Join(c.Environments, "+")}, {"until", c.Until}} {
			if f.value != "" {
				s += " " + f.name + "=" + f.value
			}
		}
		if c.Plan {
			s += " plan"
		}
		if c.Prefixed {
			s += " prefixed"
		}
		if c.Problem != nil {
			s += " ! " + c.Problem.Message
			if c.Problem.Hint != "" {
				s += " (" + c.Problem.Hint + ")"
			}
		}
		out = append(out, s)
	}
	for _, h := range p.Hints {
		out = append(out, fmt.Sprintf("%d %s? %s", h.Line, h.DidYouMean, h.Text))
	}
	if p.Dropped > 0 {
		out = append(out, fmt.Sprintf("%d dropped", p.Dropped))
	}
	return out
}

// Each form of each command is read, and what is wrong with one is said.
func TestCommands(t *testing.T) {
	t.Parallel()
	const forms = "(write `/promote`, `/promote v1.4.0`, or `/promote v1.4.0-rc2 to stable`)"
	for line, want := range map[string]string{
		"/promote":                             "promote",
		"/Promote ":                            "promote",
		"/promote v1.4.0":                      "promote source=v1.4.0",
		"/promote v1.4.0-rc2 to stable":        "promote source=v1.4.0-rc2 to=stable",
		"/promote cli/v1.4.0 TO cli/v1.4.1":    "promote source=cli/v1.4.0 to=cli/v1.4.1",
		"/promote 0123abc to production":       "promote source=0123abc to=production",
		"/promote to stable":                   "promote to=stable",
		"/promote --plan":                      "promote plan",
		"/promote v1 --plan to --PLAN stable":  "promote source=v1 to=stable plan",
		"/promote v1.4.0 \u2014plan":           "promote source=v1.4.0 plan",
		"/promote \u2013\u2013plan":            "promote plan",
		"/promote\u00a0v1.4.0\u200b":           "promote source=v1.4.0",
		"/promote\tv1.4.0\t":                   "promote source=v1.4.0",
		"/pro\u200bmote v1.4.0":                "promote source=v1.4.0",
		"/promote v$(id);x|y&z":                "promote source=v$(id);x|y&z",
		"/promote Ärger/v1":                    "promote source=Ärger/v1",
		"/promote a b":                         "promote ! `to` is missing between `a` and `b` (write `/promote a to b`)",
		"/promote x to":                        "promote ! nothing follows `to` " + forms,
		"/promote to":                          "promote ! nothing follows `to` " + forms,
		"/promote a to b c":                    "promote ! `a to b c` is more than `/promote` takes " + forms,
		"/promote a b to c":                    "promote ! `a b to c` is more than `/promote` takes " + forms,
		"/promote v1.4.0 --paln":               "promote ! there is no flag `--paln` (did you mean `--plan`?)",
		"/promote v1.4.0 -plan":                "promote ! there is no flag `-plan` (did you mean `--plan`?)",
		"/promote --dry-run":                   "promote ! there is no flag `--dry-run` (did you mean `--plan`?)",
		"/promote --force":                     "promote ! there is no flag `--force` (the only flag is `--plan`)",
		"/promote --":                          "promote ! there is no flag `--` (the only flag is `--plan`)",
		"/promote `v1.4.0`":                    "promote ! `'v1.4.0'` has a sign that no tag may have (write v1.4.0 without the signs around it)",
		"/promote v1.4.0.":                     "promote ! `v1.4.0.` can't be the name of a tag (write v1.4.0 without the signs around it)",
		"/promote ../../x":                     "promote ! `../../x` can't be the name of a tag (write /../x without the signs around it)",
		"/promote v1.4.0 to a\ufffdb":          "promote ! `a\ufffdb` has characters that no name has",
		"/promote " + strings.Repeat("v", 251): "promote ! `" + strings.Repeat("v", 60) + "…` is too long",
		"/retry":                               "retry",
		"/retry v1.4.0":                        "retry tag=v1.4.0",
		"/retry v1 v2":                         "retry ! `/retry` takes one tag, but `v1 v2` is written (write `/retry [tag]`)",
		"/retry --plan":                        "retry ! `/retry` has no flags, but `--plan` is written (write `/retry [tag]`)",
		"/cancel v1.4.0":                       "cancel tag=v1.4.0",
		"/status":                              "status",
		"/hold":                                "hold",
		"/hold -- the `db` is\tbeing\u202e moved \u2764": "hold reason=-- the `db` is being moved \u2764",
		"/hold cancel":                  "hold ! `/hold cancel` can be meant in two ways (write `/unhold` to lift the hold, or a reason of more than one word)",
		"/unhold":                       "unhold",
		"/unhold please":                "unhold ! `/unhold` takes nothing, but `please` is written (write `/unhold`)",
		"/help":                         "help",
		"/help promote":                 "help topic=promote",
		"/help /Hold":                   "help topic=hold",
		"/help promte":                  "help ! there is no command `promte` (did you mean `/help promote`?)",
		"/help me":                      "help ! there is no command `me` (the commands are promote, approve, deploy, rollback, freeze, unfreeze, retry, cancel, status, hold, unhold, help)",
		"/slipway promote v1 to stable": "promote source=v1 to=stable prefixed",
		"/Slipway HOLD a reason":        "hold reason=a reason prefixed",
		"/slipway":                      "help prefixed",

		"/slipway promot v1":       "/slipway promote? /slipway promot v1",
		"/slipway destroy":         "/slipway help? /slipway destroy",
		"/promot v1.4.0":           "/promote? /promot v1.4.0",
		"/promte v1":               "/promote? /promte v1",
		"/stauts":                  "/status? /stauts",
		"/Cancle v1":               "/cancel? /Cancle v1",
		"/unhodl":                  "/unhold? /unhodl",
		"/rety":                    "/retry? /rety",
		"/hlep":                    "",
		"/hepl":                    "",
		"/hel":                     "/help? /hel",
		"/usr/bin/env":             "",
		"/etc":                     "",
		"/lgtm":                    "",
		"/assign @someone":         "",
		"/close":                   "",
		"/retest":                  "",
		"/label bug":               "",
		"/gold":                    "",
		"/home":                    "",
		"/state":                   "",
		"/channel":                 "",
		"/promote/x":               "",
		"/promote, please":         "",
		"/promote2":                "",
		"/":                        "",
		"// promote":               "",
		"/ promote":                "",
		"please /promote":          "",
		"\\/promote":               "",
		"@slipway /promote":        "",
		"/p\u0440omote (Cyrillic)": "",
	} {
		var got string
		if o := outline(Parse(line)); len(o) > 0 {
			got = strings.TrimPrefix(strings.Join(o, "; "), "1 ")
		}
		if got != want {
			t.Errorf("%q:\n got %s\nwant %s", line, got, want)
		}
	}
}

// A command counts only where its reader sees plain text.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"alone", "/promote", []string{"1 promote"}},
		{"in a text", "Looks good.\n\n/promote v1\nand thanks\n/hold a while\n", []string{"3 promote source=v1", "5 hold reason=a while"}},
		{"CRLF", "Looks good.\r\n\r\n/promote v1\r\n/status\r\n", []string{"3 promote source=v1", "4 status"}},
		{"CR", "Looks good.\r/promote v1\r", []string{"2 promote source=v1"}},
		{"three spaces", "   /promote", []string{"1 promote"}},
		{"four", "    /promote", nil},
		{"four, in a paragraph", "text\n    /promote", nil},
		{"tab", "\t/promote", nil},
		{"byte order mark", "\ufeff/promote", []string{"1 promote"}},
		{"zero width before it", "\u200b\u2060/promote", []string{"1 promote"}},
		{"NBSP before it", "\u00a0/promote", []string{"1 promote"}},
		{"not UTF-8", "\xff\xfe\n/promote v\xff1\n/status", []string{"2 promote ! `v\ufffd1` has characters that no name has", "3 status"}},
		{"NUL", "a\x00b\n/promote v1\x00", []string{"2 promote source=v1"}},
		{"fence", "```\n/promote\n```\n/status", []string{"4 status"}},
		{"open fence", "~~~ sh\n/promote\n\n/status", nil},
		{"quotation", "> /promote\n\n/status", []string{"3 status"}},
		{"lazy quotation", "> text\n/promote", nil},
		{"after a quotation", "> text\n\n/promote", []string{"3 promote"}},
		{"list", "- text\n  /promote\n- /promote\n1. /promote", nil},
		{"lazy list", "- text\n/promote", nil},
		{"after a list", "- text\n\n/promote", []string{"3 promote"}},
		{"HTML comment", "<!--\n/promote\n\n/promote\n-->\n/status", []string{"6 status"}},
		{"HTML", "<div>\n/promote\n</div>\n\n/status", []string{"5 status"}},
		{"details, closed at a blank line", "<details>\n/promote\n\n/status\n\n</details>", []string{"4 status"}},
		{"comment in a paragraph", "text <!-- hidden\n/promote\n--> text\n/status", []string{"4 status"}},
		{"comment that never ends", "text <!-- hidden\n/promote", []string{"2 promote"}},
		{"code span", "text `code\n/promote\n` text\n/status", []string{"4 status"}},
		{"backtick alone", "it's ` here\n/promote", []string{"2 promote"}},
		{"two backticks around one", "``a ` b``\n/promote", []string{"2 promote"}},
		{"tag with an attribute", "a <a title=\"\n/promote\n\">b</a>\n/status", []string{"4 status"}},
		{"address of a link", "[a](\n/promote\n)\n/status", []string{"4 status"}},
		{"text of a link", "[a\n/promote\n](b)\n/status", []string{"4 status"}},
		{"definition of a link", "[a]:\n/promote\n'title'\n/status", []string{"4 status"}},
		{"text of a link by reference", "[a\n/promote\n][b]\n/status\n\n[b]: c", []string{"4 status"}},
		{"brackets that are no link", "[ ] a\n/promote", []string{"2 promote"}},
		{"emphasis before it", "**Note** a_b_c *d*\n/promote", []string{"2 promote"}},
		{"in strong emphasis", "**a\n/promote\nb**", []string{"2 promote"}},
		{"struck out", "~~a\n/promote\nb~~", nil},
		{"heading", "# /promote\n/status", []string{"2 status"}},
		{"underlined", "/promote\n---\n/status", []string{"3 status"}},
		{"table", "a | b\n--|--\n/promote | x\n\n/status", []string{"5 status"}},
		{"table after text", "/hold\na | b\n:-- | --:\n/promote | x", []string{"1 hold"}},
		{"head of a table", "/promote | x\n--|--", nil},
		{"hard line breaks", "a  \n/promote  \nb\\\n/status\\", []string{"2 promote", "4 status"}},
		{"one comment of GitHub's for the eleventh time", strings.Repeat("/status\n", 11), []string{"1 status", "2 status", "3 status", "4 status", "5 status", "6 status", "7 status", "8 status", "9 status", "10 status", "1 dropped"}},
		{"hint in a fence", "```\n/promot\n```", nil},
		{"too long", strings.Repeat("a", MostBytes) + "\n\n/promote", nil},
		{"cut in a line", "/status\n/promote " + strings.Repeat("v", MostBytes), []string{"1 status"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(tt.want, outline(Parse(tt.body))); d != "" {
				t.Error(d)
			}
		})
	}
}

// A line is kept to be shown: in one line, valid, and no longer than needed.
func TestText(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"  /promote \t v1\u202e  to\u00a0x ":         "/promote v1 to x",
		"/hold \x1b[31m\xff":                         "/hold [31m\ufffd",
		"/hold " + strings.Repeat("é", 300):          "/hold " + strings.Repeat("é", 194) + "…",
		"/hold a family: \U0001f468\u200d\U0001f469": "/hold a family: \U0001f468\u200d\U0001f469",
	} {
		p := Parse(line)
		if len(p.Commands) != 1 || p.Commands[0].Text != want {
			t.Errorf("%q: %+v", line, p)
		}
	}
}

// The help names every command once at least, and only what was asked for.
func TestHelp(t *testing.T) {
	t.Parallel()
	all := Help([]string{"stable", "a`|b"})
	for _, name := range Names() {
		if !strings.Contains(all, "| `/"+name) {
			t.Errorf("%s is missing:\n%s", name, all)
		}
		if one := HelpOn(name, nil); strings.Count(one, "\n| `/") != strings.Count(all, "| `/"+name) {
			t.Errorf("help on %s:\n%s", name, one)
		}
		if p := Parse("/" + name); len(p.Commands) != 1 || p.Commands[0].Name != name || !strings.HasPrefix(usage(name), "/"+name) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if !strings.Contains(all, "Classes: `stable`, `a'|b`.") {
		t.Error(all)
	}
}

// hostile are comments that would cost a careless reader seconds.
func hostile() map[string]string {
	fill := func(s, tail string) string {
		return strings.Repeat(s, (MostBytes-len(tail)-20)/len(s)) + tail
	}
	out := map[string]string{
		"quotations":          fill(">", "\n/promote"),
		"deep quotations":     fill("> > > > > > > > > > > > > > > > > > > > > > > > > x\ny\n", "\n\n/promote"),
		"lists":               fill("- ", "a\n\n/promote"),
		"lists and lines":     strings.Repeat("- ", 16000) + "a\n" + strings.Repeat("  \n", 8000) + "\n/promote",
		"numbers":             fill("1) ", "a\n\n/promote"),
		"growing lists":       growing(350) + "\n/promote",
		"brackets":            fill("[", "\n/promote"),
		"closed brackets":     fill("[", "")[:MostBytes/2] + strings.Repeat("]", MostBytes/2-30) + "\n/promote",
		"link addresses":      fill("[a](", "\n/promote"),
		"link titles":         fill("[a](b \"", "\n/promote"),
		"link definitions":    fill("[a]:\n", "\n/promote"),
		"link labels":         fill("[a][", "\n/promote"),
		"images":              fill("![", "\n/promote"),
		"backticks":           ticks() + "\n/promote",
		"comments":            fill("<!--", "\n/promote"),
		"comments in lines":   "x " + fill("<!--\n x", "\n/promote"),
		"tags":                fill("<a x='", "\n/promote"),
		"tags in lines":       "x " + fill("<a x='\n", "\n/promote"),
		"instructions":        fill("<?", "\n/promote"),
		"declarations":        fill("<!A", "\n/promote"),
		"CDATA":               fill("<![CDATA[", "\n/promote"),
		"emphasis":            fill("*a _b ", "\n/promote"),
		"open emphasis":       fill("a**b", "\n/promote"),
		"struck out":          fill("~~a", "\n/promote"),
		"tables":              table(),
		"short paragraphs":    fill("<a x='<a x='<a x='<a x='<a x='\n/promot\n\n", "/promote"),
		"middling paragraphs": fill(strings.Repeat("<a x='", 300)+"\n/promot\n\n", "/promote"),
		"fences":              fill("```\n", "\n/promote"),
		"headings":            fill("#\n", "\n/promote"),
		"tabs":                fill("\t\n\t- \t", "\n\n/promote"),
		"slashes":             fill("/promot\n", "\n/promote"),
		"slashes apart":       fill("/promot\n\n", "\n/promote"),
		"spaces":              fill(" ", "/promote"),
		"CR":                  fill("\r", "/promote"),
		"zero width":          fill("\u200b", "/promote"),
	}
	for name, body := range maps.Clone(out) { // short enough to be looked at closely
		short := strings.ReplaceAll(strings.ReplaceAll(body[:16000], "\n\n", "\n"), "\n", "\n\\")
		out[name+", closely"] = "a " + short + "\n/promote"
	}
	for i := range 500 {
		out["commands"] += fmt.Sprintf("/promote v1.%d.0 to stable --plan %s\n", i, strings.Repeat("_", 90))
		out["commands apart"] += fmt.Sprintf("/promote v1.%d.0 to stable --plan %s\n\n", i, strings.Repeat("_", 90))
	}
	return out
}

func growing(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "- a\n")
	}
	return b.String()
}

func ticks() string {
	var b strings.Builder
	for i := 1; b.Len()+i < MostBytes-20; i++ {
		b.WriteString(strings.Repeat("`", i) + "a")
	}
	return b.String()
}

func table() string {
	row := strings.Repeat("|a", 7000) + "|\n" + strings.Repeat("|-", 7000) + "|\n"
	return row + strings.Repeat("a\n", (MostBytes-len(row)-20)/2) + "\n/promote"
}

// Any comment is read in little time: no text makes Markdown cost its square. The
// processor's time counts, which other programs do not lengthen.
func TestHostile(t *testing.T) {
	for name, body := range hostile() {
		t.Run(name, func(t *testing.T) {
			if len(body) > MostBytes+2000 && !strings.HasPrefix(name, "commands") {
				t.Errorf("%d bytes", len(body))
			}
			start := processorTime(t)
			p := Parse(body)
			d := processorTime(t) - start
			t.Logf("%v: %d commands, %d hints, %d dropped", d, len(p.Commands), len(p.Hints), p.Dropped)
			if d > 2*time.Second {
				t.Errorf("took %v", d)
			}
			if strings.HasPrefix(name, "commands") && (len(p.Commands) != MostCommands || p.Dropped < 400) {
				t.Errorf("%d commands, %d dropped", len(p.Commands), p.Dropped)
			}
		})
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkParse(b *testing.B) {
	all := hostile()
	for name, body := range map[string]string{"prose": strings.Repeat("Some words of prose, as people write them.\n", 1500), "one command": "Looks good to me.\n\n/promote v1.4.0\n", "500 commands": all["commands"]} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Parse(body)
			}
		})
	}
}

// No comment panics; at most ten commands count, and each shows a line of the
// comment.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"/promote v1 to stable --plan", "a\r\n\r\n/hold x\r\n", "> /promote", "```\n/promote", "- a\n  /retry", "<!--\n/promote\n-->", "`a\n/promote\n`", "[a](\n/promote\n)",
		"\ufeff/status", "/promote —plan", "/slipway", "/promot", "a|b\n-|-\n/help", "[a]:\n/promote", "\t/promote\n\x00\xff/", strings.Repeat("/help\n", 12), "/hold \u202e\u200d", "**a\n/unhold b**"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		p := Parse(body)
		lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(body, "\ufffd")), "\n")
		check := func(line int, text string) {
			if line < 1 || line > len(lines) {
				t.Fatalf("line %d of %d", line, len(lines))
			}
			want := strings.Join(strings.Fields(visible(lines[line-1])), " ")
			if !strings.HasPrefix(want, strings.TrimSuffix(text, "…")) || !utf8.ValidString(text) || utf8.RuneCountInString(text) > mostText+1 || !strings.Contains(text, "/") {
				t.Fatalf("line %d is %q, shown as %q", line, want, text)
			}
		}
		if len(p.Commands) > MostCommands || len(p.Hints) > MostCommands || p.Dropped > 0 && len(p.Commands) < MostCommands {
			t.Fatalf("%+v", p)
		}
		for _, c := range p.Commands {
			check(c.Line, c.Text)
			if !slices.Contains(Names(), c.Name) || c.Problem != nil && (c.Source+c.To+c.Tag+c.Reason+c.Topic != "" || c.Plan || c.Problem.Message == "") {
				t.Fatalf("%+v", c)
			}
			for _, s := range []string{c.Source, c.To, c.Tag} {
				if strings.HasPrefix(s, "-") || strings.ContainsAny(s, " \t\n`") {
					t.Fatalf("%+v", c)
				}
			}
		}
		for _, h := range p.Hints {
			check(h.Line, h.Text)
		}
	})
}
