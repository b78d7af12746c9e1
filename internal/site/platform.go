package site

import (
	"maps"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// platforms are those that have a name in plain words, in the order in which
// they are shown.
var platforms = []struct {
	name, words string
}{
	{"linux/amd64", "Linux x86-64"},
	{"linux/386", "Linux x86, 32-bit"},
	{"linux/arm64", "Linux ARM, 64-bit"},
	{"linux/arm/v7", "Linux ARMv7"},
	{"linux/arm/v6", "Linux ARMv6"},
	{"linux/arm/v5", "Linux ARMv5"},
	{"linux/riscv64", "Linux RISC-V, 64-bit"},
	{"linux/ppc64le", "Linux POWER, little-endian"},
	{"linux/ppc64", "Linux POWER"},
	{"linux/s390x", "Linux IBM Z"},
	{"linux/loong64", "Linux LoongArch"},
	{"darwin/arm64", "macOS Apple silicon"},
	{"darwin/amd64", "macOS Intel"},
	{"windows/amd64", "Windows x86-64"},
	{"windows/386", "Windows x86, 32-bit"},
	{"windows/arm64", "Windows ARM, 64-bit"},
	{"freebsd/amd64", "FreeBSD x86-64"},
	{"freebsd/arm64", "FreeBSD ARM, 64-bit"},
	{"openbsd/amd64", "OpenBSD x86-64"},
	{"netbsd/amd64", "NetBSD x86-64"},
	{"wasip1/wasm", "WebAssembly (WASI)"},
	{"js/wasm", "WebAssembly"},
}

var platformRanks = func() map[release.Platform]int {
	ranks := map[release.Platform]int{}
	for i, p := range platforms {
		os, arch, _ := strings.Cut(p.name, "/")
		arch, variant, _ := strings.Cut(arch, "/")
		ranks[release.Platform{OS: os, Arch: arch, Variant: variant}] = i
	}
	return ranks
}()

func platformRank(p *release.Platform) int {
	if p == nil {
		return len(platforms) + 1
	}
	if i, ok := platformRanks[*p]; ok {
		return i
	}
	return len(platforms)
}

// platformWords is the platform as people call it.
func platformWords(p release.Platform) string {
	if i, ok := platformRanks[p]; ok {
		return platforms[i].words
	}
	return strings.ToUpper(p.OS[:min(1, len(p.OS))]) + p.OS[min(1, len(p.OS)):] + " " + strings.TrimSpace(p.Arch+" "+p.Variant)
}

// targets are the platforms by the names that lists have for them.
var targets = func() map[string]release.Platform {
	// Garage's name of it is not the one that we give.
	all := map[string]release.Platform{"armv6l-unknown-linux-musleabihf": {OS: "linux", Arch: "arm", Variant: "v6"}}
	for p := range platformRanks {
		if target := p.Target(); target != "" {
			all[target] = p
		}
	}
	return all
}()

// Targets are the names that lists have for platforms, sorted.
func Targets() []string { return slices.Sorted(maps.Keys(targets)) }

// targetName is what the list calls a platform.
func targetName(p release.Platform) string {
	if t := p.Target(); t != "" {
		return t
	}
	return p.String()
}

// ParseTarget reads what targetName gave; ok is false for a name that says
// nothing to us.
func ParseTarget(name string) (p release.Platform, ok bool) {
	if p, ok = targets[name]; ok {
		return p, true
	}
	parts := strings.Split(name, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return p, false
	}
	p = release.Platform{OS: parts[0], Arch: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, true
}
