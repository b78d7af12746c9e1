package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/releasenotes"
)

// logFormat's fields each end with NUL, which no field of a commit can hold.
const (
	logFormat = "%H%x00%P%x00%aN%x00%aE%x00%ct%x00%B"
	logFields = 6
)

// Log yields the commits that are in to's history and not in from's (all of
// to's history when from is empty), in topological order: no commit before all
// of its children, and lines of history not mixed. With paths
// (git pathspecs from the top of the tree; * stays within a folder, ** does
// not) only the commits that touch them. Authors go through the .mailmap of
// to. Commit.Time is the committer date. Messages are UTF-8, those in an
// undeclared encoding are read as Windows-1252, and one longer than 1 MiB is cut.
func (r *Repo) Log(ctx context.Context, from, to string, paths []string, yield func(releasenotes.Commit) error) error {
	revs, err := rangeArgs(from, to)
	if err != nil {
		return err
	}
	args := append([]string{"log", "-z", "--no-notes", "--topo-order", "--format=" + logFormat, "--end-of-options"}, revs...)
	c := r.command(append(append(args, "--"), paths...)...)
	c.Env = append(r.mailmapEnv(to), "GIT_GLOB_PATHSPECS=1")
	err = r.stream(ctx, c, func(out io.Reader) error { return readLog(out, yield) })
	if exitCode(err) == 128 && strings.Contains(err.Error(), "outside repository") {
		return release.Invalidf("give paths from the top of the repository, without ..",
			"paths of the history lead out of the repository: %s", strings.Join(paths, ", "))
	}
	if err != nil {
		return r.explain(ctx, fmt.Errorf("read history: %w", err), ends(from, to)...)
	}
	return nil
}

// ends are the revisions that a range is given by.
func ends(from, to string) []string {
	if from == "" {
		return []string{to}
	}
	return []string{to, from}
}

// rangeArgs are a range's revisions as git log takes them after
// --end-of-options.
func rangeArgs(from, to string) ([]string, error) {
	revs := ends(from, to)
	for i, rev := range revs {
		if err := checkRevision(rev); err != nil {
			return nil, err
		}
		revs[i] = rev + "^{commit}"
		if i > 0 {
			revs[i] = "^" + revs[i]
		}
	}
	return revs, nil
}

// mailmapEnv is the environment in which authors go through the .mailmap of a
// commit.
func (r *Repo) mailmapEnv(rev string) []string {
	return withSettings(r.env, [][2]string{{"mailmap.blob", rev + ":.mailmap"}})
}

// readLog yields the commits of a whole answer.
func readLog(out io.Reader, yield func(releasenotes.Commit) error) error {
	p := logParser{r: newRecordReader(out, 0), known: map[string]string{}}
	for {
		commit, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := yield(commit); err != nil {
			return err
		}
	}
}

// logParser reads commits in logFormat.
type logParser struct {
	r *recordReader
	// known holds author names and addresses, so that each is one string for
	// all of its commits and keeps no message alive.
	known map[string]string
}

// next reads one commit, or gives io.EOF after the last.
func (p *logParser) next() (releasenotes.Commit, error) {
	var c releasenotes.Commit
	for i := range logFields {
		b, err := p.r.next()
		if errors.Is(err, io.EOF) && i == 0 {
			return c, io.EOF
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return c, fmt.Errorf("git log ended in the middle of a commit: %w", err)
		}
		switch i {
		case 0:
			c.Hash = string(b)
		case 1:
			c.Parents = strings.Fields(string(b))
		case 2:
			c.Name = p.intern(b)
		case 3:
			c.Email = p.intern(b)
		case 4:
			c.Time = unixTime(string(b))
		case 5:
			c.Subject, c.Body = splitMessage(validUTF8(b))
		}
	}
	return c, nil
}

func (p *logParser) intern(b []byte) string {
	if s, ok := p.known[string(b)]; ok {
		return s
	}
	if len(p.known) >= 4096 {
		clear(p.known)
	}
	s := validUTF8(b)
	p.known[string(b)] = s
	return s
}

// splitMessage parts a message in its first line and the rest without the
// blank lines between.
func splitMessage(message string) (subject, body string) {
	subject, body, _ = strings.Cut(strings.TrimSpace(message), "\n")
	return strings.TrimRight(subject, " \t\r"), strings.TrimLeft(body, "\r\n")
}

// validUTF8 makes a string of text that should be UTF-8. git has recoded what
// declares its encoding; what does not is read as Windows-1252, the superset
// of the Latin-1 that gitweb falls back to.
func validUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	s, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return string(s)
}
