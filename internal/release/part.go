package release

import (
	"fmt"
	"strings"
)

// Part is the binaries of one platform, built by one job of a split build. It
// is the document at the head of a part's file.
type Part struct {
	Schema   string   `json:"schema"` // slipway.part/v1
	Commit   string   `json:"commit"`
	PlanHash string   `json:"planHash"` // of the whole release
	Platform Platform `json:"platform"`
	Binaries []Binary `json:"binaries"`
}

// PartSchema names the part's format.
const PartSchema = "slipway.part/v1"

const (
	partPrefix = "slipway-part-"
	partSuffix = ".tar.gz"
)

// PartName is the file name of a platform's part: slipway-part-linux_arm64.tar.gz.
func PartName(p Platform) string { return partPrefix + p.Slug() + partSuffix }

// IsPart reports whether an asset is a part, which no published release has.
func IsPart(name string) bool {
	return strings.HasPrefix(name, partPrefix) && strings.HasSuffix(name, partSuffix)
}

// Only gives the builds of some platforms, and the checks that run on them. The
// error is Invalid and names a platform that the plan does not build.
func (p Plan) Only(platforms []Platform) (builds []PlanBuild, steps []PlanStep, err error) {
	wanted := map[Platform]bool{}
	for _, x := range platforms {
		wanted[x] = true
	}
	built := map[Platform]bool{}
	var names []string
	for _, b := range p.Builds {
		if !built[b.Platform] {
			names = append(names, b.Platform.String())
		}
		built[b.Platform] = true
		if len(platforms) == 0 || wanted[b.Platform] {
			builds = append(builds, b)
		}
	}
	for _, x := range platforms {
		if !built[x] {
			return nil, nil, Invalidf(fmt.Sprintf("it builds %s", strings.Join(names, ", ")), "the release has no builds for %s", x)
		}
	}
	for _, s := range p.Steps {
		if s.Platform != nil && (len(platforms) == 0 || wanted[*s.Platform]) {
			steps = append(steps, s)
		}
	}
	return builds, steps, nil
}
