package recipe_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/licenseclassifier/v2/assets"

	"github.com/slipway-dev/slipway/internal/image/recipe"
)

func licenseText(t *testing.T, name string) string {
	t.Helper()
	text, err := assets.ReadLicenseFile("License/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLicense: a licence is named where it is a well-known one and nothing
// else, and is not named in any doubt.
func TestLicense(t *testing.T) {
	t.Parallel()
	mit := "MIT License\n\nCopyright (c) 2026 A. Person and contributors\n\n" + licenseText(t, "MIT/pristine.txt")
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"MIT":               {[]string{"LICENSE", mit}, "MIT"},
		"wrapped otherwise": {[]string{"LICENSE.txt", strings.ReplaceAll(mit, "\n", " \n  ")}, "MIT"},
		"Apache":            {[]string{"LICENSE", licenseText(t, "Apache-2.0/pristine.txt")}, "Apache-2.0"},
		"BSD 2":             {[]string{"LICENCE", "Copyright (c) 2026, A. Person\nAll rights reserved.\n\n" + licenseText(t, "BSD-2-Clause/pristine.txt")}, "BSD-2-Clause"},
		"BSD 3":             {[]string{"LICENSE", "Copyright 2009 The Go Authors.\n\n" + licenseText(t, "BSD-3-Clause/pristine.txt")}, "BSD-3-Clause"},
		"BSD 4":             {[]string{"LICENSE", licenseText(t, "BSD-4-Clause/pristine.txt")}, ""},
		"GPL 2":             {[]string{"COPYING", licenseText(t, "GPL-2.0/license.txt")}, "GPL-2.0"},
		"GPL 3":             {[]string{"COPYING", licenseText(t, "GPL-3.0/license.txt")}, "GPL-3.0"},
		"AGPL":              {[]string{"LICENSE.md", licenseText(t, "AGPL-3.0/license.txt")}, "AGPL-3.0"},
		"LGPL 2.1":          {[]string{"COPYING.LESSER", licenseText(t, "LGPL-2.1/license.txt")}, "LGPL-2.1"},
		"LGPL 3":            {[]string{"COPYING.LESSER", licenseText(t, "LGPL-3.0/license.txt")}, "LGPL-3.0"},
		"MPL":               {[]string{"LICENSE", licenseText(t, "MPL-2.0/license.txt")}, "MPL-2.0"},
		"ISC":               {[]string{"LICENSE", "ISC License\n\nCopyright (c) 2026 X\n\n" + licenseText(t, "ISC/pristine.txt")}, "ISC"},
		"Unlicense":         {[]string{"UNLICENSE", licenseText(t, "Unlicense/license.txt")}, "Unlicense"},
		"CC0":               {[]string{"LICENSE", licenseText(t, "CC0-1.0/license.txt")}, "CC0-1.0"},
		"another":           {[]string{"LICENSE", licenseText(t, "EPL-2.0/license.txt")}, ""},
		"SSPL":              {[]string{"LICENSE", licenseText(t, "SSPL-1.0/license.txt")}, ""},
		"X11":               {[]string{"LICENSE", licenseText(t, "X11/license.txt")}, ""},
		"Commons Clause":    {[]string{"LICENSE", "“Commons Clause” License Condition v1.0\n\nThe Software is provided to you by the Licensor under the License, as defined below, subject to the following condition.\n\nWithout limiting other conditions in the License, the grant of rights under the License will not include, and the License does not grant to you, the right to Sell the Software.\n\nFor purposes of the foregoing, “Sell” means practicing any or all of the rights granted to you under the License to provide to third parties, for a fee or other consideration, a product or service.\n\n" + mit}, ""},
		"changed":           {[]string{"LICENSE", strings.Replace(mit, "without restriction", "for non-commercial purposes only, as long as no money is made with it by anyone", 1)}, ""},
		"two in one":        {[]string{"LICENSE", mit + "\n\n" + licenseText(t, "BSD-3-Clause/pristine.txt")}, ""},
		"a choice":          {[]string{"LICENSE-MIT", mit, "LICENSE-APACHE", licenseText(t, "Apache-2.0/pristine.txt")}, ""},
		"the same twice":    {[]string{"LICENSE", mit, "COPYING", mit}, "MIT"},
		"a word":            {[]string{"LICENSE", "MIT"}, ""},
		"empty":             {[]string{"LICENSE", ""}, ""},
		"none":              {[]string{"README.md", mit}, ""},
		"deeper":            {[]string{"vendor/x/LICENSE", mit}, ""},
		"no text":           {[]string{"LICENSE", "\x00\xff\xfe"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := recipe.License(tree(t, c.files...)); got != c.want {
				t.Errorf("License() = %q, want %q", got, c.want)
			}
		})
	}
}

// FuzzLicense: no text ends the program.
func FuzzLicense(f *testing.F) {
	for _, s := range []string{"", "MIT", "...", "\x00", "free of charge hereby granted redistributions gnu affero cc0", "Copyright (c) x\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id := recipe.License(fstest.MapFS{"LICENSE": {Data: []byte(text)}}); id != "" && len(text) < 500 {
			t.Errorf("%q is taken for %s", text, id)
		}
	})
}
