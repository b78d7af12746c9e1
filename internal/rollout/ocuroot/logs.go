package ocuroot

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"time"
)

// Line is one that a run printed.
type Line struct {
	Time   time.Time `json:"timestamp"`
	Text   string    `json:"message"`
	Stream int       `json:"stream"` // 1: stdout, 2: stderr, 0: of the package's own
}

// Logs reads what a run printed: it is the larger part of a store, so that Read
// leaves it where it is.
func Logs(fsys fs.FS, r Run) ([]Line, error) {
	var all []Line
	for _, name := range r.LogFiles {
		b, err := readFile(fsys, name)
		if err != nil {
			return all, fmt.Errorf("read the log %s: %w", name, err)
		}
		var o object
		var lines []Line
		if err := json.Unmarshal(b, &o); err != nil || o.Kind != "ref" {
			return all, fmt.Errorf("read the log %s: it is no document of Ocuroot's", name)
		}
		if err := json.Unmarshal(o.Body, &lines); err != nil {
			return all, fmt.Errorf("read the log %s: %w", name, err)
		}
		all = append(all, lines...)
	}
	return all, nil
}
