package site

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// Index is all releases of a site. The zero Index is empty and ready. It is not
// for several goroutines at once.
type Index struct {
	byName  map[string]*entry
	classes map[string]*line
	shared  shared
}

// line is the releases of one class.
type line struct {
	all    []*entry // newest first when sorted is set
	sorted bool
}

type entry struct {
	Release
	order order
	// told says that the notes are known, although there may be none.
	told bool
	// by is the release that takes its place, nil for the newest; set when its line
	// is sorted.
	by *entry
}

// NewIndex gives an index of releases.
func NewIndex(releases ...Release) *Index {
	ix := &Index{}
	for _, r := range releases {
		ix.Put(r)
	}
	return ix
}

// Put adds a release, or replaces the one of its name. The index takes r's
// slices over, and brings its files into their order.
func (ix *Index) Put(r Release) { ix.put(r, true) }

func (ix *Index) put(r Release, told bool) {
	if ix.byName == nil {
		ix.byName, ix.classes = map[string]*entry{}, map[string]*line{}
	}
	r.Time = r.Time.UTC()
	ix.shared.files(&r)
	if !slices.IsSortedFunc(r.Files, compareFiles) {
		slices.SortStableFunc(r.Files, compareFiles)
	}
	if is, ok := ix.byName[r.Name]; ok {
		if is.Class == r.Class {
			is.Release, is.order, is.told = r, orderOf(r), told
			ix.classes[r.Class].sorted = false
			return
		}
		ix.Remove(r.Name)
	}
	e := &entry{Release: r, order: orderOf(r), told: told}
	ix.byName[r.Name] = e
	l, ok := ix.classes[r.Class]
	if !ok {
		l = &line{}
		ix.classes[r.Class] = l
	}
	l.all, l.sorted = append(l.all, e), false
}

// Remove forgets a release; one that is not there is no error.
func (ix *Index) Remove(name string) {
	e, ok := ix.byName[name]
	if !ok {
		return
	}
	delete(ix.byName, name)
	l := ix.classes[e.Class]
	l.all = slices.DeleteFunc(l.all, func(o *entry) bool { return o == e })
	l.sorted = false
	if len(l.all) == 0 {
		delete(ix.classes, e.Class)
	}
}

// Get gives the release of a name.
func (ix *Index) Get(name string) (Release, bool) {
	e, ok := ix.byName[name]
	if !ok {
		return Release{}, false
	}
	return e.Release, true
}

// Len is how many releases there are.
func (ix *Index) Len() int { return len(ix.byName) }

// All gives the releases: class by class in the order of their names, each
// newest first.
func (ix *Index) All() iter.Seq[Release] {
	return func(yield func(Release) bool) {
		for _, class := range slices.Sorted(maps.Keys(ix.classes)) {
			for _, e := range ix.line(class) {
				if !yield(e.Release) {
					return
				}
			}
		}
	}
}

// Names gives the names of all releases, sorted.
func (ix *Index) Names() []string { return slices.Sorted(maps.Keys(ix.byName)) }

// Latest gives the newest release of a class that is not withdrawn: the newest
// that is no prerelease, if there is one.
func (ix *Index) Latest(class string) (Release, bool) {
	if e := latest(ix.line(class)); e != nil {
		return e.Release, true
	}
	return Release{}, false
}

// SupersededBy names the release that takes the place of another, which is
// empty for the newest: the newest of the same line (1.2.x), else the newest of
// the same series (of all, for a release without a version). Neither what is
// withdrawn nor, for a release that is none itself, a prerelease takes a place.
func (ix *Index) SupersededBy(name string) string {
	e, ok := ix.byName[name]
	if !ok {
		return ""
	}
	ix.line(e.Class)
	if e.by == nil {
		return ""
	}
	return e.by.Name
}

func latest(all []*entry) *entry {
	var newest *entry
	for _, e := range all {
		if e.Withdrawn != nil {
			continue
		}
		if !e.Prerelease {
			return e
		}
		newest = cmp.Or(newest, e)
	}
	return newest
}

// line gives a class's releases, newest first.
func (ix *Index) line(class string) []*entry {
	l, ok := ix.classes[class]
	if !ok {
		return nil
	}
	if !l.sorted {
		sortEntries(l.all)
		supersede(l.all)
		l.sorted = true
	}
	return l.all
}

// supersede sets by whom each is superseded; all are newest first.
func supersede(all []*entry) {
	// A release takes the place of those behind it that are of the same: first
	// line, then series, or of any where there is no version.
	type place struct {
		plain     bool // only what is no prerelease
		versioned bool // only of a series
		series    string
		line      string // empty: of the whole series
	}
	newest := map[place]*entry{}
	for _, e := range all {
		places := []place{{}}
		if e.versioned() {
			of := place{versioned: true, series: e.order.series}
			places = []place{{versioned: true, series: of.series, line: e.order.line}, of, {}}
		}
		e.by = nil
		for _, p := range places[:max(1, len(places)-1)] {
			p.plain = !e.Prerelease
			e.by = cmp.Or(e.by, newest[p])
		}
		if e.Withdrawn != nil {
			continue
		}
		for _, p := range places {
			newest[p] = cmp.Or(newest[p], e)
			if p.plain = true; !e.Prerelease {
				newest[p] = cmp.Or(newest[p], e)
			}
		}
	}
}

// compareFiles is the order of a release's files: by platform, those of none
// last, then by kind and name.
func compareFiles(a, b File) int {
	return cmp.Or(
		cmp.Compare(platformRank(a.Platform), platformRank(b.Platform)),
		comparePlatforms(a.Platform, b.Platform),
		cmp.Compare(kindRank(a.Kind), kindRank(b.Kind)),
		strings.Compare(string(a.Kind), string(b.Kind)),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.Key, b.Key),
		strings.Compare(a.URL, b.URL),
	)
}

func comparePlatforms(a, b *release.Platform) int {
	if a == nil || b == nil {
		return 0 // they have ranks of their own
	}
	return cmp.Or(strings.Compare(a.OS, b.OS), strings.Compare(a.Arch, b.Arch), strings.Compare(a.Variant, b.Variant))
}

func kindRank(k release.ArtifactKind) int {
	kinds := [...]release.ArtifactKind{release.KindBinary, release.KindArchive, release.KindPackage, release.KindFile,
		release.KindChecksums, release.KindDigests, release.KindManifest, release.KindNotes}
	for i, is := range kinds {
		if k == is {
			return i
		}
	}
	return len(kinds)
}
