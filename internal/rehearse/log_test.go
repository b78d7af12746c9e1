package rehearse

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/progress"
)

// told is what a person sees of a log.
func told(t *testing.T, log string) string {
	t.Helper()
	lines := make(chan entry, 100)
	w := &lineWriter{to: lines}
	for i := range len(log) { // however the pipe cuts it
		if _, err := w.Write([]byte{log[i]}); err != nil {
			t.Fatal(err)
		}
	}
	close(lines)
	var out bytes.Buffer
	teller := newTeller(progress.Lines(&out))
	for e := range lines {
		teller.tell(e)
	}
	teller.cut(0, errKilled)
	return regexp.MustCompile(`[0-9.]+(ms|s|µs)\n`).ReplaceAllString(out.String(), "T\n")
}

// The bot's log becomes readable: what asks for something, the stages, what went
// wrong, and how it ended; not what the bot's own doings bring back to it.
func TestTeller(t *testing.T) {
	t.Parallel()
	log := `{"level":"INFO","msg":"the bot listens","address":"127.0.0.1:1"}
{"level":"INFO","msg":"a repository was compared with the ledger","first":true,"tags":2}
{"level":"INFO","msg":"a delivery was read","event":"push","reason":"Tag v1 was pushed.","operations":1}
{"level":"INFO","msg":"a delivery was read","event":"push","outcome":"ignored","reason":"Branch x was pushed.","operations":0}
{"level":"INFO","msg":"an operation begins","operation":7,"kind":"release","ref":"refs/tags/v1","actor":"ada","attempt":1}
{"level":"INFO","msg":"stage begins","operation":7,"stage":"build"}
{"level":"INFO","msg":"a delivery was read","event":"create","reason":"Tag v1 was made.","operations":1}
{"level":"INFO","msg":"an operation ends","operation":8,"kind":"look","state":"done","summary":"Tag v1 is at abc."}
{"level":"INFO","msg":"stage ends","operation":7,"stage":"build","summary":"4 binaries, 31 MB"}
{"level":"WARN","msg":"a call to the forge is tried again","call":"upload x","reason":"HTTP 502","ms":500}
{"level":"INFO","msg":"stage begins","operation":7,"stage":"check"}
{"level":"INFO","msg":"task failed","operation":7,"stage":"check","task":"unit","error":"it exited with 1"}
{"level":"WARN","msg":"stage fails","operation":7,"stage":"check","error":"it exited with 1"}
{"level":"INFO","msg":"an operation ends","operation":7,"kind":"release","state":"failed","summary":"it exited with 1"}
panic: oh
{"level":"INFO","msg":"an operation is taken over from a process that is gone","operation":7}
{"level":"INFO","msg":"an operation begins","operation":7,"kind":"release","ref":"refs/tags/v1","actor":"ada","attempt":2}
{"level":"INFO","msg":"stage begins","operation":7,"stage":"stage"}
`
	want := `webhook push: Tag v1 was pushed.
operation 7: release v1, asked for by ada
✓ build     4 binaries, 31 MB  T
! upload x: HTTP 502; again in T
  ✗ unit  T
✗ check     T
! failed: it exited with 1
! panic: oh
it takes over what it had begun
operation 7, attempt 2: release v1, asked for by ada
✗ stage     T
`
	if diff := cmp.Diff(want, told(t, log)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A schedule that comes due again and again is told of once.
func TestTellerOfSchedules(t *testing.T) {
	t.Parallel()
	due := `{"level":"INFO","msg":"an operation begins","operation":3,"kind":"schedule","cause":"schedule @every 1s, due now"}
{"level":"INFO","msg":"an operation ends","operation":3,"kind":"schedule","state":"done","summary":"The head of main is abc."}
`
	want := "schedule @every 1s, due now\nThe head of main is abc.\n"
	if diff := cmp.Diff(want, told(t, due+due)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Of the bot's comment everything is shown that a reader sees at once, but the
// stages.
func TestAnswerText(t *testing.T) {
	t.Parallel()
	body := "<!-- slipway operation 7 -->\n🚀 [**v1 is published.**](http://x)\n\nIt was given.\n\n| stage | | |\n| --- | --- | --- |\n| plan | ✅ | 4 |\n| build | ✅ | 5 |\n\n" +
		"<details><summary>7 assets</summary>\n\n| asset | size |\n| --- | --- |\n| a | 1 |\n\n</details>\n"
	want := "🚀 [**v1 is published.**](http://x)\n\nIt was given.\n\n▸ 2 stages\n\n▸ 7 assets"
	if diff := cmp.Diff(want, answerText(body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
