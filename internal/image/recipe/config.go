package recipe

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// ImageConfig is what an image says over its base.
type ImageConfig struct {
	User         string
	WorkingDir   string   // empty: the base's
	Env          []string // KEY=VALUE, sorted; each replaces the base's
	ExposedPorts []string // 8080/tcp
	// Entrypoint and Cmd both replace the base's when Entrypoint is set; else nil
	// leaves the base's.
	Entrypoint []string
	Cmd        []string
	Labels     map[string]string
}

// Config gives what an image of builds says. binaries are the file names of its
// builds, in the order of img.Builds; the first is the default entrypoint.
func Config(img release.PlanImage, binaries []string) ImageConfig {
	c := ImageConfig{User: img.User, WorkingDir: img.Workdir, Entrypoint: img.Entrypoint, Cmd: img.Cmd, Labels: img.Labels}
	env := maps.Clone(img.Env)
	if env == nil {
		env = map[string]string{}
	}
	if img.Port > 0 {
		c.ExposedPorts = []string{strconv.Itoa(img.Port) + "/tcp"}
		if _, given := env["PORT"]; !given {
			env["PORT"] = strconv.Itoa(img.Port)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		c.Env = append(c.Env, k+"="+env[k])
	}
	if len(c.Entrypoint) == 0 && len(binaries) > 0 {
		c.Entrypoint = []string{BinaryPath(img, binaries[0])}
	}
	return c
}

// BinaryPath is where a binary lies in an image of builds.
func BinaryPath(img release.PlanImage, name string) string {
	if scratch(img.Base) {
		return "/" + name
	}
	return "/usr/local/bin/" + name
}

func scratch(reference string) bool { return reference == "" || reference == release.ScratchBase }

// config writes what an image says; what changes with every commit comes last.
func (d *document) config(c ImageConfig) {
	for _, kv := range c.Env {
		name, value, _ := cutEnv(kv)
		d.env(name, value)
	}
	for _, p := range c.ExposedPorts {
		d.line("EXPOSE %s", p)
	}
	if c.User != "" {
		d.user(c.User)
	}
	if len(c.Entrypoint) > 0 {
		d.argv("ENTRYPOINT", c.Entrypoint)
	}
	if len(c.Cmd) > 0 {
		d.argv("CMD", c.Cmd)
	}
	for _, k := range slices.Sorted(maps.Keys(c.Labels)) {
		d.label(k, c.Labels[k])
	}
}

// from writes a FROM. The reference gets its tag written out, so that it can't
// be taken for the name of a stage.
func (d *document) from(flags, reference, stage string) {
	name, err := familiar(reference)
	if err != nil {
		d.refuse("write it like registry.example/owner/name:tag", "%v", err)
		return
	}
	if stage != "" {
		stage = " AS " + stage
	}
	if flags != "" {
		flags += " "
	}
	d.line("FROM %s%s%s", flags, name, stage)
}

// rootfs writes the COPYs of RootFS.
func (d *document) rootfs() {
	for _, owner := range owners(RootFS()) {
		flags := "--from=" + ContextRootFS
		if owner != 0 {
			flags += fmt.Sprintf(" --chown=%d:%d", owner, owner)
		}
		d.copy(flags, fmt.Sprintf("/%d/", owner), "/")
	}
}

// folder is a path in an image as the folder that a COPY goes to.
func folder(elem ...string) string {
	p := path.Join(append([]string{"/"}, elem...)...)
	if p == "/" {
		return p
	}
	return p + "/"
}

func cutEnv(kv string) (name, value string, ok bool) { return strings.Cut(kv, "=") }
