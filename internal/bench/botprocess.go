package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
)

// receiver is a receiver of deliveries that runs as a process of its own.
type receiver struct {
	*proc.Process
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

// startBot runs slipway bot with its data in dir until it is ready.
func (b *bench) startBot(ctx context.Context, dir, database string, forge forgeYAML) (*receiver, error) {
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
	c := b.cmd(dir, b.slipway, "bot", "--config", file)
	c.Stderr = log
	if s.Process, err = proc.Start(ctx, c); err != nil {
		return nil, err
	}
	err = s.await(ctx, func() bool {
		for line := range logLines(s.log) {
			if line.Message == "the bot listens" {
				s.address = line.Address
			}
		}
		return s.address != "" && answersOK("http://"+s.address+"/readyz")
	})
	return s, err
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

// logLine is what the benchmarks read of a line of the bot's log.
type logLine struct {
	Time      time.Time `json:"time"`
	Message   string    `json:"msg"`
	Address   string    `json:"address"`
	Operation int64     `json:"operation"`
	Delivery  int64     `json:"delivery"`
	Kind      string    `json:"kind"`
	Ref       string    `json:"ref"`
	Stage     string    `json:"stage"`
}

// logLines reads a log as far as it has been written.
func logLines(file string) func(func(logLine) bool) {
	return func(yield func(logLine) bool) {
		text, err := os.ReadFile(file)
		if err != nil {
			return
		}
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			var l logLine
			if json.Unmarshal(lines.Bytes(), &l) == nil && !yield(l) {
				return
			}
		}
	}
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
