//go:build race

package main

// headroom is without a bound here: the race detector maps many times what a
// program takes. The language's own limit holds all the same.
const headroom = 1 << 50
