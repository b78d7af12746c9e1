// Package bot is the door for forges: it hears webhooks, comments and
// schedules, keeps them in the ledger, and has the operations that they ask for
// carried out, once each.
package bot
