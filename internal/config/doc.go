// Package config turns .slipway.yaml into a release.Config: strictly, with
// every problem in one go, each at its line and column and with a hint; and it
// knows the defaults of a repository that has no such file.
package config
