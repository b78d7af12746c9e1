package main

import "runtime/debug"

// Set by the linker in a release (-X main.version=…).
var version, commit, date string

// stamped is the release that this binary belongs to: what the linker set, or
// the module's version for `go install`.
func stamped() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
