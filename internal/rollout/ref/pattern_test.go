package ref_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// Both spellings of kinds and releases find the same documents, and the prefix
// is one that every match has.
func TestMatch(t *testing.T) {
	t.Parallel()
	const p = "r/x/-/web/f.ocu.star/"
	docs := []string{p + "@r1/call/build", p + "@r6/deploy/prod", p + "@r7/call/build", p + "@r7/call/build/1", p + "@r7/deploy/prod",
		p + "@r7/deploy/staging", p + "@r17/call/build", p + "@1.2.0/call/build", p + "@/call/build", p + "+/deploy/prod", p + "+r7/custom/task",
		"@/environment/prod", "@/environment/staging"}
	for pattern, want := range map[string]struct {
		found  []int
		prefix string
	}{
		"**/deploy/prod":               {[]int{1, 4, 9}, ""},
		"**/@*/deploy/prod":            {[]int{1, 4}, ""},
		"@/environment/*":              {[]int{11, 12}, "@/environment"},
		p + "@7/task/*":                {[]int{2}, p + "@r7/call"},
		p + "@v7/call/**":              {[]int{2, 3}, p + "@r7/call"},
		p + "@r7/{task,deploy}/*":      {[]int{2, 4, 5}, p + "@r7"},
		p + "@{6,7}/deploy/prod":       {[]int{1, 4}, strings.TrimSuffix(p, "/")},
		p + "{@6,@7}/deploy/prod":      {[]int{1, 4}, strings.TrimSuffix(p, "/")},
		p + "@[67]/deploy/prod":        {[]int{1, 4}, strings.TrimSuffix(p, "/")},
		p + "@1*/call/build":           {[]int{0, 6, 7}, strings.TrimSuffix(p, "/")},
		p + "@*/call/build":            {[]int{0, 2, 6, 7, 8}, strings.TrimSuffix(p, "/")},
		p + "@?/call/build":            {nil, strings.TrimSuffix(p, "/")},
		p + "@/call/build":             {[]int{8}, p + "@/call/build"},
		p + "@1/call/build":            {[]int{0}, p + "@r1/call/build"},
		"**/task/{task,build}":         {[]int{0, 2, 6, 7, 8}, ""},
		"**/+7/custom/task":            {[]int{10}, ""},
		"r/x/-/w*b/**/@7/**/build":     {[]int{2}, "r/x/-"},
		"r/x/-/web/f.ocu.star/**/1":    {[]int{3}, "r/x/-/web/f.ocu.star"},
		"r/x/-/web/f.ocu.star/@7/**":   {[]int{2, 3, 4, 5}, p + "@r7"},
		`r/x/-/web/f\.ocu.star/@/c*/*`: {[]int{8}, "r/x/-/web"},
	} {
		m, err := ref.Match(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		var found []int
		for i, d := range docs {
			if m.Match(d) {
				found = append(found, i)
				if pre := m.Prefix(); pre != "" && d != pre && !strings.HasPrefix(d, pre+"/") {
					t.Errorf("%s matches %s, which is not below %s", pattern, d, pre)
				}
			}
		}
		if fmt.Sprint(found) != fmt.Sprint(want.found) || m.Prefix() != want.prefix {
			t.Errorf("%s (%s): %v below %q, want %v below %q", pattern, m, found, m.Prefix(), want.found, want.prefix)
		}
	}
	for _, bad := range []string{"", "a/[", "a/{b", "a}", `a\`, strings.Repeat("a", 1001), strings.Repeat("{a,b}", 7)} {
		if _, err := ref.Match(bad); release.KindOf(err) != release.Invalid || release.HintOf(err) == "" {
			t.Errorf("%.60q: %v", bad, err)
		}
	}
}

// No pattern makes a match take long.
func TestMatchIsBounded(t *testing.T) {
	t.Parallel()
	doc := strings.Repeat("a/", 490) + "b"
	for _, pattern := range []string{
		strings.Repeat("**/a*/", 6) + "c*", strings.Repeat("**/", 6) + "c*", strings.Repeat("{**,a}/", 6) + "c*",
		strings.Repeat("**/{a,*}/", 6) + "c*", strings.Repeat("*a", 400) + "c*", strings.Repeat("**/a/", 190) + "c*",
	} {
		m, err := ref.Match(pattern)
		if err != nil {
			t.Error(err)
			continue
		}
		begun := time.Now()
		if m.Match(doc) || m.Match(strings.ReplaceAll(doc, "/", "")) {
			t.Errorf("%.40s matches", pattern)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%.40s took %v", pattern, took)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"**/deploy/prod", "@{6,7}/{task,a[b]}", `a\{,}`, "@1*", "[", "{@,+}7/[]a]"} {
		f.Add(s, "r/-/x.ocu.star/@r7/call/build")
	}
	f.Fuzz(func(t *testing.T, pattern, doc string) {
		m, err := ref.Match(pattern)
		if err != nil || len(doc) > 200 {
			return
		}
		if literal, err := ref.Match(doc); err == nil && !strings.ContainsAny(doc, `*?[]{}\\`) && !literal.Match(doc) && !strings.Contains(doc, "@") && !strings.Contains(doc, "+") {
			t.Fatalf("%q doesn't match itself", doc)
		}
		if pre := m.Prefix(); m.Match(doc) && pre != "" && doc != pre && !strings.HasPrefix(doc, pre+"/") {
			t.Fatalf("%q matches %q, which is not below %q", pattern, doc, pre)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	var docs []string
	for i := range 100_000 {
		docs = append(docs, fmt.Sprintf("github.com/acme/app/-/service-%d/release.ocu.star/@r%d/%s/item-%d", i%50, i%100, []string{"call", "deploy"}[i%2], i%1000))
	}
	for _, pattern := range []string{"**/deploy/item-7", "**/@*/{task,deploy}/*", "github.com/acme/app/-/**/@8/call/*", "**"} {
		b.Run(strings.ReplaceAll(pattern, "/", "_"), func(b *testing.B) {
			m, err := ref.Match(pattern)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				n := 0
				for _, d := range docs {
					if m.Match(d) {
						n++
					}
				}
				if n == 0 {
					b.Fatal("nothing matched")
				}
			}
		})
	}
}
