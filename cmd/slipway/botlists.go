package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/bot"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/release"
)

// listFlags narrow a list.
type listFlags struct {
	forge, repository, since string
	limit                    int
}

func (f *listFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.forge, "forge", "", "only of this forge, by its name in the config")
	fl.StringVar(&f.repository, "repo", "", "only of this repository, as owner/name")
	fl.StringVar(&f.since, "since", "", "only from then on: 24h, 7d, 2026-01-31 or a time with its zone")
	fl.IntVar(&f.limit, "limit", 50, "at most so many, the newest first")
}

// emit prints one JSON document a line, for a machine.
func (a *app) emit(v any) error {
	return json.NewEncoder(a.out).Encode(v)
}

func (a *app) botDeliveriesCommand() *cobra.Command {
	var f listFlags
	var outcome, event string
	cmd := &cobra.Command{
		Use:   "deliveries",
		Short: "List, show and replay webhook deliveries",
		Long: `List the deliveries that the bot has taken, the newest first, with what became of each.
Replaying one has it read anew, as if it came again: what it asked for runs once all the
same.`,
		Example: `  slipway bot deliveries --config bot.yaml --repo acme/hello
  slipway bot deliveries show 42 --config bot.yaml
  slipway bot deliveries replay 42 43 --config bot.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := since(f.since)
			if err != nil {
				return err
			}
			return a.withLedger(cmd.Context(), func(_ bot.Config, l *ledger.Ledger) error {
				list, err := l.Deliveries(cmd.Context(), ledger.DeliveryFilter{Forge: f.forge, Repository: strings.ToLower(f.repository), Event: event,
					Outcome: ledger.DeliveryOutcome(outcome), Since: from, Limit: f.limit})
				if err != nil {
					return err
				}
				return a.showDeliveries(list)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&outcome, "outcome", "", "only with this outcome: pending, ignored, queued, folded or invalid")
	cmd.Flags().StringVar(&event, "event", "", "only of this event, such as push")
	a.jsonFlag(cmd, "the deliveries, one a line,")
	_ = cmd.RegisterFlagCompletionFunc("outcome", cobra.FixedCompletions([]string{"pending", "ignored", "queued", "folded", "invalid"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.AddCommand(a.botDeliveryCommand(), a.botReplayCommand())
	return cmd
}

func (a *app) showDeliveries(list []ledger.Delivery) error {
	rows := [][]string{{"ID", "RECEIVED", "FORGE", "EVENT", "REPOSITORY", "OUTCOME", "REASON"}}
	for _, d := range list {
		if a.json {
			if err := a.emit(d); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{strconv.FormatInt(d.ID, 10), shown(d.Received), d.Forge, d.Event, d.Repository, string(d.Outcome), d.Reason})
	}
	switch {
	case a.json:
	case len(list) == 0:
		fmt.Fprintln(a.err, "there are no such deliveries")
	default:
		a.table(rows)
	}
	return nil
}

func (a *app) botDeliveryCommand() *cobra.Command {
	return a.leaf(&cobra.Command{
		Use:   "show ID",
		Short: "Show one delivery with its body",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := number(args[0])
			if err != nil {
				return err
			}
			return a.withLedger(cmd.Context(), func(_ bot.Config, l *ledger.Ledger) error {
				d, err := l.Delivery(cmd.Context(), id)
				if err != nil {
					return missing(err, "delivery", id)
				}
				body := json.RawMessage(d.Body)
				if !json.Valid(body) {
					body, _ = json.Marshal(string(d.Body)) // a string always encodes
				}
				e := json.NewEncoder(a.out)
				e.SetIndent("", "  ")
				return e.Encode(struct {
					ledger.Delivery
					Body json.RawMessage `json:"body"`
				}{d, body})
			})
		},
	})
}

func (a *app) botReplayCommand() *cobra.Command {
	return a.leaf(&cobra.Command{
		Use:   "replay ID...",
		Short: "Read deliveries anew, as if they came again",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ids []int64
			for _, arg := range args {
				id, err := number(arg)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return a.withLedger(cmd.Context(), func(_ bot.Config, l *ledger.Ledger) error {
				for _, id := range ids {
					if err := l.Replay(cmd.Context(), id); err != nil {
						return missing(err, "delivery", id)
					}
					fmt.Fprintf(a.err, "delivery %d will be read anew by the bot\n", id)
				}
				return nil
			})
		},
	})
}

// operationRow is an operation as --json prints it.
type operationRow struct {
	ID         int64           `json:"id"`
	State      string          `json:"state"`
	Kind       string          `json:"kind"`
	Forge      string          `json:"forge"`
	Repository string          `json:"repository"`
	Ref        string          `json:"ref,omitempty"`
	Commit     string          `json:"commit,omitempty"`
	Actor      string          `json:"actor"`
	Cause      string          `json:"cause"`
	Summary    string          `json:"summary,omitempty"`
	Attempt    int             `json:"attempt"`
	Folds      int             `json:"folds"`
	Delivery   int64           `json:"delivery,omitempty"`
	Created    time.Time       `json:"created"`
	Started    time.Time       `json:"started,omitzero"`
	Finished   time.Time       `json:"finished,omitzero"`
	Report     json.RawMessage `json:"report,omitempty"`
}

func (a *app) botOperationsCommand() *cobra.Command {
	var f listFlags
	var state, actor string
	cmd := &cobra.Command{
		Use:   "operations",
		Short: "List what the bot was asked for, and cancel or retry it",
		Example: `  slipway bot operations --config bot.yaml --state failed
  slipway bot operations retry 17 --config bot.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLedger(cmd.Context(), func(_ bot.Config, l *ledger.Ledger) error {
				filter := ledger.OperationFilter{Forge: f.forge, Repository: strings.ToLower(f.repository), Limit: f.limit}
				if state != "" {
					filter.States = []ledger.OperationState{ledger.OperationState(state)}
				}
				list, err := l.Operations(cmd.Context(), filter)
				if err != nil {
					return err
				}
				return a.showOperations(list)
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.forge, "forge", "", "only of this forge, by its name in the config")
	fl.StringVar(&f.repository, "repo", "", "only of this repository, as owner/name")
	fl.StringVar(&state, "state", "", "only in this state: queued, running, waiting, done, failed, refused or cancelled")
	fl.IntVar(&f.limit, "limit", 50, "at most so many, the newest first")
	a.jsonFlag(cmd, "the operations, one a line,")
	for name, do := range map[string]func(*ledger.Ledger, context.Context, int64, string) error{"cancel": (*ledger.Ledger).Cancel, "retry": (*ledger.Ledger).Retry} {
		sub := a.leaf(&cobra.Command{
			Use:   name + " ID",
			Short: strings.ToUpper(name[:1]) + name[1:] + " an operation",
			Args:  cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				id, err := number(args[0])
				if err != nil {
					return err
				}
				return a.withLedger(cmd.Context(), func(_ bot.Config, l *ledger.Ledger) error {
					if err := do(l, cmd.Context(), id, actor); err != nil {
						return missing(err, "operation", id)
					}
					fmt.Fprintf(a.err, "operation %d: %s is asked for\n", id, name)
					return nil
				})
			},
		})
		sub.Flags().StringVar(&actor, "as", orElse(os.Getenv("USER"), "command line"), "who does it, for the audit trail")
		cmd.AddCommand(sub)
	}
	return cmd
}

func (a *app) showOperations(list []ledger.Operation) error {
	rows := [][]string{{"ID", "CREATED", "STATE", "KIND", "REPOSITORY", "REF", "COMMIT", "ACTOR", "SUMMARY"}}
	for _, op := range list {
		if a.json {
			err := a.emit(operationRow{ID: op.ID, State: string(op.State), Kind: op.Kind, Forge: op.Forge, Repository: op.Repository, Ref: op.Ref, Commit: op.Commit,
				Actor: op.Actor, Cause: op.Cause, Summary: op.Summary, Attempt: op.Attempt, Folds: op.Folds, Delivery: op.Delivery,
				Created: op.Created, Started: op.Started, Finished: op.Finished, Report: op.Report})
			if err != nil {
				return err
			}
			continue
		}
		ref := strings.TrimPrefix(strings.TrimPrefix(op.Ref, "refs/tags/"), "refs/heads/")
		rows = append(rows, []string{strconv.FormatInt(op.ID, 10), shown(op.Created), string(op.State), op.Kind, op.Repository, orElse(ref, "-"),
			orElse(release.ShortCommit(op.Commit), "-"), op.Actor, op.Summary})
	}
	switch {
	case a.json:
	case len(list) == 0:
		fmt.Fprintln(a.err, "there are no such operations")
	default:
		a.table(rows)
	}
	return nil
}

func (a *app) botAuditCommand() *cobra.Command {
	var f listFlags
	var actor string
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show who did what, when, on which commit, with which outcome",
		Example: `  slipway bot audit --config bot.yaml --since 7d
  slipway bot audit --config bot.yaml --json | jq -r 'select(.outcome=="refused") | .actor'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := since(f.since)
			if err != nil {
				return err
			}
			return a.withLedger(cmd.Context(), func(_ bot.Config, l *ledger.Ledger) error {
				list, err := l.AuditLog(cmd.Context(), ledger.AuditFilter{Forge: f.forge, Repository: strings.ToLower(f.repository), Actor: actor, Since: from, Limit: f.limit})
				if err != nil {
					return err
				}
				return a.showAudit(list)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&actor, "actor", "", "only what this login did")
	a.jsonFlag(cmd, "the entries, one a line,")
	return cmd
}

func (a *app) showAudit(list []ledger.AuditEntry) error {
	rows := [][]string{{"AT", "ACTOR", "ACTION", "REPOSITORY", "REF", "COMMIT", "OUTCOME", "DETAIL"}}
	for _, e := range list {
		if a.json {
			if err := a.emit(e); err != nil {
				return err
			}
			continue
		}
		ref := strings.TrimPrefix(strings.TrimPrefix(e.Ref, "refs/tags/"), "refs/heads/")
		rows = append(rows, []string{shown(e.At), e.Actor, e.Action, e.Repository, orElse(ref, "-"), orElse(release.ShortCommit(e.Commit), "-"), e.Outcome, e.Detail})
	}
	switch {
	case a.json:
	case len(list) == 0:
		fmt.Fprintln(a.err, "nobody did such a thing")
	default:
		a.table(rows)
	}
	return nil
}

// leaf is a command below another one: its own code begins when it runs.
func (a *app) leaf(c *cobra.Command) *cobra.Command {
	c.RunE = a.beginning(c.RunE)
	return c
}

func number(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, errUsage("%q is no number of one", text)
	}
	return id, nil
}

func missing(err error, what string, id int64) error {
	if errors.Is(err, ledger.ErrNotFound) {
		return errUsage("there is no %s %d", what, id)
	}
	return err
}
