package memory_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// Whoever looks on sees each state of a comment and of its reactions.
func TestOnTalk(t *testing.T) {
	t.Parallel()
	var saw []string
	r := memory.New(memory.Options{OnTalk: func(c memory.Comment) { saw = append(saw, fmt.Sprint(c.Body, len(c.Reactions))) }})
	issue := r.OpenIssue("ada", "a question", "")
	c, err := r.AddComment(forge.Place{Issue: issue.Number}, "ada", "one")
	if err != nil {
		t.Fatal(err)
	}
	sign, _, err := r.React(c.ID, "bot", "eyes")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.React(c.ID, "bot", "eyes"); err != nil { // it is there already
		t.Fatal(err)
	}
	if _, err := r.EditComment(c.ID, "ada", "two"); err != nil {
		t.Fatal(err)
	}
	if err := r.Unreact(c.ID, sign.ID, "", ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one0", "one1", "two1", "two0"}, saw); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
