package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// receiver is a receiver of deliveries that runs as a process of its own.
type receiver struct {
	*proc.Process
	pid     int
	address string // host:port
	log     string // file
}

// end kills it: what it has answered must be on the disk by then.
func (s *receiver) end() {
	s.Kill()
	<-s.Done()
}

// botYAML is the bot's config, written as JSON, which YAML takes.
type botYAML struct {
	Listen   string      `json:"listen"`
	Data     string      `json:"data"`
	Database string      `json:"database"`
	CatchUp  string      `json:"catch-up"`
	Forges   []forgeYAML `json:"forges"`
}

type forgeYAML struct {
	Kind         string   `json:"kind"`
	Server       string   `json:"server"`
	Token        string   `json:"token"`
	Secrets      []string `json:"secrets"`
	Repositories []string `json:"repositories"`
	HostBuilds   string   `json:"host-builds"`
}

// startBot runs slipway bot with its data in dir, and waits until it is ready.
func (b *bench) startBot(ctx context.Context, dir, database string, forge forgeYAML, env ...string) (*receiver, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	config, err := json.Marshal(botYAML{Listen: "127.0.0.1:0", Data: filepath.Join(dir, "data"), Database: database, CatchUp: "24h", Forges: []forgeYAML{forge}})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "bot.yaml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	s := &receiver{log: filepath.Join(dir, "log.jsonl")}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the bot has its own descriptor
	// The shell writes its number and becomes the bot.
	pid := filepath.Join(dir, "pid")
	c := b.cmd(dir, "sh", "-c", `echo $$ >"$0" && exec "$@"`, pid, b.slipway, "bot", "--config", file)
	c.Env, c.Stderr = append(c.Env, env...), log
	if s.Process, err = proc.Start(ctx, c); err != nil {
		return nil, err
	}
	err = s.await(ctx, func() bool {
		s.address = listens(s.log)
		return s.address != "" && answersOK("http://"+s.address+"/readyz")
	})
	if err != nil {
		s.end()
		return nil, err
	}
	text, err := os.ReadFile(pid)
	if err != nil {
		s.end()
		return nil, err
	}
	s.pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return s, err
}

// listens finds in a bot's log where it does.
func listens(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(text) {
		var said struct{ Msg, Address string }
		if json.Unmarshal(line, &said) == nil && said.Msg == "the bot listens" {
			return said.Address
		}
	}
	return ""
}

// await waits until something is so.
func (s *receiver) await(ctx context.Context, is func() bool) error {
	end := time.After(time.Minute)
	for !is() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return fmt.Errorf("waited for a minute; the end of the log:\n%s", s.tail())
		case <-s.Done():
			return fmt.Errorf("%w; the end of the log:\n%s", errors.Join(errors.New("the bot has ended"), s.Wait()), s.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func (s *receiver) tail() []byte {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return []byte(err.Error())
	}
	return text[max(0, len(text)-3000):]
}

func answersOK(address string) bool {
	resp, err := http.Get(address)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // was not read
	return resp.StatusCode == http.StatusOK
}

// startBare runs the bare handler: this program, in another mode.
func (b *bench) startBare(ctx context.Context, dir, database string) (*receiver, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &receiver{log: filepath.Join(dir, "bare.log")}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the handler has its own descriptor
	c := b.cmd(dir, exe, bareMode, database)
	c.Stdout = log
	if s.Process, err = proc.Start(ctx, c); err != nil {
		return nil, err
	}
	err = s.await(ctx, func() bool {
		text, err := os.ReadFile(s.log)
		line, _, whole := bytes.Cut(text, []byte("\n"))
		s.address = string(line)
		return err == nil && whole
	})
	return s, err
}
