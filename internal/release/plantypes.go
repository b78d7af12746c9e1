package release

import "time"

// Plan says what exactly will exist. It is made of values that the commit, the
// config and the history give; nothing in it depends on the machine.
type Plan struct {
	Schema     string    `json:"schema"` // slipway.plan/v1
	Project    string    `json:"project"`
	Target     *Target   `json:"target,omitempty"` // nil for a snapshot or a build without a forge
	Class      string    `json:"class"`
	Version    string    `json:"version"`
	Tag        string    `json:"tag"` // the release's tag; made by the release when Branch or MakesTag is set
	Branch     string    `json:"branch,omitempty"`
	MakesTag   bool      `json:"makesTag,omitempty"` // the tag need not be on the forge yet; no part of the hash
	Commit     string    `json:"commit"`
	Time       time.Time `json:"time"` // the commit's, UTC; every date in the release is this one
	Title      string    `json:"title"`
	Prerelease bool      `json:"prerelease"`
	Latest     bool      `json:"latest"`
	Snapshot   bool      `json:"snapshot,omitempty"`
	Notes      PlanNotes `json:"notes"`
	// Promoted is set when nothing is built: the bits are those of another release.
	Promoted *PlanPromotion `json:"promoted,omitempty"`
	Steps    []PlanStep     `json:"steps,omitempty"`
	Builds   []PlanBuild    `json:"builds,omitempty"`
	Archives []PlanArchive  `json:"archives,omitempty"`
	Packages []PlanPackage  `json:"packages,omitempty"`
	Images   []PlanImage    `json:"images,omitempty"`
	Files    []string       `json:"files,omitempty"` // globs of further files to attach
	Assets   []PlanAsset    `json:"assets"`          // every asset known before the build, in order
	// Installer is set when the release has a script that installs it.
	Installer *PlanInstaller `json:"installer,omitempty"`
	// Places are where the release goes besides the forge; no part of the hash.
	Places []PlanPlace `json:"places,omitempty"`
}

// PlanNotes is the range of commits that the notes tell.
type PlanNotes struct {
	Previous string   `json:"previous,omitempty"` // tag of the previous release, empty for the first
	From     string   `json:"from,omitempty"`     // its commit, excluded
	To       string   `json:"to"`                 // the release's commit, included
	Reason   string   `json:"reason"`             // why this previous release
	Paths    []string `json:"paths,omitempty"`
	// Groups, Exclude and Template are the config's.
	Groups   []NotesGroup `json:"groups,omitempty"`
	Exclude  []string     `json:"exclude,omitempty"`
	Template string       `json:"template,omitempty"`
}

// PlanStep is one run of one check; its placeholders are filled in.
type PlanStep struct {
	Name     string            `json:"name"`
	Run      PlanCommand       `json:"run"`
	Release  bool              `json:"release,omitempty"` // on: release: runs after the builds, on their binaries
	Platform *Platform         `json:"platform,omitempty"`
	Image    string            `json:"image,omitempty"` // builder image to run in
	Dir      string            `json:"dir,omitempty"`
	Env      map[string]string `json:"env,omitempty"`
}

// PlanCommand is a Command whose placeholders are filled in, except {output},
// which is a path of the machine that builds.
type PlanCommand struct {
	Script string   `json:"script,omitempty"`
	Args   []string `json:"args,omitempty"`
}

// PlanBuild is one binary on one platform.
type PlanBuild struct {
	ID       string            `json:"id"`
	Builder  string            `json:"builder"` // go or command
	Platform Platform          `json:"platform"`
	Binary   string            `json:"binary"`          // file name, with .exe on Windows
	Image    string            `json:"image,omitempty"` // builder image to build in
	Dir      string            `json:"dir,omitempty"`
	Main     string            `json:"main,omitempty"`
	Run      PlanCommand       `json:"run,omitzero"`
	Output   string            `json:"output,omitempty"` // where the command leaves it, relative to Dir; empty: at {output}
	Env      map[string]string `json:"env,omitempty"`
	Tags     []string          `json:"tags,omitempty"`
	Ldflags  []string          `json:"ldflags,omitempty"` // one linker argument each
	Flags    []string          `json:"flags,omitempty"`
	CGO      bool              `json:"cgo,omitempty"`
	Static   StaticCheck       `json:"static"`
}

// StaticCheck says how a Linux binary is looked at after it is built.
type StaticCheck string

const (
	StaticIfELF    StaticCheck = "elf"      // an ELF file must be static, another file passes
	StaticRequired StaticCheck = "required" // it must be a static ELF file
	StaticOff      StaticCheck = "off"
)

// PlanArchive is one asset packed from the builds of one platform.
type PlanArchive struct {
	Name     string   `json:"name"`
	Format   string   `json:"format"` // tar.gz, tar.zst, zip or binary
	Platform Platform `json:"platform"`
	Builds   []string `json:"builds"`          // ids, in order
	Files    []string `json:"files,omitempty"` // paths or globs in the repository
}

// PlanAsset is an asset by name, before it exists.
type PlanAsset struct {
	Name     string       `json:"name"`
	Kind     ArtifactKind `json:"kind"`
	Platform *Platform    `json:"platform,omitempty"`
}

// PlanSchema names the plan's format.
const PlanSchema = "slipway.plan/v1"
