package ocuroot

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// The documents of all layouts, with the fields that any of them had.
type (
	// releaseBody is at "…/@r7".
	releaseBody struct {
		Commit  string       `json:"commit"`
		Package *packageBody `json:"package"`
		Source  *string      `json:"source"` // of a repository's configuration, which is at the same place
	}
	packageBody struct {
		Phases []struct {
			Name  string     `json:"name"`
			Work  []workBody `json:"work"`
			Tasks []workBody `json:"tasks"` // later
		} `json:"phases"`
	}
	workBody struct {
		Deploy *struct {
			Environment string `json:"environment"`
		} `json:"deploy"`
		Call *struct {
			Name string `json:"name"`
		} `json:"call"`
		Task *struct { // later
			Name string `json:"name"`
		} `json:"task"`
	}
	// itemBody is at "…/call/build", and in the first layout at
	// "…/call/build/1" too.
	itemBody struct {
		Type       string               `json:"type"` // "up", "down", "call" or "task"
		Release    string               `json:"release"`
		Entrypoint string               `json:"entrypoint"`
		RunRef     string               `json:"run_ref"` // later
		Inputs     map[string]inputBody `json:"input"`   // later
		Output     json.RawMessage      `json:"output"`
		Functions  []functionBody       `json:"functions"` // later, at "…/build/1"
	}
	functionBody struct {
		Fn struct {
			Name string `json:"name"`
			Pos  string `json:"pos"`
		} `json:"fn"`
		Inputs map[string]inputBody `json:"inputs"`
	}
	// functionState is at "…/call/build/1/functions/1".
	functionState struct {
		Current functionBody `json:"current"`
	}
	inputBody struct {
		Ref     string          `json:"ref"`
		Value   json.RawMessage `json:"value"`
		Default json.RawMessage `json:"default"`
	}
	// marker is a document whose name says it all.
	marker struct {
		Time time.Time `json:"time"`
	}
	environmentBody struct {
		Name       string                     `json:"name"`
		Attributes map[string]json.RawMessage `json:"attributes"`
	}
	deployIntentBody struct {
		Release string               `json:"release"`
		Inputs  map[string]inputBody `json:"input"`
	}
)

func (d document) decode(v any) error {
	if d.link != "" {
		return errors.New("it is a link where a document is expected")
	}
	if err := json.Unmarshal(d.body, v); err != nil {
		return fmt.Errorf("its body is not as Ocuroot wrote it: %w", err)
	}
	return nil
}

func inputs(from map[string]inputBody) map[string]Input {
	if len(from) == 0 {
		return nil
	}
	to := make(map[string]Input, len(from))
	for name, in := range from {
		to[name] = Input{Ref: in.Ref, Value: orNil(in.Value), Default: orNil(in.Default)}
	}
	return to
}

// orNil is the JSON, or nil for a null: Ocuroot wrote null for what is not
// there.
func orNil(b json.RawMessage) json.RawMessage {
	if len(b) == 0 || string(b) == "null" {
		return nil
	}
	return b
}

// output is a JSON object, or nil.
func output(b json.RawMessage) (json.RawMessage, error) {
	if b = orNil(b); b != nil && b[0] != '{' {
		return nil, errors.New("its output is no JSON object")
	}
	return b, nil
}

func environment(name string, body environmentBody) (Environment, error) {
	if err := ref.CheckName(name); err != nil {
		return Environment{}, err
	}
	if body.Name != "" && body.Name != name {
		return Environment{}, fmt.Errorf("it calls itself %.60q", body.Name)
	}
	e := Environment{Name: name, Attributes: map[string]string{}}
	for k, v := range body.Attributes {
		var s string
		switch {
		case json.Unmarshal(v, &s) == nil:
			e.Attributes[k] = s
		case strings.ContainsAny(string(v[:1]), "{["):
			return Environment{}, fmt.Errorf("its attribute %.60q is no text", k)
		default:
			e.Attributes[k] = string(v) // a number or a truth value, as it was written
		}
	}
	return e, nil
}

// status reads the last part of "…/status/complete".
func status(s string) (st Status, retried, ok bool) {
	switch s {
	case "pending", "paused":
		return Pending, false, true
	case "running", "complete", "failed", "cancelled":
		return Status(s), false, true
	}
	if strings.HasPrefix(s, "failed") && strings.HasSuffix(s, "retried") {
		return Failed, true, true
	}
	return "", false, false
}
