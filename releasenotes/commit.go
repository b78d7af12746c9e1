package releasenotes

import "time"

// Commit is one commit as `git log` tells it.
type Commit struct {
	Hash    string   // full hash
	Parents []string // full hashes; two or more for a merge
	Name    string   // author, mailmap applied
	Email   string   // author, mailmap applied
	Time    time.Time
	Subject string // first line of the message
	Body    string // the rest, without the blank line between
}
