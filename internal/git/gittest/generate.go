package gittest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// Spec says what history Generate makes.
type Spec struct {
	Commits int               // at least 1
	Tags    int               // spread evenly, the last one on the last commit; every other one annotated
	Authors int               // who appear one after another; default 100
	Files   map[string]string // further files of the first commit
	Seed    uint64
}

// Generate makes a repository with the branch main in dir (a folder that does
// not exist or is empty): conventional commit messages, some with bodies,
// breaking changes and pull request numbers, and a merged branch of two commits
// in every twelve. The same spec gives the same hashes. 100,000 commits take a
// few seconds. The working tree is checked out at the end.
func Generate(ctx context.Context, dir string, s Spec) error {
	git := func(stdin io.Reader, args ...string) error {
		return proc.Run(ctx, proc.Cmd{Args: append([]string{"git"}, args...), Dir: ".", Env: Env(), Unset: unset, Stdin: stdin})
	}
	if err := git(nil, "init", "--quiet", "--initial-branch=main", "--template=", dir); err != nil {
		return fmt.Errorf("generate history: %w", err)
	}
	pr, pw := io.Pipe()
	go func() {
		w := bufio.NewWriterSize(pw, 1<<16)
		newGenerator(w, s).run()
		pw.CloseWithError(w.Flush())
	}()
	err := git(pr, "-C", dir, "fast-import", "--quiet", "--done", "--date-format=raw")
	_ = pr.Close() // frees the writer when git stopped early
	if err != nil {
		return fmt.Errorf("generate history: %w", err)
	}
	if err := git(nil, "-C", dir, "reset", "--quiet", "--hard"); err != nil {
		return fmt.Errorf("generate history: %w", err)
	}
	return nil
}

// generator writes a fast-import stream.
type generator struct {
	w    *bufio.Writer
	spec Spec
	rand *rand.Rand
	made int // commits so far; also the last mark
	tags int
	tips map[string]int // mark of each branch's last commit
}

func newGenerator(w *bufio.Writer, s Spec) *generator {
	s.Commits = max(s.Commits, 1)
	if s.Authors <= 0 {
		s.Authors = 100
	}
	return &generator{w: w, spec: s, rand: rand.New(rand.NewPCG(s.Seed, 0x51e9)), tips: map[string]int{}}
}

const sideRef = "refs/heads/side"

func (g *generator) run() {
	tip := g.commit("refs/heads/main", 0, 0, "feat: begin")
	g.tag(tip)
	for g.made < g.spec.Commits {
		// Twelve commits: seven, two on a branch beside two more, and the merge.
		for range 7 {
			tip = g.main(tip)
		}
		if g.spec.Commits-g.made < 5 {
			continue
		}
		side := g.commit(sideRef, tip, 0, g.message())
		side = g.commit(sideRef, side, 0, g.message())
		tip = g.main(g.main(tip))
		tip = g.commit("refs/heads/main", tip, side, fmt.Sprintf("Merge pull request #%d from fork/side", g.made))
		g.tag(tip)
	}
	fmt.Fprintf(g.w, "reset %s\nfrom %040d\n\ndone\n", sideRef, 0) // takes the branch away
}

// main adds a commit to main, unless there are enough.
func (g *generator) main(tip int) int {
	if g.made >= g.spec.Commits {
		return tip
	}
	tip = g.commit("refs/heads/main", tip, 0, g.message())
	g.tag(tip)
	return tip
}

func (g *generator) date() int64 {
	return start.Add(time.Duration(g.made) * 20 * time.Minute).Unix()
}

// commit writes a commit that changes one file, and gives its mark.
func (g *generator) commit(ref string, parent, merged int, message string) int {
	g.made++
	active := 1 + g.made*g.spec.Authors/(g.spec.Commits+1)  // how many have appeared
	author := min(g.rand.IntN(active), g.rand.IntN(active)) // some write more than others
	if active > 1+(g.made-1)*g.spec.Authors/(g.spec.Commits+1) {
		author = active - 1 // the new one's first
	}
	fmt.Fprintf(g.w, "commit %s\nmark :%d\nauthor Author %d <author%d@example.org> %d +0000\ncommitter Forge <forge@example.org> %d +0000\n",
		ref, g.made, author, author, g.date(), g.date())
	g.data(message)
	// fast-import goes on from a branch's tip by itself, and far quicker.
	if parent > 0 && parent != g.tips[ref] {
		fmt.Fprintf(g.w, "from :%d\n", parent)
	}
	g.tips[ref] = g.made
	if parent == 0 {
		for _, name := range slices.Sorted(maps.Keys(g.spec.Files)) {
			fmt.Fprintf(g.w, "M 100644 inline %s\n", name)
			g.data(g.spec.Files[name])
		}
	}
	if merged > 0 {
		fmt.Fprintf(g.w, "merge :%d\n", merged)
	}
	fmt.Fprintf(g.w, "M 100644 inline part%d/file%d.txt\n", g.rand.IntN(12), g.rand.IntN(12))
	g.data(fmt.Sprintf("change %d\n", g.made))
	fmt.Fprintln(g.w)
	return g.made
}

// tag writes the tags that are due at a commit of main: one for each share of
// the commits, the last on the last commit.
func (g *generator) tag(mark int) {
	for g.tags < g.spec.Tags && g.made*g.spec.Tags >= (g.tags+1)*g.spec.Commits {
		g.tags++
		name := TagName(g.tags)
		if g.tags%2 == 1 {
			fmt.Fprintf(g.w, "reset refs/tags/%s\nfrom :%d\n\n", name, mark)
			continue
		}
		fmt.Fprintf(g.w, "tag %s\nfrom :%d\ntagger Forge <forge@example.org> %d +0000\n", name, mark, g.date())
		g.data(name + "\n")
	}
}

// TagName is the name of Generate's nth tag, counted from 1.
func TagName(n int) string { return fmt.Sprintf("v%d.%d.%d", n/100, n%100/5, n%5) }

func (g *generator) data(s string) { fmt.Fprintf(g.w, "data %d\n%s\n", len(s), s) }

var (
	types  = []string{"feat", "fix", "fix", "fix", "docs", "chore", "refactor", "perf", "test", "ci"}
	scopes = []string{"", "", "(api)", "(cli)", "(core)", "(build)"}
	verbs  = []string{"add", "remove", "rework", "speed up", "correct", "document"}
	nouns  = []string{"the parser", "uploads", "retries", "the cache", "error messages", "signatures", "the journal"}
)

// message makes a conventional commit message; every ninth is a plain one.
func (g *generator) message() string {
	pick := func(list []string) string { return list[g.rand.IntN(len(list))] }
	m := pick(verbs) + " " + pick(nouns)
	n := g.rand.IntN(90)
	if n%9 != 0 {
		mark := ""
		if n == 1 {
			mark = "!"
		}
		m = pick(types) + pick(scopes) + mark + ": " + m
	}
	if n%2 == 0 {
		m += fmt.Sprintf(" (#%d)", g.made)
	}
	if n%5 == 0 {
		m += "\n\nIt was found in review that this had been left out.\nNow it is in, with a test."
	}
	if n == 2 {
		m += "\n\nBREAKING CHANGE: callers must pass the new argument"
	}
	return m
}
