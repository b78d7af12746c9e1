package git

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"

	"github.com/slipway-dev/slipway/internal/release"
)

// Tag is a tag that leads to a commit.
type Tag struct {
	Name       string    // without refs/tags/
	Commit     string    // full hash of the commit it leads to, through any number of tags
	CommitTime time.Time // committer date of that commit, UTC
	Object     string    // full hash of what the ref holds: the tag object, or the commit when lightweight
	Annotated  bool
	Time       time.Time // date of the annotated tag, else CommitTime; UTC
}

// tagFormat has git's %(*…) peel once: before git 2.45 it leaves a tag of a
// tag half peeled, which peel mends.
const tagFormat = "%(refname:lstrip=2)%00%(objectname)%00%(objecttype)%00%(*objectname)%00%(*objecttype)%00" +
	"%(taggerdate:unix)%00%(committerdate:unix)%(*committerdate:unix)"

// Tag finds a tag by name. The error is Invalid, and says what to do, when the
// name can't be a tag, when there is none of it (with the names that are near),
// and when it does not lead to a commit.
func (r *Repo) Tag(ctx context.Context, name string) (Tag, error) {
	if err := CheckTagName(name); err != nil {
		return Tag{}, err
	}
	var found Tag
	var kind string
	err := r.eachTag(ctx, func(t Tag, k string) error {
		if t.Name != name { // for-each-ref takes a name for a folder too
			return nil
		}
		found, kind = t, k
		return fs.SkipAll
	}, "refs/tags/"+name)
	if err != nil {
		return Tag{}, fmt.Errorf("read tag %s: %w", name, err)
	}
	if found.Name == "" {
		return Tag{}, release.Invalidf(r.nearTags(ctx, name, "make it with git tag, or get it with git fetch --tags"),
			"there is no tag %s in this clone", name)
	}
	if kind != "commit" {
		return Tag{}, release.Invalidf("tag a commit, or release another tag", "tag %s leads to a %s, not to a commit", name, kind)
	}
	return found, nil
}

// TagNames yields every tag, ordered by name, without the times that Tags gives:
// git reads no object for that, so it costs a fourth. A tag of something else
// than a commit is among them, with that object's hash as Commit.
func (r *Repo) TagNames(ctx context.Context, yield func(Tag) error) error {
	var last Tag
	flush := func() error {
		if last.Name == "" {
			return nil
		}
		return yield(last)
	}
	c := r.command("show-ref", "--tags", "--dereference")
	err := r.eachRecord(ctx, c, '\n', func(b []byte) error {
		hash, ref, _ := strings.Cut(string(b), " ")
		name := strings.TrimPrefix(ref, "refs/tags/")
		if peeled, ok := strings.CutSuffix(name, "^{}"); ok && peeled == last.Name {
			last.Commit, last.Annotated = hash, true
			return nil
		}
		err := flush()
		last = Tag{Name: name, Object: hash, Commit: hash}
		return err
	})
	if exitCode(err) == 1 { // there are no tags
		return nil
	}
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("read tags: %w", err)
	}
	return nil
}

// Tags yields every tag that leads to a commit, ordered by name; with
// mergedInto only those whose commit is in that commit's history (itself
// included), for which git walks that whole history. Tags of other objects
// are left out.
func (r *Repo) Tags(ctx context.Context, mergedInto string, yield func(Tag) error) error {
	args := []string{"refs/tags/"}
	if mergedInto != "" {
		hash, err := r.resolve(ctx, mergedInto)
		if err != nil {
			return err
		}
		args = append(args, "--merged="+hash)
	}
	err := r.eachTag(ctx, func(t Tag, kind string) error {
		if kind != "commit" {
			return nil
		}
		return yield(t)
	}, args...)
	if err != nil {
		return fmt.Errorf("read tags: %w", err)
	}
	return nil
}

// TagsAt is every tag that leads to the commit, ordered by name.
func (r *Repo) TagsAt(ctx context.Context, commit string) ([]Tag, error) {
	hash, err := r.resolve(ctx, commit)
	if err != nil {
		return nil, err
	}
	var tags []Tag
	err = r.Tags(ctx, "", func(t Tag) error {
		if t.Commit == hash {
			tags = append(tags, t)
		}
		return nil
	})
	return tags, err
}

// eachTag runs for-each-ref and yields each tag with the kind of object that
// it leads to in the end.
func (r *Repo) eachTag(ctx context.Context, yield func(t Tag, kind string) error, args ...string) error {
	c := r.command(append([]string{"for-each-ref", "--format=" + tagFormat}, args...)...)
	return r.eachRecord(ctx, c, '\n', func(b []byte) error {
		t, kind, err := r.newTag(ctx, strings.Split(string(b), "\x00"))
		if err != nil {
			return err
		}
		return yield(t, kind)
	})
}

// newTag makes a tag of tagFormat's fields.
func (r *Repo) newTag(ctx context.Context, f []string) (Tag, string, error) {
	if len(f) != 7 {
		return Tag{}, "", fmt.Errorf("git for-each-ref gave %d fields instead of 7: %q", len(f), f)
	}
	t := Tag{Name: f[0], Object: f[1], Annotated: f[2] == "tag"}
	kind, when := f[2], f[6]
	t.Commit = t.Object
	if t.Annotated {
		t.Commit, kind = f[3], f[4]
	}
	if kind == "tag" {
		out, err := r.line(ctx, "rev-parse", "--verify", t.Commit+"^{}")
		if err != nil {
			return Tag{}, "", err
		}
		t.Commit = out
		if kind, err = r.line(ctx, "cat-file", "-t", t.Commit); err != nil {
			return Tag{}, "", err
		}
		if kind == "commit" {
			if when, err = r.line(ctx, "log", "-1", "--no-walk", "--format=%ct", t.Commit, "--"); err != nil {
				return Tag{}, "", err
			}
		}
	}
	t.CommitTime = unixTime(when)
	t.Time = t.CommitTime
	if f[5] != "" { // very old annotated tags have no date
		t.Time = unixTime(f[5])
	}
	return t, kind, nil
}

// nearTags is a hint with the tags whose names are near to name, or otherwise
// when there are none.
func (r *Repo) nearTags(ctx context.Context, name, otherwise string) string {
	type near struct {
		name     string
		distance int
	}
	limit := 1 + len(name)/5
	var best []near
	// A hint is not worth an error of its own.
	_ = r.eachRecord(ctx, r.command("for-each-ref", "--format=%(refname:lstrip=2)", "refs/tags/"), '\n', func(b []byte) error {
		n := near{name: string(b)}
		if !strings.HasSuffix(n.name, "/"+name) { // the part of a monorepo is left out
			n.distance = levenshtein.Distance(name, n.name, nil)
		}
		if n.distance > limit {
			return nil
		}
		best = append(best, n)
		slices.SortStableFunc(best, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
		best = best[:min(len(best), 3)]
		return nil
	})
	if len(best) == 0 {
		if r.IsShallow() {
			return "this clone is shallow and may lack tags; " + shallowHint
		}
		return otherwise
	}
	names := make([]string, len(best))
	for i, n := range best {
		names[i] = n.name
	}
	list := names[0]
	if n := len(names); n > 1 {
		list = strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return "did you mean " + list + "?"
}
