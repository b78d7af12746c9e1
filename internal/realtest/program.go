package realtest

import "testing"

// Program returns the path of a program that a Debian package brings: Program(t,
// "vercmp", "pacman-package-manager").
func Program(t testing.TB, name, pkg string) string {
	t.Helper()
	return needProgram(t, name, pkg)
}
