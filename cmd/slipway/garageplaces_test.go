package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// Promise: a repository publishes nowhere but where bot.yaml lets it. What it may
// not is refused before anything is built, with the reason.
func TestGarageRefusesOtherPlaces(t *testing.T) {
	t.Parallel()
	server, bucket, _, store := bucketOf(t)
	www, w := t.TempDir(), newWork(t)
	s := newBotGitea(t, rig{project: w.project("promote: {require: []}"),
		forge: "host-builds: refuse, " + bucketSettings(server.Endpoint, bucket+"/hello")})
	s.giveKeys(server)
	s.begin(t)
	issue := s.repo.OpenIssue(t, "release")
	s3 := func(more string) string {
		return "publish: {s3: {endpoint: '" + server.Endpoint + "', bucket: " + more + "}"
	}
	// Images that nobody has: before they are needed, the place is refused.
	contained := strings.ReplaceAll(w.project("promote: {require: []}"), "builder: command", "builder: command\n    image: "+realtest.Registry(t)+"/nowhere/image")
	may := "may not publish to bucket "
	cases := []struct{ publish, says string }{
		{s3("another-bucket") + "}", may + "another-bucket at " + server.Endpoint},
		{s3(bucket) + "}", "add it to the repository's `s3-buckets` in bot.yaml: " + server.Endpoint + "/" + bucket + ")"},
		{s3(bucket+", prefix: hello/r") + ", index: {html: index.html}}", may + bucket},
		{s3(bucket+", prefix: hello2/r") + "}", server.Endpoint + "/" + bucket + "/hello2)"},
		{"publish: {s3: {endpoint: 'http://127.0.0.1:1', bucket: " + bucket + ", prefix: hello/r}}", "at http://127.0.0.1:1, folder hello/r"},
		{"publish: {s3: {bucket: " + bucket + ", prefix: hello/r}}", "publish.s3 names no server"},
		{"publish: {folder: {path: " + www + ", url: 'https://hello.example'}}", "is a folder of the bot's machine"},
	}
	refs, commits := []string{"refs/heads/main"}, []string{}
	for i, c := range cases {
		tag := fmt.Sprintf("v1.0.%d", i)
		s.write(t, map[string]string{".slipway.yaml": contained + c.publish + "\n"})
		mustRun(t, s.dir, nil, "git", "commit", "--quiet", "--all", "--message", "ci: publish elsewhere")
		mustRun(t, s.dir, nil, "git", "tag", tag)
		refs, commits = append(refs, "refs/tags/"+tag), append(commits, s.head(t))
	}
	s.repo.PushNow(t, s.dir, refs...)
	for i, c := range cases {
		if got := s.refusal(t, fmt.Sprintf("v1.0.%d", i)); !strings.Contains(got, c.says) {
			t.Errorf("%s: it says %s, want %s", c.publish, got, c.says)
		}
		s.status(t, commits[i], "failure")
	}
	s.ask(t, issue, "/promote v2.0.0", "is a folder of the bot's machine")
	if got := keys(t, store); len(got) > 0 || len(w.versions(t)) > 0 || s.tags(t) != "[]" {
		t.Errorf("there are %v, built %v, released %s", got, w.versions(t), s.tags(t))
	}
	if left, err := os.ReadDir(www); err != nil || len(left) > 0 {
		t.Errorf("the folder has %v, %v", left, err)
	}
	if s.log.count(server.SecretKey) > 0 {
		t.Error("the secret key is in the log")
	}
}

// refusal waits for a tag's release to be refused, and gives the reason.
func (s *botGitea) refusal(t *testing.T, tag string) (reason string) {
	t.Helper()
	eventually(t, tag+" is refused", func() bool {
		for _, row := range s.list(t, "operations", "--state", "refused") {
			if row["ref"] == "refs/tags/"+tag {
				reason = fmt.Sprint(row["summary"])
				return true
			}
		}
		return false
	})
	return reason
}

// In the folder that bot.yaml names, a repository publishes what it likes, and with
// its builds plain on the machine even to a folder there; a wrong key is told of
// without its secret, before anything is built.
func TestGaragePublishesWhereItMay(t *testing.T) {
	t.Parallel()
	server, bucket, _, store := bucketOf(t)
	www, w := t.TempDir(), newWork(t)
	s := newBotGitea(t, rig{forge: "host-builds: allow, " + bucketSettings(server.Endpoint, "other", bucket+"/hello/"), project: w.project("publish:\n" +
		"  s3: {endpoint: '" + server.Endpoint + "', bucket: " + bucket + ", prefix: hello/r}\n  folder: {path: " + www + ", url: 'https://hello.example'}")})
	good := s.env
	s.env = append(slices.Clone(good), "GARAGE_KEY="+server.AccessKey, "GARAGE_SECRET=no-such-secret")
	s.begin(t)
	s.pushTags(t, "v1.0.0")
	s.status(t, s.head(t), "failure")
	s.settled(t, "release", "[release v1.0.0 refused]")
	said := fmt.Sprint(s.list(t, "operations", "--state", "refused")) + s.log.String()
	if !strings.Contains(said, bucket) || strings.Contains(said, "no-such-secret") || len(w.versions(t)) > 0 {
		t.Errorf("built %v; it says %s", w.versions(t), said)
	}
	s.stop(t)
	s.env = good
	s.giveKeys(server)
	s.start(t)
	issue := s.repo.OpenIssue(t, "release")
	s.ask(t, issue, "/retry v1.0.0", "v1.0.0 is tried again")
	s.settled(t, "release", "[release v1.0.0 done]")
	const binary = "r/v1.0.0/x86_64-unknown-linux-musl/hello"
	if got := keys(t, store); !slices.Contains(got, "hello/"+binary) || !slices.Contains(got, "hello/r.json") {
		t.Errorf("the bucket has %v", got)
	}
	from, _, err := store.Open(t.Context(), "hello/"+binary)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	inBucket, err := io.ReadAll(from)
	if err != nil || string(inBucket) != "hello 1.0.0" {
		t.Errorf("%q, %v", inBucket, err)
	}
	if got := mustRead(t, filepath.Join(www, "_releases", "v1.0.0", "x86_64-unknown-linux-musl", "hello")); !bytes.Equal(got, inBucket) {
		t.Errorf("the folder has %q", got)
	}
	if got := w.versions(t); len(got) != 1 {
		t.Errorf("built %v", got)
	}
}
