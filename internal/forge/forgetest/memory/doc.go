// Package memory is a forge that behaves, in memory: one repository's releases
// with the rules of GitHub or Gitea, as strict as the real ones or stricter.
//
// A [Repo] holds the state. [Repo.Forge] looks at it as a forge.Forge with one
// token's rights; package simforge puts the same Repo behind each forge's HTTP
// wire.
package memory
