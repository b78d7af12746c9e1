package rehearse

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// maxRuns bounds how often a killed bot is started again.
const maxRuns = 20

// bot is a real `slipway bot`, a process of its own. What the kill faults kill
// is started again.
type bot struct {
	exe    string
	folder string // for its config, its log and its data
	env    []string
	unset  []string
	config botConfig
	lines  chan entry
	log    *os.File

	mu      sync.Mutex
	process *proc.Process
	killed  bool // by us, since it was started
	runs    int
}

// botConfig is what the rehearsal writes into bot.yaml. It is written as JSON,
// which YAML takes.
type botConfig struct {
	Listen  string      `json:"listen"`
	URL     string      `json:"url,omitempty"`
	Data    string      `json:"data"`
	CatchUp string      `json:"catch-up"`
	Drain   string      `json:"drain"`
	GiveUp  string      `json:"give-up"`
	Builder string      `json:"builder,omitempty"`
	Forges  []botForges `json:"forges"`
}

type botForges struct {
	Name         string   `json:"name"`
	Kind         string   `json:"kind"`
	Server       string   `json:"server"`
	Token        string   `json:"token"`
	Secrets      []string `json:"secrets"`
	Repositories []string `json:"repositories"`
	HostBuilds   string   `json:"host-builds"`
}

// newBot prepares a bot that serves the stage's repository.
func (s *stage) newBot() (*bot, error) {
	folder := filepath.Join(s.Work, "bot")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(folder, "log.jsonl"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &bot{
		exe: s.Exe, folder: folder, env: gitEnv(), unset: s.unset(), lines: make(chan entry, 1<<14), log: log,
		config: botConfig{
			Listen: "127.0.0.1:0", Data: filepath.Join(folder, "data"), Drain: "10s", Builder: s.builder,
			CatchUp: "24h", // and once at each start
			GiveUp:  "10s", // nobody wants to wait for a forge that is told to fail
			Forges: []botForges{{Name: "rehearsal", Kind: string(s.Dialect), Server: s.server.URL, Token: botToken, Secrets: []string{rand.Text()},
				Repositories: []string{s.name}, HostBuilds: "allow"}},
		},
	}, nil
}

func (b *bot) secret() string { return b.config.Forges[0].Secrets[0] }

func (b *bot) configFile() string { return filepath.Join(b.folder, "bot.yaml") }

// start runs the bot.
func (b *bot) start(ctx context.Context) error {
	text, err := json.MarshalIndent(b.config, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(b.configFile(), append(text, '\n'), 0o600); err != nil {
		return err
	}
	p, err := proc.Start(ctx, proc.Cmd{Args: []string{b.exe, "bot", "--config", b.configFile()}, Dir: b.folder, Env: b.env, Unset: b.unset,
		Stderr: io.MultiWriter(b.log, &lineWriter{to: b.lines})})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.process, b.killed = p, false
	b.runs++
	return nil
}

// at is the address that the bot has from its first start on.
func (b *bot) at(address string) {
	b.config.Listen, b.config.URL = address, "http://"+address
}

// kill ends the bot as a crash does.
func (b *bot) kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process != nil {
		b.killed = true
		b.process.Kill()
	}
}

// close kills the bot if it is still there, and waits for its end.
func (b *bot) close() {
	b.kill()
	if b.process != nil {
		go func() {
			for range b.lines { // it may be waiting for somebody to read
			}
		}()
		_ = b.process.Wait() // it was killed
		close(b.lines)
	}
	_ = b.log.Close()
}

// wasKilled reports whether the process's end was our doing.
func (b *bot) wasKilled() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.killed
}

// ended explains a bot that ended and should not have.
func (b *bot) ended(err error) error {
	var e *proc.Error
	if errors.As(err, &e) {
		return release.Failf("its log is in "+b.log.Name(), "the bot ended by itself: exit code %d\n%s", e.Code, e.Tail)
	}
	if err == nil {
		err = errors.New("without an error")
	}
	return release.Failf("its log is in "+b.log.Name(), "the bot ended by itself: %v", err)
}

// operation is an operation as `slipway bot operations --json` prints it.
type operation struct {
	ID      int64          `json:"id"`
	State   string         `json:"state"`
	Summary string         `json:"summary"`
	Attempt int            `json:"attempt"`
	Report  release.Report `json:"report"`
}

// operations asks the bot's ledger.
func (b *bot) operations(ctx context.Context) (map[int64]operation, error) {
	var out bytes.Buffer
	err := proc.Run(ctx, proc.Cmd{Args: []string{b.exe, "bot", "operations", "--json", "--limit", "1000", "--config", b.configFile()},
		Env: b.env, Unset: b.unset, Stdout: &out})
	if err != nil {
		return nil, err
	}
	all := map[int64]operation{}
	for d := json.NewDecoder(&out); ; {
		var op operation
		if err := d.Decode(&op); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the bot's operations: %w", err)
		}
		all[op.ID] = op
	}
}

// lineWriter reads a log as it is written.
type lineWriter struct {
	to   chan<- entry
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			e = entry{Msg: strings.TrimSpace(string(line)), Level: "ERROR"} // a panic, say
		}
		w.to <- e
		w.rest = rest
	}
}
