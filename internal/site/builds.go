package site

import (
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/release"
)

// split parts a release's files, which are in their order, into those that an
// installer takes and all others: for each platform its bare binaries, each once,
// or its archives when the release has no bare binary at all. An installer that
// knows one kind never gets the other.
func split(files []File) (builds, others []*File) {
	kind := release.KindArchive
	if slices.ContainsFunc(files, func(f File) bool { return f.Kind == release.KindBinary && f.Platform != nil }) {
		kind = release.KindBinary
	}
	for from := 0; from < len(files); {
		to := from + 1
		for to < len(files) && samePlatform(files[from].Platform, files[to].Platform) {
			to++
		}
		if files[from].Platform == nil {
			others = appendFiles(others, files[from:to])
			from = to
			continue
		}
		chosen := chooseBuilds(files[from:to], kind)
		for i := range files[from:to] {
			f := &files[from+i]
			if chosen[i] {
				builds = append(builds, f)
			} else {
				others = append(others, f)
			}
		}
		from = to
	}
	return builds, others
}

func appendFiles(to []*File, files []File) []*File {
	for i := range files {
		to = append(to, &files[i])
	}
	return to
}

func samePlatform(a, b *release.Platform) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// chooseBuilds says which of one platform's files are its builds, by their
// place.
func chooseBuilds(files []File, kind release.ArtifactKind) []bool {
	chosen := make([]bool, len(files))
	best := map[string]int{} // of each build, by what only it has
	for i := range files {
		f := &files[i]
		if f.Kind != kind {
			continue
		}
		id := f.Name
		switch {
		case kind == release.KindArchive:
			id = archiveStem(f.Name)
		case f.Digest != "":
			id = f.Digest
		}
		j, has := best[id]
		if has && !better(f, &files[j]) {
			continue
		}
		if has {
			chosen[j] = false
		}
		best[id], chosen[i] = i, true
	}
	return chosen
}

// better says whether of two files of the same content the first is the one to
// install: one that lies beside the list, a binary in a folder of its platform
// (and so with its plain name), a format that every system has a program for.
func better(a, b *File) bool {
	if (a.Key != "") != (b.Key != "") {
		return a.Key != ""
	}
	if a.Kind == release.KindArchive {
		return archiveRank(a) < archiveRank(b)
	}
	return len(a.Name) < len(b.Name)
}

var archiveEndings = []string{".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".zip"}

func archiveStem(name string) string {
	for _, ending := range archiveEndings {
		if stem, ok := strings.CutSuffix(name, ending); ok {
			return stem
		}
	}
	return name
}

func archiveRank(f *File) int {
	if f.Platform.OS == "windows" && strings.HasSuffix(f.Name, ".zip") {
		return -1
	}
	for i, ending := range archiveEndings {
		if strings.HasSuffix(f.Name, ending) {
			return i
		}
	}
	return len(archiveEndings)
}
