// Package ref reads and writes the references of release packages: names of
// documents in the state, and of fields in them.
//
//	[repo]/-/[path]/@[release]/[kind]/[name]#[fragment]
package ref

// Kind is what a reference's document is about.
type Kind string

// The kinds. Call is written "call", as Ocuroot first did; "task" is read as
// the same.
const (
	None        Kind = ""
	Call        Kind = "call"
	Deploy      Kind = "deploy"
	Custom      Kind = "custom"
	Environment Kind = "environment"
	Commit      Kind = "commit"
	Release     Kind = "release" // what Slipway shipped: version, assets, images
	Freeze      Kind = "freeze"  // a time in which nothing is deployed
)

// Ref is a reference, taken apart.
type Ref struct {
	Repo string // "github.com/acme/app"; empty when the reference is relative, or global
	Path string // of the package file in its repository; "." for the file that the reference is in
	// Global is set for "@/environment/x" and "+/custom/x", which belong to no
	// repository.
	Global bool
	// Intent is set where "+" is written instead of "@": what is wished, not what
	// is.
	Intent bool
	// Versioned is set where there is an "@" or "+" part. In a relative reference
	// none means the release that it is read in.
	Versioned bool
	Release   string // "r7", or a tag of a release; empty for the latest that has the document
	Kind      Kind
	Name      string // "build", "staging", "build/1/logs": segments joined by slashes
	Fragment  string // "output/image": a path into the document, or empty
}
