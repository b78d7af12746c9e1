package release

import (
	"strings"
	"testing"
)

// An asset's name is one that every forge keeps as it is, or is refused with
// what is wrong with it.
func TestCheckAssetName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"hello_1.0.0_linux_amd64.tar.gz": "",
		"a":                              "",
		"_x":                             "",
		"x+y@z=1-2_3.4":                  "",
		strings.Repeat("x", 200):         "",
		"":                               "is empty",
		"a/b":                            "has a slash",
		`a\b`:                            "has a slash",
		"../../etc/passwd":               "has a slash",
		"a..b":                           `has ".."`,
		strings.Repeat("x", 201):         "has 201 characters",
		strings.Repeat("ö", 101):         "has 202 characters",
		".hidden":                        "forges rename",
		"-flag":                          "forges rename",
		"a b":                            "forges rename",
		"a\nb":                           "forges rename",
		"a\n":                            "forges rename",
		"größe":                          "forges rename",
		"end.":                           "ends in a dot",
	} {
		err := CheckAssetName(name)
		switch {
		case want == "" && err != nil:
			t.Errorf("CheckAssetName(%q): %v", name, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("CheckAssetName(%q) = %v, want an error with %q", name, err, want)
		}
	}
}
