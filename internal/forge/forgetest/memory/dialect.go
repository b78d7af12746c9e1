package memory

import "github.com/slipway-dev/slipway/internal/forge"

// Dialect says whose rules a repository follows.
type Dialect string

const (
	GitHub Dialect = "github"
	Gitea  Dialect = "gitea"
)

// GitHub's documented limits.
const (
	githubMaxAssets    = 1000
	githubMaxAssetSize = 2<<30 - 1
	githubMaxBody      = 125_000
)

// giteaMaxAssetSize is the default of Gitea's [repository.release] FILE_MAX_SIZE.
const giteaMaxAssetSize = 2048 << 20

// enforced are the limits that the dialect really refuses at, where an option
// says nothing else.
func (d Dialect) enforced() forge.Limits {
	if d == GitHub {
		return forge.Limits{Assets: githubMaxAssets, AssetSize: githubMaxAssetSize, NotesSize: githubMaxBody}
	}
	return forge.Limits{AssetSize: giteaMaxAssetSize}
}

// Access is what a token may do.
type Access int

const (
	Anonymous Access = iota
	BadToken         // the forge does not know it
	ReadOnly
	Writer
)

func (a Access) String() string {
	switch a {
	case BadToken:
		return "bad token"
	case ReadOnly:
		return "read-only"
	case Writer:
		return "writer"
	}
	return "anonymous"
}

// seesDrafts says whether drafts exist for this token at all.
func (a Access) seesDrafts() bool { return a == Writer }
