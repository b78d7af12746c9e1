package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/ledger"
	"github.com/slipway-dev/slipway/internal/publish"
	"github.com/slipway-dev/slipway/internal/realtest"
	"github.com/slipway-dev/slipway/internal/state"
)

// garage is Garage's release process on real servers: a repository on Gitea with
// a bot, whose releases go to a bucket and a registry.
type garage struct {
	*botGitea
	server   realtest.S3Server
	bucket   string
	store    publish.Store // a way into the bucket besides the bot's
	registry string
	image    string // the images' repository
	notes    string // file in which every build notes its environment
}

// The targets of Garage's releases, and what the ELF header of each says.
var garageTargets = map[string]elf.Machine{
	"x86_64-unknown-linux-musl": elf.EM_X86_64, "i686-unknown-linux-musl": elf.EM_386,
	"aarch64-unknown-linux-musl": elf.EM_AARCH64, "arm-unknown-linux-musleabihf": elf.EM_ARM,
}

const garageProject = `project: garage
promote: {require: []}
schedule: [{cron: '0 4 * * 1', class: development}]
test: [{name: look, run: 'env >> NOTES'}]
builds: [{id: garage}]
images: [{id: garage, repository: IMAGE}]
publish: {s3: {endpoint: 'ENDPOINT', bucket: BUCKET}}
`

const garageMain = `package main

var version string

func main() { println("garage " + version) }
`

// bucketSettings are the keys of bot.yaml that let a forge's repositories publish.
func bucketSettings(endpoint string, buckets ...string) string {
	for i, b := range buckets {
		buckets[i] = "'" + endpoint + "/" + b + "'"
	}
	return "s3-buckets: [" + strings.Join(buckets, ", ") + "], s3-access-key: $GARAGE_KEY, s3-secret-key: '${GARAGE_SECRET}'"
}

func (s *botGitea) giveKeys(server realtest.S3Server) {
	s.env = append(s.env, "GARAGE_KEY="+server.AccessKey, "GARAGE_SECRET="+server.SecretKey, noDocker)
}

func newGarage(t *testing.T) *garage {
	t.Helper()
	g := &garage{registry: realtest.Registry(t), notes: filepath.Join(t.TempDir(), "notes")}
	g.server, g.bucket, _, g.store = bucketOf(t)
	g.server.Open(t, g.bucket)
	g.botGitea = newBotGitea(t, rig{forge: "host-builds: allow, " + bucketSettings(g.server.Endpoint, g.bucket)})
	g.giveKeys(g.server)
	g.image = strings.ToLower(g.repo.FullName())
	g.begin(t)
	g.push(t, map[string]string{"go.mod": "module example.com/garage\n\ngo 1.21\n", "main.go": garageMain,
		".slipway.yaml": strings.NewReplacer("NOTES", g.notes, "IMAGE", g.registry+"/"+g.image, "ENDPOINT", g.server.Endpoint, "BUCKET", g.bucket).Replace(garageProject)}, "feat: a server")
	return g
}

// ended waits until operations are done, such as "release v1.2.3": then the
// bucket has the release, too.
func (g *garage) ended(t *testing.T, operations ...string) {
	t.Helper()
	for _, op := range operations {
		eventually(t, op+" is done", func() bool {
			all := g.operations(t, "release", "promote")
			if slices.Contains(all, op+" failed") || slices.Contains(all, op+" refused") {
				t.Fatalf("%v", all)
			}
			return slices.Contains(all, op+" done")
		})
	}
}

// aWeekGoesBy while the bot is off: it is as if it had last looked at its
// schedules a week ago.
func (g *garage) aWeekGoesBy(t *testing.T) {
	t.Helper()
	eventually(t, "the schedule is known", func() bool { return g.log.count("The default branch has 1 schedule") > 0 })
	g.stop(t)
	store, db, err := ledger.OpenState(t.Context(), "sqlite:"+filepath.Join(g.data, "slipway-bot.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n := 0
	for e, err := range store.Scan(t.Context(), "bot/schedules") {
		var table map[string]any
		if err == nil {
			err = json.Unmarshal(e.Value, &table)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range table["entries"].([]any) {
			n++
			one.(map[string]any)["last"] = time.Now().UTC().Add(-7 * 24 * time.Hour)
		}
		text, err := json.Marshal(table)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := state.Save(t.Context(), store, e.Ref, json.RawMessage(text), e.Version); err != nil {
			t.Fatal(err)
		}
	}
	if n != 1 {
		t.Fatalf("%d schedules", n)
	}
	g.start(t)
}

// read is what anybody reads of the bucket.
func (g *garage) read(t *testing.T, key string) []byte {
	t.Helper()
	return fetch(t, g.server.Endpoint+"/"+g.bucket+"/"+key)
}

// install is an installer's line: the URLs of the newest stable release.
func (g *garage) install(t *testing.T, target string) []string {
	t.Helper()
	list := filepath.Join(t.TempDir(), "list.json")
	if err := os.WriteFile(list, g.read(t, "_releases.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	return strings.Fields(mustRun(t, "", nil, realtest.Program(t, "jq", "jq"), "-r",
		`.[] | select(.name=="Release") | .builds[0].builds[] | select(.platform=="`+target+`") | .url`, list))
}

// The last mile of Garage, whole: a weekly tick, a promotion by hand and pushed
// tags come to releases, each with four static binaries in the bucket and an image
// of four platforms; page, list and feed tell of all of them, and an installer
// gets the newest stable one. What is deleted by hand is gone from the list after
// a refresh.
func TestGarage(t *testing.T) {
	t.Parallel()
	g := newGarage(t)
	first := g.head(t)
	g.aWeekGoesBy(t)
	g.released(t, "dev-"+first[:12])
	g.ended(t, "release main")

	g.pushTags(t, "v0.10.0", "v1.2.3-rc1")
	g.ended(t, "release v0.10.0", "release v1.2.3-rc1")
	if got := g.install(t, "i686-unknown-linux-musl"); len(got) != 1 || !strings.Contains(got[0], "/v0.10.0/") {
		t.Errorf("with an extra build the newest stable one is %v", got)
	}

	g.repo.CommitFile(t, "one", "one.txt", "1", "feat: one")
	pull := g.repo.OpenPull(t, "one")
	merged := g.repo.Merge(t, pull)
	g.ask(t, pull, "/promote v0.9.0", "v0.9.0 is published")
	g.status(t, merged, "success")
	if got := g.install(t, "aarch64-unknown-linux-musl"); len(got) != 1 || !strings.Contains(got[0], "/v0.10.0/") {
		t.Errorf("with v0.9.0 after v0.10.0 the newest is %v", got)
	}
	g.ask(t, pull, "/promote v1.2.3-rc1 to stable", "v1.2.3 is published")
	g.ended(t, "promote v0.9.0", "promote v1.2.3")

	names := []string{first, "v0.10.0", "v1.2.3-rc1", "v0.9.0", "v1.2.3"}
	g.checkBinaries(t, names)
	g.checkImages(t, map[string]string{"main": first, "v1.2.3-rc1": first, "0.10.0": first, "0.9.0": merged, "1.2.3": first, "latest": first})
	g.checkLists(t, first)
	g.checkInstalled(t)
	g.checkRefresh(t)
	if got := g.operations(t, "schedule"); len(got) != 1 {
		t.Errorf("the tick came %d times: %v", len(got), got)
	}
	g.checkSecrets(t, pull)
}

// checkBinaries looks at the layout of the bucket, and at each binary. The bits of
// a promoted release are its source's.
func (g *garage) checkBinaries(t *testing.T, names []string) {
	t.Helper()
	sums := map[string]string{}
	for _, name := range names {
		for target, machine := range garageTargets {
			bits := g.read(t, "_releases/"+name+"/"+target+"/garage")
			checkStatic(t, name+" for "+target, bits, machine)
			sum := sha256.Sum256(bits)
			sums[name+target] = hex.EncodeToString(sum[:])
		}
	}
	for target := range garageTargets {
		if sums["v1.2.3"+target] != sums["v1.2.3-rc1"+target] || sums["v1.2.3"+target] == sums["v0.10.0"+target] {
			t.Errorf("%s: the promoted bits are %s, those of its source %s", target, sums["v1.2.3"+target], sums["v1.2.3-rc1"+target])
		}
	}
	// Nothing else lies there, and nothing is staged any more.
	for _, key := range keys(t, g.store) {
		name, _, _ := strings.Cut(strings.TrimPrefix(key, "_releases/"), "/")
		if strings.HasPrefix(key, "_releases/.slipway/staged/") || strings.HasPrefix(key, "_releases/") && name != ".slipway" && !slices.Contains(names, name) {
			t.Errorf("%s lies in the bucket", key)
		}
	}
}

func checkStatic(t *testing.T, what string, bits []byte, machine elf.Machine) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(bits))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if f.Machine != machine {
		t.Errorf("%s is for %s", what, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("%s is dynamically linked", what)
		}
	}
	info, err := buildinfo.Read(bytes.NewReader(bits))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for _, s := range info.Settings {
		if s.Key == "GOARM" && s.Value != "6" || s.Key == "CGO_ENABLED" && s.Value != "0" {
			t.Errorf("%s has %s=%s", what, s.Key, s.Value)
		}
	}
}

// checkImages looks at the tags in the registry: each is an index of four
// platforms, made from the commit; promoted, it is its source's.
func (g *garage) checkImages(t *testing.T, commits map[string]string) {
	t.Helper()
	digests := map[string]string{}
	for tag, commit := range commits {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.registry+"/v2/"+g.image+"/manifests/"+tag, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/vnd.oci.image.index.v1+json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var index struct {
			Annotations map[string]string
			Manifests   []struct {
				Platform struct{ OS, Architecture, Variant string }
			}
		}
		err = json.NewDecoder(res.Body).Decode(&index)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("image %s: %s, %v", tag, res.Status, err)
			continue
		}
		var platforms []string
		for _, m := range index.Manifests {
			platforms = append(platforms, strings.TrimRight(m.Platform.OS+"/"+m.Platform.Architecture+"/"+m.Platform.Variant, "/"))
		}
		slices.Sort(platforms)
		if diff := cmp.Diff([]string{"linux/386", "linux/amd64", "linux/arm/v6", "linux/arm64"}, platforms); diff != "" {
			t.Errorf("image %s (-want +got):\n%s", tag, diff)
		}
		if got := index.Annotations["org.opencontainers.image.revision"]; got != commit {
			t.Errorf("image %s is of commit %s, want %s", tag, got, commit)
		}
		digests[tag] = res.Header.Get("Docker-Content-Digest")
	}
	if digests["1.2.3"] != digests["v1.2.3-rc1"] || digests["latest"] != digests["1.2.3"] || digests["0.10.0"] == digests["1.2.3"] {
		t.Errorf("digests: %v", digests)
	}
}

// garageBuild has the fields of Garage's list, all of them text.
type garageBuild struct{ Date, Time, Size, Path, Root, Version, Platform, Binary, URL string }

// checkLists looks at the list, as Garage's installers and its page know it, and
// whether page and feed name what it names.
func (g *garage) checkLists(t *testing.T, first string) {
	t.Helper()
	var groups []struct {
		Name, Type, Description string
		Hide                    *bool
		Builds                  []struct {
			Version string
			Builds  []garageBuild
		}
	}
	if err := json.Unmarshal(g.read(t, "_releases.json"), &groups); err != nil {
		t.Fatal(err)
	}
	page, feed := string(g.read(t, "_releases.html")), string(g.read(t, "_releases.atom"))
	var got []string
	for _, group := range groups {
		if group.Description == "" || group.Hide == nil || *group.Hide != (group.Name != "Release") {
			t.Errorf("group %s is hidden: %v, and described as %q", group.Name, group.Hide, group.Description)
		}
		line := group.Name + " " + group.Type
		for _, v := range group.Builds {
			line += " " + v.Version
			var targets []string
			for _, b := range v.Builds {
				targets = append(targets, b.Platform)
				g.checkBuild(t, v.Version, b)
			}
			if slices.Sort(targets); !slices.Equal(targets, slices.Sorted(maps.Keys(garageTargets))) {
				t.Errorf("%s has builds for %v", v.Version, targets)
			}
			for what, text := range map[string]string{"page": page, "feed": feed} {
				if !strings.Contains(text, v.Version) {
					t.Errorf("the %s does not name %s", what, v.Version)
				}
			}
		}
		got = append(got, line)
	}
	want := []string{"Release tag v1.2.3 v0.10.0 v0.9.0", "Extra tag v1.2.3-rc1", "Development commit " + first}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the list (-want +got):\n%s", diff)
	}
}

func (g *garage) checkBuild(t *testing.T, version string, b garageBuild) {
	t.Helper()
	if _, err := time.Parse(time.DateTime, b.Date+" "+b.Time); err != nil {
		t.Errorf("%s: %v", b.Path, err)
	}
	path := "_releases/" + version + "/" + b.Platform + "/garage"
	if o, err := g.store.Stat(t.Context(), path); err != nil || b.Size != fmt.Sprint(o.Size) {
		t.Errorf("%s: size %s, want %d, %v", path, b.Size, o.Size, err)
	}
	b.Date, b.Time, b.Size = "", "", ""
	want := garageBuild{Path: path, Root: "_releases", Version: version, Platform: b.Platform, Binary: "garage", URL: g.server.Endpoint + "/" + g.bucket + "/" + path}
	if b != want {
		t.Errorf("a build in the list is %+v, want %+v", b, want)
	}
}

// checkInstalled runs what installers get on this machine.
func (g *garage) checkInstalled(t *testing.T) {
	t.Helper()
	for _, target := range []string{"x86_64-unknown-linux-musl", "i686-unknown-linux-musl"} {
		urls := g.install(t, target)
		if len(urls) != 1 {
			t.Fatalf("an installer finds %v", urls)
		}
		file := filepath.Join(t.TempDir(), "garage")
		if err := os.WriteFile(file, fetch(t, urls[0]), 0o755); err != nil {
			t.Fatal(err)
		}
		// The promoted bits are the prerelease's, and say so.
		if got := mustRun(t, "", nil, file); got != "garage 1.2.3-rc1\n" {
			t.Errorf("%s says %q", urls[0], got)
		}
	}
}

// checkRefresh deletes an object by hand.
func (g *garage) checkRefresh(t *testing.T) {
	t.Helper()
	const target = "x86_64-unknown-linux-musl"
	key := "_releases/v1.2.3/" + target + "/garage"
	if err := g.store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	env := append(cleanEnv(t, t.TempDir()), "SLIPWAY_S3_ACCESS_KEY_ID="+g.server.AccessKey, "SLIPWAY_S3_SECRET_ACCESS_KEY="+g.server.SecretKey)
	out := mustRun(t, g.dir, env, "slipway", "index", "refresh", "--forge", "gitea", "--server", g.repo.Server.URL, "--repo", g.repo.FullName())
	if !strings.Contains(out, "gone: "+key) {
		t.Errorf("the refresh says\n%s", out)
	}
	if got := g.install(t, target); len(got) > 0 {
		t.Errorf("after the refresh the list names %v", got)
	}
	if got := g.install(t, "i686-unknown-linux-musl"); len(got) != 1 || !strings.Contains(got[0], "/v1.2.3/") {
		t.Errorf("after the refresh the newest for another platform is %v", got)
	}
	if strings.Contains(string(g.read(t, "_releases.html")), key) {
		t.Error("the page names what is gone")
	}
}

// checkSecrets looks for the bot's keys: in what builds see, in the log, in what
// the bot keeps on disk and in what it says.
func (g *garage) checkSecrets(t *testing.T, pull int) {
	t.Helper()
	notes := string(mustRead(t, g.notes))
	if strings.Count(notes, "SLIPWAY_VERSION=") != 4 {
		t.Errorf("the builds have noted\n%s", notes)
	}
	for _, bad := range []string{"GARAGE_KEY", "GARAGE_SECRET", "=" + g.server.AccessKey + "\n"} {
		if strings.Contains(notes, bad) {
			t.Errorf("builds see %q", bad)
		}
	}
	places := map[string]string{"builds": notes, "log": g.log.String(), "comments": strings.Join(g.answers(t, pull), "\n")}
	for what, text := range places {
		if strings.Contains(text, g.server.SecretKey) {
			t.Errorf("the secret key is in the %s", what)
		}
	}
	err := filepath.WalkDir(g.data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && bytes.Contains(mustRead(t, path), []byte(g.server.SecretKey)) {
			t.Errorf("the secret key is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
