package release

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/google/go-cmp/cmp"
)

func tagClasses(patterns ...string) []Class {
	var out []Class
	for i, p := range patterns {
		out = append(out, Class{Name: fmt.Sprintf("c%d", i), Tag: p})
	}
	return out
}

// A class that can never match is named, with the classes that take its tags;
// a class that can match never is.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		classes []Class
		want    []string // field: message
	}{
		{"defaults", DefaultClasses("main"), nil},
		{"stable below extra", []Class{{Name: "extra", Tag: ".+"}, {Name: "stable", Tag: `v[0-9]+\.[0-9]+\.[0-9]+`}},
			[]string{"classes[1].tag: class `stable` can never match: every tag it takes is already taken by `extra` above it"}},
		{"two together", tagClasses(`v[0-4].*`, `v[5-9].*`, `v[0-9]`),
			[]string{"classes[2].tag: class `c2` can never match: every tag it takes is already taken by `c0` and `c1` above it"}},
		{"only the needed ones", tagClasses(`x.*`, `v[0-4].*`, `w`, `v[5-9].*`, `v[0-9]`),
			[]string{"classes[4].tag: class `c4` can never match: every tag it takes is already taken by `c1` and `c3` above it"}},
		{"one short of all", tagClasses(`v[0-4].*`, `v[5-8].*`, `v[0-9]`), nil},
		{"the whole tag must match", tagClasses(`v1`, `v1.*`), nil},
		{"alternatives are anchored as a whole", tagClasses(`a|b`, `ab`), nil},
		{"anchors and boundaries", tagClasses(`^\bv\d+\b$`, `\Av[0-9]\z`),
			[]string{"classes[1].tag: class `c1` can never match: every tag it takes is already taken by `c0` above it"}},
		{"case", tagClasses(`(?i)rc[0-9]`, `R[cC]1`),
			[]string{"classes[1].tag: class `c1` can never match: every tag it takes is already taken by `c0` above it"}},
		{"case the other way", tagClasses(`rc[0-9]`, `(?i)rc[0-9]`), nil},
		{"kelvin sign folds to k", tagClasses(`k`, `(?i)k`), nil},
		{"multiline anchors at the ends", tagClasses(`(?m)^v1$`, `v1`),
			[]string{"classes[1].tag: class `c1` can never match: every tag it takes is already taken by `c0` above it"}},
		{"a space is in no tag", tagClasses(`release \d+`),
			[]string{`classes[0].tag: class ` + "`c0`" + ` can never match: no valid tag name fits release \d+`}},
		{"two dots are in no tag", tagClasses(`v1\.\.2`), []string{"classes[0].tag: class `c0` can never match: no valid tag name fits v1\\.\\.2"}},
		{"an anchor in the middle", tagClasses(`v$1`), []string{"classes[0].tag: class `c0` can never match: no valid tag name fits v$1"}},
		{"only invalid names differ", tagClasses(`[^/]*`, `x/`), []string{"classes[1].tag: class `c1` can never match: no valid tag name fits x/"}},
		{"the rest is no valid name", tagClasses(`.*[^.]`, `v.*`),
			[]string{"classes[1].tag: class `c1` can never match: every tag it takes is already taken by `c0` above it"}},
		{"a wrong pattern hides nothing", tagClasses(`(`, `.+`, `v1`),
			[]string{"classes[2].tag: class `c2` can never match: every tag it takes is already taken by `c1` above it"}},
		{"tags and branches do not meet", []Class{{Name: "a", Tag: ".+"}, {Name: "b", Branch: "main"}}, nil},
		{"the same branch twice", []Class{{Name: "a", Branch: "{x,y}"}, {Name: "b", Branch: "{x,y}"}},
			[]string{"classes[1].branch: class `b` can never match: every branch it takes is already taken by `a` above it"}},
		{"all branches first", []Class{{Name: "a", Branch: "**"}, {Name: "b", Branch: "release/*"}},
			[]string{"classes[1].branch: class `b` can never match: every branch it takes is already taken by `a` above it"}},
		{"one star stops at a slash", []Class{{Name: "a", Branch: "*"}, {Name: "b", Branch: "release/*"}, {Name: "c", Branch: "main"}},
			[]string{"classes[2].branch: class `c` can never match: every branch it takes is already taken by `a` above it"}},
		{"nothing set", []Class{{Name: "a"}, {Name: "b"}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range Unreachable(tt.classes) {
				if !p.Warning || p.Hint == "" {
					t.Errorf("%v is no warning with a hint", p)
				}
				got = append(got, p.Field+": "+p.Message)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// An example belongs to the class it is an example of.
func TestExample(t *testing.T) {
	t.Parallel()
	classes := append(DefaultClasses("main"), Class{Name: "r", Branch: "release/**"})
	for i, want := range []string{"v1.1.1", "1", "main", "release"} {
		if got, ok := Example(classes, i); !ok || got != want {
			t.Errorf("Example(%s) = %q, %v; want %q", classes[i].Name, got, ok, want)
		}
	}
	for _, i := range []int{-1, 4} {
		if got, ok := Example(classes, i); ok {
			t.Errorf("Example(%d) = %q", i, got)
		}
	}
}

// Brute force over every short name agrees with the search, for random small
// patterns: a witness is one, and where there is none no name is one either.
func TestUnreachableAgainstBruteForce(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	names := allNames("a1./", 4)
	none := 0
	for range 500 {
		classes := tagClasses(randomPattern(rng, 3), randomPattern(rng, 3), randomPattern(rng, 2))
		c, err := NewClassifier(classes)
		if err != nil {
			t.Fatal(err)
		}
		for i := range classes {
			got, ok := Example(classes, i)
			if ok {
				if d, err := c.Classify(Event{Tag: got}); err != nil || d.Class != classes[i].Name || !validName(got) {
					t.Fatalf("%q is no example of class %d of %q: %+v, %v", got, i, patterns(classes), d, err)
				}
				continue
			}
			none++
			for _, n := range names {
				if d, err := c.Classify(Event{Tag: n}); err != nil || d.Class == classes[i].Name {
					t.Fatalf("class %d of %q takes %q (%v)", i, patterns(classes), n, err)
				}
			}
		}
	}
	if none < 50 {
		t.Errorf("only %d classes without a tag: the patterns do not try this enough", none)
	}
}

func patterns(classes []Class) (out []string) {
	for _, c := range classes {
		out = append(out, c.Tag)
	}
	return out
}

func allNames(letters string, length int) []string {
	all, last := []string{}, []string{""}
	for range length {
		var next []string
		for _, s := range last {
			for _, r := range letters {
				next = append(next, s+string(r))
			}
		}
		for _, s := range next {
			if validName(s) {
				all = append(all, s)
			}
		}
		last = next
	}
	return all
}

func randomPattern(rng *rand.Rand, depth int) string {
	atoms := []string{"a", "1", "A", `\.`, "/", ".", "[a-z]", "[^a]", `\d`, `\w`, `\b`, `\B`, "^", "$", "(?i:a)", `\W`, `\A`, `\z`, "(?m:^)", "(?m:$)"}
	if depth == 0 {
		return atoms[rng.IntN(len(atoms))]
	}
	sub := func() string { return randomPattern(rng, depth-1) }
	switch rng.IntN(8) {
	case 0:
		return "(?:" + sub() + "|" + sub() + ")"
	case 1:
		return "(?:" + sub() + ")*"
	case 2:
		return "(?:" + sub() + ")+"
	case 3:
		return "(?:" + sub() + ")?"
	case 4, 5:
		return sub() + sub()
	case 6:
		return "(?:" + sub() + "){1,2}"
	}
	return randomPattern(rng, 0)
}

// validName says what git check-ref-format says.
func TestValidNameIsGits(t *testing.T) {
	t.Parallel()
	names := []string{"v1", "a/b", "a//b", "/a", "a/", ".a", "a/.b", "a.", "a./b", "a..b", "a.lock", "a.lock/b", "a.lockb", "lock",
		"@", "a@{b", "a@b", "{", "a b", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b", `a\b`, "a\x7fb", "a\tb", "é", "日本", "-a", "a.lo", "a.loc",
		"a.l.lock", "a..lock", "$(x)", "a;b", "'", `"`, "|", "&", "\u00a0", "@@{", "a.lock.lock", "a.lock.", "x.lockx/y"}
	for _, n := range names {
		err := exec.CommandContext(t.Context(), "git", "check-ref-format", "refs/tags/"+n).Run()
		if want := err == nil; validName(n) != want {
			t.Errorf("validName(%q) = %v, git says %v", n, !want, want)
		}
	}
	if validName("") {
		t.Error("the empty name is valid")
	}
}

// Branch globs mean to the search what they mean to Classify.
func TestGlobPattern(t *testing.T) {
	t.Parallel()
	names := allNames("ab/", 6)
	for _, glob := range []string{"a", "*", "**", "a/*", "a/**", "**/b", "a/**/b", "?", "a?", "*/b", "a*b", "**/**", "a**", "**/a/**", "*/**", "a/**/**/b", "**/*"} {
		expr, ok := globPattern(glob)
		if !ok {
			t.Errorf("%s is declined", glob)
			continue
		}
		re := regexp.MustCompile(`^(?:` + expr + `)$`)
		for _, n := range names {
			if want, err := doublestar.Match(glob, n); err != nil || re.MatchString(n) != want {
				t.Errorf("%s as %s on %s: %v, doublestar says %v %v", glob, expr, n, !want, want, err)
			}
		}
	}
}

// Patterns made to be hard end in silence, soon.
func TestUnreachableGivesUp(t *testing.T) {
	t.Parallel()
	start := time.Now()
	hard := tagClasses(`(?:a|b)*a(?:a|b){24}`, `(?:a|b)*b(?:a|b){23}x?`, `[ab]{30,}`, strings.Repeat(`\pL?`, 300)+`z{500}`, `(?:(?:a{1,30}){1,30})*`)
	got := Unreachable(hard)
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
	if len(got) > 0 {
		t.Errorf("%v", got)
	}
}

func BenchmarkUnreachableDefaults(b *testing.B) {
	classes := DefaultClasses("main")
	for b.Loop() {
		Unreachable(classes)
	}
}
