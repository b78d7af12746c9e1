package forge

import (
	"fmt"
	"regexp"
	"strings"
)

var assetName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+@=-]*$`)

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
	case len(name) > 200:
		return fmt.Errorf("asset name %q has %d characters; at most 200 are kept by every forge", name[:40]+"…", len(name))
	case !assetName.MatchString(name):
		return fmt.Errorf("asset name %q has characters that forges rename: use letters, digits and . _ + @ = -", name)
	}
	return nil
}
