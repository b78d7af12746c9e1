// Package releasenotes turns commits into release notes and changelogs, as
// values, Markdown and JSON.
//
// It does no I/O besides writing where it is told to (and, for a [Changelog],
// a temporary file): the caller brings the commits, newest first, each before
// its parents, as git log --topo-order gives them. A [Builder] makes the notes
// of one release; a Changelog those of every release of a history in one pass.
//
//	b, err := releasenotes.New(releasenotes.Options{
//		Tag: "v1.1.0", Previous: "v1.0.0",
//		Links: releasenotes.GitHubLinks("https://github.com/acme/hello"),
//	})
//	for c := range commits { // of v1.0.0..v1.1.0
//		b.Add(c)
//	}
//	notes := b.Notes(func(email string) bool { return seenBefore[email] })
//	text, err := b.Render(notes)
//	text, cut := releasenotes.Cut(text, 125000, "https://forge.example/…/NOTES.md")
//
// # What is listed
//
// A conventional commit ("feat(cli)!: add a flag") goes to the [Group] of its
// type; any other commit to the group that takes "*". A word before a colon
// that is no known type ("http: close the body") is taken for a scope. By
// default, commits that change nothing for users (chore, ci, test, build,
// style, refactor) are left out; [DefaultGroups] says it all. What is breaking
// is always listed, under Breaking changes and only there.
//
// # Merges
//
// "Merge branch …" and fixup! commits are not listed. A merged pull request
// and its commits are not both listed:
//
//   - A title that is conventional ("feat: add a flag") speaks for all commits
//     of the pull request. They lend it their authors; those that are breaking
//     are listed with the breaking changes all the same.
//   - Otherwise, if commits say more than the title, which is when one is
//     conventional and not left out, or brings another pull request (as when
//     develop is merged into main), the commits are listed, each with the pull
//     request's number, and the title is not.
//   - Otherwise, if all commits are of types that are left out, so is the title.
//   - Otherwise the title is listed, and its commits are not.
//
// A pull request inside another one is always looked at by itself.
//
// # Reverts
//
// A revert and what it reverts, in the same release, cancel each other out,
// and so do a revert and the revert of it. What is reverted is found by the
// hash in "This reverts commit <hash>" (or a conventional "Refs: <hash>"), else
// by the number in "Reverts owner/repo#12", else by the subject between
// quotes. The revert of a merge takes back all that the merge brought. A revert
// of something outside of the release is listed.
//
// # People
//
// Authors and co-authors (Co-authored-by) with the same email or the same name
// are one person. Programs (name[bot], Dependabot, Renovate, …) are none.
//
// # Templates
//
// A template is a Go text/template that is given a [Notes]. Its functions are
//
//	escape TEXT     untrusted text as Markdown: use it for all that commits say
//	heading TITLE   a heading of the right level
//	entry ENTRY     an Entry's line, as in the built-in Markdown
//	commit HASH     a short hash, linked
//	pull NUMBER     #NUMBER, linked
//
// A field that does not exist is an error of [New], with line and column.
package releasenotes
