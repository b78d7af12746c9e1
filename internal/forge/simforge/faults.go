package simforge

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agext/levenshtein"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// kind is what goes wrong.
type kind string

const (
	kindStatus    kind = "status"
	kindCutBefore kind = "cut-before"
	kindCutAfter  kind = "cut-after"
	kindCutAnswer kind = "cut-answer"
	kindCutBody   kind = "cut-body"
	kindHTML      kind = "html"
	kindGarbage   kind = "garbage"
	kindSlow      kind = "slow"
	kindSecondary kind = "secondary-limit"
	kindRate      kind = "rate-limit"
	kindTooMany   kind = "too-many"
	kindDown      kind = "down"
	kindReadOnly  kind = "read-only"
	kindArchived  kind = "archived"
	kindImmutable kind = "immutable"
	kindTagMoves  kind = "tag-moves"
	kindKillAfter kind = "kill-after"
	kindKillPre   kind = "kill-before"
)

// Fault is one thing that goes wrong, from ParseFault.
type Fault struct {
	text   string
	kind   kind
	call   Op // OpAny for every request with a token
	status int
	after  bool // the effect takes place all the same
	number int  // =N
	wait   time.Duration
	at     int // the n-th call that fits, 0 for each
}

// OpAny fits every API request with a token.
const OpAny Op = "any"

// opWrite fits every request that changes something.
const opWrite Op = "write"

// String is the fault as it was written.
func (f Fault) String() string { return f.text }

// FaultHelp is a fault, or a family of them, for --help.
type FaultHelp struct{ Name, Text string }

// Faults lists what ParseFault takes.
func Faults() []FaultHelp {
	return []FaultHelp{
		{"CALL-500, -502, -503, -504, -507", "the call fails before it does anything; CALL is create, upload, update, publish, delete, read, download, comment, other (what else changes something: a status, a reaction, a dispatch) or any. On GitHub upload-502 leaves a broken asset that blocks the name"},
		{"CALL-502-after (any of these)", "the call is done, and the answer says that it failed"},
		{"CALL-422, upload-413", "the forge finds the call invalid, the asset too large"},
		{"CALL-cut-before, CALL-cut-after", "the connection breaks before the call is done, or when it is done and not yet answered"},
		{"CALL-cut-answer, upload-cut-body", "the connection breaks within the answer, within the asset"},
		{"CALL-html, CALL-garbage", "something else answers: a page, broken JSON"},
		{"CALL-slow[=DURATION]", "the answer trickles in (1s)"},
		{"secondary-limit[=SECONDS]", "a write is refused with Retry-After (1)"},
		{"rate-limit[=SECONDS], too-many[=SECONDS]", "the rate limit is used up until then (1): 403, 429"},
		{"down=N", "the first N requests are answered with 503"},
		{"read-only, archived, immutable", "the token may not write; the repository is archived; publishing freezes a release (GitHub)"},
		{"tag-moves", "the tag points elsewhere once the draft is made"},
		{"kill-after=N, kill-before=N", "the client is killed when the N-th request has been answered, or before it is done"},
		{"…@N, …@all", "a fault meets the first call that fits; @N is the N-th, @all is each"},
	}
}

var callOps = []Op{OpCreate, OpUpload, OpUpdate, OpPublish, OpDelete, OpRead, OpDownload, OpComment, OpOther, OpAny}

var (
	callFault   = regexp.MustCompile(`^([a-z]+)-(.+)$`)
	statusFault = regexp.MustCompile(`^(422|413|500|502|503|504|507)(-after)?$`)
)

// ParseFault reads a fault such as "upload-502", "publish-cut-after",
// "secondary-limit=2", "kill-after=3" or "read-503@2"; Faults lists them all.
func ParseFault(text string) (Fault, error) {
	f := Fault{text: text, at: 1}
	rest, at, hasAt := strings.Cut(text, "@")
	if hasAt && at == "all" {
		f.at = 0
	} else if hasAt {
		n, err := positive(at)
		if err != nil {
			return Fault{}, fmt.Errorf("fault %q: after @ there must be a number from 1 up, or all", text)
		}
		f.at = n
	}
	name, value, hasValue := strings.Cut(rest, "=")
	if err := f.parseName(name); err != nil {
		return Fault{}, err
	}
	if err := f.parseValue(value, hasValue); err != nil {
		return Fault{}, err
	}
	return f, f.parseAt(hasAt)
}

func (f *Fault) parseName(name string) error {
	switch k := kind(name); k {
	case kindSecondary:
		f.kind, f.call = k, opWrite
		return nil
	case kindRate, kindTooMany, kindDown, kindReadOnly, kindArchived, kindImmutable, kindKillAfter, kindKillPre:
		f.kind, f.call = k, OpAny
		return nil
	case kindTagMoves:
		f.kind, f.call = k, OpCreate
		return nil
	}
	m := callFault.FindStringSubmatch(name)
	if m == nil || !slices.Contains(callOps, Op(m[1])) {
		return unknownFault(name)
	}
	f.call = Op(m[1])
	if st := statusFault.FindStringSubmatch(m[2]); st != nil {
		f.kind, f.after = kindStatus, st[2] != ""
		f.status, _ = strconv.Atoi(st[1]) // the pattern has digits only
		if f.status < 500 && f.after || f.status == 413 && f.call != OpUpload {
			return unknownFault(name)
		}
		return nil
	}
	f.kind = kind(m[2])
	switch f.kind {
	case kindCutBefore, kindCutAfter, kindCutAnswer, kindHTML, kindGarbage, kindSlow:
		return nil
	case kindCutBody:
		if f.call == OpUpload {
			return nil
		}
	}
	return unknownFault(name)
}

func (f *Fault) parseValue(value string, given bool) error {
	var err error
	switch f.kind {
	case kindDown, kindKillAfter, kindKillPre:
		if f.number, err = positive(value); err != nil {
			return fmt.Errorf("fault %q: it needs a number of requests, such as %s=3", f.text, f.kind)
		}
	case kindSecondary, kindRate, kindTooMany:
		f.number = 1
		if given {
			if f.number, err = positive(value); err != nil {
				return fmt.Errorf("fault %q: after = there must be seconds, such as %s=2", f.text, f.kind)
			}
		}
	case kindSlow:
		f.wait = time.Second
		if given {
			if f.wait, err = time.ParseDuration(value); err != nil || f.wait <= 0 || f.wait > time.Hour {
				return fmt.Errorf("fault %q: after = there must be a duration, such as %s-slow=2s", f.text, f.call)
			}
		}
	default:
		if given {
			return fmt.Errorf("fault %q takes no value", f.text)
		}
	}
	return nil
}

func (f *Fault) parseAt(given bool) error {
	if !given {
		return nil
	}
	switch f.kind {
	case kindDown, kindReadOnly, kindArchived, kindImmutable, kindKillAfter, kindKillPre:
		return fmt.Errorf("fault %q: %s cannot be bound to a call with @", f.text, f.kind)
	}
	return nil
}

// positive reads a count; nothing here needs more than six digits.
func positive(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 999_999 {
		return 0, errors.New("not a number from 1 up")
	}
	return n, nil
}

// unknownFault suggests the nearest name.
func unknownFault(name string) error {
	best, least := "", 4
	for _, known := range faultNames() {
		if d := levenshtein.Distance(name, known, nil); d < least {
			best, least = known, d
		}
	}
	if best != "" {
		return fmt.Errorf("there is no fault %q: did you mean %s?", name, best)
	}
	return fmt.Errorf("there is no fault %q: faults are such as upload-502, publish-cut-after, secondary-limit, kill-after=3; the help lists them all", name)
}

// faultNames are all names, without values.
func faultNames() []string {
	names := []string{"upload-413", "upload-cut-body"}
	for _, k := range []kind{
		kindSecondary, kindRate, kindTooMany, kindDown, kindReadOnly, kindArchived, kindImmutable, kindTagMoves, kindKillAfter, kindKillPre,
	} {
		names = append(names, string(k))
	}
	for _, call := range callOps {
		for _, what := range []string{
			"422", "500", "502", "503", "504", "507", "500-after", "502-after", "503-after", "504-after", "507-after",
			"cut-before", "cut-after", "cut-answer", "html", "garbage", "slow",
		} {
			names = append(names, string(call)+"-"+what)
		}
	}
	return names
}

// check refuses faults that this server cannot have.
func (f Fault) check(o Options) error {
	switch {
	case f.kind == "":
		return errors.New("a fault without a name: make faults with ParseFault")
	case f.kind == kindImmutable && o.Dialect == memory.Gitea:
		return fmt.Errorf("fault %q: Gitea has no immutable releases", f.text)
	case (f.kind == kindKillAfter || f.kind == kindKillPre) && o.OnKill == nil:
		return fmt.Errorf("fault %q: nothing here can be killed", f.text)
	}
	return nil
}
