package release

import "time"

// ReportRollout is how a release of a release package went.
type ReportRollout struct {
	Package  string        `json:"package"`           // path in the repository
	Release  string        `json:"release,omitempty"` // "r7"; empty where nothing could be begun, or a file names environments alone
	Commit   string        `json:"commit,omitempty"`
	Status   string        `json:"status"` // complete, waiting or failed
	Waits    []string      `json:"waits,omitempty"`
	Phases   []ReportPhase `json:"phases,omitempty"`
	Problems []Problem     `json:"problems,omitempty"` // why it failed, each with its place where that is known
	// Registered are the environments that a file without work of its own names.
	Registered []string `json:"registered,omitempty"`
}

// ReportPhase is a phase of a rollout.
type ReportPhase struct {
	Name  string       `json:"name,omitempty"`
	Items []ReportItem `json:"items"`
}

// ReportItem is a call or a deploy of a rollout.
type ReportItem struct {
	Name     string        `json:"name"` // "call/build", "deploy/staging"
	Status   string        `json:"status"`
	Run      int           `json:"run,omitempty"` // the run that this tells of, from 1
	Duration time.Duration `json:"durationNs,omitempty"`
	Note     string        `json:"note,omitempty"` // why it failed or waits, or what it says of itself
	URL      string        `json:"url,omitempty"`  // where what was deployed is
}

// RolloutStatus is how several rollouts went together; empty without any.
func RolloutStatus(all []ReportRollout) string {
	status := ""
	for _, r := range all {
		switch {
		case r.Status == string(Stopped), status == string(Stopped):
			status = string(Stopped)
		case r.Status == string(Waits), status == string(Waits):
			status = string(Waits)
		default:
			status = string(RolledOut)
		}
	}
	return status
}
