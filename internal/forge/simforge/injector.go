package simforge

import (
	"sync"
)

// injector decides which request meets which fault.
type injector struct {
	mu     sync.Mutex
	faults []*armed
	onKill func()
}

type armed struct {
	Fault
	seen int // calls that fitted so far
	hit  bool
}

func newInjector(faults []Fault, onKill func()) *injector {
	in := &injector{onKill: onKill}
	for _, f := range faults {
		in.faults = append(in.faults, &armed{Fault: f})
	}
	return in
}

// fits says whether a fault is about this call. Calls without a token meet no
// fault: readers who poll must not use them up.
func (a *armed) fits(op Op, n int) bool {
	if n == 0 {
		return false
	}
	switch a.call {
	case OpAny:
		return true
	case opWrite:
		return op == OpCreate || op == OpComment || op == OpOther || op == OpUpload || op == OpUpdate || op == OpPublish || op == OpDelete
	case OpUpdate:
		return op == OpUpdate || op == OpPublish
	}
	return op == a.call
}

// pick finds the fault of a call: the first that is due. Faults on the state
// of things are not picked, see standing.
func (in *injector) pick(op Op, n int) *armed {
	in.mu.Lock()
	defer in.mu.Unlock()
	var due *armed
	for _, a := range in.faults {
		if a.isStanding() || !a.fits(op, n) {
			continue
		}
		a.seen++
		if due == nil && a.due(n) {
			a.hit = true
			due = a
		}
	}
	return due
}

func (a *armed) due(n int) bool {
	switch a.kind {
	case kindDown:
		return n <= a.number
	case kindKillAfter, kindKillPre:
		return n == a.number
	}
	return a.at == 0 || a.seen == a.at
}

func (a *armed) isStanding() bool {
	switch a.kind {
	case kindReadOnly, kindArchived, kindImmutable:
		return true
	}
	return false
}

// standing finds a fault of the state of things.
func (in *injector) standing(k kind) *armed {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, a := range in.faults {
		if a.kind == k {
			return a
		}
	}
	return nil
}

// meet notes that a standing fault had its effect.
func (in *injector) meet(k kind) string {
	a := in.standing(k)
	if a == nil {
		return ""
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	a.hit = true
	return a.text
}

func (in *injector) unhit() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	var out []string
	for _, a := range in.faults {
		if !a.hit {
			out = append(out, a.text)
		}
	}
	return out
}
