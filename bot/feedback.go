package bot

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/report"
)

// statusContext is the commit status that tells of a release.
const statusContext = "slipway/release"

// rolloutContext is that of its rollout.
const rolloutContext = "slipway/rollout"

// memory is what an operation keeps from one attempt to the next, so that the
// same comment, status and deployment go on.
type memory struct {
	Reply      string    `json:"reply,omitempty"`      // id of the comment that tells of it
	Deployment string    `json:"deployment,omitempty"` // id
	Dispatched time.Time `json:"dispatched,omitzero"`  // a workflow was, or may have been, started
	Others     []string  `json:"others,omitempty"`     // ids of runs that were there before
	Run        string    `json:"run,omitempty"`        // id of that workflow's run
	Over       bool      `json:"over,omitempty"`       // that run has ended, and not in a release
	Failed     bool      `json:"failed,omitempty"`     // the rollout failed: what failed of it is to be tried again
	Generation string    `json:"generation,omitempty"` // of the space's state when the rollout was last looked at
	Until      time.Time `json:"until,omitzero"`       // that it waits for
	Away       time.Time `json:"away,omitzero"`        // since when the forge is away from the rollout
	Release    string    `json:"release,omitempty"`    // of the rollout's package, by its ref
	Begun      bool      `json:"begun,omitempty"`      // the engine was at work: what is staged may be this operation's
}

// thread is where an operation is told of: the place of the comment that asked
// for it. The zero value is nowhere.
type thread struct {
	Place   forge.Place `json:"place"`
	Comment string      `json:"comment,omitempty"` // the command's
	Reply   string      `json:"reply,omitempty"`   // the answer to go on with
}

func (t thread) there() bool { return t.Comment != "" }

// teller tells people how one operation goes. What can't be told is logged, and
// stops nothing: the release counts for more.
type teller struct {
	repo   *repository
	op     ledger.Operation
	thread thread
	log    *slog.Logger
	// rollouts are the release packages that are carried out after the release.
	rollouts []string
	context  string // of the commit's status

	sending sync.Mutex // held while the comment is brought up to date: an older text must not come last

	mu     sync.Mutex
	memory memory
	answer report.Answer
	left   telling // what could not be told yet
	dirty  bool
	kick   chan struct{}
	done   chan struct{}
	early  sync.WaitGroup // what is announced beside the work
}

// editEvery is the least time between two edits of a comment: GitHub takes 80
// changes a minute of everything together.
const editEvery = 3 * time.Second

// newTeller begins to tell of an operation. close ends it.
func (b *Bot) newTeller(ctx context.Context, r *repository, op ledger.Operation, t thread, log *slog.Logger) (tell *teller, stop func()) {
	tell = &teller{repo: r, op: op, thread: t, log: log, context: statusContext, kick: make(chan struct{}, 1), done: make(chan struct{})}
	if len(op.Memory) > 0 {
		if err := json.Unmarshal(op.Memory, &tell.memory); err != nil {
			log.Warn("what the operation remembered can't be read", "error", err.Error())
		}
	}
	if tell.memory.Reply == "" {
		tell.memory.Reply = t.Reply
	}
	tell.answer.Operation = op.ID
	ctx, cancel := context.WithCancel(ctx)
	go tell.edit(ctx)
	return tell, func() { cancel(); <-tell.done; tell.early.Wait() }
}

// edit keeps the comment up to date until ctx ends.
func (t *teller) edit(ctx context.Context) {
	defer close(t.done)
	if !t.thread.there() {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.kick:
		}
		t.flushWhole(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(editEvery):
		}
	}
}

// flushWhole flushes even when ctx ends meanwhile: a request that is cut off may
// take effect after the next one.
func (t *teller) flushWhole(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	if err := t.flush(ctx); err != nil {
		t.log.Warn("the comment could not be edited", "error", err.Error())
	}
}

// tellTime bounds what telling may take when the work itself has ended.
const tellTime = 30 * time.Second

// change changes the answer, and has it shown soon.
func (t *teller) change(f func(*report.Answer)) {
	t.mu.Lock()
	f(&t.answer)
	t.dirty = true
	t.mu.Unlock()
	select {
	case t.kick <- struct{}{}:
	default:
	}
}

// flush brings the comment to what the answer says.
func (t *teller) flush(ctx context.Context) error {
	if !t.thread.there() {
		return nil
	}
	t.sending.Lock()
	defer t.sending.Unlock()
	t.mu.Lock()
	a, reply, dirty := t.answer, t.memory.Reply, t.dirty
	a.Stages = append([]report.AnswerStage(nil), a.Stages...)
	t.dirty = false
	t.mu.Unlock()
	if !dirty {
		return nil
	}
	var b strings.Builder
	report.Comment(&b, a)
	body := clip(b.String(), 60_000) // GitHub takes 65,536 characters
	err := t.send(ctx, reply, body)
	t.owe(err, func(l *telling, owed bool) {
		if l.Body = ""; owed {
			l.Body = body
		}
	})
	return err
}

// send brings the comment to this text.
func (t *teller) send(ctx context.Context, reply, body string) error {
	if reply != "" {
		err := t.repo.forge.EditComment(ctx, t.thread.Place, reply, body)
		if !errors.Is(err, forge.ErrNotFound) {
			return err
		}
		// Somebody deleted it; the end should be told all the same.
	} else if t.op.Attempt > 1 {
		if found := t.find(ctx); found != "" {
			t.remember(ctx, func(m *memory) { m.Reply = found })
			return t.repo.forge.EditComment(ctx, t.thread.Place, found, body)
		}
	}
	c, err := t.repo.forge.CreateComment(ctx, t.thread.Place, body)
	if err != nil {
		if forge.Uncertain(err) {
			if found := t.find(ctx); found != "" {
				t.remember(ctx, func(m *memory) { m.Reply = found })
				return nil
			}
		}
		return err
	}
	t.remember(ctx, func(m *memory) { m.Reply = c.ID })
	return nil
}

// find looks for the comment that an earlier attempt made before it could
// remember it.
func (t *teller) find(ctx context.Context) string {
	id, err := t.repo.answerOf(ctx, t.thread.Place, t.op.ID)
	if err != nil {
		t.log.Warn("the place's comments could not be read", "error", err.Error())
	}
	return id
}

// remember keeps something for the next attempt.
func (t *teller) remember(ctx context.Context, f func(*memory)) {
	t.mu.Lock()
	f(&t.memory)
	data, err := json.Marshal(t.memory)
	t.mu.Unlock()
	if err == nil {
		err = t.repo.bot.ledger.Remember(ctx, t.op.ID, data)
	}
	if err != nil && ctx.Err() == nil {
		t.log.Warn("the operation's memory could not be kept", "error", err.Error())
	}
}

func (t *teller) remembered() memory {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.memory
}

// react gives the command's comment a reaction.
func (t *teller) react(ctx context.Context, r forge.Reaction) {
	if !t.thread.there() {
		return
	}
	err := t.repo.forge.React(ctx, t.thread.Place, t.thread.Comment, r)
	t.owe(err, func(l *telling, owed bool) {
		if l.Reaction = ""; owed && r != forge.Eyes { // eyes say that it begins
			l.Reaction = r
		}
	})
	if err != nil && ctx.Err() == nil {
		t.log.Warn("the reaction could not be given", "reaction", string(r), "error", err.Error())
	}
}

// announce says that the work begins, beside it: the work does not wait.
func (t *teller) announce(ctx context.Context, say func(ctx context.Context)) {
	t.early.Go(func() { say(ctx) })
}

// status sets the commit's status.
func (t *teller) status(ctx context.Context, commit, state, description, url string) {
	if commit == "" {
		return
	}
	s := forge.CommitStatus{Context: t.context, State: state, Description: clip(strings.Join(strings.Fields(description), " "), 130), URL: url}
	err := t.repo.forge.SetStatus(ctx, commit, s)
	t.owe(err, func(l *telling, owed bool) {
		if l.Commit, l.Status = "", nil; owed {
			l.Commit, l.Status = commit, &s
		}
	})
	if err != nil && ctx.Err() == nil {
		t.log.Warn("the commit's status could not be set", "error", err.Error())
	}
}

// deployment tells a forge that has deployments of this one.
func (t *teller) deployment(ctx context.Context, ref, environment, state, url, description string) {
	d, ok := t.repo.forge.(forge.Deployments)
	if !ok || environment == "" {
		return
	}
	id := t.remembered().Deployment
	if id == "" {
		if state != "in_progress" {
			return // nothing was begun
		}
		var err error
		if id, err = d.CreateDeployment(ctx, forge.Deployment{Ref: ref, Environment: environment, Description: description}); err != nil {
			if ctx.Err() == nil {
				t.log.Warn("the deployment could not be made", "error", err.Error())
			}
			return
		}
		t.remember(ctx, func(m *memory) { m.Deployment = id })
	}
	if err := d.SetDeploymentStatus(ctx, id, forge.DeploymentStatus{State: state, LogURL: url, Description: clip(description, 130)}); err != nil && ctx.Err() == nil {
		t.log.Warn("the deployment's status could not be set", "error", err.Error())
	}
}

// Stage and Note make the teller the engine's progress.Reporter.
func (t *teller) Stage(name string) progress.Stage {
	t.log.Info("stage begins", "stage", name)
	t.change(func(a *report.Answer) { a.Stages = append(a.Stages, report.AnswerStage{Name: name, State: "⏳"}) })
	return &toldStage{teller: t, name: name, begun: t.repo.bot.Clock()}
}

// Note logs a line.
func (t *teller) Note(line string) { t.log.Info(line) }

// toldStage is a stage on its way.
type toldStage struct {
	teller *teller
	name   string
	begun  time.Time
}

// Task is work within the stage, told in the log only.
func (s *toldStage) Task(name string, _ int64) progress.Task {
	s.teller.log.Debug("task begins", "stage", s.name, "task", name)
	return toldTask{s.teller.log.With("stage", s.name, "task", name)}
}

// Done ends the stage.
func (s *toldStage) Done(summary string, err error) {
	took := s.teller.repo.bot.Clock().Sub(s.begun)
	s.teller.repo.bot.metrics.stages.WithLabelValues(s.name).Observe(took.Seconds())
	sign := "✅"
	if err != nil {
		sign, summary = "❌", firstLine(err.Error())
	}
	if err != nil {
		s.teller.log.Warn("stage fails", "stage", s.name, "ms", took.Milliseconds(), "error", summary)
	} else {
		s.teller.log.Info("stage ends", "stage", s.name, "ms", took.Milliseconds(), "summary", summary)
	}
	s.teller.change(func(a *report.Answer) {
		for i := range a.Stages {
			if a.Stages[i].Name == s.name && a.Stages[i].State == "⏳" {
				a.Stages[i].State, a.Stages[i].Summary = sign, summary
			}
		}
	})
}

type toldTask struct{ log *slog.Logger }

func (toldTask) At(int64) {}

func (t toldTask) Output(line string) { t.log.Debug(line) }

func (t toldTask) Done(summary string, err error) {
	if err != nil {
		t.log.Info("task failed", "error", firstLine(err.Error()))
		return
	}
	t.log.Debug("task ends", "summary", summary)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return clip(line, 300)
}

// quiet is a reporter that only logs.
func (t *teller) quiet() progress.Reporter { return quiet{t.log} }

type quiet struct{ log *slog.Logger }

func (q quiet) Stage(name string) progress.Stage { return quietStage{q.log.With("stage", name)} }

func (q quiet) Note(line string) { q.log.Info(line) }

type quietStage struct{ log *slog.Logger }

func (s quietStage) Task(name string, _ int64) progress.Task {
	return toldTask{s.log.With("task", name)}
}

func (s quietStage) Done(summary string, err error) {
	if err != nil {
		summary = firstLine(err.Error())
	}
	s.log.Info("stage ends", "summary", summary)
}

// withThread puts the place where an operation is told of into its input.
func withThread(input json.RawMessage, t thread) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if len(input) > 0 {
		if err := json.Unmarshal(input, &fields); err != nil {
			return nil, err
		}
	}
	value, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	fields["thread"] = value
	return json.Marshal(fields)
}

// cancelled reports whether somebody asked for the end.
func cancelled(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ledger.ErrCancelled) }
