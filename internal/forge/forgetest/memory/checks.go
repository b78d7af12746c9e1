package memory

import (
	"fmt"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/forge"
)

// Status is a commit's status.
type Status struct {
	ID               int64
	Commit           string
	Context, State   string
	Description, URL string
	Creator          User
	Created, Updated time.Time
}

// CheckRun is a check run of a commit (GitHub).
type CheckRun struct {
	ID                 int64
	Commit, Name       string
	Status, Conclusion string // queued, in_progress, completed; success, failure, neutral, skipped, timed_out …
	URL                string
	Started, Completed time.Time
}

// githubStates are all that GitHub takes; Gitea takes any word.
var githubStates = []string{"error", "failure", "pending", "success"}

const githubMaxDescription = 140

// AddStatus gives a commit a status; Gitea takes any word for its state.
func (r *Repo) AddStatus(creator string, s Status) (Status, error) {
	if r.dialect == GitHub {
		if !slices.Contains(githubStates, s.State) {
			return Status{}, invalid(forge.ErrRejected, Detail{Resource: "Status", Code: "custom", Field: "state",
				Message: "state is not included in the list"})
		}
		if utf8.RuneCountInString(s.Description) > githubMaxDescription {
			return Status{}, invalid(forge.ErrRejected, Detail{Resource: "Status", Code: "custom", Field: "description",
				Message: "description is too long (maximum is 140 characters)"})
		}
	}
	if err := r.checkCommit(s.Commit); err != nil {
		return Status{}, err
	}
	if s.Context == "" {
		s.Context = "default"
	}
	u := r.people.Add(creator)
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.ID, s.Creator, s.Created, s.Updated = r.ids.nextOther(), u, r.now(), r.now()
	r.statuses = append(r.statuses, s)
	r.happened(Happening{Event: "status", Actor: u.Login, Status: &s})
	return s, nil
}

// Statuses lists a commit's statuses, newest first, the replaced ones included.
func (r *Repo) Statuses(commit string) []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []Status{}
	for _, s := range slices.Backward(r.statuses) {
		if s.Commit == commit {
			out = append(out, s)
		}
	}
	return out
}

// SetCheckRun adds a check run: the newest of a name counts. conclusion is
// empty until it is completed.
func (r *Repo) SetCheckRun(commit, name, status, conclusion string) (CheckRun, error) {
	if r.dialect != GitHub {
		return CheckRun{}, notFound(r.dialect)
	}
	if (status == "completed") != (conclusion != "") {
		return CheckRun{}, &Refusal{Status: http.StatusUnprocessableEntity, Kind: forge.ErrRejected,
			Message: "a check run has a conclusion when it is completed, and only then"}
	}
	if err := r.checkCommit(commit); err != nil {
		return CheckRun{}, err
	}
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	run := CheckRun{ID: r.ids.nextOther(), Commit: commit, Name: name, Status: status, Conclusion: conclusion, Started: r.now()}
	run.URL = fmt.Sprintf("%s/runs/%d", r.url, run.ID)
	h := Happening{Event: "check_run", Action: "created", Actor: r.dialect.Self()}
	if status == "completed" {
		run.Completed = r.now()
		h.Action = "completed"
	}
	r.checkRuns = append(r.checkRuns, run)
	h.CheckRun = &run
	r.happened(h)
	return run, nil
}

// CheckRuns lists a commit's check runs, newest first; with latest only the
// newest of each name.
func (r *Repo) CheckRuns(commit string, latest bool) []CheckRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	out, seen := []CheckRun{}, map[string]bool{}
	for _, run := range slices.Backward(r.checkRuns) {
		if run.Commit == commit && (!latest || !seen[run.Name]) {
			seen[run.Name] = true
			out = append(out, run)
		}
	}
	return out
}
