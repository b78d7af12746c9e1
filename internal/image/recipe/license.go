package recipe

import (
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	classifier "github.com/google/licenseclassifier/v2"
	"github.com/google/licenseclassifier/v2/assets"
)

// licenseFile are the names under which a repository's licence lies at its root.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([.-](md|txt|rst|[a-z0-9.-]+))?$`)

// known are the licences that License tells, by SPDX id, with the texts of each.
// Those with few texts are told from their relatives by them.
func known() map[string][]string {
	return map[string][]string{
		"MIT": {"pristine.txt"}, "Apache-2.0": {"pristine.txt", "a.txt", "no-header.txt"},
		"BSD-2-Clause": {"pristine.txt", "license.txt"}, "BSD-3-Clause": {"pristine.txt", "a.txt"},
		"BSD-4-Clause": nil, "BSD-3-Clause-Clear": nil, "BSD-2-Clause-Patent": nil, "X11": nil,
		"GPL-2.0": {"license.txt"}, "GPL-3.0": {"license.txt"},
		"LGPL-2.1": {"license.txt", "pristine.txt"}, "LGPL-3.0": {"license.txt", "pristine.txt"}, "AGPL-3.0": {"license.txt"},
		"MPL-2.0": {"license.txt", "pristine.txt"}, "ISC": {"license.txt", "pristine.txt"},
		"Unlicense": {"license.txt"}, "CC0-1.0": {"license.txt"},
	}
}

const (
	mostLicense = 256 << 10 // bytes of a licence's text
	sure        = 0.95      // share of a licence's words that must be there
	covered     = 0.85      // share of the file that must be the licence
)

// License gives the SPDX id of the repository's licence, where the file LICENSE,
// COPYING or the like at its root is the text of one well-known licence and
// little else; several files may say the same. It is empty in every other case.
func License(src fs.FS) string {
	entries, err := fs.ReadDir(src, ".")
	if err != nil {
		return ""
	}
	var c *classifier.Classifier
	found := ""
	for _, e := range entries {
		if e.IsDir() || !licenseFile.MatchString(e.Name()) {
			continue
		}
		text, ok := readLicense(src, e.Name())
		if !ok {
			return ""
		}
		if c == nil {
			if c, err = licenses(); err != nil {
				return ""
			}
		}
		id := classify(c, text)
		if id == "" || found != "" && found != id {
			return "" // a choice, or both: only people can say
		}
		found = id
	}
	return found
}

func readLicense(src fs.FS, name string) ([]byte, bool) {
	f, err := src.Open(name)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostLicense+1))
	return text, err == nil && len(text) > 0 && len(text) <= mostLicense
}

func licenses() (*classifier.Classifier, error) {
	c := classifier.NewClassifier(sure)
	for id, texts := range known() {
		for _, name := range texts {
			text, err := assets.ReadLicenseFile("License/" + id + "/" + name)
			if err != nil {
				return nil, err
			}
			c.AddContent("License", id, name, text)
		}
	}
	return c, nil
}

func classify(c *classifier.Classifier, text []byte) string {
	results := c.Match(text)
	id, lines := "", 0
	for _, m := range results.Matches {
		if m.MatchType != "License" || id != "" && id != m.Name {
			return ""
		}
		id, lines = m.Name, lines+m.EndLine-m.StartLine+1
	}
	total := len(slices.DeleteFunc(strings.Split(string(text), "\n"), func(l string) bool { return strings.TrimSpace(l) == "" }))
	if id == "" || float64(lines) < covered*float64(total)-8 { // a title, and who holds the copyright
		return ""
	}
	return id
}
