package release

import "slices"

// Publish says where a release goes besides the forge and its registries.
type Publish struct {
	S3     *PublishS3     `yaml:"s3,omitempty" description:"A bucket of an S3 server (Garage, MinIO, AWS …) that gets every file of a release. The keys come from SLIPWAY_S3_ACCESS_KEY_ID and SLIPWAY_S3_SECRET_ACCESS_KEY, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."`
	Folder *PublishFolder `yaml:"folder,omitempty" description:"A folder of this machine that gets what a bucket would, such as the root of a web server."`
	Script string         `yaml:"script,omitempty" description:"Name of the asset that installs the release from a shell, such as install.sh. Default: none is made."`
	Index  PublishIndex   `yaml:"index,omitempty" description:"The release page, the list of releases that installers read, and the feed; they lie in the bucket or folder."`
}

// PublishS3 is a bucket.
type PublishS3 struct {
	Endpoint   string `yaml:"endpoint,omitempty" description:"URL of the server. Default: SLIPWAY_S3_ENDPOINT, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, else AWS."`
	Region     string `yaml:"region,omitempty" description:"Region that requests are signed for. Default: AWS_REGION or AWS_DEFAULT_REGION, else the server is asked."`
	Bucket     string `yaml:"bucket" description:"Name of the bucket."`
	Addressing string `yaml:"addressing,omitempty" enum:"auto,path,virtual" description:"Where the bucket stands in a URL: in the path, or in the host (virtual). auto (default): in the host on AWS, else in the path."`
	Layout     `yaml:",inline"`
	URL        string   `yaml:"url,omitempty" description:"URL that readers find the bucket's root at. Default: the endpoint with the bucket."`
	Classes    []string `yaml:"classes,omitempty" description:"Classes of releases that go there. Default: all."`
}

// PublishFolder is a folder.
type PublishFolder struct {
	Path    string `yaml:"path" description:"The folder; relative to the repository's root, or absolute."`
	Layout  `yaml:",inline"`
	URL     string   `yaml:"url" description:"Address that readers find the folder at, as a URL."`
	Classes []string `yaml:"classes,omitempty" description:"Classes of releases that go there. Default: all."`
}

// Layout says where the files of a release lie in a place.
type Layout struct {
	Prefix string `yaml:"prefix,omitempty" description:"Folder of all releases. Default: _releases."`
	Layout string `yaml:"layout,omitempty" description:"Template of a binary's path below the prefix; {release} is the tag, or the whole commit of a branch's release. Default: {release}/{target}/{binary}."`
}

// PublishIndex says what the page, the list and the feed are called.
type PublishIndex struct {
	HTML        string `yaml:"html,omitempty" description:"Path of the page. Default: the prefix with .html."`
	JSON        string `yaml:"json,omitempty" description:"Path of the list. Default: the prefix with .json."`
	Atom        string `yaml:"atom,omitempty" description:"Path of the feed. Default: the prefix with .atom."`
	Title       string `yaml:"title,omitempty" description:"Title of the page. Default: the project's name, and releases."`
	Description string `yaml:"description,omitempty" description:"A sentence below it. Default: the description of the project."`
}

// Defaults of places.
const (
	DefaultPrefix = "_releases"
	DefaultLayout = "{release}/{target}/{binary}"
)

// PlanInstaller is the script that installs the release.
type PlanInstaller struct {
	Asset       string `json:"asset"`
	Base        string `json:"base"` // URL that the assets lie below, with a slash at its end
	Description string `json:"description,omitempty"`
	Homepage    string `json:"homepage,omitempty"`
	License     string `json:"license,omitempty"`
}

// The kinds of places.
const (
	PlaceS3     = "s3"
	PlaceFolder = "folder"
	PlaceImages = "images" // the registries, for a step by hand
)

// PlanPlace is one place that the release goes to besides the forge.
type PlanPlace struct {
	Kind    string `json:"kind"`    // s3 or folder
	Where   string `json:"where"`   // for people: "bucket releases at https://garage.example"
	Release string `json:"release"` // what the release is called there: its tag, or its whole commit
	Root    string `json:"root"`    // folder of all releases
	Assets  string `json:"assets"`  // folder of the release's assets
	// Binaries are where the bare binaries lie.
	Binaries []PlanBinary `json:"binaries,omitempty"`
	Index    PlanIndex    `json:"index"`
}

// PlanBinary is where a binary lies.
type PlanBinary struct {
	Build    string   `json:"build"` // its id
	Platform Platform `json:"platform"`
	Name     string   `json:"name"` // file name
	Key      string   `json:"key"`
}

// PlanIndex is where page, list and feed lie.
type PlanIndex struct {
	HTML string `json:"html"`
	JSON string `json:"json"`
	Atom string `json:"atom"`
}

// goesTo says whether releases of a class go to a place for these classes.
func goesTo(classes []string, class string) bool {
	return len(classes) == 0 || slices.Contains(classes, class)
}
