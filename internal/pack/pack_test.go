package pack

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// helperVar turns the test binary into a program that packs the folder in the
// variable: a umask and a peak of memory belong to a whole process.
const helperVar = "SLIPWAY_PACK_HELPER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVar); dir != "" {
		os.Exit(helper(dir))
	}
	os.Exit(m.Run())
}

var (
	amd64 = release.Platform{OS: "linux", Arch: "amd64"}
	armv6 = release.Platform{OS: "linux", Arch: "arm", Variant: "v6"}
)

// job is a folder with a source, binaries and a plan for them.
type job struct {
	Binaries []release.Binary
	Paths    []string // of the binaries, which their JSON leaves out
	Plan     release.Plan
	Parallel int
}

func helper(dir string) int {
	var j job
	b, err := os.ReadFile(filepath.Join(dir, "job.json"))
	if err == nil {
		err = json.Unmarshal(b, &j)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	for i := range j.Binaries {
		j.Binaries[i].Path = j.Paths[i]
	}
	made, err := Artifacts(context.Background(), j.options(dir))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v (%s)\n", err, release.HintOf(err))
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(struct {
		Made   []release.Artifact
		PeakKB int64
	}{made, peakKB()})
	return 0
}

func (j job) options(dir string) Options {
	return Options{Source: filepath.Join(dir, "source"), Dist: filepath.Join(dir, "dist"), Plan: j.Plan, Binaries: j.Binaries,
		Parallel: j.Parallel, Stage: progress.Discard.Stage("pack")}
}

// write makes files in dir; a name that ends in ! is executable, a text that
// begins with -> is a link.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, "!") {
			name, mode = strings.TrimSuffix(name, "!"), 0o755
		}
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if target, ok := strings.CutPrefix(text, "->"); ok && err == nil {
			err = os.Symlink(target, path)
		} else if err == nil {
			err = os.WriteFile(path, []byte(text), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// newJob makes a source and binaries of two builds on two platforms in dir,
// and a plan with an archive of each format for each platform.
func newJob(t *testing.T, dir string, size int) job {
	t.Helper()
	write(t, filepath.Join(dir, "source"), map[string]string{
		"LICENSE": "licence\n", "README.md": "# readme\n", "docs/guide.md": "guide\n", "docs/run.sh!": "#!/bin/sh\n",
		"docs/latest.md": "->guide.md", "NEWS": "->docs/guide.md", ".git/config": "no", "schema.json": "{}\n", "install.sh!": "#!/bin/sh\n",
	})
	j := job{Plan: release.Plan{Schema: release.PlanSchema, Project: "hello", Version: "1.2.3", Tag: "v1.2.3", Class: "stable",
		Commit: strings.Repeat("a", 40), Time: time.Date(2026, 3, 1, 12, 30, 1, 0, time.UTC), Files: []string{"schema.json", "*.sh"}}}
	random := rand.NewChaCha8([32]byte{})
	for _, p := range []release.Platform{amd64, armv6} {
		for _, id := range []string{"hello", "tool"} {
			content := make([]byte, size)
			_, _ = random.Read(content) // never errs
			for i := range content {
				content[i] &= 31 // so that it can be compressed
			}
			path := filepath.Join(dir, "bin", p.Slug(), id)
			write(t, dir, map[string]string{filepath.Join("bin", p.Slug(), id) + "!": string(content)})
			j.Paths = append(j.Paths, path)
			j.Binaries = append(j.Binaries, release.Binary{ID: id, Platform: p, Name: id, Path: path, Size: int64(size),
				Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(content))})
		}
		for _, format := range []string{"tar.gz", "tar.zst", "zip"} {
			j.archive(p, "hello_1.2.3_"+p.Slug()+"."+format, format, []string{"hello", "tool"}, "LICENSE*", "README.md", "docs/**", "NEWS", "nothing*")
		}
		j.archive(p, "hello-"+p.Slug(), "binary", []string{"hello"})
	}
	j.Plan.Assets = append(j.Plan.Assets, release.PlanAsset{Name: release.ChecksumsName, Kind: release.KindChecksums},
		release.PlanAsset{Name: release.ManifestName, Kind: release.KindManifest})
	return j
}

func (j *job) archive(p release.Platform, name, format string, builds []string, files ...string) {
	kind := release.KindArchive
	if format == "binary" {
		kind = release.KindBinary
	}
	j.Plan.Archives = append(j.Plan.Archives, release.PlanArchive{Name: name, Format: format, Platform: p, Builds: builds, Files: files})
	j.Plan.Assets = append(j.Plan.Assets, release.PlanAsset{Name: name, Kind: kind, Platform: &p})
}

func pack(t *testing.T, o Options) []release.Artifact {
	t.Helper()
	made, err := Artifacts(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func names(artifacts []release.Artifact) []string {
	var out []string
	for _, a := range artifacts {
		out = append(out, a.Name)
	}
	return out
}

func sh(t *testing.T, dir, script string) string {
	t.Helper()
	out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"sh", "-c", script}, Dir: dir, Env: []string{"TZ=UTC", "LC_ALL=C"}})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Every asset of the plan and every further file exists, in order, with the
// size and digest that it says; sha256sum and the manifest agree.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := newJob(t, dir, 1000)
	o := j.options(dir)
	o.Texts = []Text{{Name: release.FullNotesName, Kind: release.KindNotes, Content: []byte("notes\n")}}
	made := pack(t, o)
	want := []string{
		"hello_1.2.3_linux_amd64.tar.gz", "hello_1.2.3_linux_amd64.tar.zst", "hello_1.2.3_linux_amd64.zip", "hello-linux_amd64",
		"hello_1.2.3_linux_armv6.tar.gz", "hello_1.2.3_linux_armv6.tar.zst", "hello_1.2.3_linux_armv6.zip", "hello-linux_armv6",
		"install.sh", "schema.json", "NOTES.md", "checksums.txt", "slipway.json",
	}
	if d := cmp.Diff(want, names(made)); d != "" {
		t.Fatal(d)
	}
	for _, a := range made {
		size, digest, err := dist.HashFile(a.Path)
		if err != nil || size != a.Size || digest != a.Digest || a.Path != filepath.Join(dir, "dist", a.Name) {
			t.Errorf("%+v is %d %s %v", a, size, digest, err)
		}
	}
	if made[4].Kind != release.KindArchive || *made[4].Platform != armv6 || made[7].Kind != release.KindBinary || made[8].Kind != release.KindFile || made[10].Kind != release.KindNotes {
		t.Errorf("kinds or platforms are wrong: %+v", made)
	}
	if got := strings.Count(sh(t, o.Dist, "sha256sum -c --strict checksums.txt && cut -c67- checksums.txt | sort -c"), ": OK\n"); got != 11 {
		t.Errorf("sha256sum checks %d files, want 11", got)
	}
	b, err := os.ReadFile(filepath.Join(o.Dist, "slipway.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := release.DecodeManifest(b)
	if err != nil || m.PlanHash != j.Plan.Hash() {
		t.Errorf("manifest: %+v, %v", m, err)
	}
	if d := cmp.Diff(made[:12], m.Artifacts, cmpopts.IgnoreFields(release.Artifact{}, "Path")); d != "" {
		t.Error(d)
	}
	want = []string{".slipway 755"}
	for _, a := range made {
		mode := "644"
		if a.Kind == release.KindBinary || a.Name == "install.sh" {
			mode = "755"
		}
		want = append(want, a.Name+" "+mode)
	}
	slices.Sort(want)
	if d := cmp.Diff(want, strings.Split(strings.TrimSpace(sh(t, o.Dist, "stat -c '%n %a' .[!.]* * | sort")), "\n")); d != "" {
		t.Errorf("in dist: %s", d)
	}
}

// The system's own tar and unzip read the archives: owner 0, the plan's time,
// two modes, links that stay inside, the same content in each format.
func TestArchivesAreReadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := newJob(t, dir, 100_000)
	pack(t, j.options(dir))
	const base = "dist/hello_1.2.3_linux_amd64."
	want := `-rw-r--r-- 0/0 8 2026-03-01 12:30:01 LICENSE
lrwxrwxrwx 0/0 0 2026-03-01 12:30:01 NEWS -> docs/guide.md
-rw-r--r-- 0/0 9 2026-03-01 12:30:01 README.md
-rw-r--r-- 0/0 6 2026-03-01 12:30:01 docs/guide.md
lrwxrwxrwx 0/0 0 2026-03-01 12:30:01 docs/latest.md -> guide.md
-rwxr-xr-x 0/0 10 2026-03-01 12:30:01 docs/run.sh
-rwxr-xr-x 0/0 100000 2026-03-01 12:30:01 hello
-rwxr-xr-x 0/0 100000 2026-03-01 12:30:01 tool
`
	for _, ending := range []string{"tar.gz", "tar.zst"} {
		if d := cmp.Diff(want, sh(t, dir, "tar --full-time --numeric-owner -tvf "+base+ending+" | sed 's/  */ /g'")); d != "" {
			t.Errorf("%s: %s", ending, d)
		}
	}
	sh(t, dir, `mkdir a b c && tar -C a -xf `+base+`tar.gz && tar -C b -xf `+base+`tar.zst && unzip -q -d c `+base+`zip &&
		diff -r a b && diff -r a c && cmp a/hello bin/linux_amd64/hello && cmp dist/hello-linux_amd64 a/hello &&
		test "$(stat -c %a-%Y c/hello)" = "$(stat -c %a-%Y a/hello)" && test -L c/NEWS`)
}

// The same content gives the same bytes from another folder, umask, clock and
// user's umask-shaped modes, whatever runs in parallel.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	run := func(umask string, parallel int, env ...string) []release.Artifact {
		dir := filepath.Join(t.TempDir(), strings.Repeat("x", parallel*5))
		j := newJob(t, dir, 300_000)
		j.Parallel = parallel
		b, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, map[string]string{"job.json": string(b)})
		if umask != "022" {
			sh(t, dir, "chmod -R go-rwx source bin; find source -type f -exec touch -d 1999-01-01 {} +")
		}
		out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"sh", "-c", `umask "$0" && exec "$1"`, umask, os.Args[0]}, Env: append(env, helperVar+"="+dir)})
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Made []release.Artifact }
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		if modes := sh(t, dir, "stat -c %a dist/* | sort -u"); modes != "644\n755\n" {
			t.Errorf("modes in dist with umask %s: %q", umask, modes)
		}
		return got.Made
	}
	if d := cmp.Diff(run("022", 1), run("077", 4, "TZ=Asia/Tokyo", "HOME=/nowhere", "USER=other")); d != "" {
		t.Error(d)
	}
}

// With nothing changed nothing is written; what changed, was tampered with or
// was left by a killed run is made anew, and comes out the same.
func TestRepack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := newJob(t, dir, 1000)
	o := j.options(dir)
	first := pack(t, o)
	inode := func() map[string]string {
		out := map[string]string{}
		for line := range strings.Lines(sh(t, o.Dist, "stat -c '%n %i-%Z' *")) {
			name, rest, _ := strings.Cut(line, " ")
			out[name] = rest
		}
		return out
	}
	changed := func(change string, want ...string) {
		t.Helper()
		before := inode()
		if d := cmp.Diff(first, pack(t, o)); d != "" && change != "readme" {
			t.Errorf("%s: %s", change, d)
		}
		var got []string
		for name, i := range inode() {
			if before[name] != i {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", change, d)
		}
	}
	changed("nothing")
	write(t, o.Dist, map[string]string{"hello_1.2.3_linux_amd64.zip": "broken", "checksums.txt": "broken", ".slipway/pack/tmp/123": "half"})
	changed("tampered", "checksums.txt", "hello_1.2.3_linux_amd64.zip")
	write(t, o.Dist, map[string]string{".slipway/pack/records/schema.json.json": "{"})
	changed("cut record", "schema.json")
	if left, _ := os.ReadDir(filepath.Join(o.Dist, ".slipway/pack/tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	write(t, o.Source, map[string]string{"README.md": "# other\n"})
	changed("readme", "checksums.txt", "hello_1.2.3_linux_amd64.tar.gz", "hello_1.2.3_linux_amd64.tar.zst", "hello_1.2.3_linux_amd64.zip",
		"hello_1.2.3_linux_armv6.tar.gz", "hello_1.2.3_linux_armv6.tar.zst", "hello_1.2.3_linux_armv6.zip", "slipway.json")
}

// What an earlier plan left is removed; what someone else put there stays, even
// under a name that was Slipway's.
func TestStaleFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := newJob(t, dir, 100)
	o := j.options(dir)
	pack(t, o)
	write(t, o.Dist, map[string]string{"mine.txt": "mine", "hello_1.2.3_linux_armv6.zip": "mine now"})
	o.Plan.Archives, o.Plan.Assets, o.Plan.Files = o.Plan.Archives[:1], slices.Delete(slices.Clone(o.Plan.Assets), 1, 8), nil
	pack(t, o)
	if got := sh(t, o.Dist, "ls"); got != "checksums.txt\nhello_1.2.3_linux_amd64.tar.gz\nhello_1.2.3_linux_armv6.zip\nmine.txt\nslipway.json\n" {
		t.Errorf("dist has %s", got)
	}
}

// A cancelled pack ends with the context's error and leaves no half file under
// a final name.
func TestCancel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := newJob(t, dir, 5_000_000)
	o := j.options(dir)
	ctx, cancel := context.WithCancel(t.Context())
	o.Stage = cancelAt{cancel}
	if _, err := Artifacts(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if got := sh(t, o.Dist, "ls; ls .slipway/pack/tmp"); got != "" {
		t.Errorf("left behind: %s", got)
	}
	o.Stage = progress.Discard.Stage("pack")
	pack(t, o)
}

// cancelAt ends the context once half a megabyte is read.
type cancelAt struct{ cancel func() }

func (c cancelAt) Task(string, int64) progress.Task { return c }
func (c cancelAt) Done(string, error)               {}
func (cancelAt) Output(string)                      {}

func (c cancelAt) At(n int64) {
	if n > 500_000 {
		c.cancel()
	}
}

// A full disk is told in words with what to do, and leaves no half file.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := json.Marshal(newJob(t, dir, 3_000_000))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"job.json": string(b), "dist/here": ""})
	// A mount of its own, gone with the process; as root, or as root of a
	// namespace.
	args := []string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=2m tmpfs dist || exit 77; "$0"; echo "exit $?"; ls dist`, os.Args[0]}
	if os.Getuid() != 0 {
		args = slices.Insert(args, 1, "--map-root-user")
	}
	var said strings.Builder
	err = proc.Run(t.Context(), proc.Cmd{Args: args, Dir: dir, Env: []string{helperVar + "=" + dir}, Stderr: &said, Merged: true})
	var e *proc.Error
	if errors.As(err, &e) && (e.Code == 77 || e.Code == 1 || e.Code == -1) && os.Getenv("CI") != "true" {
		t.Skipf("this user may not mount a small file system: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := said.String(); !strings.Contains(got, "no space left on device (free some space there and run again") || !strings.HasSuffix(got, "\nexit 1\n") {
		t.Errorf("it says %s", got)
	}
}

// Packing 4 archives of 20 MB at a time stays under 60 MB of memory.
func TestMemory(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("under the race detector the peak is the detector's own; the run without it measures")
	}
	for _, format := range []string{"tar.gz", "tar.zst", "zip"} {
		t.Run(format, func(t *testing.T) {
			dir := t.TempDir()
			j := newJob(t, dir, 20_000_000)
			j.Parallel = 4
			j.Plan.Archives, j.Plan.Assets, j.Plan.Files = nil, nil, nil
			for i, b := range j.Binaries {
				j.archive(b.Platform, fmt.Sprintf("a%d.%s", i, format), format, []string{b.ID})
			}
			b, err := json.Marshal(j)
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir, map[string]string{"job.json": string(b)})
			out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{os.Args[0]}, Env: []string{helperVar + "=" + dir}})
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Made   []release.Artifact
				PeakKB int64
			}
			if err := json.Unmarshal(out, &got); err != nil || len(got.Made) != 4 {
				t.Fatal(string(out), err)
			}
			t.Logf("peak %d kB", got.PeakKB)
			if got.PeakKB > 60_000 {
				t.Errorf("peak is %d kB", got.PeakKB)
			}
		})
	}
}
