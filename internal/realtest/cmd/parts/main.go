// Command parts builds all that the tests need ahead of them, and prints one
// line "export NAME=PATH" a part on stdout for a shell to read; what it does
// is told on stderr. With names, it builds only those parts.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"mvdan.cc/sh/v3/syntax"

	"github.com/slipway-dev/slipway/internal/realtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "parts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	parts := realtest.Parts()
	for _, name := range names {
		if !slices.ContainsFunc(parts, func(p realtest.NamedPart) bool { return p.Name == name }) {
			return fmt.Errorf("no part is called %q", name)
		}
	}
	if len(names) > 0 {
		parts = slices.DeleteFunc(parts, func(p realtest.NamedPart) bool { return !slices.Contains(names, p.Name) })
	}
	// A part that fails does not keep the others from being made.
	dirs, errs := make([]string, len(parts)), make([]error, len(parts))
	var g errgroup.Group
	g.SetLimit(2) // one part downloads while another compiles
	for i, p := range parts {
		g.Go(func() error {
			dirs[i], errs[i] = tell(ctx, p.Part)
			return nil
		})
	}
	_ = g.Wait() // errs has them
	for i, p := range parts {
		if errs[i] != nil {
			continue
		}
		path, err := syntax.Quote(filepath.Join(dirs[i], p.Path), syntax.LangBash)
		if err != nil {
			return err
		}
		fmt.Printf("export %s=%s\n", p.Env, path)
	}
	return errors.Join(errs...)
}

// tell makes a part and says how it goes; a build of minutes says every half
// minute that it is alive.
func tell(ctx context.Context, p realtest.Part) (string, error) {
	begun := time.Now()
	alive := time.NewTicker(30 * time.Second)
	defer alive.Stop()
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-alive.C:
				fmt.Fprintf(os.Stderr, "  %s: being made, %s\n", p, time.Since(begun).Round(time.Second))
			case <-done:
				return
			}
		}
	}()
	made, err := p.Make(ctx, io.Discard)
	if err != nil {
		return "", err
	}
	if made.Took == 0 {
		fmt.Fprintf(os.Stderr, "  %s: cached\n", p)
	} else {
		fmt.Fprintf(os.Stderr, "  %s: made in %s\n", p, made.Took.Round(100*time.Millisecond))
	}
	return made.Dir, nil
}
