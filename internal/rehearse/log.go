package rehearse

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
)

// entry is a line of the bot's log.
type entry struct {
	Level      string `json:"level"`
	Msg        string `json:"msg"`
	Address    string `json:"address"`
	First      bool   `json:"first"`
	Tags       int    `json:"tags"`
	Event      string `json:"event"`
	Reason     string `json:"reason"`
	Outcome    string `json:"outcome"`
	Operations int    `json:"operations"` // that a delivery asks for, or a comparison found
	Operation  int64  `json:"operation"`
	Kind       string `json:"kind"`
	Ref        string `json:"ref"`
	Attempt    int    `json:"attempt"`
	Actor      string `json:"actor"`
	Cause      string `json:"cause"`
	State      string `json:"state"`
	Summary    string `json:"summary"`
	Stage      string `json:"stage"`
	Task       string `json:"task"`
	Call       string `json:"call"`
	Ms         int64  `json:"ms"` // until a call is tried again
	Error      string `json:"error"`
}

// The lines of the bot's log that the rehearsal goes by.
const (
	botListens      = "the bot listens"
	botCompared     = "a repository was compared with the ledger"
	deliveryRead    = "a delivery was read"
	operationBegins = "an operation begins"
	operationEnds   = "an operation ends"
	stageBegins     = "stage begins"
	stageEnds       = "stage ends"
	stageFails      = "stage fails"
	taskFailed      = "task failed"
	calledAgain     = "a call to the forge is tried again"
	takenOver       = "an operation is taken over from a process that is gone"
)

// final reports whether an operation is over by this line.
func (e entry) final() bool { return e.Msg == operationEnds && e.State != "waiting" }

// makesRelease reports whether the line is of an operation that makes one.
func (e entry) makesRelease() bool { return e.Kind == "release" || e.Kind == "promote" }

// teller turns the bot's log into what a person wants to see of it.
type teller struct {
	show   progress.Teller
	open   map[int64]map[string]progress.Stage // of the operations under way
	ticked bool                                // a schedule was told of: the next ones are the same
	busy   map[int64]bool                      // operations under way that make a release
}

func newTeller(show progress.Teller) *teller {
	return &teller{show: show, open: map[int64]map[string]progress.Stage{}, busy: map[int64]bool{}}
}

func (t *teller) tell(e entry) {
	switch e.Msg {
	case deliveryRead:
		// What the bot itself does comes back to it, and asks for nothing new.
		if e.Operations > 0 && e.Event != "release" && len(t.busy) == 0 {
			t.show.Say(fmt.Sprintf("webhook %s: %s", e.Event, e.Reason))
		}
	case botCompared:
		if !e.First && e.Operations > 0 {
			t.show.Say(fmt.Sprintf("the bot compared the repository with its ledger, and found %s that no webhook had told of", counted(e.Operations, "thing")))
		}
	case takenOver:
		t.show.Say("it takes over what it had begun")
	case operationBegins:
		t.begins(e)
	case operationEnds:
		t.ends(e)
	case stageBegins:
		if t.open[e.Operation] == nil {
			t.open[e.Operation] = map[string]progress.Stage{}
		}
		t.open[e.Operation][e.Stage] = t.show.Stage(e.Stage)
	case stageEnds, stageFails:
		t.stageOver(e)
	case taskFailed:
		if s := t.open[e.Operation][e.Stage]; s != nil {
			s.Task(e.Task, 0).Done("", errors.New(e.Error))
		}
	case calledAgain:
		t.show.Note(fmt.Sprintf("%s: %s; again in %s", e.Call, e.Reason, time.Duration(e.Ms)*time.Millisecond))
	case botListens:
	default:
		t.other(e)
	}
}

// other tells what should be known all the same: warnings, and notes on a
// release.
func (t *teller) other(e entry) {
	switch {
	case e.Level == "WARN" || e.Level == "ERROR":
		if e.Error != "" {
			e.Msg += ": " + e.Error
		}
		t.show.Note(e.Msg)
	case e.Operation != 0 && e.Level == "INFO":
		t.show.Note(e.Msg)
	}
}

func (t *teller) begins(e entry) {
	again := ""
	if e.Attempt > 1 {
		again = fmt.Sprintf(", attempt %d", e.Attempt)
	}
	switch {
	case e.makesRelease():
		t.busy[e.Operation] = true
		t.show.Say(fmt.Sprintf("operation %d%s: %s %s, asked for by %s", e.Operation, again, e.Kind, shortRef(e.Ref), e.Actor))
	case e.Kind == "schedule" && !t.ticked:
		t.show.Say(e.Cause)
	}
}

func (t *teller) ends(e entry) {
	t.cut(e.Operation, nil)
	switch {
	case e.State == "waiting":
		t.show.Note(e.Summary)
	case e.State != "done":
		t.show.Note(e.State + ": " + e.Summary)
	case e.Kind == "look", e.Kind == "schedule" && t.ticked, !e.makesRelease() && len(t.busy) > 0:
	default:
		t.show.Say(e.Summary)
	}
	t.ticked = t.ticked || e.Kind == "schedule"
	delete(t.busy, e.Operation)
}

func (t *teller) stageOver(e entry) {
	s := t.open[e.Operation][e.Stage]
	if s == nil {
		s = t.show.Stage(e.Stage)
	}
	delete(t.open[e.Operation], e.Stage)
	if e.Msg == stageFails {
		s.Done("", errors.New(e.Error))
		return
	}
	s.Done(e.Summary, nil)
}

// cut ends the stages of an operation, or of all (0), that are still open: their
// process is gone.
func (t *teller) cut(operation int64, err error) {
	if operation == 0 {
		clear(t.busy)
	}
	for id, stages := range t.open {
		if operation != 0 && id != operation {
			continue
		}
		for _, s := range stages {
			s.Done("", err)
		}
		delete(t.open, id)
	}
}

func shortRef(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(ref, "refs/tags/"), "refs/heads/")
}

func counted(n int, what string) string {
	switch n {
	case 0:
		return "no " + what
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
