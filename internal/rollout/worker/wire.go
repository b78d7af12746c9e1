package worker

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/slipway-dev/slipway/internal/rollout"
	"github.com/slipway-dev/slipway/internal/state"
)

// message is one line of JSON, in either direction. One of its parts is set.
type message struct {
	ID int64 `json:"id,omitempty"` // of a question and its answer

	// From the worker.
	Ready   bool     `json:"ready,omitempty"`
	Event   *Event   `json:"event,omitempty"`
	Ask     *ask     `json:"ask,omitempty"`
	Outcome *Outcome `json:"outcome,omitempty"`
	Fault   *Fault   `json:"fault,omitempty"` // instead of an outcome

	// To the worker.
	Request *Request `json:"request,omitempty"`
	Answer  *answer  `json:"answer,omitempty"`
}

// ask is a question of the worker's.
type ask struct {
	What       string              `json:"what"` // get, list, apply, member, deployment, shipped
	Refs       []string            `json:"refs,omitempty"`
	Message    string              `json:"message,omitempty"`
	Changes    []state.Change      `json:"changes,omitempty"`
	Team       string              `json:"team,omitempty"`
	Who        string              `json:"who,omitempty"`
	Deployment *rollout.Deployment `json:"deployment,omitempty"`
	Release    *rollout.Release    `json:"release,omitempty"`
}

// answer is what it is told.
type answer struct {
	Entries  []state.Entry `json:"entries,omitempty"` // those that are there
	Read     int           `json:"read,omitempty"`    // how many refs that took: the others are to be asked for again
	Refs     []string      `json:"refs,omitempty"`
	Versions []string      `json:"versions,omitempty"`
	Yes      bool          `json:"yes,omitempty"`
	Value    []byte        `json:"value,omitempty"`
	Conflict *string       `json:"conflict,omitempty"` // the ref of a document that another has changed
	Fault    *Fault        `json:"fault,omitempty"`
}

// mostEntries bounds the documents of one answer, unless it is one alone.
const mostEntries = 4 << 20

// mostLine bounds a message: a document and what JSON makes of it.
const mostLine = 64 << 20

var errLong = fmt.Errorf("a message has more than %d MiB", mostLine>>20)

// lines sends and receives messages.
type lines struct {
	in *bufio.Reader

	mu  sync.Mutex
	out io.Writer
}

func newLines(in io.Reader, out io.Writer) *lines {
	return &lines{in: bufio.NewReaderSize(in, 64<<10), out: out}
}

func (l *lines) send(m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(b) > mostLine {
		return errLong
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.out.Write(append(b, '\n'))
	return err
}

func (l *lines) receive() (m message, err error) {
	var line []byte
	for {
		part, err := l.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > mostLine:
			return m, errLong
		case err == nil:
			return m, json.Unmarshal(line, &m)
		case !errors.Is(err, bufio.ErrBufferFull):
			return m, err
		}
	}
}
