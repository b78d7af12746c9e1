package release

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/releasenotes"
)

// since makes commits of their messages, newest first; the subject ends at the
// first line feed. The newest has the hash aaaa…, the next bbbb….
func since(messages ...string) (out []releasenotes.Commit) {
	hash := func(i int) string { return strings.Repeat(string(rune('a'+i)), 40) }
	for i, m := range messages {
		subject, body, _ := strings.Cut(m, "\n")
		out = append(out, releasenotes.Commit{Hash: hash(i), Parents: []string{hash(i + 1)}, Subject: subject, Body: body})
	}
	return out
}

// The next version follows from the commits, keeps the tag's form, and says
// which commit decided.
func TestNextVersion(t *testing.T) {
	t.Parallel()
	const a, b = " (aaaaaaaaaaaa).", " (bbbbbbbbbbbb)."
	for _, tt := range []struct {
		name, previous string
		commits        []releasenotes.Commit
		want           string // tag, version and level, or the error
		reason         string
	}{
		{"patch", "v1.2.3", since("docs: c", "fix: b"), "v1.2.4 1.2.4 patch", "It is a patch, as nothing since v1.2.3 is a feature or breaking; the newest change is docs: c" + a},
		{"plain text", "v1.2.3", since("a change"), "v1.2.4 1.2.4 patch", "It is a patch, as nothing since v1.2.3 is a feature or breaking; the newest change is a change" + a},
		{"minor", "v1.2.3", since("fix: c", "feat(cli): b (#7)", "feat: a"), "v1.3.0 1.3.0 minor", "It is a minor version because of a feature: feat(cli): b" + b},
		{"major", "v1.2.3", since("feat: c", "fix!: b"), "v2.0.0 2.0.0 major", "It is a major version because of a breaking change: fix!: b" + b},
		{"footer", "v1.2.3", since("chore: c\n\nBREAKING CHANGE: all"), "v2.0.0 2.0.0 major", "It is a major version because of a breaking change: chore!: c" + a},
		{"before 1.0.0", "v0.9.1", since("feat!: c"), "v0.10.0 0.10.0 minor", "It is a minor version, as a breaking change makes one before 1.0.0: feat!: c" + a},
		{"feature before 1.0.0", "v0.9.1", since("feat: c"), "v0.10.0 0.10.0 minor", "It is a minor version because of a feature: feat: c" + a},
		{"taken back", "v1.2.3", since("fix: d", "Revert \"feat!: b\"\n\nThis reverts commit "+strings.Repeat("c", 40)+".", "feat!: b"), "v1.2.4 1.2.4 patch", "It is a patch, as nothing since v1.2.3 is a feature or breaking; the newest change is fix: d" + a},
		{"nothing is left", "v1.2.3", since("Revert \"feat: b\"\n\nThis reverts commit "+strings.Repeat("b", 40)+".", "feat: b"), "v1.2.4 1.2.4 patch", "It is a patch, as the commits since v1.2.3 take each other back or only merge."},
		{"title of a pull request", "v1.2.3", since("Merge pull request #7 from a/b\n\nfeat: all of it"), "v1.3.0 1.3.0 minor", "It is a minor version because of a feature: feat: all of it" + a},
		{"first", "", since("fix: a"), "v0.1.0 0.1.0 first", "It is the first version."},
		{"series", "cli/v1.2.3", since("feat: a"), "cli/v1.3.0 1.3.0 minor", "It is a minor version because of a feature: feat: a" + a},
		{"no v", "1.2.3", since("feat: a"), "1.3.0 1.3.0 minor", "It is a minor version because of a feature: feat: a" + a},
		{"two parts", "v1.2", since("fix: a"), "v1.3 1.3 patch", "It is a patch, as nothing since v1.2 is a feature or breaking; the newest change is fix: a" + a},
		{"four parts", "v1.2.3.4", since("fix: a"), "v1.2.4.0 1.2.4.0 patch", "It is a patch, as nothing since v1.2.3.4 is a feature or breaking; the newest change is fix: a" + a},
		{"build metadata", "v1.2.3+7", since("feat: a"), "v1.3.0 1.3.0 minor", "It is a minor version because of a feature: feat: a" + a},
		{"long subject", "v1.2.3", since("feat: " + strings.Repeat("é", 200)), "v1.3.0 1.3.0 minor", "It is a minor version because of a feature: feat: " + strings.Repeat("é", 94) + "…" + a},

		{"nothing new", "v1.2.3", nil, "4: there is nothing new since v1.2.3 (promote a later commit)", ""},
		{"nothing at all", "", nil, "4: there is nothing to release (commit something first)", ""},
		{"prerelease", "v1.2.3-rc1", since("fix: a"), "2: v1.2.3-rc1 is no plain version, so the one after it can't be told (write the tag: /promote TAG)", ""},
		{"no version", "nightly-7", since("fix: a"), "2: nightly-7 is no plain version, so the one after it can't be told (write the tag: /promote TAG)", ""},
		{"date", "2026.11.21", since("fix: a"), "2: 2026.11.21 looks like a date, so the version after it can't be told (write the tag: /promote TAG)", ""},
		{"short date", "v26.04", since("fix: a"), "2: v26.04 looks like a date, so the version after it can't be told (write the tag: /promote TAG)", ""},
		{"large", "v1.2.2147483647", since("fix: a"), "2: v1.2.2147483647 has a number that is too large to count up (write the tag: /promote TAG)", ""},
		{"huge", "v1.2.99999999999999999999", since("fix: a"), "2: v1.2.99999999999999999999 is no plain version, so the one after it can't be told (write the tag: /promote TAG)", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bump, err := NextVersion(tt.previous, tt.commits)
			got := strings.Join([]string{bump.Tag, bump.Version, bump.Level}, " ")
			if err != nil {
				got = fmt.Sprintf("%d: %v (%s)", KindOf(err), err, HintOf(err))
			}
			if d := cmp.Diff([]string{tt.want, tt.reason}, []string{got, bump.Reason}); d != "" {
				t.Error(d)
			}
		})
	}
}

// A prerelease leads to the release of its numbers; what is none leads nowhere.
func TestReleaseOf(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]string{
		"v1.4.0-rc2": "v1.4.0", "v1.4.0-rc.2+build": "v1.4.0", "1.4-beta": "1.4", "cli/v1.2.0-rc1": "cli/v1.2.0", "v1.4.0rc1": "v1.4.0",
		"v1.4.0": "", "v1.4.0+build": "", "nightly-7": "", "dev-0123456789ab": "", "": "",
	} {
		if got, ok := ReleaseOf(tag); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", tag, got, ok)
		}
	}
}
