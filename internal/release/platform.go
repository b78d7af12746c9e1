package release

import (
	"fmt"
	"regexp"
	"strings"
)

// Platform is what a binary runs on, in the words of OCI images and Go:
// "linux/arm64", "linux/arm/v6", "linux/386".
type Platform struct {
	OS, Arch, Variant string
}

// DefaultPlatforms are Garage's four: amd64, i686, aarch64 and armv6 on Linux.
var DefaultPlatforms = []Platform{
	{"linux", "amd64", ""}, {"linux", "386", ""}, {"linux", "arm64", ""}, {"linux", "arm", "v6"},
}

var platformPart = regexp.MustCompile(`^[a-z0-9_]+$`)

// ParsePlatform reads "os/arch" or "os/arch/variant". Names from other worlds
// (i686, aarch64, x86_64, armv6) are refused with the name to write instead,
// so that one platform never has two spellings.
func ParsePlatform(s string) (Platform, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return Platform{}, fmt.Errorf("%q is not a platform: write os/arch or os/arch/variant, such as linux/amd64 or linux/arm/v6", s)
	}
	for _, p := range parts {
		if !platformPart.MatchString(p) {
			return Platform{}, fmt.Errorf("%q is not a platform: %q must be lower-case letters and digits", s, p)
		}
	}
	p := Platform{OS: parts[0], Arch: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	if to, ok := foreignArch[p.Arch]; ok {
		return Platform{}, fmt.Errorf("%q is not a platform: write %s/%s", s, p.OS, to)
	}
	if p.Arch == "arm" && p.Variant == "" {
		return Platform{}, fmt.Errorf("%q leaves open which arm it is: write %s/arm/v6 or %s/arm/v7", s, p.OS, p.OS)
	}
	return p, nil
}

var foreignArch = map[string]string{
	"x86_64": "amd64", "x64": "amd64", "i686": "386", "i386": "386", "x86": "386",
	"aarch64": "arm64", "armv6": "arm/v6", "armv6l": "arm/v6", "armhf": "arm/v7", "armv7": "arm/v7", "armv7l": "arm/v7",
}

func (p Platform) String() string {
	if p.Variant != "" {
		return p.OS + "/" + p.Arch + "/" + p.Variant
	}
	return p.OS + "/" + p.Arch
}

// Slug is the platform as file names carry it: "linux_amd64", "linux_armv6".
func (p Platform) Slug() string { return p.OS + "_" + p.Arch + p.Variant }

// Target is the platform's target triple as Rust and C toolchains name it,
// with musl on Linux because release binaries are static. It is empty for a
// platform that has no usual triple.
func (p Platform) Target() string {
	switch p.String() {
	case "linux/amd64":
		return "x86_64-unknown-linux-musl"
	case "linux/386":
		return "i686-unknown-linux-musl"
	case "linux/arm64":
		return "aarch64-unknown-linux-musl"
	case "linux/arm/v6":
		return "arm-unknown-linux-musleabihf"
	case "linux/arm/v7":
		return "armv7-unknown-linux-musleabihf"
	case "linux/riscv64":
		return "riscv64gc-unknown-linux-musl"
	case "darwin/amd64":
		return "x86_64-apple-darwin"
	case "darwin/arm64":
		return "aarch64-apple-darwin"
	case "windows/amd64":
		return "x86_64-pc-windows-gnu"
	case "windows/arm64":
		return "aarch64-pc-windows-msvc"
	}
	return ""
}

// Exe is ".exe" on Windows and empty elsewhere.
func (p Platform) Exe() string {
	if p.OS == "windows" {
		return ".exe"
	}
	return ""
}

// MarshalText and UnmarshalText make a Platform a plain string in JSON.
func (p Platform) MarshalText() ([]byte, error) {
	if p == (Platform{}) {
		return nil, nil
	}
	return []byte(p.String()), nil
}

func (p *Platform) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*p = Platform{}
		return nil
	}
	*p, err = ParsePlatform(string(b))
	return err
}
