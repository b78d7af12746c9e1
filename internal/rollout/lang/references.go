package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// place is where in the package a piece of work is.
type place struct {
	work  *workValue
	phase int
}

// references checks what inputs refer to in the release that they belong to:
// that it is there, and comes before.
func (c *checker) references() {
	places := map[string]place{}
	names := map[ref.Kind][]string{}
	for i, phase := range c.work {
		for _, w := range phase {
			places[w.id()] = place{w, i}
			names[w.item.Kind] = append(names[w.item.Kind], w.item.Name)
		}
	}
	needs := map[string][]string{} // of the same phase
	for i, phase := range c.work {
		for _, w := range phase {
			for _, name := range slices.Sorted(maps.Keys(w.inputs)) {
				s := w.inputs[name]
				if !s.own || s.Ref == nil || s.Ref.Kind != ref.Call && s.Ref.Kind != ref.Deploy || s.Ref.Name == "" {
					continue
				}
				if id := c.reference(place{w, i}, name, s, places, names); id != "" {
					needs[w.id()] = append(needs[w.id()], id)
				}
			}
		}
	}
	c.cycles(places, needs)
}

func (w *workValue) id() string { return string(w.item.Kind) + "/" + w.item.Name }

// reference checks one, and gives the id of what it needs when that is in the
// same phase.
func (c *checker) reference(from place, input string, s source, places map[string]place, names map[ref.Kind][]string) string {
	target, _, _ := strings.Cut(s.Ref.Name, "/")
	id := string(s.Ref.Kind) + "/" + target
	to, ok := places[id]
	switch {
	case !ok:
		c.bad(s.at, c.referenceHint(s.Ref.Kind, target, names), "input %s of %s refers to ./%s, and this release has no %s %s", input, from.work.id(), id, s.Ref.Kind, target)
	case to.work == from.work:
		c.bad(s.at, fmt.Sprintf("./@/%s is that of an earlier release", id), "input %s of %s refers to its own output of the same release", input, id)
	case to.phase > from.phase:
		c.bad(s.at, "put the phase after it", "input %s of %s refers to ./%s, which runs in a later phase: it would wait for ever", input, from.work.id(), id)
	case to.phase == from.phase:
		return id
	}
	return ""
}

func (c *checker) referenceHint(kind ref.Kind, target string, names map[ref.Kind][]string) string {
	other := ref.Deploy
	if kind == ref.Deploy {
		other = ref.Call
	}
	if slices.Contains(names[other], target) {
		return fmt.Sprintf("did you mean ./%s/%s?", other, target)
	}
	if len(names[kind]) == 0 {
		return fmt.Sprintf("./@/%s/%s is that of the latest release that has it", kind, target)
	}
	return didYouMean(target, slices.Clone(names[kind]))
}

// cycles finds work of one phase that waits for itself.
func (c *checker) cycles(places map[string]place, needs map[string][]string) {
	const (
		open = 1
		done = 2
	)
	state := map[string]int{}
	var path []string
	var visit func(id string)
	visit = func(id string) {
		state[id] = open
		path = append(path, id)
		for _, need := range needs[id] {
			switch state[need] {
			case open:
				cycle := append(slices.Clone(path[slices.Index(path, need):]), need)
				c.bad(places[need].work.inputsSpot, "leave one of these inputs out", "work waits for itself in a circle: %s", strings.Join(cycle, " → "))
			case 0:
				visit(need)
			}
		}
		path = path[:len(path)-1]
		state[id] = done
	}
	for _, id := range slices.Sorted(maps.Keys(needs)) {
		if state[id] == 0 {
			visit(id)
		}
	}
}
