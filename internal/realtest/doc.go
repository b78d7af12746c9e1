// Package realtest gives tests the real programs and data that Slipway is
// measured against: a Gitea server, PostgreSQL, an S3 server, BuildKit, dockerd,
// image registries and images to build on, GitHub's published API description,
// the linter. A part is built once, from pins that this package carries, and
// kept in a cache that every checkout on the machine shares.
//
// Only tests import it, and cmd/parts, which builds all parts ahead, and
// internal/bench.
package realtest
