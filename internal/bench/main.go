// Command bench measures the slipway binary as people run it beside the plain
// programs that would do the same, in turns within one run, and prints a table
// of ratios beside the goals that were set. It asserts nothing.
//
//	go run ./internal/bench                      all of it but storm
//	go run ./internal/bench -turns 9 build notes
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/bench/storm"
	"github.com/slipway-dev/slipway/internal/git/gittest"
	"github.com/slipway-dev/slipway/internal/proc"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// subject is one thing that is measured.
type subject struct {
	name    string
	measure func(context.Context, *bench) ([]row, error)
	long    bool // only when it is named
}

func subjects() []subject {
	return []subject{{name: "build", measure: measureBuild}, {name: "notes", measure: measureNotes}, {name: "classify", measure: measureClassify},
		{name: "upload", measure: measureUpload}, {name: "images", measure: measureImages}, {name: "bot", measure: measureBot}, {name: "rollout", measure: measureRollout},
		{name: "site", measure: measureSite},
		{name: "storm", measure: measureStorm, long: true}}
}

// bench is what all subjects need.
type bench struct {
	slipway string // the binary
	dir     string // temporary, for everything but the generated histories
	turns   int
	env     []string // for every program
	unset   []string
	log     io.Writer
}

func run(ctx context.Context, args []string, out, log io.Writer) (err error) {
	if len(args) == 2 && args[0] == bareMode {
		return serveBare(ctx, args[1], out)
	}
	if len(args) == 3 && args[0] == siteMode {
		return makeSite(args[1], args[2] != "", out)
	}
	if was, err := storm.Bot(out, log); was {
		return err
	}
	chosen, turns, err := parse(args, log)
	if err != nil {
		return err
	}
	if err := gittest.Isolate(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeAll(dir)) }()
	b := &bench{slipway: filepath.Join(dir, "slipway"), dir: dir, turns: turns, log: log}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	before := load()
	var rows []row
	for _, s := range chosen {
		more, err := s.measure(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		rows = append(rows, more...)
	}
	table(out, rows)
	fmt.Fprintf(out, "\n%d turns; load of the machine before: %s; after: %s\n", turns, before, load())
	return nil
}

func parse(args []string, log io.Writer) (chosen []subject, turns int, err error) {
	all := subjects()
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(log)
	f.IntVar(&turns, "turns", 5, "how often each figure is taken; the median counts")
	f.Usage = func() {
		fmt.Fprintln(log, "usage: go run ./internal/bench [-turns N] [build|notes|classify|upload|images|bot|rollout|site|storm …]")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return nil, 0, err
	}
	if turns < 1 {
		return nil, 0, errors.New("-turns must be at least 1")
	}
	if f.NArg() == 0 {
		return slices.DeleteFunc(all, func(s subject) bool { return s.long }), turns, nil
	}
	for _, name := range f.Args() {
		i := slices.IndexFunc(all, func(s subject) bool { return s.name == name })
		if i < 0 {
			return nil, 0, fmt.Errorf("there is no benchmark %q: build, notes, classify, upload, images, bot, rollout, site and storm are", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, turns, nil
}

// prepare builds the binary, and keeps what the machine's user has set from
// having a say: a workflow's variables, proxies, and caches other than Go's.
func (b *bench) prepare(ctx context.Context) error {
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		for _, prefix := range []string{"SLIPWAY_", "GITHUB_", "GH_", "GITEA_", "FORGEJO_"} {
			if strings.HasPrefix(name, prefix) {
				b.unset = append(b.unset, name)
			}
		}
	}
	cache, err := proc.Output(ctx, proc.Cmd{Args: []string{"go", "env", "GOCACHE"}})
	if err != nil {
		return err
	}
	b.env = []string{
		"GOCACHE=" + strings.TrimSpace(string(cache)), "XDG_CACHE_HOME=" + filepath.Join(b.dir, "cache"),
		"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1", // git and curl would ask a proxy for loopback
	}
	return proc.Run(ctx, proc.Cmd{Args: []string{"go", "build", "-o", b.slipway, "./cmd/slipway"}})
}

// removeAll also removes folders that Go or git made read-only.
func removeAll(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(dir))
}

// load is how much else the machine does: the kernel's averages over 1, 5 and
// 15 minutes.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}
