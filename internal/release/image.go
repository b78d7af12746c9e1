package release

// Image is one container image on its platforms. Exactly one of Builds,
// Dockerfile, Source and S2I says what it is made of.
type Image struct {
	ID         string       `yaml:"id" description:"Name of the image in plans and reports."`
	Repository OneOrMore    `yaml:"repository,omitempty" description:"Where it is pushed to, without a tag: one repository, or a list in several registries. Default: the project's name under the login of the registry."`
	Platforms  []string     `yaml:"platforms,omitempty" description:"Platforms. Default: those of its builds; for other images linux/amd64."`
	Builds     []string     `yaml:"builds,omitempty" description:"Makes the image of these builds' binaries."`
	Base       string       `yaml:"base,omitempty" description:"builds: the image to start from. Default: scratch, with CA certificates and a user."`
	Files      []string     `yaml:"files,omitempty" description:"builds: further files of the repository to put in, under the same path below /, as paths or globs."`
	Dockerfile string       `yaml:"dockerfile,omitempty" description:"Makes the image of this Dockerfile."`
	Context    string       `yaml:"context,omitempty" description:"dockerfile, source, s2i: folder of the repository to build. Default: its root."`
	Target     string       `yaml:"target,omitempty" description:"dockerfile: the stage to build. Default: the last."`
	Source     *ImageSource `yaml:"source,omitempty" description:"Makes the image of the sources: compiled in a builder image, then put into a runtime image."`
	S2I        *ImageS2I    `yaml:"s2i,omitempty" description:"Makes the image with a Source-to-Image builder image."`

	Args        map[string]string   `yaml:"args,omitempty" description:"Build arguments. They are seen in the image's history; what is secret belongs in secrets."`
	Secrets     []ImageSecret       `yaml:"secrets,omitempty" description:"Secrets for RUN --mount=type=secret; they are in no layer and no cache."`
	Tags        map[string][]string `yaml:"tags,omitempty" description:"Templates of tags by class; * is every class not named. Default for stable: {version}, {major}.{minor}, {major}, latest; for other tags: {tag}; for branches: {branch}, sha-{short}."`
	Labels      map[string]string   `yaml:"labels,omitempty" description:"Labels of the image, beside those of the OCI specification."`
	Annotations map[string]string   `yaml:"annotations,omitempty" description:"Annotations of the index and its manifests, beside those of the OCI specification."`
	License     string              `yaml:"license,omitempty" description:"SPDX licence expression for the label org.opencontainers.image.licenses. Default: read from LICENSE where it is a well-known one."`
	Env         map[string]string   `yaml:"env,omitempty" description:"Environment variables of the image."`
	EnvFiles    []string            `yaml:"env-files,omitempty" description:"Environment files. They go into development builds only (slipway image build --development) and are kept out of every release. Default: .env, .env.*"`
	User        string              `yaml:"user,omitempty" description:"User that the image runs as. Default: 65532:65532 (nonroot)."`
	Workdir     string              `yaml:"workdir,omitempty" description:"Folder that the image starts in. Default: /, for source and s2i /app."`
	Port        int                 `yaml:"port,omitempty" description:"Port that the program listens on: sets PORT and EXPOSE. Default: none; for source 8080."`
	Entrypoint  []string            `yaml:"entrypoint,omitempty" description:"Command that the image runs. Default for builds: its first binary."`
	Cmd         []string            `yaml:"cmd,omitempty" description:"Default arguments of the entrypoint."`
	SBOM        string              `yaml:"sbom,omitempty" description:"Attaches a software bill of materials: default for BuildKit's scanner, or the reference of another scanner image. Needs a builder."`
	Provenance  string              `yaml:"provenance,omitempty" enum:"min,max" description:"Attaches a SLSA provenance. max also publishes the build arguments. Needs a builder."`
	Cache       ImageCache          `yaml:"cache,omitempty" description:"Caches beside the builder's own."`
}

// ImageSource builds sources in one image and runs them in another.
type ImageSource struct {
	Language     string            `yaml:"language,omitempty" enum:"go,rust,c,command" description:"Language of the sources. Default: found by go.mod, Cargo.toml or Makefile; command runs only what build says."`
	BuildImage   string            `yaml:"build-image,omitempty" description:"Image to compile in. --build-image and SLIPWAY_BUILD_IMAGE come before it. Default: the language's official image."`
	RuntimeImage string            `yaml:"runtime-image,omitempty" description:"Image to run in. --runtime-image and SLIPWAY_RUNTIME_IMAGE come before it. Default: scratch, with CA certificates and a user."`
	Toolchain    string            `yaml:"toolchain,omitempty" description:"Version of the toolchain, such as stable, nightly or 1.26: the tag of the default build image."`
	Packages     []string          `yaml:"packages,omitempty" description:"What to compile: Go packages, Rust binaries, make targets. Default: the language's default."`
	Test         string            `yaml:"test,omitempty" description:"Script that tests the sources in the builder stage, before the image is made. Default: the language's; none runs no tests."`
	Build        string            `yaml:"build,omitempty" description:"Script that builds them and leaves what the image needs in $SLIPWAY_OUT. Default: the language's."`
	Artifacts    []string          `yaml:"artifacts,omitempty" description:"Paths, relative to the sources, that the image needs. Default: what the build leaves in $SLIPWAY_OUT."`
	Env          map[string]string `yaml:"env,omitempty" description:"Environment variables of the builder stage."`
}

// ImageS2I builds sources with a Source-to-Image builder image.
type ImageS2I struct {
	Builder      string            `yaml:"builder" description:"The builder image. --build-image and SLIPWAY_BUILD_IMAGE come before it."`
	RuntimeImage string            `yaml:"runtime-image,omitempty" description:"Image to run in; it gets only the artifacts. Default: the builder image itself."`
	Artifacts    []string          `yaml:"artifacts,omitempty" description:"With runtime-image: what to copy from the builder, as SOURCE or SOURCE:DESTINATION."`
	ScriptsURL   string            `yaml:"scripts,omitempty" description:"Folder of the scripts in the builder image. Default: its label io.openshift.s2i.scripts-url, after .s2i/bin of the sources."`
	Incremental  bool              `yaml:"incremental,omitempty" description:"Restores the artifacts that save-artifacts keeps of the last image before assemble."`
	Previous     string            `yaml:"previous,omitempty" description:"incremental: the last image. Default: the tag that this build moves."`
	Exclude      *string           `yaml:"exclude,omitempty" description:"Regular expression of paths to leave out of the sources; empty leaves nothing out. Default: (^|/)\\.git(/|$)"`
	Env          map[string]string `yaml:"env,omitempty" description:"Environment variables for assemble and the image, after those of .s2i/environment."`
}

// ImageSecret is a value that a build may read through a secret mount.
type ImageSecret struct {
	ID   string `yaml:"id" json:"id" description:"Name in RUN --mount=type=secret,id=…"`
	Env  string `yaml:"env,omitempty" json:"env,omitempty" description:"Environment variable that holds it. Default: the id, when no file is given."`
	File string `yaml:"file,omitempty" json:"file,omitempty" description:"File that holds it."`
}

// ImageCache names caches to read and to write, in BuildKit's words
// (type=registry,ref=…), or as a bare reference of a registry cache.
type ImageCache struct {
	From []string `yaml:"from,omitempty" json:"from,omitempty" description:"Caches to read: a reference, or type=…,…"`
	To   []string `yaml:"to,omitempty" json:"to,omitempty" description:"Caches to write: a reference, or type=…,…"`
}

// Builder is where BuildKit runs. The zero value is found in BUILDX_BUILDER or
// in docker's current context.
type Builder struct {
	Name    string            `yaml:"name,omitempty" description:"Name of a builder that buildx knows, or its address: unix:///run/buildkit/buildkitd.sock, tcp://…, docker-container://…, kube-pod://…, ssh://…"`
	Driver  string            `yaml:"driver,omitempty" enum:"docker,docker-container,remote,kubernetes" description:"Driver of buildx. Default: remote for an address."`
	Options map[string]string `yaml:"options,omitempty" description:"Options of the driver, such as image or namespace."`
	Nodes   []BuilderNode     `yaml:"nodes,omitempty" description:"Several nodes, so that each platform can be built natively."`
}

// BuilderNode is one machine of a builder.
type BuilderNode struct {
	Endpoint  string            `yaml:"endpoint" description:"Address of the node: a docker context, a docker host, or for the driver remote a BuildKit address."`
	Platforms []string          `yaml:"platforms,omitempty" description:"Platforms to build there. Default: what the node says."`
	Options   map[string]string `yaml:"options,omitempty" description:"Options of the driver for this node."`
}

// OneOrMore is a text, or a list of them.
type OneOrMore []string

// ImageKind says what an image is made of.
type ImageKind string

const (
	ImageOfBuilds     ImageKind = "builds"
	ImageOfDockerfile ImageKind = "dockerfile"
	ImageOfSource     ImageKind = "source"
	ImageOfS2I        ImageKind = "s2i"
)

// PlanImage is one image with everything filled in.
type PlanImage struct {
	ID           string     `json:"id"`
	Kind         ImageKind  `json:"kind"`
	Digest       string     `json:"digest,omitempty"` // of an image that is there already, and only gets tags
	Repositories []string   `json:"repositories"`     // canonical: registry.example/acme/hello, docker.io/library/busybox
	Platforms    []Platform `json:"platforms"`
	// Tags are set at commit. Moving ones are not part of the plan's hash: a
	// later release takes them.
	Tags []ImageTag `json:"tags"`
	// Kept are tags that this release leaves where they are, and why.
	Kept []KeptTag `json:"kept,omitempty"`

	Builds     []string  `json:"builds,omitempty"`
	Base       string    `json:"base,omitempty"` // kind builds: "scratch" or a reference
	Files      []string  `json:"files,omitempty"`
	Dockerfile string    `json:"dockerfile,omitempty"` // path in the repository
	Context    string    `json:"context,omitempty"`    // folder in the repository; empty is its root
	Target     string    `json:"target,omitempty"`
	Source     *PlanFrom `json:"source,omitempty"`
	S2I        *PlanS2I  `json:"s2i,omitempty"`

	Args        map[string]string `json:"args,omitempty"`
	Secrets     []ImageSecret     `json:"secrets,omitempty"`
	Labels      map[string]string `json:"labels"` // the whole set, OCI's included
	Annotations map[string]string `json:"annotations"`
	Env         map[string]string `json:"env,omitempty"`
	// EnvFiles are patterns (doublestar) of environment files, at any depth of
	// the context. A release build must not see them.
	EnvFiles    []string   `json:"envFiles,omitempty"`
	Development bool       `json:"development,omitempty"` // EnvFiles go in
	User        string     `json:"user"`
	Workdir     string     `json:"workdir,omitempty"`
	Port        int        `json:"port,omitempty"`
	Entrypoint  []string   `json:"entrypoint,omitempty"`
	Cmd         []string   `json:"cmd,omitempty"`
	SBOM        string     `json:"sbom,omitempty"`
	Provenance  string     `json:"provenance,omitempty"`
	Cache       ImageCache `json:"cache,omitzero"`
}

// PlanFrom is ImageSource with its choices made.
type PlanFrom struct {
	Language     string            `json:"language,omitempty"` // empty: found in the sources
	BuildImage   string            `json:"buildImage,omitempty"`
	RuntimeImage string            `json:"runtimeImage,omitempty"`
	Toolchain    string            `json:"toolchain,omitempty"`
	Packages     []string          `json:"packages,omitempty"`
	Test         string            `json:"test,omitempty"`
	Build        string            `json:"build,omitempty"`
	Artifacts    []string          `json:"artifacts,omitempty"`
	Env          map[string]string `json:"env,omitempty"`
}

// PlanS2I is ImageS2I with its choices made.
type PlanS2I struct {
	Builder      string            `json:"builder"`
	RuntimeImage string            `json:"runtimeImage,omitempty"`
	Artifacts    []string          `json:"artifacts,omitempty"`
	Scripts      string            `json:"scripts,omitempty"`
	Incremental  bool              `json:"incremental,omitempty"`
	Previous     string            `json:"previous,omitempty"` // reference of the last image; empty when there is none to look for
	Exclude      string            `json:"exclude"`
	Env          map[string]string `json:"env,omitempty"`
}

// DefaultExclude is what Source-to-Image leaves out of the sources.
const DefaultExclude = `(^|/)\.git(/|$)`

// ImageTag is a tag that a release gives an image.
type ImageTag struct {
	Name   string `json:"name"`
	Moving bool   `json:"moving,omitempty"` // a later release takes it
}

// KeptTag is a tag that stays where it is.
type KeptTag struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// ImageWay is how an image is made on this machine. It is no part of the plan.
type ImageWay struct {
	Image   string `json:"image"`             // id
	Buildx  bool   `json:"buildx"`            // false: assembled in process
	Builder string `json:"builder,omitempty"` // name and driver, as a person reads it
	Reason  string `json:"reason"`
}

// MadeImage is an image that lies, by its digest, in all its repositories.
type MadeImage struct {
	ID           string          `json:"id"`
	Repositories []string        `json:"repositories"`
	Tags         []string        `json:"tags"` // those that are not moving
	MediaType    string          `json:"mediaType"`
	Digest       string          `json:"digest"` // of the index, sha256:<64 hex digits>
	Size         int64           `json:"size"`   // of the index document, bytes
	Manifests    []ImageManifest `json:"manifests"`
}

// ImageManifest is one platform's part of an index.
type ImageManifest struct {
	Platform Platform `json:"platform"`
	Digest   string   `json:"digest"`
	Size     int64    `json:"size"` // of its layers and config, bytes
}
