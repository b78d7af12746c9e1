package shelf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/publish/publishtest/memory"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/site"
)

var st = progress.Discard.Stage("test")

func open(t *testing.T, store publish.Store) *Shelf {
	t.Helper()
	classes := release.DefaultClasses("main")
	class, err := release.ClassOfName(classes)
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Store: store, What: release.PlaceS3, Root: "_releases", Layout: release.DefaultLayout, Class: class,
		Site: site.Site{Project: "hello", Base: "https://hello.example/", Groups: site.DefaultGroups(classes), HTML: "_releases.html", JSON: "_releases.json", Atom: "_releases.atom"},
		Note: func(string) {}, Now: time.Now})
}

// delivery is a release of two platforms and its checksums.
func delivery(t *testing.T, tag string) publish.Delivery {
	t.Helper()
	cfg := release.Config{Project: "hello", Classes: release.DefaultClasses("main"), Publish: release.Publish{S3: &release.PublishS3{Bucket: "releases"}},
		Builds: []release.Build{{ID: "hello", Platforms: []string{"linux/amd64", "linux/arm/v6"}}}}.WithDefaults()
	ev := release.Event{Tag: tag, Commit: strings.Repeat("ab", 20), Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	decision, err := release.Classify(ev, cfg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := release.NewPlan(release.PlanInput{Event: ev, Decision: decision, Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	d := publish.Delivery{Plan: p, Notes: "notes of " + tag}
	add := func(f publish.File, text string) {
		c := publish.Bytes([]byte(text))
		f.Size, f.Digest, f.Open = c.Size, c.Digest, c.Open
		d.Files = append(d.Files, f)
	}
	for _, b := range p.Builds {
		add(publish.File{Name: b.Binary, Kind: release.KindBinary, Platform: &b.Platform, Build: b.ID}, tag+" for "+b.Platform.String())
	}
	add(publish.File{Name: release.ChecksumsName, Kind: release.KindChecksums}, "sums of "+tag)
	return d
}

func publishAll(ctx context.Context, s *Shelf, d publish.Delivery) error {
	if err := s.Check(ctx, d.Plan); err != nil {
		return err
	}
	if _, err := s.Stage(ctx, d, st); err != nil {
		return err
	}
	r, err := s.Shelve(ctx, d, st)
	if err != nil {
		return err
	}
	_, err = s.Index(ctx, r, st)
	return err
}

// list is the list as an installer reads it.
type list []struct {
	Name   string
	Builds []struct {
		Version string
		Builds  []struct{ Platform, URL, Path, Digest string }
	}
}

func readList(t *testing.T, store publish.Store) list {
	t.Helper()
	from, _, err := store.Open(t.Context(), "_releases.json")
	if errors.Is(err, publish.ErrNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	var l list
	if err := json.NewDecoder(from).Decode(&l); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l list) versions(group string) []string {
	var out []string
	for _, g := range l {
		for _, v := range g.Builds {
			if g.Name == group {
				out = append(out, v.Version)
			}
		}
	}
	return out
}

// checkNamesWhatIsThere holds the promise of a list: all that it names is there.
func checkNamesWhatIsThere(t *testing.T, store publish.Store) {
	t.Helper()
	for _, g := range readList(t, store) {
		for _, v := range g.Builds {
			for _, b := range v.Builds {
				if _, err := store.Stat(context.Background(), b.Path); err != nil {
					t.Errorf("the list names %s of %s: %v", b.Path, v.Version, err)
				}
			}
			if len(v.Builds) != 2 {
				t.Errorf("the list names %d of the 2 binaries of %s", len(v.Builds), v.Version)
			}
		}
	}
}

func contents(t *testing.T, store publish.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for o, err := range store.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		from, _, err := store.Open(context.Background(), o.Key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		out[o.Key] = string(b)
		_ = from.Close()
	}
	return out
}

// A release lies at its layout's places, the list names it whole, and nothing
// stays of the staging. Published again, nothing is written.
func TestPublish(t *testing.T) {
	t.Parallel()
	writes := 0
	var mu sync.Mutex
	store := memory.New(memory.Options{After: func(string, string) { mu.Lock(); writes++; mu.Unlock() }})
	s := open(t, store)
	d := delivery(t, "v1.2.3")
	if err := publishAll(t.Context(), s, d); err != nil {
		t.Fatal(err)
	}
	have := contents(t, store)
	for key, want := range map[string]string{
		"_releases/v1.2.3/x86_64-unknown-linux-musl/hello":    "v1.2.3 for linux/amd64",
		"_releases/v1.2.3/arm-unknown-linux-musleabihf/hello": "v1.2.3 for linux/arm/v6",
		"_releases/v1.2.3/checksums.txt":                      "sums of v1.2.3",
	} {
		if have[key] != want {
			t.Errorf("%s holds %q, want %q", key, have[key], want)
		}
	}
	for key := range have {
		if strings.Contains(key, "/staged/") {
			t.Errorf("%s is left of staging", key)
		}
	}
	checkNamesWhatIsThere(t, store)
	if got := readList(t, store).versions("Release"); !slices.Equal(got, []string{"v1.2.3"}) {
		t.Errorf("the list names %v", got)
	}
	if !strings.Contains(have["_releases.html"], "v1.2.3") || !strings.Contains(have["_releases.atom"], "notes of v1.2.3") {
		t.Error("page or feed do not tell of the release")
	}
	writes = 0
	if err := publishAll(t.Context(), s, d); err != nil || writes != 0 {
		t.Errorf("published again: %d writes, %v", writes, err)
	}
}

var errKilled = errors.New("killed")

// mortal lets a process die: after its n-th request nothing reaches the store.
type mortal struct {
	mu       sync.Mutex
	armed    bool
	requests int
	last     int
}

func (m *mortal) fault(string, string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.armed {
		return nil
	}
	if m.requests++; m.requests >= m.last {
		return errKilled
	}
	return nil
}

func (m *mortal) arm(armed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed = armed
}

// Killed at any request, a rerun ends where an undisturbed run ends, and at no
// moment the list names what is not there, nor half a release.
func TestKilledAtEveryRequest(t *testing.T) {
	t.Parallel()
	clock := func() time.Time { return time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC) }
	for _, unconditional := range []bool{false, true} {
		t.Run(fmt.Sprintf("unconditional=%v", unconditional), func(t *testing.T) {
			t.Parallel()
			whole := memory.New(memory.Options{Now: clock, Unconditional: unconditional})
			for _, tag := range []string{"v1.2.2", "v1.2.3"} {
				if err := publishAll(t.Context(), open(t, whole), delivery(t, tag)); err != nil {
					t.Fatal(err)
				}
			}
			want := contents(t, whole)
			for n := 1; ; n++ {
				m := &mortal{last: n}
				store := memory.New(memory.Options{Now: clock, Unconditional: unconditional, Fault: m.fault})
				if err := publishAll(t.Context(), open(t, store), delivery(t, "v1.2.2")); err != nil {
					t.Fatal(err)
				}
				m.arm(true)
				err := publishAll(t.Context(), open(t, store), delivery(t, "v1.2.3"))
				m.arm(false)
				if err == nil {
					if n < 20 {
						t.Fatalf("only %d requests were tried", n)
					}
					return
				}
				if !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				checkNamesWhatIsThere(t, store)
				if n%3 == 0 { // somebody else refreshes the list meanwhile
					if _, err := open(t, store).Refresh(t.Context(), st); err != nil {
						t.Fatal(err)
					}
					checkNamesWhatIsThere(t, store)
				}
				if err := publishAll(t.Context(), open(t, store), delivery(t, "v1.2.3")); err != nil {
					t.Fatalf("killed at request %d, the rerun: %v", n, err)
				}
				checkNamesWhatIsThere(t, store)
				checkSame(t, n, contents(t, store), want)
			}
		})
	}
}

func checkSame(t *testing.T, n int, got, want map[string]string) {
	t.Helper()
	for key := range want {
		if !strings.HasSuffix(key, "/pages.json") && got[key] != want[key] {
			t.Fatalf("killed at request %d, %s is\n%s\nafter the rerun, want\n%s", n, key, got[key], want[key])
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Fatalf("killed at request %d, %s is there after the rerun", n, key)
		}
	}
}

// Publishers who come at once lose nothing of each other, with conditions of the
// store and without.
func TestManyPublishers(t *testing.T) {
	t.Parallel()
	for _, unconditional := range []bool{false, true} {
		t.Run(fmt.Sprintf("unconditional=%v", unconditional), func(t *testing.T) {
			t.Parallel()
			store := memory.New(memory.Options{Unconditional: unconditional})
			var wg sync.WaitGroup
			var want []string
			for i := range 12 {
				tag := fmt.Sprintf("v1.%d.0", i)
				want = append([]string{tag}, want...)
				d := delivery(t, tag)
				wg.Go(func() {
					if err := publishAll(t.Context(), open(t, store), d); err != nil {
						t.Errorf("%s: %v", tag, err)
					}
				})
			}
			wg.Wait()
			if got := readList(t, store).versions("Release"); !slices.Equal(got, want) {
				t.Errorf("the list names %v, want %v", got, want)
			}
			checkNamesWhatIsThere(t, store)
			page := contents(t, store)["_releases.html"]
			for _, tag := range want {
				if !strings.Contains(page, tag) {
					t.Errorf("the page does not name %s", tag)
				}
			}
		})
	}
}
