// Package build makes a plan's binaries from a clean checkout, looks whether
// they are what they should be, and runs the plan's checks.
package build
