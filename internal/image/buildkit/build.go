package buildkit

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	bxbuild "github.com/docker/buildx/build"
	"github.com/docker/buildx/builder"
	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/buildx/util/confutil"
	"github.com/docker/buildx/util/dockerutil"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/release"
)

// Build runs a build. A request that can't be built here is release.Invalid
// before anything is sent; an instruction that fails is release.Failed with
// the instruction, the platform and its last output. A push that breaks off is
// tried again; one that the registry refuses is image.ErrUnauthorized or
// image.ErrForbidden. The same request gives the same digests, but for
// provenance, which holds times.
func (b *Builder) Build(ctx context.Context, r Request) (Result, error) {
	if err := r.check(b.info); err != nil {
		return Result{}, err
	}
	values, err := readSecrets(r.Name, r.Secrets, b.options.Getenv)
	if err != nil {
		return Result{}, err
	}
	dir, err := os.MkdirTemp(b.dir, "build-")
	if err != nil {
		return Result{}, fmt.Errorf("prepare the build of %s: %w", r.Name, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	j := &job{b: b, r: r, dir: dir, secrets: values, explain: explainer{request: r, mask: masker(values)}}
	if err := j.prepare(); err != nil {
		return Result{}, fmt.Errorf("prepare the build of %s: %w", r.Name, err)
	}
	return j.run(ctx)
}

// job is one build on its way.
type job struct {
	b       *Builder
	r       Request
	dir     string
	context string // a link to the request's context
	secrets map[string][]byte
	explain explainer
}

// prepare writes what BuildKit reads from files into the job's own folder.
func (j *job) prepare() error {
	context, err := filepath.Abs(j.r.Context)
	if err != nil {
		return err
	}
	// BuildKit keeps what it was sent of a folder under the folder's base name.
	// A link that is named after the whole path makes that one folder's alone.
	j.context = filepath.Join(j.dir, shortHash(context))
	if err := os.Symlink(context, j.context); err != nil {
		return err
	}
	if err := os.WriteFile(j.file("Dockerfile"), j.r.Dockerfile, 0o600); err != nil {
		return err
	}
	if j.r.Ignore == nil {
		return nil
	}
	return os.WriteFile(j.file("Dockerfile.dockerignore"), j.r.Ignore, 0o600)
}

func (j *job) file(name string) string { return filepath.Join(j.dir, name) }

// run builds, and does so again after a push that broke off: all steps are in
// the cache then.
func (j *job) run(ctx context.Context) (Result, error) {
	for _, wait := range pauses() {
		res, err := j.once(ctx)
		if err == nil || ctx.Err() != nil || !mayPassAgain(err) {
			return res, err
		}
		j.b.options.Note(fmt.Sprintf("%s: %v; trying again in %s", j.r.Name, err, wait))
		if !sleep(ctx, wait) {
			return Result{}, ctx.Err()
		}
	}
	return j.once(ctx)
}

func (j *job) once(ctx context.Context) (res Result, err error) {
	view := newSteps(j.r, j.explain.mask)
	defer func() { view.end(err) }()
	nodes, done, err := j.b.boot(ctx, view)
	if err != nil {
		return Result{}, err
	}
	defer done()
	shares := []share{{node: nodes[0]}}
	if len(j.r.Platforms) > 0 {
		if j.r.RunsNothing {
			nodes = withAll(nodes, j.r.Platforms)
		}
		if shares, err = assign(nodes, j.r.Platforms, j.b.info); err != nil {
			return Result{}, err
		}
	}
	if j.r.OCI != "" && len(shares) > 1 {
		return Result{}, release.Invalidf("build for the platforms of one node at a time", "image %s: an OCI layout is made on one node, and its platforms are on several", j.r.Name)
	}
	parts := make([]part, len(shares))
	group, within := errgroup.WithContext(ctx)
	for i, s := range shares {
		group.Go(func() (err error) {
			parts[i], err = j.solve(within, s, view)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		return Result{}, err
	}
	res, err = j.combine(ctx, parts)
	res.Warnings = view.warned()
	return res, err
}

// part is what one node built.
type part struct {
	Digest    string
	MediaType string
	Size      int64
}

// solve builds one node's share there.
func (j *job) solve(ctx context.Context, s share, view *steps) (part, error) {
	options, err := j.buildOptions(s)
	if err != nil {
		return part{}, err
	}
	const target = "default" // buildx's name for the only build
	responses, err := bxbuild.Build(ctx, []builder.Node{s.node.Node}, map[string]bxbuild.Options{target: options},
		dockerutil.NewClient(j.b.cli), j.b.config, view)
	if err != nil {
		if ctx.Err() != nil {
			return part{}, ctx.Err()
		}
		return part{}, j.explain.err(err, view)
	}
	resp := responses[target]
	if resp == nil {
		return part{}, nil
	}
	desc := descriptor(resp.ExporterResponse)
	return part{Digest: desc.Digest.String(), MediaType: desc.MediaType, Size: desc.Size}, nil
}

func (j *job) buildOptions(s share) (bxbuild.Options, error) {
	r := j.r
	from, err := caches(r.CacheFrom, nil)
	if err != nil {
		return bxbuild.Options{}, err
	}
	// All stages, not only the last: the others are those that take time.
	to, err := caches(r.CacheTo, map[string]string{"mode": "max"})
	if err != nil {
		return bxbuild.Options{}, err
	}
	o := bxbuild.Options{
		Inputs: bxbuild.Inputs{
			ContextPath: j.context, DockerfilePath: j.file("Dockerfile"), NamedContexts: map[string]bxbuild.NamedContext{},
		},
		Attests:                r.attestations(),
		BuildArgs:              j.args(),
		CacheFrom:              from,
		CacheTo:                to,
		Exports:                j.exports(s),
		Labels:                 r.Labels,
		NoCache:                r.NoCache,
		Platforms:              s.platforms,
		Target:                 r.Target,
		Session:                j.sessions(),
		ProvenanceResponseMode: confutil.MetadataProvenanceModeDisabled,
	}
	for name, path := range r.NamedContexts {
		o.Inputs.NamedContexts[name] = bxbuild.NamedContext{Path: path}
	}
	return o, nil
}

func (j *job) sessions() []session.Attachable {
	all := []session.Attachable{j.b.login()}
	if len(j.secrets) > 0 {
		all = append(all, secretsprovider.FromMap(j.secrets))
	}
	return all
}

// args are the build arguments, with those that BuildKit itself reads.
func (j *job) args() map[string]string {
	args := map[string]string{}
	if !j.r.Epoch.IsZero() {
		args["SOURCE_DATE_EPOCH"] = strconv.FormatInt(j.r.Epoch.Unix(), 10)
	}
	// Else one platform gives a manifest where an index is promised, and a
	// node with one platform exports into the folder itself.
	if len(j.r.PushTo) > 0 || j.r.OCI != "" || j.r.Local != "" && len(j.r.Platforms) > 1 {
		args["BUILDKIT_MULTI_PLATFORM"] = "true"
	}
	maps.Copy(args, j.r.Args)
	return args
}

// attestations are off unless they are asked for: buildx would attach a
// provenance by itself, which holds times.
func (r Request) attestations() map[string]*string {
	out := map[string]*string{"provenance": nil}
	if r.Provenance != "" {
		mode := "mode=" + r.Provenance
		out["provenance"] = &mode
	}
	if r.SBOM != "" {
		scanner := ""
		if r.SBOM != "default" {
			scanner = "generator=" + r.SBOM
		}
		out["sbom"] = &scanner
	}
	return out
}

// exports say where the result goes.
func (j *job) exports(s share) []client.ExportEntry {
	r := j.r
	switch {
	case len(r.PushTo) > 0:
		return j.pushes(s)
	case r.Local != "":
		attrs := map[string]string{}
		if !r.Epoch.IsZero() {
			attrs["rewrite-timestamp"] = "true"
		}
		return []client.ExportEntry{{Type: client.ExporterLocal, Attrs: attrs, OutputDir: r.Local}}
	case r.OCI != "":
		return []client.ExportEntry{{Type: client.ExporterOCI, Attrs: r.imageAttrs(s), Output: writeTo(r.OCI)}}
	case r.Load != "":
		return []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"name": r.Load}}}
	}
	return []client.ExportEntry{{Type: "cacheonly", Attrs: map[string]string{}}} // buildx's name for: nowhere
}

// pushes are one export for the registries that BuildKit must trust, and one
// for those that it need not.
func (j *job) pushes(s share) []client.ExportEntry {
	var safe, insecure []string
	for _, repository := range j.r.PushTo {
		if j.b.insecure(repository) {
			insecure = append(insecure, repository)
		} else {
			safe = append(safe, repository)
		}
	}
	var out []client.ExportEntry
	for i, names := range [][]string{safe, insecure} {
		if len(names) == 0 {
			continue
		}
		attrs := j.r.imageAttrs(s)
		attrs["name"] = strings.Join(names, ",")
		attrs["push"] = "true"
		attrs["push-by-digest"] = "true"
		attrs["unpack"] = "false"
		if i == 1 {
			attrs["registry.insecure"] = "true"
		}
		out = append(out, client.ExportEntry{Type: client.ExporterImage, Attrs: attrs})
	}
	return out
}

func (r Request) imageAttrs(s share) map[string]string {
	attrs := map[string]string{"oci-mediatypes": "true"}
	if !r.Epoch.IsZero() && !r.Dated {
		attrs["rewrite-timestamp"] = "true"
	}
	for k, v := range r.Annotations {
		attrs[exptypes.AnnotationIndexKey(k)] = v
		attrs[exptypes.AnnotationManifestKey(nil, k)] = v
	}
	for p, annotations := range r.ManifestAnnotations {
		on := theirs(p)
		if !slices.ContainsFunc(s.platforms, platforms.OnlyStrict(on).Match) { // another node's
			continue
		}
		for k, v := range annotations {
			attrs[exptypes.AnnotationManifestKey(&on, k)] = v
		}
	}
	return attrs
}

// caches reads caches in BuildKit's words; a bare reference is a registry's,
// with the attributes given.
func caches(texts []string, attrs map[string]string) ([]client.CacheOptionsEntry, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	entries, err := buildflags.ParseCacheEntry(texts)
	if err != nil {
		return nil, release.Invalidf("write a reference, or type=registry,ref=…", "cache: %v", err)
	}
	for _, e := range entries {
		if e.Type == "registry" && slices.Contains(texts, e.Attrs["ref"]) {
			maps.Copy(e.Attrs, attrs)
		}
	}
	return bxbuild.CreateCaches(entries), nil
}

func descriptor(response map[string]string) ocispecs.Descriptor {
	return decodeDescriptor(response[exptypes.ExporterImageDescriptorKey], response[exptypes.ExporterImageDigestKey])
}
