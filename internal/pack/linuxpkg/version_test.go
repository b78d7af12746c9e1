package linuxpkg

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	apkversion "github.com/knqyf263/go-apk-version"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

func TestSpell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ version, deb, rpm, apk, arch string }{
		{"1.2.3", "1.2.3", "1.2.3", "1.2.3", "1.2.3"},
		{"1.2.3.4", "1.2.3.4", "1.2.3.4", "1.2.3.4", "1.2.3.4"},
		{"2024.1", "2024.1", "2024.1", "2024.1", "2024.1"},
		{"7", "7", "7", "7", "7"},
		{"1.2.3-rc1", "1.2.3~rc1", "1.2.3~rc1", "1.2.3_rc1", "1.2.3rc1"},
		{"1.2.3-rc.1", "1.2.3~rc.1", "1.2.3~rc.1", "1.2.3_rc1", "1.2.3rc.1"},
		{"1.2.3rc1", "1.2.3~rc1", "1.2.3~rc1", "1.2.3_rc1", "1.2.3rc1"},
		{"1.2.3-beta.2.1", "1.2.3~beta.2.1", "1.2.3~beta.2.1", "1.2.3_beta2_p1", "1.2.3beta.2.1"},
		{"1.2.3-1", "1.2.3~1", "1.2.3~~1", "1.2.3_alpha_alpha1", "1.2.3a1"},
		{"1.2.3-nightly", "1.2.3~nightly", "1.2.3~nightly", "1.2.3_alpha", "1.2.3nightly"},
		{"1.2.3-RC2", "1.2.3~RC2", "1.2.3~RC2", "1.2.3_rc2", "1.2.3RC2"},
		{"1.2.3+5", "1.2.3+5", "1.2.3+5", "1.2.3_p5", "1.2.3+5"},
		{"1.2.3-rc1+exp.sha-5114", "1.2.3~rc1+exp.sha.5114", "1.2.3~rc1+exp.sha.5114", "1.2.3_rc1", "1.2.3rc1+exp.sha.5114"},
		{"2024-01-15.1", "2024.01.15.1", "2024.01.15.1", "2024.01.15.1", "2024.01.15.1"},
		{"4f70926ab12c", "0~git20260102030405.4f70926", "0~git20260102030405.4f70926", "0_git20260102_p030405", "0.git20260102030405.4f70926"},
		{"nightly-7", "0~git20260102030405.nightly.7", "0~git20260102030405.nightly.7", "0_git20260102_p030405", "0.git20260102030405.nightly.7"},
		{"0.1.0-snapshot.4f70926ab12c", "0.1.0~snapshot.20260102030405.4f70926", "0.1.0~snapshot.20260102030405.4f70926", "0.1.0_alpha20260102_p030405", "0.1.0snapshot.20260102030405.4f70926"},
		{"123456789012", "123456789012", "123456789012", "123456789012", "123456789012"}, // digits alone that are no commit
	} {
		for format, want := range map[string]string{"deb": c.deb, "rpm": c.rpm, "apk": c.apk, "archlinux": c.arch} {
			if got := spell(format, c.version, commit, commitTime); got != want {
				t.Errorf("%s in %s is %s, want %s", c.version, format, got, want)
			}
		}
	}
}

// Versions in the order of releases, with the time of their commits, which count
// for what has no version.
var inOrder = []struct {
	version string
	hours   int
}{
	{"4f70926ab12c", 0}, {"nightly-7", 1}, {"4f70926ab12c", 2}, {"0.0.1", 0},
	{"0.1.1-snapshot.4f70926ab12c", 0}, {"0.1.1-snapshot.4f70926ab12c", 1}, {"0.1.1", 0},
	{"1.2.3-1", 0}, {"1.2.3-alpha", 0}, {"1.2.3-alpha.1", 0}, {"1.2.3-alpha.2", 0}, {"1.2.3-alpha.10", 0}, {"1.2.3-beta", 0}, {"1.2.3-beta2", 0}, {"1.2.3-beta11", 0},
	{"1.2.3-rc.1", 0}, {"1.2.3-rc.2", 0}, {"1.2.3", 0}, {"1.2.3.4", 0}, {"1.2.10-rc1", 0}, {"1.2.10", 0}, {"1.10.0", 0}, {"2.0.1-pre1", 0}, {"2.0.1", 0}, {"2024.1", 0}, {"2024.10", 0},
}

// Each format's own comparison sorts all versions as they were released.
func TestVersionsSortInOrder(t *testing.T) {
	t.Parallel()
	dpkg := realtest.Program(t, "dpkg", "dpkg")
	rpm := realtest.Program(t, "rpm", "rpm")
	vercmp := realtest.Program(t, "vercmp", "pacman-package-manager")
	older := map[string]func(a, b string) bool{
		"deb": func(a, b string) bool {
			return proc.Run(t.Context(), proc.Cmd{Args: []string{dpkg, "--compare-versions", a, "lt", b}}) == nil
		},
		"rpm": func(a, b string) bool {
			return strings.TrimSpace(run(t, rpm, "--eval", fmt.Sprintf("%%{lua: print(rpm.vercmp(%q, %q))}", a, b))) == "-1"
		},
		// apk's own is on no Debian; this one takes a version that ends in .0 for newer than itself.
		"apk": func(a, b string) bool {
			x, errX := apkversion.NewVersion(a)
			y, errY := apkversion.NewVersion(b)
			return errX == nil && errY == nil && x.LessThan(y)
		},
		"archlinux": func(a, b string) bool { return strings.TrimSpace(run(t, vercmp, a+"-1", b+"-1")) == "-1" },
	}
	for _, format := range release.PackageFormats {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			var spelled []string
			for _, v := range inOrder {
				spelled = append(spelled, spell(format, v.version, commit, commitTime.Add(time.Duration(v.hours)*time.Hour)))
			}
			for i := range spelled[1:] {
				if !older[format](spelled[i], spelled[i+1]) {
					t.Errorf("%s is not older than %s", spelled[i], spelled[i+1])
				}
			}
		})
	}
}

// What a version may consist of in each format, by their documentation.
var versionSyntax = map[string]*regexp.Regexp{
	"deb":       regexp.MustCompile(`^[0-9][0-9A-Za-z.+~]*$`),
	"rpm":       regexp.MustCompile(`^[0-9][0-9A-Za-z.+~]*$`),
	"apk":       regexp.MustCompile(`^[0-9]+(\.[0-9]+)*[a-z]?(_(alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*$`),
	"archlinux": regexp.MustCompile(`^[0-9][0-9A-Za-z.+]*$`),
}

// Any tag at all gives a version that a package may have.
func FuzzSpell(f *testing.F) {
	for _, v := range inOrder {
		f.Add(v.version)
	}
	f.Add("1.2.3-\n~~+é")
	f.Add("v1..2--3+_-")
	f.Add("1.2.3-rc99999999999999999999")
	f.Add("1-2")
	f.Fuzz(func(t *testing.T, s string) {
		for _, format := range release.PackageFormats {
			p := release.PlanPackage{Format: format, Version: s}
			if got := spell(format, s, commit, commitTime); checkVersion(p) == nil && !versionSyntax[format].MatchString(got) {
				t.Errorf("%q in %s is %q", s, format, got)
			}
		}
	})
}

func TestSpellRelation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ given, deb, rpm, apk, arch string }{
		{"libc6", "libc6", "libc6", "libc6", "libc6"},
		{"libc6 >= 2.36", "libc6 (>= 2.36)", "libc6 >= 2.36", "libc6>=2.36", "libc6>=2.36"},
		{"libc6 (>= 2.36)", "libc6 (>= 2.36)", "libc6 >= 2.36", "libc6>=2.36", "libc6>=2.36"},
		{"libc6>=2.36", "libc6 (>= 2.36)", "libc6 >= 2.36", "libc6>=2.36", "libc6>=2.36"},
		{"a < 2", "a (<< 2)", "a < 2", "a<2", "a<2"},
		{"a (>> 2:1.0-3)", "a (>> 2:1.0-3)", "a > 2:1.0-3", "a>2:1.0-3", "a>2:1.0-3"},
		{"a == 1", "a (= 1)", "a = 1", "a=1", "a=1"},
		{"/usr/bin/sh", "/usr/bin/sh", "/usr/bin/sh", "/usr/bin/sh", "/usr/bin/sh"},
		{"perl(Foo::Bar)", "perl(Foo::Bar)", "perl(Foo::Bar)", "perl(Foo::Bar)", "perl(Foo::Bar)"},
	} {
		want := map[string]string{"deb": c.deb, "rpm": c.rpm, "apk": c.apk, "archlinux": c.arch}
		for _, format := range release.PackageFormats {
			if got := relations(format, []string{c.given}); !slices.Equal(got, []string{want[format]}) {
				t.Errorf("%s in %s is %q, want %q", c.given, format, got, want[format])
			}
		}
	}
}
