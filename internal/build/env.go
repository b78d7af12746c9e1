package build

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
)

// tokens are the logins to the forge, to registries and to buckets. What a repository's commands print lands in
// logs, so they never see them.
var tokens = []string{"SLIPWAY_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "GITEA_TOKEN", "FORGEJO_TOKEN",
	"SLIPWAY_REGISTRY_PASSWORD", "DOCKER_AUTH_CONFIG",
	"SLIPWAY_S3_ACCESS_KEY_ID", "SLIPWAY_S3_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}

// varEnv is the plan's variables as commands see them, in a fixed order, with
// what reproducible tools ask for.
func varEnv(vars map[string]string, at time.Time) []string {
	env := []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(at.Unix(), 10)}
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, "SLIPWAY_"+envName(k)+"="+vars[k])
	}
	return env
}

// platformEnv adds the platform to varEnv.
func platformEnv(p release.Platform) []string {
	return []string{
		"SLIPWAY_OS=" + p.OS, "SLIPWAY_ARCH=" + p.Arch, "SLIPWAY_VARIANT=" + p.Variant,
		"SLIPWAY_PLATFORM=" + p.Slug(), "SLIPWAY_TARGET=" + p.Target(), "SLIPWAY_EXE=" + p.Exe(),
	}
}

// userEnv is the env of a build or step in the config, in a fixed order.
func userEnv(env map[string]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out = append(out, k+"="+env[k])
	}
	return out
}

// envName makes a name fit for an environment variable: my-tool → MY_TOOL.
func envName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToUpper(s))
}

// goPlatform is what the go command must be told of a platform. Every variable
// that shapes an architecture's code is set, so that the user's own
// environment has no say.
func goPlatform(p release.Platform) []string {
	env := []string{"GOOS=" + p.OS, "GOARCH=" + p.Arch}
	level := func(name, unset string) {
		v := p.Variant
		if v == "" {
			v = unset
		}
		env = append(env, name+"="+v)
	}
	switch p.Arch {
	case "amd64":
		level("GOAMD64", "v1")
	case "386":
		level("GO386", "sse2")
	case "arm":
		env = append(env, "GOARM="+strings.TrimPrefix(p.Variant, "v"))
	case "arm64":
		v := strings.TrimPrefix(p.Variant, "v")
		if v == "" {
			v = "8"
		}
		env = append(env, "GOARM64=v"+v+".0")
	case "mips", "mipsle":
		level("GOMIPS", "hardfloat")
	case "mips64", "mips64le":
		level("GOMIPS64", "hardfloat")
	case "ppc64", "ppc64le":
		level("GOPPC64", "power8")
	case "riscv64":
		level("GORISCV64", "rva20u64")
	}
	return env
}
