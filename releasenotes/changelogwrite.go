package releasenotes

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// WriteTo writes the changelog of all commits that were added. It implements
// [io.WriterTo] and may be called again, but Add may not.
func (c *Changelog) WriteTo(w io.Writer) (int64, error) {
	if err := c.finishAll(); err != nil {
		return 0, err
	}
	count := &countingWriter{w: w}
	out := bufio.NewWriterSize(count, 64<<10)
	err := c.write(out)
	if err == nil {
		err = out.Flush()
	}
	return count.n, err
}

func (c *Changelog) write(w *bufio.Writer) error {
	before, between, after := "# Changelog\n", "", ""
	if c.format == FormatJSON {
		before, between, after = "[", ",\n", "]\n"
	}
	w.WriteString(before)
	for i := range c.records {
		if i > 0 {
			w.WriteString(between)
		}
		if err := c.writeRecord(w, &c.records[i]); err != nil {
			return err
		}
	}
	_, err := w.WriteString(after)
	return err
}

// render writes a section's text as it goes into the spool: all but what is
// known only at the end.
func (c *Changelog) render(b []byte, n *Notes) ([]byte, error) {
	if c.format == FormatMarkdown && c.set.template == nil {
		return appendChanges(b, n, changelogLevel), nil
	}
	encoded, err := json.Marshal(n)
	if err != nil {
		return b, fmt.Errorf("encode notes of %s: %w", n.Tag, err)
	}
	return append(b, encoded[:len(encoded)-len(openEnd)]...), nil
}

// openEnd is how the JSON of Notes without new contributors ends.
const openEnd = "[]}"

// writeRecord copies a section out, with its new contributors.
func (c *Changelog) writeRecord(w *bufio.Writer, r *record) error {
	body := c.spool.reader(r.at, r.size)
	switch {
	case c.format == FormatJSON:
		return writeJSON(w, body, r.newcomers)
	case c.set.template != nil:
		return c.writeTemplate(w, body, r)
	}
	w.WriteString(r.heading + "\n")
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("write changelog: %w", err)
	}
	n := Notes{Links: c.set.Links, NewContributors: r.newcomers}
	_, err := w.Write(appendNewContributors([]byte{'\n'}, &n, changelogLevel)[1:])
	return err
}

func writeJSON(w io.Writer, body io.Reader, newcomers []Contributor) error {
	if newcomers == nil {
		newcomers = []Contributor{}
	}
	end, err := json.Marshal(newcomers)
	if err != nil {
		return fmt.Errorf("encode new contributors: %w", err)
	}
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("write changelog: %w", err)
	}
	_, err = w.Write(append(end, '}'))
	return err
}

func (c *Changelog) writeTemplate(w *bufio.Writer, body io.Reader, r *record) error {
	encoded, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("write changelog: %w", err)
	}
	var n Notes
	if err := json.Unmarshal(append(encoded, openEnd...), &n); err != nil {
		return fmt.Errorf("read spooled notes: %w", err)
	}
	n.NewContributors = r.newcomers
	text, err := executeTemplate(c.set.template, n, changelogLevel)
	if err != nil {
		return err
	}
	w.WriteString(r.heading + "\n")
	_, err = w.WriteString(text)
	return err
}

// releaseHeading is "## [v1.2.0](compare) - 2006-01-02" with what else the
// release is tagged as.
func releaseHeading(n *Notes) string {
	title := n.Tag
	if title == "" {
		title = "Unreleased"
	}
	b := []byte("\n## ")
	if n.CompareURL != "" {
		b = appendLink(b, title, n.CompareURL)
	} else {
		b = appendEscaped(b, title)
	}
	if !n.Date.IsZero() {
		b = n.Date.UTC().AppendFormat(b, " - 2006-01-02")
	}
	b = append(b, '\n')
	for i, tag := range n.AlsoTagged {
		if i == 0 {
			b = append(b, "\nAlso tagged "...)
		} else {
			b = append(b, ", "...)
		}
		b = appendEscaped(b, tag)
		if i == len(n.AlsoTagged)-1 {
			b = append(b, ".\n"...)
		}
	}
	return string(b)
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
