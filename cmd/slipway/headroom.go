//go:build !race

package main

// headroom is what a process that evaluates packages needs besides what they may
// take, in bytes.
const headroom = 256 << 20
