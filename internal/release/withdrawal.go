package release

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Withdrawn says why a release was taken back.
type Withdrawn struct {
	Reason string    `json:"reason"` // on one line
	Time   time.Time `json:"time"`
	By     string    `json:"by,omitempty"`
}

const withdrawnMarker = "<!-- slipway withdrawn -->"

// IsWithdrawn says whether a release's text has the mark.
func IsWithdrawn(body string) bool { return strings.Contains(body, withdrawnMarker) }

// Mark puts the mark above a release's text.
func (w Withdrawn) Mark(body string) string {
	return fmt.Sprintf("> **Withdrawn** on %s: %s\n\n%s\n\n%s", w.Time.UTC().Format(time.DateOnly), w.Reason, withdrawnMarker, Unmark(body))
}

// Unmark takes the mark away.
func Unmark(body string) string {
	if _, text, marked := strings.Cut(body, withdrawnMarker); marked {
		return strings.TrimLeft(text, "\n")
	}
	return body
}

// OfClass are the tags of a class that are of one series with a tag, highest
// version first, without the tag itself.
func (c *Classifier) OfClass(class, tag string, tags []HistoryTag) []HistoryTag {
	own := ParseTag(tag)
	var named []namedTag
	for _, t := range tags {
		if name := ParseTag(t.Name); t.Name != tag && name.Series == own.Series && c.classOf(t) == class {
			named = append(named, namedTag{t, name})
		}
	}
	slices.SortStableFunc(named, highestFirst)
	out := make([]HistoryTag, len(named))
	for i, n := range named {
		out[i] = n.HistoryTag
	}
	return out
}

// ReportWithdrawal tells what became of a release that was taken back.
type ReportWithdrawal struct {
	Schema  string         `json:"schema"` // slipway.withdrawal/v1
	Tag     string         `json:"tag"`
	Reason  string         `json:"reason"`
	Latest  string         `json:"latest,omitempty"` // the newest release of its class that is left
	Release *ForgeRelease  `json:"release,omitempty"`
	Tags    []TagState     `json:"tags,omitempty"` // of images
	Places  []PlaceChanged `json:"places,omitempty"`
	Changed bool           `json:"changed"` // false: all was done before
}

// PlaceChanged says whether a place had something to change.
type PlaceChanged struct {
	Kind    string `json:"kind"`
	Changed bool   `json:"changed"`
}

// WithdrawalSchema names the report's format.
const WithdrawalSchema = "slipway.withdrawal/v1"
