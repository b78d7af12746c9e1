package installer

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/release"
)

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// built is a file at a release of a forge.
func built(platform, format string, binaries ...string) File {
	p, err := release.ParsePlatform(platform)
	if err != nil {
		panic(err)
	}
	name := "hello_1.2.3_" + p.Slug() + "." + format
	return File{Platform: p, Name: name, URL: "https://forge.example/git/acme/hello/releases/download/v1.2.3/" + name, Digest: digest, Format: format, Binaries: binaries}
}

func TestFormula(t *testing.T) {
	t.Parallel()
	r := sample(built("darwin/amd64", "tar.gz", "hello"), built("darwin/arm64", "tar.gz", "hello"), built("linux/amd64", "tar.gz", "hello"), built("linux/arm64", "tar.gz", "hello"), built("windows/amd64", "zip", "hello.exe"))
	got, err := Formula(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `class Hello < Formula
  desc "Program that says hello"
  homepage "https://hello.example"
  version "1.2.3"
  license "MIT"

  on_macos do
    on_intel do
      url "https://forge.example/git/acme/hello/releases/download/v1.2.3/hello_1.2.3_darwin_amd64.tar.gz"
      sha256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    end

    on_arm do
      url "https://forge.example/git/acme/hello/releases/download/v1.2.3/hello_1.2.3_darwin_arm64.tar.gz"
      sha256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    end
  end

  on_linux do
    on_intel do
      url "https://forge.example/git/acme/hello/releases/download/v1.2.3/hello_1.2.3_linux_amd64.tar.gz"
      sha256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    end

    on_arm do
      url "https://forge.example/git/acme/hello/releases/download/v1.2.3/hello_1.2.3_linux_arm64.tar.gz"
      sha256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    end
  end

  def install
    bin.install "hello"
  end

  test do
    system bin/"hello", "--version"
  end
end
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestFormulaClass(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"hello": "Hello", "foo-bar": "FooBar", "foo-bar@2": "FooBarAT2", "openssl@1.1": "OpensslAT11", "a_b.c": "ABC", "c++": "Cxx", "GnuPG": "Gnupg", "x264": "X264",
		"": "", "1up": "", "a b": "", "a@b": "", "x;system('id')": "", "é": "",
	} {
		if got := formulaClass(name); got != want {
			t.Errorf("%q is class %q, want %q", name, got, want)
		}
	}
}

func TestFormulaDescription(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"A tool.": "Tool", "the  best\ttool\nof all": "Best tool", "": "Hello", strings.Repeat("word ", 30): "Word" + strings.Repeat(" word", 15), strings.Repeat("é", 100): "É" + strings.Repeat("é", 79),
	} {
		if got := formulaDescription(Release{Project: "hello", Description: given}); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
}

// homebrew is what a formula uses of Homebrew, for one platform: it prints what
// would be downloaded, and installs from the folder it is in.
const homebrew = `
class Place
  def initialize(to) @to = to end
  def /(name) "#{@to}/#{name}" end
  def install(what)
    (what.is_a?(Hash) ? what : { what => File.basename(what) }).each do |from, to|
      raise "there is no #{from}" unless File.file?(from)
      print "install #{from} as #{to}\n"
    end
  end
end
class Formula
  SYSTEM, PROCESSOR = ARGV[0].split("/")
  def self.desc(s) @desc = s end
  def self.homepage(s) end
  def self.version(s) @version = s end
  def self.license(s) puts "license #{s.inspect}" end
  def self.sha256(s) puts "sha256 #{s}" end
  def self.url(s, using: nil) puts "url #{s} #{using}" end
  def self.on_macos; yield if SYSTEM == "darwin" end
  def self.on_linux; yield if SYSTEM == "linux" end
  def self.on_intel; yield if PROCESSOR == "amd64" end
  def self.on_arm; yield if PROCESSOR == "arm64" end
  def self.test(&block) @test = block end
  def self.check; new.instance_eval(&@test) end
  def bin; Place.new("BIN") end
  def system(*args) print "test #{args.join(" ")}\n" end
end
`

// evaluate runs a formula as Homebrew does, in a folder with the files of an archive.
func evaluate(t *testing.T, formula []byte, class, platform string, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		at := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	text := homebrew + string(formula) + "\n" + class + ".new.install\n" + class + ".check\n"
	err := proc.Run(t.Context(), proc.Cmd{Args: []string{realtest.Program(t, "ruby", "ruby"), "-", platform}, Dir: dir, Env: []string{"LC_ALL=C.UTF-8"}, Stdin: strings.NewReader(text), Stdout: &out})
	if err != nil {
		t.Errorf("%v\n%s", err, formula)
	}
	left, err := fs.Glob(os.DirFS(dir), "evil*")
	if err != nil || len(left) > 0 {
		t.Errorf("the formula made %q, %v", left, err)
	}
	return out.String()
}

// Ruby takes the formula, and chooses for each platform what fits: bare binaries get
// their names, an archive's folder is found, Apple's processor runs Intel's build.
func TestFormulaRuns(t *testing.T) {
	t.Parallel()
	bare := built("linux/amd64", "binary", "hello")
	inFolder := built("darwin/amd64", "tar.gz", "hello", "hellod")
	inFolder.Dir = "hello-1.2.3"
	r := sample(bare, inFolder)
	r.License = "MIT OR Apache-2.0"
	f, err := Formula(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		platform, want string
		files          []string
	}{
		{"linux/amd64", "url " + bare.URL + " nounzip\nsha256 " + digest[7:] + "\ninstall " + bare.Name + " as hello\ntest BIN/hello --version\n", []string{bare.Name}},
		{"darwin/arm64", "url " + inFolder.URL + " \nsha256 " + digest[7:] + "\ninstall hello as hello\ninstall hellod as hellod\ntest BIN/hello --version\n", []string{"hello", "hellod"}},
		{"darwin/amd64", "url " + inFolder.URL + " \nsha256 " + digest[7:] + "\ninstall hello-1.2.3/hello as hello\ninstall hello-1.2.3/hellod as hellod\ntest BIN/hello --version\n", []string{"hello-1.2.3/hello", "hello-1.2.3/hellod", "README"}},
	} {
		want := "license {:any_of=>[\"MIT\", \"Apache-2.0\"]}\n" + c.want
		if diff := cmp.Diff(want, evaluate(t, f, "Hello", c.platform, c.files...)); diff != "" {
			t.Errorf("%s: %s", c.platform, diff)
		}
	}
}

// No value is evaluated by Ruby.
func TestFormulaHostileNames(t *testing.T) {
	t.Parallel()
	for _, h := range hostile {
		name := strings.ReplaceAll(strings.ReplaceAll(h, "/", "_"), `\`, "_")
		r := sample(built("linux/amd64", "tar.gz", name))
		r.Name, r.Project, r.Version, r.Homepage, r.License, r.Description = "hello", h, h, h, h, h
		f, err := Formula(r)
		if err != nil {
			t.Fatal(err)
		}
		got := evaluate(t, f, "Hello", "linux/amd64", name)
		if !strings.Contains(got, "install "+name+" as "+name+"\n") || !strings.Contains(got, "test BIN/"+name+" --version\n") {
			t.Errorf("%q: %q", h, got)
		}
	}
}

func TestScoop(t *testing.T) {
	t.Parallel()
	arm := built("windows/arm64", "binary", "hello.exe")
	zip := built("windows/amd64", "zip", "hello.exe", "hellod.exe")
	zip.Dir = "hello-1.2.3"
	got, err := Scoop(sample(zip, built("windows/amd64", "binary", "hello.exe"), arm, built("linux/amd64", "tar.gz", "hello")))
	if err != nil {
		t.Fatal(err)
	}
	want := `{
    "version": "1.2.3",
    "description": "A program that says hello.",
    "homepage": "https://hello.example",
    "license": "MIT",
    "architecture": {
        "64bit": {
            "url": "https://forge.example/git/acme/hello/releases/download/v1.2.3/hello_1.2.3_windows_amd64.zip",
            "hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "extract_dir": "hello-1.2.3",
            "bin": [
                "hello.exe",
                "hellod.exe"
            ]
        },
        "arm64": {
            "url": "https://forge.example/git/acme/hello/releases/download/v1.2.3/hello_1.2.3_windows_arm64.binary#/hello.exe",
            "hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "bin": "hello.exe"
        }
    },
    "checkver": {
        "url": "https://forge.example/git/api/v1/repos/acme/hello/releases/latest",
        "jsonpath": "$.tag_name",
        "regex": "v?([\\d.]+)"
    },
    "autoupdate": {
        "architecture": {
            "64bit": {
                "url": "https://forge.example/git/acme/hello/releases/download/v$version/hello_$version_windows_amd64.zip",
                "extract_dir": "hello-$version"
            },
            "arm64": {
                "url": "https://forge.example/git/acme/hello/releases/download/v$version/hello_$version_windows_arm64.binary#/hello.exe"
            }
        }
    }
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// GitHub is asked as Scoop knows it; files that lie elsewhere are not followed.
func TestScoopFollows(t *testing.T) {
	t.Parallel()
	follow := func(url, tag string) (out struct {
		Check  *scoopCheck  `json:"checkver"`
		Update *scoopUpdate `json:"autoupdate"`
	}) {
		f := built("windows/amd64", "zip", "hello.exe")
		f.URL = url
		r := sample(f)
		r.Tag = tag
		m, err := Scoop(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(m, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := follow("https://github.com/acme/hello/releases/download/v1.2.3/hello.zip", "v1.2.3"); got.Check == nil || got.Check.GitHub != "https://github.com/acme/hello" || got.Update == nil {
		t.Errorf("%+v", got)
	}
	for url, tag := range map[string]string{
		"https://releases.example/_releases/v1.2.3/hello.zip":                   "v1.2.3",
		"https://github.com/acme/hello/releases/download/hello-1.2.3/hello.zip": "hello-1.2.3",
	} {
		if got := follow(url, tag); got.Check != nil || got.Update != nil {
			t.Errorf("%s is followed: %+v", url, got)
		}
	}
}

func TestScoopHostileNames(t *testing.T) {
	t.Parallel()
	for _, h := range hostile {
		r := sample(built("windows/amd64", "zip", strings.ReplaceAll(strings.ReplaceAll(h, "/", "_"), `\`, "_")))
		r.Project, r.Version, r.Homepage, r.License = h, h, h, h
		m, err := Scoop(r)
		if err != nil {
			t.Fatal(err)
		}
		var got scoopManifest
		if err := json.Unmarshal(m, &got); err != nil || got.Version != h || got.Homepage != h {
			t.Errorf("%q: %v, %+v", h, err, got)
		}
	}
}

// Where nothing fits, it is said so, with what to do.
func TestNothingFits(t *testing.T) {
	t.Parallel()
	windows, linux := sample(built("windows/amd64", "zip", "hello.exe")), sample(built("linux/amd64", "tar.gz", "hello"))
	_, formula := Formula(windows)
	_, scoop := Scoop(linux)
	_, none := Scoop(sample(built("windows/amd64", "tar.zst", "hello.exe")))
	for want, err := range map[string]error{"there is no build for macOS or Linux": formula, "there is no build for Windows": scoop, "that Scoop could install": none} {
		if release.KindOf(err) != release.Invalid || release.HintOf(err) == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%v (hint %q), want %q", err, release.HintOf(err), want)
		}
	}
}
