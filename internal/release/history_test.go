package release_test

import (
	"fmt"
	"testing"

	"github.com/slipway-dev/slipway/internal/release"
)

// What came before is found in a repository of many tags without a delay that
// a person notices.
func BenchmarkPredecessors(b *testing.B) {
	var tags []release.HistoryTag
	for i := range 500 {
		tags = append(tags, release.HistoryTag{Name: fmt.Sprintf("v%d.%d.%d", i/100, i/10%10, i%10), Commit: commit})
	}
	c, err := release.NewClassifier(release.DefaultClasses("main"))
	if err != nil {
		b.Fatal(err)
	}
	d, err := c.Classify(release.Event{Tag: "v9.0.0", Commit: commit, Time: at})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c.Predecessors(d, at, tags)
	}
}
