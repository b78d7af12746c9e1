package releasenotes_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/slipway-dev/slipway/releasenotes"
)

const (
	hashA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hashB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// Promise: conventional commits, plain ones, merges of both forges and reverts
// are read as people write them.
func TestParse(t *testing.T) {
	t.Parallel()
	type message = releasenotes.Message
	for name, test := range map[string]struct {
		subject, body string
		want          message
	}{
		"conventional":        {"feat(cli): add --json", "", message{Type: "feat", Scope: "cli", Text: "add --json"}},
		"upper case":          {"Fix: close it", "", message{Type: "fix", Text: "close it"}},
		"exclamation mark":    {"feat!: drop v1", "", message{Type: "feat", Text: "drop v1", Breaking: true}},
		"scope and mark":      {"feat(api v2)!: drop v1", "", message{Type: "feat", Scope: "api v2", Text: "drop v1", Breaking: true}},
		"squash number":       {"fix: close it (#12)", "", message{Type: "fix", Text: "close it", Pulls: []int{12}}},
		"two numbers":         {"fix: close it (#12) (#13)", "", message{Type: "fix", Text: "close it", Pulls: []int{13, 12}}},
		"number is all":       {"(#12)", "", message{Text: "(#12)"}},
		"number too large":    {"fix (#99999999999999999999)", "", message{Text: "fix (#99999999999999999999)"}},
		"plain":               {"Close the file", "", message{Text: "Close the file"}},
		"plain with a colon":  {"net/http: close the file", "", message{Text: "net/http: close the file"}},
		"unclosed scope":      {"feat(cli: add", "", message{Text: "feat(cli: add"}},
		"no space":            {"feat:add", "", message{Text: "feat:add"}},
		"no text":             {"feat: ", "", message{Text: "feat:"}},
		"address":             {"https://example.org is down", "", message{Text: "https://example.org is down"}},
		"sentence":            {"Merge sort is faster: use it", "", message{Text: "Merge sort is faster: use it"}},
		"no message":          {"", "", message{Kind: releasenotes.Fixup}},
		"fixup":               {"fixup! feat: x", "", message{Kind: releasenotes.Fixup}},
		"branch merge":        {"Merge branch 'main' into feature", "", message{Kind: releasenotes.BranchMerge}},
		"remote merge":        {"Merge remote-tracking branch 'origin/main'", "", message{Kind: releasenotes.BranchMerge}},
		"GitHub merge":        {"Merge pull request #12 from ada/flag", "feat: add a flag\n\nBREAKING CHANGE: no", message{Kind: releasenotes.PullMerge, Type: "feat", Text: "add a flag", Pulls: []int{12}, Breaking: true, Notes: []string{"no"}}},
		"GitHub, empty body":  {"Merge pull request #12 from ada/flag", "", message{Kind: releasenotes.PullMerge, Pulls: []int{12}}},
		"Gitea merge":         {"Merge pull request 'feat: it's \"here\" (#1)' (#12) from ada/flag into main", "Reviewed-on: x", message{Kind: releasenotes.PullMerge, Type: "feat", Text: "it's \"here\"", Pulls: []int{12, 1}}},
		"garbled merge":       {"Merge pull request 'x from y", "", message{Kind: releasenotes.BranchMerge}},
		"footer":              {"fix: x", "Why.\n\nBREAKING CHANGE: one line", message{Type: "fix", Text: "x", Breaking: true, Notes: []string{"one line"}}},
		"footer with a dash":  {"fix: x", "BREAKING-CHANGE: one line\r\n", message{Type: "fix", Text: "x", Breaking: true, Notes: []string{"one line"}}},
		"footer paragraphs":   {"fix: x", "BREAKING CHANGE: first\nline\n\nBefore: old()\n\nSigned-off-by: Ada <a@b>\nBREAKING CHANGES: second", message{Type: "fix", Text: "x", Breaking: true, Notes: []string{"first\nline\n\nBefore: old()", "second"}}},
		"footer in prose":     {"fix: x", "This is no breaking change: it is fine. BREAKING CHANGE: nor this", message{Type: "fix", Text: "x"}},
		"footer without text": {"fix: x", "BREAKING CHANGE:", message{Type: "fix", Text: "x", Breaking: true}},
		"co-authors":          {"fix: x", "\nCo-authored-by: Bob B <bob@example.org>\nco-authored-by: <c@example.org>\nCo-Authored-By: nobody", message{Type: "fix", Text: "x", CoAuthors: []releasenotes.Person{{Name: "Bob B", Email: "bob@example.org"}, {Email: "c@example.org"}}}},
		"git revert": {`Revert "feat: x (#3)"`, "This reverts commit " + hashA + ".\n", message{Type: "revert", Text: `Revert "feat: x (#3)"`,
			Reverts: releasenotes.Reverted{Hashes: []string{hashA}, Subject: "feat: x (#3)"}}},
		"GitHub revert": {`Revert "feat: x" (#13)`, "Reverts acme/hello#12", message{Type: "revert", Text: `Revert "feat: x"`, Pulls: []int{13},
			Reverts: releasenotes.Reverted{Pulls: []int{12}, Subject: "feat: x"}}},
		"merge revert": {`Revert "Merge pull request #12 from ada/flag"`, "This reverts commit " + hashA + ", reversing\nchanges made to " + hashB + ".", message{Type: "revert", Text: `Revert "Merge pull request #12 from ada/flag"`,
			Reverts: releasenotes.Reverted{Hashes: []string{hashA}, Subject: "Merge pull request #12 from ada/flag"}}},
		"reapply": {`Reapply "x"`, "This reverts commit " + hashB + ".", message{Type: "revert", Text: `Reapply "x"`,
			Reverts: releasenotes.Reverted{Hashes: []string{hashB}, Subject: `Revert "x"`}}},
		"conventional revert": {"revert(cli): feat: x", "Refs: aaaaaaa, bbbbbbbb", message{Type: "revert", Scope: "cli", Text: "feat: x",
			Reverts: releasenotes.Reverted{Hashes: []string{"aaaaaaa", "bbbbbbbb"}, Subject: "feat: x"}}},
		"whole message as subject": {"fix: x\n\nBREAKING CHANGE: y", "", message{Type: "fix", Text: "x", Breaking: true, Notes: []string{"y"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := releasenotes.Parse(test.subject, test.body)
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreUnexported(message{}), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Promise: no message, however broken, makes the parser fail, and what it says
// is in the message.
func FuzzParse(f *testing.F) {
	f.Add("feat(cli)!: add (#12)", "BREAKING CHANGE: x\n\nSigned-off-by: a <b>\n")
	f.Add("Merge pull request 'a' (#1) from b into c", "")
	f.Add("Merge pull request #1 from a/b", "\n\ntitle (#2)\nCo-authored-by: a <b>")
	f.Add(`Revert "Revert "x""`, "This reverts commit "+hashA+", "+hashB)
	f.Add("Reapply \"", "Reverts a/b#1\nRefs: aaaaaaa and bbbbbbb")
	f.Fuzz(func(t *testing.T, subject, body string) {
		m := releasenotes.Parse(subject, body)
		if m.Type != strings.ToLower(m.Type) {
			t.Errorf("type %q is not in lower case", m.Type)
		}
		all := subject + "\n" + body
		if !strings.Contains(all, m.Text) || !strings.Contains(all, m.Scope) {
			t.Errorf("text %q or scope %q is not in the message", m.Text, m.Scope)
		}
		if m.Kind == releasenotes.PullMerge && len(m.Pulls) == 0 {
			t.Error("a pull request without a number")
		}
		for _, n := range append(m.Pulls, m.Reverts.Pulls...) {
			if n <= 0 {
				t.Errorf("pull request %d", n)
			}
		}
		for _, h := range m.Reverts.Hashes {
			if len(h) < 7 || len(h) > 64 {
				t.Errorf("hash %q", h)
			}
		}
	})
}
