package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/bot"
	"github.com/slipway-dev/slipway/internal/image/maker"
	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

func (a *app) botDoctorCommand() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether everything is there that the bot needs",
		Long: `Look at the database, the builder, the clock, the rights of each forge's token, and the
webhook of each repository; and have each webhook send a test delivery, to see whether it
arrives at the running bot with the right signature. Exit code 1 when there is a problem.`,
		Example: `  slipway bot doctor --config bot.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return a.withLedger(ctx, func(c bot.Config, l *ledger.Ledger) error {
				deps := a.botDeps(botLog(bot.Config{Log: "error"}, a.err))
				problems := 0
				bot.Examination{
					Bot: bot.New(c, l, deps), Send: !quiet, HTTP: &http.Client{Timeout: 10 * time.Second},
					HasBuilder: maker.New(maker.Options{Builder: c.Builder, Getenv: a.getenv, Note: func(string) {}}).HasBuilder,
					Tell: func(f bot.Finding) {
						if f.Level == bot.Bad {
							problems++
						}
						a.showFinding(f)
					},
				}.Doctor(ctx)
				if problems > 0 {
					return release.Failf("", "%s found", counted(problems, "problem"))
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&quiet, "no-test-delivery", false, "have no webhook send a test delivery")
	a.jsonFlag(cmd, "the findings, one a line,")
	return cmd
}

func (a *app) showFinding(f bot.Finding) {
	if a.json {
		_ = a.emit(f) // a broken pipe ends the process by itself
		return
	}
	sign, paint := "✓", color.New(color.FgGreen)
	switch f.Level {
	case bot.Warn:
		sign, paint = "!", color.New(color.FgYellow)
	case bot.Bad:
		sign, paint = "✗", color.New(color.FgRed, color.Bold)
	}
	if progress.Coloured(a.out) {
		paint.EnableColor()
		sign = paint.Sprint(sign)
	}
	fmt.Fprintf(a.out, "%s %s: %s\n", sign, printable(f.What), printable(f.Detail))
	if f.Hint != "" {
		fmt.Fprintf(a.out, "  %s\n", printable(f.Hint))
	}
}
