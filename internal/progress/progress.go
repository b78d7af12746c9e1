// Package progress tells a person how long work goes: a live view on a
// terminal, plain lines elsewhere. The engine and what it calls know only the
// interfaces.
package progress

// Reporter hears what is going on. All methods may be called from several
// goroutines.
type Reporter interface {
	// Stage begins a stage of the one way through, such as "build".
	Stage(name string) Stage
	// Note tells one line that should stay, such as a warning.
	Note(line string)
}

// Teller is a Reporter that also tells plain lines, for a command that has more
// to say than what goes on.
type Teller interface {
	Reporter
	// Head tells the heading of what follows.
	Head(line string)
	Say(line string)
}

// Stage is a stage that has begun.
type Stage interface {
	// Task begins a piece of work within the stage, such as one upload.
	// total is in bytes, or 0 when the length is unknown.
	Task(name string, total int64) Task
	// Done ends the stage; summary is a few words ("4 archives, 31 MB"), err
	// is why it failed.
	Done(summary string, err error)
}

// Task is a piece of work that has begun.
type Task interface {
	// At tells how many bytes are done.
	At(done int64)
	// Output tells a line that the work wrote. Only a Verbose reporter shows it.
	Output(line string)
	// Done ends the task.
	Done(summary string, err error)
}

// Discard hears nothing.
var Discard Reporter = discard{}

type discard struct{}

func (discard) Stage(string) Stage      { return discard{} }
func (discard) Note(string)             {}
func (discard) Task(string, int64) Task { return discard{} }
func (discard) At(int64)                {}
func (discard) Output(string)           {}
func (discard) Done(string, error)      {}
