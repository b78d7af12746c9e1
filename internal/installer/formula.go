package installer

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/release"
)

// formulaBlocks are the blocks of a formula by platform. Homebrew runs on these, and
// on no processor of 32 bits.
var formulaBlocks = []struct {
	system, processor string
	platforms         []string // the first that there is a build for is taken
}{
	{"on_macos", "on_intel", []string{"darwin/amd64"}},
	{"on_macos", "on_arm", []string{"darwin/arm64", "darwin/amd64"}}, // Rosetta runs those
	{"on_linux", "on_intel", []string{"linux/amd64"}},
	{"on_linux", "on_arm", []string{"linux/arm64"}},
}

// Formula writes a Homebrew formula. A Mac with Apple's processor gets the build
// for Intel's, which it runs too, where there is no other. Errors are of kind
// release.Invalid.
func Formula(r Release) ([]byte, error) {
	if err := check(r); err != nil {
		return nil, err
	}
	name := orDefault(r.Name, r.Project)
	class := formulaClass(name)
	if class == "" {
		return nil, release.Invalidf("set its name: letters, digits, - and @version, with a letter first", "formula: %q is no name of a formula", name)
	}
	chosen := make([]*File, len(formulaBlocks))
	var install string // of every file, when it is one
	same := true
	for i, block := range formulaBlocks {
		if chosen[i] = formulaFile(r.Files, block.platforms); chosen[i] == nil {
			continue
		}
		how := formulaInstall(*chosen[i])
		same = same && (install == "" || install == how)
		install = how
	}
	if install == "" {
		return nil, release.Invalidf("build it for darwin or linux, as an archive or a binary", "formula: there is no build for macOS or Linux that Homebrew could install")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "class %s < Formula\n  desc %s\n", class, ruby(formulaDescription(r)))
	if r.Homepage != "" {
		fmt.Fprintf(&b, "  homepage %s\n", ruby(r.Homepage))
	}
	fmt.Fprintf(&b, "  version %s\n", ruby(r.Version))
	if r.License != "" {
		fmt.Fprintf(&b, "  license %s\n", formulaLicense(r.License))
	}
	formulaPlatforms(&b, chosen, same)
	if same {
		b.WriteString("\n  def install\n" + indent(install, 4) + "  end\n")
	}
	fmt.Fprintf(&b, "\n  test do\n    system bin/%s, \"--version\"\n  end\nend\n", ruby(formulaProgram(r.Project, chosen)))
	return []byte(b.String()), nil
}

// formulaPlatforms writes the blocks. Where builds are installed in different ways,
// each brings its own.
func formulaPlatforms(b *strings.Builder, chosen []*File, same bool) {
	system := ""
	for i, block := range formulaBlocks {
		f := chosen[i]
		if f == nil {
			continue
		}
		if block.system != system {
			if system != "" {
				b.WriteString("  end\n")
			}
			system = block.system
			fmt.Fprintf(b, "\n  %s do\n", system)
		} else {
			b.WriteByte('\n')
		}
		using := ""
		if f.Format == "binary" {
			using = ", using: :nounzip"
		}
		fmt.Fprintf(b, "    %s do\n      url %s%s\n      sha256 %s\n", block.processor, ruby(f.URL), using, ruby(strings.TrimPrefix(f.Digest, "sha256:")))
		if !same {
			b.WriteString("\n      define_method(:install) do\n" + indent(formulaInstall(*f), 8) + "      end\n")
		}
		b.WriteString("    end\n")
	}
	b.WriteString("  end\n")
}

// formulaInstall says how a file's programs are installed. Homebrew goes into an
// archive's only folder by itself.
func formulaInstall(f File) string {
	var b strings.Builder
	for _, name := range f.Binaries {
		switch {
		case f.Format == "binary":
			fmt.Fprintf(&b, "bin.install Dir[\"*\"].first => %s\n", ruby(name))
		case f.Dir == "":
			fmt.Fprintf(&b, "bin.install %s\n", ruby(name))
		default:
			fmt.Fprintf(&b, "bin.install [%s, %s].find { |file| File.file?(file) }\n", ruby(path.Join(f.Dir, name)), ruby(name))
		}
	}
	return b.String()
}

func indent(text string, by int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.Repeat(" ", by) + line)
	}
	return b.String()
}

// formulaFile is the file of the first platform that has one; an archive, which
// brings what belongs to the program, before a bare binary.
func formulaFile(files []File, platforms []string) *File {
	for _, key := range platforms {
		found := filesFor(files, key)
		if i := slices.IndexFunc(found, func(f File) bool { return f.Format != "binary" }); i >= 0 {
			return &found[i]
		}
		if len(found) > 0 {
			return &found[0]
		}
	}
	return nil
}

// formulaProgram is the program that the test starts: the project's where there is one.
func formulaProgram(project string, chosen []*File) string {
	first := ""
	for _, f := range chosen {
		switch {
		case f == nil:
		case slices.Contains(f.Binaries, project):
			return project
		case first == "":
			first = f.Binaries[0]
		}
	}
	return first
}

// formulaLicense writes a choice of licences as Homebrew does.
func formulaLicense(license string) string {
	for word, symbol := range map[string]string{" OR ": "any_of", " AND ": "all_of"} {
		parts := strings.Split(license, word)
		if len(parts) < 2 || !simpleLicenses(parts) {
			continue
		}
		for i := range parts {
			parts[i] = ruby(parts[i])
		}
		return symbol + ": [" + strings.Join(parts, ", ") + "]"
	}
	return ruby(license)
}

func simpleLicenses(ids []string) bool {
	return !slices.ContainsFunc(ids, func(id string) bool { return !licenseID.MatchString(id) })
}

var (
	formulaName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+._@-]*$`)
	wordStart   = regexp.MustCompile(`[-_.\s]([A-Za-z0-9])`)
	licenseID   = regexp.MustCompile(`^[A-Za-z0-9.+-]+$`)
	atVersion   = regexp.MustCompile(`(.)@(\d)`)
)

// formulaClass is a formula's name as Homebrew makes a class of it: foo-bar is
// FooBar, foo@2 FooAT2, a+ Ax.
func formulaClass(name string) string {
	if !formulaName.MatchString(name) {
		return ""
	}
	class := strings.ToUpper(name[:1]) + strings.ToLower(name[1:])
	class = wordStart.ReplaceAllStringFunc(class, func(s string) string { return strings.ToUpper(s[1:]) })
	class = strings.ReplaceAll(class, "+", "x")
	class = atVersion.ReplaceAllString(class, "${1}AT${2}")
	if strings.ContainsAny(class, "@-._") {
		return ""
	}
	return class
}

// formulaDescription is in Homebrew's style: one line, a capital first, no article,
// no full stop, 80 characters at most.
func formulaDescription(r Release) string {
	line, _, _ := strings.Cut(strings.TrimSpace(r.Description), "\n")
	line = strings.Join(strings.Fields(line), " ")
	for _, article := range []string{"A ", "An ", "The ", "a ", "an ", "the "} {
		line = strings.TrimPrefix(line, article)
	}
	line = strings.TrimRight(line, ". ")
	if line == "" {
		line = r.Project
	}
	for utf8.RuneCountInString(line) > 80 {
		cut := strings.LastIndexByte(line, ' ')
		if cut <= 0 {
			line = string([]rune(line)[:80])
			break
		}
		line = strings.TrimRight(line[:cut], " ,;:.-")
	}
	first, size := utf8.DecodeRuneInString(line)
	return string(unicode.ToUpper(first)) + line[size:]
}

// ruby quotes a value so that Ruby finds nothing to evaluate in it.
func ruby(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\' || r == '#':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			fmt.Fprintf(&b, "\\u{%x}", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
