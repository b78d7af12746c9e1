// Package installer writes what package managers and shells install a release
// with: install.sh, a Homebrew formula, a Scoop manifest. It is pure: text out.
package installer

import "github.com/slipway-dev/slipway/internal/release"

// Release is what is installed.
type Release struct {
	Project     string // name of command, formula and manifest, unless Name says otherwise
	Name        string // of formula and manifest; empty: Project
	Tag         string
	Version     string // as a package manager compares it: 1.2.3, without the v
	Description string
	Homepage    string // URL
	License     string // SPDX identifier
	Files       []File // one a platform
}

// File is what is downloaded for one platform.
type File struct {
	Platform release.Platform
	Name     string // file name
	URL      string
	Digest   string   // sha256:<64 hex digits>
	Format   string   // tar.gz, tar.zst, zip, or binary for the bare executable
	Binaries []string // file names of the executables inside, which lie at Dir; for binary the name to install it as
	Dir      string   // folder inside the archive; empty: its root
}
