package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdEvent writes the event file of a push of a ref at the folder's HEAD, as
// GitHub's runner has it, and points the variables at it:
// event push FILE REF.
func cmdEvent(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 || args[0] != "push" {
		ts.Fatalf("usage: event push FILE REF")
	}
	ts.Check(ts.Exec("git", "rev-parse", "HEAD"))
	head := strings.TrimSpace(ts.ReadFile("stdout"))
	body, err := json.Marshal(map[string]any{
		"ref": args[2], "before": strings.Repeat("0", 40), "after": head, "head_commit": map[string]any{"id": head},
		"repository": map[string]any{"full_name": "acme/hello", "default_branch": "main"}, "sender": map[string]any{"login": "ada"},
	})
	ts.Check(err)
	path := ts.Getenv("WORK") + "/" + args[1]
	ts.Check(os.WriteFile(path, body, 0o644))
	ts.Setenv("GITHUB_EVENT_NAME", "push")
	ts.Setenv("GITHUB_EVENT_PATH", path)
}

// output is a program that prints outputs of a step as a runner reads them: the
// last one of a name counts.
func output() int {
	f, err := os.Open(os.Getenv("GITHUB_OUTPUT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	values := map[string]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		name, end, ok := strings.Cut(lines.Text(), "<<")
		if !ok {
			fmt.Fprintf(os.Stderr, "%q begins no output\n", lines.Text())
			return 1
		}
		var value []string
		for lines.Scan() && lines.Text() != end {
			value = append(value, lines.Text())
		}
		values[name] = strings.Join(value, "\n")
	}
	for _, name := range os.Args[1:] {
		fmt.Fprintln(os.Stdout, values[name])
	}
	return 0
}
