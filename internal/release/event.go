package release

import (
	"strings"
	"time"
)

// Event is what happened, as any edge tells it: a command line, a webhook, a
// runner's event file or a cron tick. Tag is set for a tag, Branch for a commit
// on a branch; with neither the event is a bare commit.
type Event struct {
	Tag    string    `json:"tag,omitempty"`
	Branch string    `json:"branch,omitempty"`
	Commit string    `json:"commit"` // full hash, 40 or 64 hex digits
	Time   time.Time `json:"time"`   // the commit's committer date
	// MakesTag says that Tag need not be on the forge yet: the release makes it
	// at Commit in the moment it is published.
	MakesTag bool `json:"makesTag,omitempty"`
}

// ShortCommit is the commit's first 12 digits: a fixed length, so that names do
// not depend on how many objects a clone holds.
func ShortCommit(commit string) string {
	if len(commit) > 12 {
		return commit[:12]
	}
	return commit
}

// Target is the forge repository that a release goes to.
type Target struct {
	Forge      string `json:"forge,omitempty"` // github, gitea or forgejo; empty while it is not known
	Server     string `json:"server"`          // base URL without a trailing slash, https://github.com
	Repository string `json:"repository"`      // owner/name
}

func (t Target) String() string {
	host := strings.TrimPrefix(strings.TrimPrefix(t.Server, "https://"), "http://")
	return host + "/" + t.Repository
}
