package ocuroot

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/slipway-dev/slipway/internal/rollout/ref"
)

// collector puts documents in order: which of them belong together is known
// only when all were seen.
type collector struct {
	prefix       string // of paths in Skipped
	environments []Environment
	releases     map[releaseKey]*found
	latest       []document // below "…/@"
	links        []document // tags
	values       []document // custom values
	intents      []document
	skipped      []Skipped
}

type releaseKey struct{ pkg, id string }

// found is what was seen of a release.
type found struct {
	file      string // one of its documents
	confirmed bool   // its own document was seen, not only something below it
	commit    string
	created   time.Time
	tags      []string
	order     []itemKey
	phase     map[itemKey]string
	items     map[itemKey]*item
}

type itemKey struct {
	kind ref.Kind
	name string
}

type item struct {
	body   *itemBody
	runs   map[int]*Run
	fns    map[int]map[int]Function // run → place in the chain, of the first layout
	bodies map[int]itemBody
}

func newCollector() *collector { return &collector{releases: map[releaseKey]*found{}} }

func (c *collector) skip(file, reason string) {
	c.skipped = append(c.skipped, Skipped{Path: c.prefix + file, Reason: reason})
}

// state takes a document of the state store.
func (c *collector) state(d document) {
	switch {
	case !d.marked:
		c.skip(d.file, "it is of no release: its path has no part with an @ or +")
	case d.intent:
		c.intents = append(c.intents, d)
	case d.kind() == "push":
		c.skip(d.file, "a record of what Ocuroot had seen pushed; Slipway keeps its own")
	case d.kind() == "op":
		c.skip(d.file, "an operation that Ocuroot had not yet carried out; `slipway work any` finds what is to do")
	case d.kind() == "custom" && d.name() != "":
		c.values = append(c.values, d)
	case d.pkg == "" && d.id == "" && d.kind() == "environment" && d.name() != "":
		c.environment(d)
	case d.pkg == "":
		c.skip(d.file, "a document of no package that is neither an environment nor a custom value")
	case d.id == "":
		c.latest = append(c.latest, d)
	case d.link != "" && len(d.sub) == 0:
		c.links = append(c.links, d)
	default:
		c.ofRelease(d)
	}
}

// intent takes a document of the intent store. Later layouts write "@" there
// too.
func (c *collector) intent(d document) {
	if !d.marked {
		c.skip(d.file, "it is of no release: its path has no part with an @ or +")
		return
	}
	if d.kind() == "push" {
		c.skip(d.file, "a record of what Ocuroot had seen pushed; Slipway keeps its own")
		return
	}
	d.file = c.prefix + d.file
	c.intents = append(c.intents, d)
}

func (c *collector) environment(d document) {
	var body environmentBody
	err := d.decode(&body)
	if err == nil {
		var e Environment
		if e, err = environment(d.name(), body); err == nil {
			c.environments = append(c.environments, e)
			return
		}
	}
	c.skip(d.file, err.Error())
}

// ofRelease takes a document of one release.
func (c *collector) ofRelease(d document) {
	var err error
	kind, name, number, rest, isWork := d.work()
	switch {
	case len(d.sub) == 0:
		err = c.release(d)
	case d.kind() == "commit" && len(d.sub) == 2:
		var m marker
		if err = d.decode(&m); err == nil {
			f := c.find(d)
			f.confirmed, f.commit, f.created = true, d.sub[1], m.Time
		}
	case isWork:
		err = c.work(d, c.find(d).item(itemKey{kind, name}), number, rest)
	default:
		c.skip(d.file, "it is of a kind that Slipway does not have: "+d.kind())
	}
	if err != nil {
		c.skip(d.file, err.Error())
	}
}

func (c *collector) find(d document) *found {
	key := releaseKey{d.pkg, d.id}
	f := c.releases[key]
	if f == nil {
		f = &found{file: d.file, items: map[itemKey]*item{}, phase: map[itemKey]string{}}
		c.releases[key] = f
	}
	return f
}

func (f *found) item(k itemKey) *item {
	it := f.items[k]
	if it == nil {
		it = &item{runs: map[int]*Run{}, fns: map[int]map[int]Function{}, bodies: map[int]itemBody{}}
		f.items[k] = it
	}
	return it
}

func (it *item) run(n int) *Run {
	r := it.runs[n]
	if r == nil {
		r = &Run{Number: n}
		it.runs[n] = r
	}
	return r
}

// release takes "…/@r7".
func (c *collector) release(d document) error {
	var body releaseBody
	if err := d.decode(&body); err != nil {
		return err
	}
	if body.Package == nil && body.Source != nil {
		c.skip(d.file, "a copy of repo.ocu.star, which Slipway reads in the repository")
		return nil
	}
	f := c.find(d)
	f.confirmed = true
	if f.commit == "" {
		f.commit = body.Commit
	}
	if body.Package == nil {
		return nil
	}
	for _, phase := range body.Package.Phases {
		for _, w := range append(phase.Work, phase.Tasks...) {
			var k itemKey
			switch {
			case w.Deploy != nil:
				k = itemKey{ref.Deploy, w.Deploy.Environment}
			case w.Call != nil:
				k = itemKey{ref.Call, w.Call.Name}
			case w.Task != nil:
				k = itemKey{ref.Call, w.Task.Name}
			}
			if k.name != "" {
				f.item(k)
				f.order = append(f.order, k)
				f.phase[k] = phase.Name
			}
		}
	}
	return nil
}

// work takes what is at and below "…/call/build".
func (c *collector) work(d document, it *item, number int, rest []string) error {
	switch {
	case number == 0 && len(rest) == 0:
		var body itemBody
		if err := d.decode(&body); err != nil {
			return err
		}
		it.body = &body
	case number == 0 && len(rest) == 2 && rest[0] == "status":
		// Of the first layout: that of its last run, which is read there.
	case number == 0:
		c.skip(d.file, "it is at no place where Ocuroot keeps something of a run")
	case len(rest) == 0:
		var body itemBody
		if err := d.decode(&body); err != nil {
			return err
		}
		it.bodies[number] = body
		it.run(number)
	case rest[len(rest)-1] == "logs":
		r := it.run(number)
		r.LogFiles = append(r.LogFiles, d.file)
	case len(rest) == 2 && rest[0] == "status":
		return it.run(number).mark(d, rest[1], c)
	case rest[0] == "functions" && len(rest) == 2:
		return it.function(d, number, rest[1])
	case rest[0] == "functions" && len(rest) == 4 && rest[2] == "status":
		// The run's own status says as much.
	default:
		c.skip(d.file, "it is at no place where Ocuroot keeps something of a run")
	}
	return nil
}

// mark takes a status. A crash could leave two: the later counts.
func (r *Run) mark(d document, word string, c *collector) error {
	st, retried, ok := status(word)
	if !ok {
		c.skip(d.file, "an unknown status")
		return nil
	}
	var m marker
	if err := d.decode(&m); err != nil {
		return err
	}
	if r.Status == "" || m.Time.After(r.Changed) {
		r.Status, r.Retried, r.Changed = st, retried, m.Time
	}
	return nil
}

// function takes one of a chain, in the first layout.
func (it *item) function(d document, run int, place string) error {
	n, err := strconv.Atoi(place)
	if err != nil {
		return err
	}
	var body functionState
	if err := d.decode(&body); err != nil {
		return err
	}
	if it.fns[run] == nil {
		it.fns[run] = map[int]Function{}
	}
	it.fns[run][n] = function(body.Current)
	it.run(run)
	return nil
}

func function(b functionBody) Function {
	return Function{Name: b.Fn.Name, Position: b.Fn.Pos, Inputs: inputs(b.Inputs)}
}

// value is the document as it is.
func (d document) value() (json.RawMessage, error) {
	var v json.RawMessage
	err := d.decode(&v)
	return v, err
}
