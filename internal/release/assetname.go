package release

import (
	"fmt"
	"regexp"
	"strings"
)

// safeName is what may stand as a file name on every system and every forge.
var safeName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+@=-]*$`)

const safeNameHint = "use letters, digits and . _ + @ = -"

// mostAssetName is the length of an asset's name that every forge keeps.
const mostAssetName = 200

// CheckAssetName refuses names that a forge would rename (GitHub), take as a
// path (Gitea stores "../../etc/passwd" as given) or that a shell or a URL
// would mangle: letters, digits and . _ + @ = - are what every forge keeps.
func CheckAssetName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("an asset name is empty")
	case strings.ContainsAny(name, `/\`):
		return fmt.Errorf("asset name %q has a slash: an asset is one file, without a folder", name)
	case strings.Contains(name, ".."):
		return fmt.Errorf("asset name %q has %q", name, "..")
	case len(name) > mostAssetName:
		return fmt.Errorf("asset name %q has %d characters; at most %d are kept by every forge", name[:40]+"…", len(name), mostAssetName)
	case !safeName.MatchString(name):
		return fmt.Errorf("asset name %q has characters that forges rename: %s", name, safeNameHint)
	case strings.HasSuffix(name, "."):
		return fmt.Errorf("asset name %q ends in a dot, which forges take away", name)
	}
	return nil
}
