package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/bot"
	"github.com/slipway-dev/slipway/internal/release"
)

func (a *app) botReadyCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "ready",
		Short: "Ask a running bot whether it can take deliveries",
		Long: `Ask /readyz of the bot that runs on this machine, for health checks of containers and
scripts: the exit code is 1 when it does not answer, or can't reach its database. The address
is --listen, else SLIPWAY_BOT_LISTEN, else that of the config.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 4*time.Second)
			defer cancel()
			if listen = orElse(listen, a.getenv("SLIPWAY_BOT_LISTEN")); listen == "" {
				c, err := a.botConfig(ctx)
				if err != nil {
					return err
				}
				listen = c.Listen
			}
			return ready(ctx, listen)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "address that the bot listens on")
	return cmd
}

func ready(ctx context.Context, listen string) error {
	at := "http://" + bot.Dialable(listen) + "/readyz"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the bot: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return release.Failf("look at its log, and at the database", "the bot answers %s with %d", at, resp.StatusCode)
	}
	return nil
}
