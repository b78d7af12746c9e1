package release

import "time"

// Outcome is how an operation ended.
type Outcome string

const (
	Published Outcome = "published" // the release is public now
	Unchanged Outcome = "unchanged" // it was published before and is equal: nothing to do
	Planned   Outcome = "planned"   // a dry run: nothing was done
	Placed    Outcome = "placed"    // the release's files lie in places besides the forge
	Built     Outcome = "built"     // artifacts lie on disk, nothing was published
	Checked   Outcome = "checked"   // every check passed, nothing was published
	RolledOut Outcome = "complete"  // the release packages' work is done
	Waits     Outcome = "waiting"   // the release packages' work goes on when what is missing is there
	Skipped   Outcome = "skipped"   // the event asks for nothing; Decision.Reason says why
	Stopped   Outcome = "failed"    // Error says why; nothing that was public has changed
)

// Report tells how one operation went. Every edge renders the same Report.
type Report struct {
	Schema   string        `json:"schema"` // slipway.report/v1
	Outcome  Outcome       `json:"outcome"`
	Decision Decision      `json:"decision"`
	Plan     *Plan         `json:"plan,omitempty"`
	PlanHash string        `json:"planHash,omitempty"`
	Release  *ForgeRelease `json:"release,omitempty"`
	// PromotedFrom is set when the release has the bits of another one.
	PromotedFrom *PromotedFrom `json:"promotedFrom,omitempty"`
	Assets       []ReportAsset `json:"assets,omitempty"`
	Ways         []ImageWay    `json:"ways,omitempty"` // how each image is made, in plan order
	Images       []ReportImage `json:"images,omitempty"`
	Steps        []StepResult  `json:"steps,omitempty"`
	Places       []ReportPlace `json:"places,omitempty"` // in plan order
	// Rollouts are the releases of release packages, in the order of the config.
	Rollouts []ReportRollout `json:"rollouts,omitempty"`
	Stages   []StageTime     `json:"stages,omitempty"`
	Notes    string          `json:"notes,omitempty"` // Markdown as published
	Warnings []Problem       `json:"warnings,omitempty"`
	Error    *ReportError    `json:"error,omitempty"`
	// Dist is the folder where the artifacts lie on this machine.
	Dist string `json:"dist,omitempty"`
}

// ReportSchema names the report's format.
const ReportSchema = "slipway.report/v1"

// ForgeRelease is the release as the forge shows it.
type ForgeRelease struct {
	ID    string `json:"id"`
	URL   string `json:"url"` // the page
	Tag   string `json:"tag"`
	Draft bool   `json:"draft"`
	// UploadURL is GitHub's upload_url, empty elsewhere.
	UploadURL string `json:"uploadUrl,omitempty"`
}

// ReportAsset is an artifact and what happened to it.
type ReportAsset struct {
	Artifact
	URL    string `json:"url,omitempty"`
	Action string `json:"action,omitempty"` // uploaded, kept or replaced
	File   string `json:"file,omitempty"`   // where it lies on this machine
}

// ReportImage is an image and what happened to it.
type ReportImage struct {
	MadeImage
	Kept   bool       `json:"kept,omitempty"` // an earlier run had pushed it
	Way    ImageWay   `json:"way"`
	States []TagState `json:"tagStates,omitempty"`
}

// TagState is what became of one tag in one repository.
type TagState struct {
	Repository string `json:"repository"`
	Name       string `json:"name"`
	State      string `json:"state"` // set, kept (it pointed there already) or left (where a newer release has it)
	Reason     string `json:"reason,omitempty"`
}

// ReportPlace is what became of the release in a place besides the forge.
type ReportPlace struct {
	Kind  string      `json:"kind"`
	Where string      `json:"where"`
	Files []PlaceFile `json:"files,omitempty"`
	// Page, List and Feed are their URLs.
	Page string `json:"page,omitempty"`
	List string `json:"list,omitempty"`
	Feed string `json:"feed,omitempty"`
}

// PlaceFile is one file there.
type PlaceFile struct {
	Name     string    `json:"name"`
	Platform *Platform `json:"platform,omitempty"`
	URL      string    `json:"url"`
	Size     int64     `json:"size"`
	Digest   string    `json:"digest,omitempty"`
	Action   string    `json:"action"` // put or kept
}

// StepResult is how a check ended.
type StepResult struct {
	Name     string        `json:"name"`
	Platform *Platform     `json:"platform,omitempty"`
	Outcome  string        `json:"outcome"` // passed, failed or skipped
	Reason   string        `json:"reason,omitempty"`
	Duration time.Duration `json:"durationNs"`
}

// StageTime is how long a stage took.
type StageTime struct {
	Stage    string        `json:"stage"`
	Duration time.Duration `json:"durationNs"`
}

// ReportError is an error as machines read it.
type ReportError struct {
	Code     int       `json:"code"` // the exit code
	Message  string    `json:"message"`
	Hint     string    `json:"hint,omitempty"`
	Problems []Problem `json:"problems,omitempty"`
}
