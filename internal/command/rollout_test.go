package command

import (
	"strings"
	"testing"
	"time"
)

// The commands about rollouts are read, and what is wrong with one is said.
func TestRolloutCommands(t *testing.T) {
	t.Parallel()
	const deploy, rollback = "(write `/deploy <release> to <environment> [of <package>]`)", "(write `/rollback <environment> [to <release>] [of <package>]`)"
	const times = "(such as `2026-12-24`, `2026-12-24 18:00 Europe/Paris`, `monday`, `2h` or `3d`)"
	for line, want := range map[string]string{
		"/approve":                            "approve",
		"/approve v1.2.0":                     "approve release=v1.2.0",
		"/approve @7 as security":             "approve release=7 as=security",
		"/approve AS security":                "approve as=security",
		"/approve ./backend/release.ocu.star": "approve package=backend/release.ocu.star",
		"/approve as":                         "approve ! nothing follows `as` (write `/approve [release or package] [as <name>]`)",
		"/approve v1 v2":                      "approve ! `v1 v2` is more than `/approve` takes there (write `/approve [release or package] [as <name>]`)",
		"/approve --force":                    "approve ! `/approve` has no flags, but `--force` is written (write `/approve [release or package] [as <name>]`)",
		"/slipway approve":                    "approve prefixed",
		"/aprove":                             "/approve? /aprove",
		"/deploy v1.2.0 to production":        "deploy release=v1.2.0 environment=production",
		"/deploy r7 to eu of a/b.ocu.star":    "deploy release=r7 environment=eu package=a/b.ocu.star",
		"/deploy":                             "deploy ! it does not say which release to deploy " + deploy,
		"/deploy v1":                          "deploy ! it does not say where to deploy it (write `/deploy v1 to <environment>`)",
		"/deploy v1 to":                       "deploy ! nothing follows `to` " + deploy,
		"/deploy v1 to a to b":                "deploy ! `to` is written twice " + deploy,
		"/deploy v1 production":               "deploy ! `v1 production` is more than `/deploy` takes there " + deploy,
		"/deploy v1 to a..x":                  "deploy ! `a..x` can't be the name of a tag",
		"/rollback production":                "rollback environment=production",
		"/rollback production to @6":          "rollback release=6 environment=production",
		"/rollback":                           "rollback ! it does not say which environment to roll back " + rollback,
		"/freeze":                             "freeze",
		"/freeze production, staging":         "freeze environments=production+staging",
		"/freeze until monday":                "freeze until=monday",
		"/freeze eu until 2026-12-24 18:00 CET/x because no":                                  "freeze ! `2026-12-24 18:00 CET/x` is no time " + times,
		"/freeze eu until 2026-12-24 18:00 Europe/Paris because -- of the fair until it ends": "freeze reason=-- of the fair until it ends environments=eu until=2026-12-24 18:00 Europe/Paris",
		"/freeze because":    "freeze ! nothing follows `because` (write `/freeze [environment…] until <time> [because …]`)",
		"/freeze until":      "freeze ! nothing follows `until` (write `/freeze [environment…] until <time> [because …]`)",
		"/freeze until soon": "freeze ! `soon` is no time " + times,
		"/unfreeze":          "unfreeze",
		"/unfreeze eu us":    "unfreeze environments=eu+us",
		"/unfreze":           "/unfreeze? /unfreze",
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

// Times are read as people write them, from a Saturday evening on.
func TestMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 18, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-12-24":                    "2026-12-24T00:00:00Z",
		"2026-12-24 18:00":              "2026-12-24T18:00:00Z",
		"2026-12-24T18:00":              "2026-12-24T18:00:00Z",
		"2026-12-24 18:00 Europe/Paris": "2026-12-24T17:00:00Z",
		"2026-12-24 18:00 +01:00":       "2026-12-24T17:00:00Z",
		"2026-12-24 18:00 UTC":          "2026-12-24T18:00:00Z",
		"2026-12-24T18:00:00+01:00":     "2026-12-24T17:00:00Z",
		"2026-12-24t18:00z":             "2026-12-24T18:00:00Z",
		"2027-03-28 02:30 Europe/Paris": "2027-03-28T01:30:00Z", // which its clocks leave out
		"monday":                        "2026-11-23T00:00:00Z",
		"Mon 9:00 America/New_York":     "2026-11-23T14:00:00Z",
		"saturday":                      "2026-11-28T00:00:00Z",
		"saturday 19:00":                "2026-11-21T19:00:00Z",
		"saturday 18:00":                "2026-11-28T18:00:00Z",
		"sunday Asia/Tokyo":             "2026-11-28T15:00:00Z", // there it is Sunday already
		"tomorrow":                      "2026-11-22T00:00:00Z",
		"today 20:00":                   "2026-11-21T20:00:00Z",
		"20:00":                         "2026-11-21T20:00:00Z",
		"8:00":                          "2026-11-22T08:00:00Z",
		"8:00 Europe/Paris":             "2026-11-22T07:00:00Z",
		"2h":                            "2026-11-21T20:30:00Z",
		"90m":                           "2026-11-21T20:00:00Z",
		"3d":                            "2026-11-24T18:30:00Z",
		"1d12h":                         "2026-11-23T06:30:00Z",
		"":                              "", "soon": "", "0h": "", "-2h": "", "999d": "", "24:00": "", "8:60": "", "2026-02-30": "", "2026-12-24 noon": "", "monday Local": "",
		"monday 9:00 Europe/Atlantis": "", "2026-12-24 18:00 UTC UTC": "", "monday ../../etc/passwd": "", "8:00 9:00": "", "d": "", "UTC": "",
	} {
		got := ""
		if at, ok := Moment(text, now); ok {
			got = at.UTC().Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
