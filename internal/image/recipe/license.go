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

// licence is one that a text is compared with.
type licence struct {
	id    string   // SPDX; empty for one that is known only so that it is not taken for another
	names []string // of its texts
	word  string   // that is in each of them, in lower case
}

// licences are the texts that a file with this text could be. Long ones take
// their time to be read, so that a word tells which can be.
func licences(text string) []licence {
	all := []licence{
		{"MIT", []string{"MIT/pristine.txt"}, "free of charge"},
		{"", []string{"X11/license.txt", "MIT-Modern-Variant/pristine.txt", "JSON/license.txt"}, "hereby granted"},
		{"ISC", []string{"ISC/license.txt", "ISC/pristine.txt"}, "permission to use"},
		{"", []string{"BSD-0-Clause/license.txt"}, "permission to use"},
		{"BSD-2-Clause", []string{"BSD-2-Clause/pristine.txt", "BSD-2-Clause/license.txt"}, "redistributions"},
		{"BSD-3-Clause", []string{"BSD-3-Clause/pristine.txt", "BSD-3-Clause/a.txt"}, "redistributions"},
		{"", []string{"BSD-4-Clause/license.txt", "BSD-4-Clause/pristine.txt", "BSD-3-Clause-Clear/license.txt", "BSD-3-Clause-Clear/pristine.txt"}, "redistributions"},
		{"Unlicense", []string{"Unlicense/license.txt"}, "public domain"},
		{"CC0-1.0", []string{"CC0-1.0/license.txt"}, "cc0"},
		{"Apache-2.0", []string{"Apache-2.0/pristine.txt", "Apache-2.0/a.txt", "Apache-2.0/no-header.txt"}, "apache"},
		{"MPL-2.0", []string{"MPL-2.0/license.txt", "MPL-2.0/pristine.txt"}, "mozilla"},
		{"GPL-2.0", []string{"GPL-2.0/license.txt"}, "gnu"},
		{"GPL-3.0", []string{"GPL-3.0/license.txt"}, "gnu"},
		{"LGPL-2.1", []string{"LGPL-2.1/license.txt", "LGPL-2.1/pristine.txt"}, "gnu lesser"},
		{"LGPL-3.0", []string{"LGPL-3.0/license.txt", "LGPL-3.0/pristine.txt"}, "gnu lesser"},
		{"AGPL-3.0", []string{"AGPL-3.0/license.txt"}, "gnu affero"},
		{"", []string{"SSPL-1.0/license.txt"}, "server side public"},
		{"", []string{"Commons-Clause/license.txt"}, "commons clause"},
	}
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	return slices.DeleteFunc(all, func(l licence) bool { return !strings.Contains(text, l.word) })
}

const (
	mostLicense = 256 << 10 // bytes of a licence's text
	sure        = 0.95      // share of a licence's words that must be there
	mostBeside  = 12        // words that may stand beside it, not counting titles and who holds the copyright
)

// License gives the SPDX id of the repository's licence, where the file LICENSE,
// COPYING or the like at its root is the text of one well-known licence and
// little else; several files may say the same. It is empty in every other case.
func License(src fs.FS) string {
	entries, err := fs.ReadDir(src, ".")
	if err != nil {
		return ""
	}
	found := ""
	for _, e := range entries {
		if e.IsDir() || !licenseFile.MatchString(e.Name()) {
			continue
		}
		text, ok := readLicense(src, e.Name())
		if !ok {
			return ""
		}
		id := classify(text)
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

// beside are lines that may stand beside a licence: titles, and who holds the
// copyright.
var beside = regexp.MustCompile(`(?i)^\W*(copyright|\(c\)|©|portions|all rights reserved|(the |a )?([\w.,()-]+ ){0,6}licen[cs]e\W*([\w.,()-]+ ?){0,4}$)`)

func classify(text []byte) string {
	c := classifier.NewClassifier(sure)
	ids := map[string]string{}
	for _, l := range licences(string(text)) {
		for _, name := range l.names {
			content, err := assets.ReadLicenseFile("License/" + name)
			if err != nil {
				return ""
			}
			family, variant, _ := strings.Cut(name, "/")
			ids[family] = l.id
			c.AddContent("License", family, variant, content)
		}
	}
	lines := strings.Split(string(text), "\n")
	found := ""
	for _, m := range c.Match(text).Matches {
		if m.MatchType == "Copyright" {
			continue // who holds it
		}
		if m.MatchType != "License" || found != "" && found != m.Name {
			return ""
		}
		found = m.Name
		for i := m.StartLine - 1; i < m.EndLine && i < len(lines); i++ {
			lines[i] = ""
		}
	}
	words := 0
	for _, l := range lines {
		if !beside.MatchString(l) {
			words += len(strings.Fields(l))
		}
	}
	if words > mostBeside {
		return ""
	}
	return ids[found]
}
