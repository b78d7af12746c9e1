package ocuroot

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// finish puts together what belongs together.
func (c *collector) finish() State {
	c.prefix = ""
	s := State{Environments: c.environments}
	numbers := c.number()
	for _, d := range c.links {
		c.tag(d, numbers)
	}
	for key, n := range numbers {
		s.Releases = append(s.Releases, c.assemble(key, n))
	}
	for _, d := range c.latest {
		c.live(d, numbers, &s)
	}
	for _, d := range c.values {
		if v, err := custom(d, numbers); err != nil {
			c.skip(d.file, err.Error())
		} else {
			s.Custom = append(s.Custom, v)
		}
	}
	for _, d := range c.intents {
		if in, err := intentOf(d, numbers); err != nil {
			c.skip(d.file, err.Error())
		} else {
			s.Intents = append(s.Intents, in)
		}
	}
	s.Skipped = c.skipped
	s.sort()
	return s
}

// number gives every release a number: its own, or in the order of their making
// where Ocuroot named releases after commits.
func (c *collector) number() map[releaseKey]int {
	byPackage := map[string][]releaseKey{}
	for key, f := range c.releases {
		_, err := packageRef(key.pkg)
		switch {
		case err != nil:
			c.skip(f.file, err.Error())
		case !f.confirmed:
			c.skip(f.file, "it is of a release that has no document of its own")
		default:
			byPackage[key.pkg] = append(byPackage[key.pkg], key)
		}
	}
	numbers := map[releaseKey]int{}
	for _, keys := range byPackage {
		slices.SortFunc(keys, func(a, b releaseKey) int {
			return cmp.Or(c.releases[a].created.Compare(c.releases[b].created), strings.Compare(a.id, b.id))
		})
		anyNumbered := slices.ContainsFunc(keys, func(k releaseKey) bool { _, ok := number(k.id); return ok })
		taken := map[int]bool{}
		for i, k := range keys {
			n, ok := number(k.id)
			switch {
			case !ok && anyNumbered:
				c.skip(c.releases[k].file, "its release has no number, and others of its package do")
				continue
			case !ok:
				n = i + 1
			}
			if twin := (releaseKey{k.pkg, "r" + k.id}); taken[n] || c.releases[twin] != nil && c.releases[twin].confirmed {
				c.skip(c.releases[k].file, fmt.Sprintf("there are two releases with the number %d", n))
				continue
			}
			taken[n] = true
			numbers[k] = n
		}
	}
	return numbers
}

// tag takes a link "…/@1.2.0" → "…/@r7".
func (c *collector) tag(d document, numbers map[releaseKey]int) {
	target := locate(d.link)
	key := releaseKey{target.pkg, target.id}
	if _, ok := numbers[key]; !ok || target.pkg != d.pkg || len(target.sub) > 0 {
		c.skip(d.file, "a tag for "+quoted(d.link)+", which is no release here")
		return
	}
	if r, err := ref.Parse(d.pkg + "/@" + d.id); err != nil || r.Release != d.id {
		c.skip(d.file, "a tag that can't be written as a reference")
		return
	}
	f := c.releases[key]
	f.tags = append(f.tags, d.id)
}

func quoted(s string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return fmt.Sprintf("%q", s)
}

// assemble makes a release of what was found of it.
func (c *collector) assemble(key releaseKey, n int) Release {
	f := c.releases[key]
	pkg, _ := packageRef(key.pkg) // number has checked it
	slices.Sort(f.tags)
	r := Release{Package: pkg, Number: n, ID: key.id, Commit: f.commit, Created: f.created, Tags: slices.Compact(f.tags)}
	rest := slices.SortedFunc(maps.Keys(f.items), func(a, b itemKey) int {
		return cmp.Or(strings.Compare(string(a.kind), string(b.kind)), strings.Compare(a.name, b.name))
	})
	seen := map[itemKey]bool{}
	for _, k := range append(f.order, rest...) {
		if seen[k] {
			continue
		}
		seen[k] = true
		if err := ref.CheckName(k.name); err != nil {
			c.skip(f.file, fmt.Sprintf("its %s %s: %v", k.kind, quoted(k.name), err))
			continue
		}
		it, err := f.items[k].assemble(k)
		if err != nil {
			c.skip(f.file, fmt.Sprintf("its %s %s: %v", k.kind, quoted(k.name), err))
		}
		it.Phase = f.phase[k]
		r.Items = append(r.Items, it)
	}
	return r
}

// assemble makes an item of its runs. An error is about a part that was left
// out.
func (it *item) assemble(k itemKey) (Item, error) {
	out := Item{Kind: k.kind, Name: k.name}
	var problem error
	for _, n := range slices.Sorted(maps.Keys(it.runs)) {
		r := it.runs[n]
		body := it.bodies[n]
		for _, fn := range body.Functions {
			r.Functions = append(r.Functions, function(fn))
		}
		if len(body.Functions) == 0 {
			for _, place := range slices.Sorted(maps.Keys(it.fns[n])) {
				r.Functions = append(r.Functions, it.fns[n][place])
			}
		}
		r.Down = body.Type == "down"
		if r.Status == "" {
			r.Status = Pending // as Ocuroot reads a run without a mark
		}
		var err error
		if r.Output, err = output(body.Output); err != nil {
			problem = fmt.Errorf("run %d: %w", n, err)
		}
		if r.Status == Complete && !r.Down {
			out.Output = r.Output
		}
		out.Runs = append(out.Runs, *r)
	}
	if out.Output == nil && it.body != nil {
		var err error
		if out.Output, err = output(it.body.Output); err != nil {
			problem = err
		}
	}
	return out, problem
}

// live takes "…/@/deploy/production": a link to the deployment or its run, or a
// document that says of which release it is. Other documents of the latest
// release are links, which Slipway needs none of.
func (c *collector) live(d document, numbers map[releaseKey]int, s *State) {
	kind, name, run, _, isWork := d.work()
	switch {
	case len(d.sub) == 0 && d.link != "", isWork && kind == ref.Call, isWork && run > 0:
		return
	case !isWork || len(d.sub) != 2:
		c.skip(d.file, "it is of no release")
		return
	}
	l, err := c.liveOf(d, numbers)
	if err != nil {
		c.skip(d.file, err.Error())
		return
	}
	if l != nil {
		l.Environment = name
		s.Live = append(s.Live, *l)
	}
}

func (c *collector) liveOf(d document, numbers map[releaseKey]int) (*Live, error) {
	pkg, err := packageRef(d.pkg)
	if err != nil {
		return nil, err
	}
	var own itemBody
	at := locate(d.link)
	if d.link == "" {
		if err := d.decode(&own); err != nil {
			return nil, err
		}
		at = locate(own.Release)
	}
	key := releaseKey{at.pkg, at.id}
	n, ok := numbers[key]
	if !ok || at.pkg != d.pkg {
		return nil, errors.New("a deployment of a release that is not here: " + quoted(at.pkg+"/@"+at.id))
	}
	it := c.releases[key].items[itemKey{ref.Deploy, d.sub[1]}]
	if it == nil {
		return nil, errors.New("a deployment whose release has no such environment")
	}
	_, _, run, _, _ := at.work()
	if it.body != nil && d.link != "" {
		own = *it.body
	}
	if run == 0 {
		run = runOf(own, it)
	}
	if body, ok := it.bodies[run]; ok && own.Type == "" {
		own.Type = body.Type
	}
	if own.Type == "down" {
		return nil, nil // taken away
	}
	l := &Live{Package: pkg, Release: n, Run: run, Inputs: inputs(own.Inputs)}
	if l.Output, err = output(own.Output); err != nil {
		return nil, err
	}
	if r := it.runs[run]; r != nil {
		if l.Inputs == nil && len(r.Functions) > 0 {
			l.Inputs = r.Functions[0].Inputs
		}
		if l.Output == nil {
			l.Output = r.Output
		}
	}
	return l, nil
}

// runOf is the run that a deployment names, or the last that was complete.
func runOf(body itemBody, it *item) int {
	for _, at := range []string{body.RunRef, body.Entrypoint} {
		if _, _, n, _, ok := locate(at).work(); ok && n > 0 {
			return n
		}
	}
	last := 0
	for n, r := range it.runs {
		if r.Status == Complete {
			last = max(last, n)
		}
	}
	return last
}

// inRelease writes a place's release by its number.
func inRelease(p place, numbers map[releaseKey]int) (ref.Ref, error) {
	if p.pkg == "" {
		if p.id != "" {
			return ref.Ref{}, errors.New("a release without its package")
		}
		return ref.Ref{Global: true, Versioned: true}, nil
	}
	r, err := packageRef(p.pkg)
	if err != nil || p.id == "" {
		return r.InRelease(""), err
	}
	n, ok := numbers[releaseKey{p.pkg, p.id}]
	if !ok {
		return ref.Ref{}, errors.New("it is of a release that is not here: @" + p.id)
	}
	return r.InRelease(fmt.Sprintf("r%d", n)), nil
}

// checked is the reference, if it can be written.
func checked(r ref.Ref) (ref.Ref, error) {
	again, err := ref.Parse(r.String())
	if err == nil && again != r {
		err = errors.New("its path can't be written as a reference")
	}
	return again, err
}

func custom(d document, numbers map[releaseKey]int) (Value, error) {
	r, err := inRelease(d.place, numbers)
	if err != nil {
		return Value{}, err
	}
	if r, err = checked(r.Sub(ref.Custom, d.name())); err != nil {
		return Value{}, err
	}
	v, err := d.value()
	return Value{Ref: r, JSON: v}, err
}

func intentOf(d document, numbers map[releaseKey]int) (Intent, error) {
	kinds := map[string]ref.Kind{"environment": ref.Environment, "custom": ref.Custom, "deploy": ref.Deploy}
	kind, ok := kinds[d.kind()]
	if !ok || d.name() == "" {
		return Intent{}, errors.New("an intent that is neither an environment, nor a custom value, nor a deployment")
	}
	r, err := inRelease(d.place, numbers)
	if err != nil {
		return Intent{}, err
	}
	if r, err = checked(r.AsIntent().Sub(kind, d.name())); err != nil {
		return Intent{}, err
	}
	in := Intent{Ref: r}
	if in.JSON, err = d.value(); err != nil || kind != ref.Deploy {
		return in, err
	}
	var body deployIntentBody
	if err := d.decode(&body); err != nil {
		return Intent{}, err
	}
	at := locate(body.Release)
	n, ok := numbers[releaseKey{at.pkg, at.id}]
	if !ok || at.pkg != d.pkg {
		return Intent{}, errors.New("it wishes for a release that is not here: " + quoted(body.Release))
	}
	in.Deploy = &DeployIntent{Release: n, Inputs: inputs(body.Inputs)}
	return in, nil
}

func (s *State) sort() {
	slices.SortFunc(s.Environments, func(a, b Environment) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Releases, func(a, b Release) int {
		return cmp.Or(strings.Compare(a.Package.String(), b.Package.String()), a.Number-b.Number)
	})
	slices.SortFunc(s.Live, func(a, b Live) int {
		return cmp.Or(strings.Compare(a.Package.String(), b.Package.String()), strings.Compare(a.Environment, b.Environment))
	})
	slices.SortFunc(s.Custom, func(a, b Value) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	slices.SortStableFunc(s.Intents, func(a, b Intent) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	slices.SortFunc(s.Skipped, func(a, b Skipped) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Reason, b.Reason))
	})
}
