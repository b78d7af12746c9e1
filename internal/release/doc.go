// Package release holds Slipway's nouns (Event, Config, Decision, Plan,
// Artifact, Report, Problem) and its two pure decisions: Classify says what an
// event asks for, NewPlan says what exactly will exist. Nothing here reads a
// clock, a file, an environment variable or a network.
package release
