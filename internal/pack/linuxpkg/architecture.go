package linuxpkg

import (
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// architectures are the formats' own names of architectures, by platformKey.
// Debian's and Alpine's armhf, and the arm of others, differ: a deb for arm/v6 is
// armhf as on Raspberry Pi OS, and runs on Debian's armhf too.
var architectures = map[string]map[string]string{
	"deb": {
		"amd64": "amd64", "386": "i386", "arm64": "arm64", "arm/v5": "armel", "arm/v6": "armhf", "arm/v7": "armhf",
		"riscv64": "riscv64", "ppc64le": "ppc64el", "ppc64": "ppc64", "s390x": "s390x", "loong64": "loong64",
		"mips": "mips", "mipsle": "mipsel", "mips64": "mips64", "mips64le": "mips64el",
	},
	"rpm": {
		"amd64": "x86_64", "386": "i386", "arm64": "aarch64", "arm/v5": "armv5tel", "arm/v6": "armv6hl", "arm/v7": "armv7hl",
		"riscv64": "riscv64", "ppc64le": "ppc64le", "ppc64": "ppc64", "s390x": "s390x", "loong64": "loongarch64",
		"mips": "mips", "mipsle": "mipsel", "mips64": "mips64", "mips64le": "mips64el",
	},
	"apk": {
		"amd64": "x86_64", "386": "x86", "arm64": "aarch64", "arm/v5": "armel", "arm/v6": "armhf", "arm/v7": "armv7",
		"riscv64": "riscv64", "ppc64le": "ppc64le", "ppc64": "ppc64", "s390x": "s390x", "loong64": "loongarch64",
		"mips": "mips", "mipsle": "mipsel", "mips64": "mips64", "mips64le": "mips64el",
	},
	"archlinux": { // Arch Linux and its ports: 32, ARM, RISC-V, POWER, Loong
		"amd64": "x86_64", "386": "i686", "arm64": "aarch64", "arm/v5": "arm", "arm/v6": "armv6h", "arm/v7": "armv7h",
		"riscv64": "riscv64", "ppc64le": "powerpc64le", "ppc64": "powerpc64", "loong64": "loong64",
	},
}

// platformKey is a platform without its system, and without a variant that no
// format has a name for: amd64/v3 is amd64, arm64/v8 is arm64.
func platformKey(p release.Platform) string {
	if p.Arch == "arm" {
		return p.Arch + "/" + p.Variant
	}
	return p.Arch
}

func checkArchitecture(p release.PlanPackage) error {
	if p.Platform.OS != "linux" {
		return release.Invalidf("system packages are for linux", "package %s: there is none for %s", p.Asset, p.Platform)
	}
	if architectures[p.Format][platformKey(p.Platform)] != "" {
		return nil
	}
	var others []string
	for _, format := range release.PackageFormats {
		if architectures[format][platformKey(p.Platform)] != "" {
			others = append(others, format)
		}
	}
	hint := "no format knows it: build for another platform, or leave it out of the builds of `packages`"
	if len(others) > 0 {
		hint = "give `packages` an entry for its builds with formats: [" + strings.Join(others, ", ") + "]"
	}
	return release.Invalidf(hint, "package %s: format %s has no architecture for %s", p.Asset, p.Format, p.Platform)
}
