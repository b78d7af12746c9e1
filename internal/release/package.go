package release

import "strings"

// Package is a system package of the builds of each Linux platform.
type Package struct {
	Name        string           `yaml:"name,omitempty" description:"Name of the package. Default: the project."`
	Builds      []string         `yaml:"builds,omitempty" description:"Builds whose binaries go in. Default: all."`
	Formats     []string         `yaml:"formats,omitempty" enum:"deb,rpm,apk,archlinux" description:"Formats: deb, rpm, apk, archlinux. Default: all four."`
	File        string           `yaml:"file,omitempty" description:"Template of the file name without its ending. Default: {package}_{version}_{platform}."`
	Description string           `yaml:"description,omitempty" description:"What it is: a line, and below it more if wanted. Default: the description of the project."`
	Homepage    string           `yaml:"homepage,omitempty" description:"URL of the project. Default: the homepage of the project, else the repository on its forge."`
	Maintainer  string           `yaml:"maintainer,omitempty" description:"Name <mail> of who answers for the package. Default: the maintainer of the project, else its name."`
	Vendor      string           `yaml:"vendor,omitempty" description:"Who distributes it."`
	License     string           `yaml:"license,omitempty" description:"SPDX identifier of the licence. Default: the license of the project."`
	Section     string           `yaml:"section,omitempty" description:"Section of a deb, group of an rpm. Default: utils."`
	Depends     []string         `yaml:"depends,omitempty" description:"Packages that it needs."`
	Recommends  []string         `yaml:"recommends,omitempty" description:"Packages that it should have (deb, rpm)."`
	Suggests    []string         `yaml:"suggests,omitempty" description:"Packages that go well with it (deb, rpm)."`
	Conflicts   []string         `yaml:"conflicts,omitempty" description:"Packages that it can't be installed beside."`
	Replaces    []string         `yaml:"replaces,omitempty" description:"Packages whose files it takes over."`
	Provides    []string         `yaml:"provides,omitempty" description:"Packages that it stands for."`
	BinDir      string           `yaml:"bin-dir,omitempty" description:"Folder of the binaries. Default: /usr/bin."`
	Contents    []PackageContent `yaml:"contents,omitempty" description:"Further files. LICENSE and README go to /usr/share/doc/<package> by themselves."`
	Scripts     PackageScripts   `yaml:"scripts,omitempty" description:"Scripts of the repository that run when it is installed or removed."`
}

// PackageContent is a file, folder or link in a package.
type PackageContent struct {
	Source string `yaml:"source,omitempty" json:"source,omitempty" description:"Path or glob in the repository; for a symlink what it points at; empty for a dir."`
	Target string `yaml:"target" json:"target" description:"Absolute path on the system."`
	Type   string `yaml:"type,omitempty" json:"type,omitempty" enum:"file,config,dir,symlink" description:"file (default); config: kept when the user changed it; dir: an empty folder; symlink."`
	Mode   string `yaml:"mode,omitempty" json:"mode,omitempty" description:"Octal mode, such as \"0640\". Default: 0644, or 0755 for an executable file or a dir."`
}

// PackageScripts are paths of scripts in the repository.
type PackageScripts struct {
	PreInstall  string `yaml:"preinstall,omitempty" json:"preinstall,omitempty" description:"Before its files are put in place."`
	PostInstall string `yaml:"postinstall,omitempty" json:"postinstall,omitempty" description:"After its files are in place."`
	PreRemove   string `yaml:"preremove,omitempty" json:"preremove,omitempty" description:"Before its files are taken away."`
	PostRemove  string `yaml:"postremove,omitempty" json:"postremove,omitempty" description:"After its files are gone."`
}

// PlanPackage is one system package, of one format for one platform.
type PlanPackage struct {
	Asset       string           `json:"asset"`  // file name
	Format      string           `json:"format"` // deb, rpm, apk or archlinux
	Platform    Platform         `json:"platform"`
	Name        string           `json:"name"`
	Version     string           `json:"version"` // the release's; each format spells it its own way
	Builds      []string         `json:"builds"`  // ids, in order
	BinDir      string           `json:"binDir"`
	Description string           `json:"description"`
	Homepage    string           `json:"homepage,omitempty"`
	Maintainer  string           `json:"maintainer"`
	Vendor      string           `json:"vendor,omitempty"`
	License     string           `json:"license,omitempty"`
	Section     string           `json:"section"`
	Depends     []string         `json:"depends,omitempty"`
	Recommends  []string         `json:"recommends,omitempty"`
	Suggests    []string         `json:"suggests,omitempty"`
	Conflicts   []string         `json:"conflicts,omitempty"`
	Replaces    []string         `json:"replaces,omitempty"`
	Provides    []string         `json:"provides,omitempty"`
	Contents    []PackageContent `json:"contents,omitempty"` // those that fit no platform are out already
	Scripts     PackageScripts   `json:"scripts,omitzero"`
}

// Defaults of packages.
const (
	DefaultPackageFile = "{package}_{version}_{platform}"
	DefaultBinDir      = "/usr/bin"
	DefaultSection     = "utils"
)

// PackageFormats are the formats of system packages.
var PackageFormats = []string{"deb", "rpm", "apk", "archlinux"}

// PackageEnding is how the file name of a format's packages ends, dot included.
func PackageEnding(format string) string {
	if format == "archlinux" {
		return ".pkg.tar.zst"
	}
	return "." + format
}

// PackageName makes a project's name fit for a package: lower case letters,
// digits and + - . with a letter or digit first.
func PackageName(project string) string {
	var out []rune
	for _, r := range strings.ToLower(project) {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			out = append(out, r)
		case strings.ContainsRune("+-.", r) && len(out) > 0:
			out = append(out, r)
		case len(out) > 0:
			out = append(out, '-')
		}
	}
	return strings.TrimRight(string(out), "+-.")
}
