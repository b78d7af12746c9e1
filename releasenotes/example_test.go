package releasenotes_test

import (
	"fmt"
	"os"
	"time"

	"github.com/slipway-dev/slipway/releasenotes"
)

func Example() {
	b, err := releasenotes.New(releasenotes.Options{
		Tag: "v1.1.0", Previous: "v1.0.0",
		Links: releasenotes.GitHubLinks("https://github.com/acme/hello"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range []releasenotes.Commit{ // newest first
		{Hash: "4444444444", Parents: []string{"3333333333"}, Name: "Ada", Email: "ada@example.org", Subject: "feat(api)!: drop v1 (#8)",
			Body: "BREAKING CHANGE: call v2 instead; its answers are the same."},
		{Hash: "3333333333", Parents: []string{"2222222222"}, Name: "Bob", Email: "bob@example.org", Subject: "ci: cache modules"},
		{Hash: "2222222222", Parents: []string{"1111111111"}, Name: "Bob", Email: "bob@example.org", Subject: "fix: close the file (#7)"},
		{Hash: "1111111111", Name: "Ada", Email: "ada@example.org", Subject: "feat(cli): add <name> to --help"},
	} {
		b.Add(c)
	}
	text, err := b.Render(b.Notes(func(email string) bool { return email == "ada@example.org" }))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(text)
	// Output:
	// ## Breaking changes
	//
	// - **api:** drop v1 by Ada ([#8](https://github.com/acme/hello/pull/8))
	//
	//   call v2 instead; its answers are the same.
	//
	// ## Features
	//
	// - **cli:** add &lt;name&gt; to --help by Ada ([1111111](https://github.com/acme/hello/commit/1111111111))
	//
	// ## Fixes
	//
	// - close the file by Bob ([#7](https://github.com/acme/hello/pull/7))
	//
	// ## New contributors
	//
	// - Bob made their first contribution in [#7](https://github.com/acme/hello/pull/7)
	//
	// **Contributors:** Ada, Bob
	//
	// **Full changelog:** [v1.0.0...v1.1.0](https://github.com/acme/hello/compare/v1.0.0...v1.1.0)
}

func ExampleChangelog() {
	c, err := releasenotes.NewChangelog(releasenotes.ChangelogOptions{
		Tags: map[string][]releasenotes.Tag{"2222222222": {{Name: "v1.0.0", Date: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for _, commit := range []releasenotes.Commit{
		{Hash: "3333333333", Parents: []string{"2222222222"}, Name: "Ada", Email: "ada@example.org", Subject: "fix: close the file"},
		{Hash: "2222222222", Parents: []string{"1111111111"}, Name: "Ada", Email: "ada@example.org", Subject: "docs: say how to install"},
		{Hash: "1111111111", Name: "Ada", Email: "ada@example.org", Subject: "feat: say hello"},
	} {
		if err := c.Add(commit); err != nil {
			fmt.Println(err)
			return
		}
	}
	if _, err := c.WriteTo(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// # Changelog
	//
	// ## Unreleased
	//
	// ### Fixes
	//
	// - close the file (3333333)
	//
	// ## v1.0.0 - 2026-03-01
	//
	// ### Features
	//
	// - say hello (1111111)
	//
	// ### Documentation
	//
	// - say how to install (2222222)
	//
	// ### New contributors
	//
	// - Ada made their first contribution in 1111111
}

func ExampleCut() {
	short, cut := releasenotes.Cut("## Fixes\n\n- one thing that was mended\n- another thing that was mended\n- a third thing that was mended at last\n", 105, "NOTES.md")
	fmt.Println(cut)
	fmt.Print(short)
	// Output:
	// true
	// ## Fixes
	//
	// - one thing that was mended
	//
	// The notes were cut; the full text is in [NOTES.md](NOTES.md).
}
