// Package command reads the commands in comments of a forge, such as
// "/promote v1.4.0-rc2 to stable". It is pure, and takes any text.
//
// A command stands at the beginning of a line of a plain paragraph. What a
// reader sees as code, a quotation, a list, a table or nothing at all is none,
// and neither is the part of a paragraph that a code span, a comment or a link
// hides.
package command
