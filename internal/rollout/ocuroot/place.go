package ocuroot

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// place is a reference as Ocuroot's paths have it, taken apart without judging
// it: its layouts had kinds that references no longer know.
type place struct {
	pkg    string // "repository/-/file"; empty for what belongs to none
	marked bool   // there is an "@" or "+" part
	intent bool
	id     string   // of the release; empty for the latest
	sub    []string // kind, name, …
}

func locate(s string) place {
	parts := strings.Split(s, "/")
	i := slices.IndexFunc(parts, func(p string) bool { return strings.HasPrefix(p, "@") || strings.HasPrefix(p, "+") })
	if i < 0 {
		return place{pkg: s}
	}
	return place{
		pkg: strings.Join(parts[:i], "/"), marked: true, intent: parts[i][0] == '+',
		id: parts[i][1:], sub: parts[i+1:],
	}
}

func (p place) kind() string {
	if len(p.sub) == 0 {
		return ""
	}
	return p.sub[0]
}

// name is what follows the kind.
func (p place) name() string {
	if len(p.sub) < 2 {
		return ""
	}
	return strings.Join(p.sub[1:], "/")
}

// work takes "call/build/1/…" apart: number is 0 for the item itself.
func (p place) work() (kind ref.Kind, name string, number int, rest []string, ok bool) {
	switch p.kind() {
	case "call", "task":
		kind = ref.Call
	case "deploy":
		kind = ref.Deploy
	default:
		return "", "", 0, nil, false
	}
	if len(p.sub) < 2 {
		return "", "", 0, nil, false
	}
	rest = p.sub[2:]
	if len(rest) > 0 {
		if n, err := strconv.Atoi(rest[0]); err == nil && n > 0 {
			return kind, p.sub[1], n, rest[1:], true
		}
	}
	return kind, p.sub[1], 0, rest, true
}

// isLog reports whether the document is what a run printed.
func (p place) isLog() bool {
	_, _, number, rest, ok := p.work()
	return ok && !p.intent && number > 0 && len(rest) > 0 && rest[len(rest)-1] == "logs"
}

var errPackage = errors.New("it is of no package: a reference is repository/-/file/@…")

// packageRef reads a place's package.
func packageRef(pkg string) (ref.Ref, error) {
	repo, file, ok := strings.Cut(pkg, "/-/")
	if !ok || repo == "" || file == "" {
		return ref.Ref{}, errPackage
	}
	r := ref.Ref{Repo: repo, Path: file}
	if again, err := ref.Parse(r.String()); err != nil {
		return ref.Ref{}, fmt.Errorf("its package can't be written as a reference: %w", err)
	} else if again != r {
		return ref.Ref{}, errPackage
	}
	return r, nil
}

// number is a release's number: of "r7" and "7". Ocuroot's first layout had
// "<commit>.1" instead.
func number(id string) (int, bool) {
	digits := strings.TrimPrefix(id, "r")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 999_999_999 || strconv.Itoa(n) != digits {
		return 0, false
	}
	return n, true
}
