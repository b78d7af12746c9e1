package bot

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/release"
)

// A repository's buckets and their keys come from one place: its own, or its
// forge's; a repository that is given none of its own has none.
func TestSettingsOfBuckets(t *testing.T) {
	t.Parallel()
	c, err := load(t, t.TempDir(), `forges:
  - {server: git.example, token: t, secrets: [s], repositories: ['*/*'], s3-buckets: ['https://garage.example/all'], s3-access-key: $KEY, s3-secret-key: $SECRET}
repositories:
  - {match: acme/own, s3-buckets: ['https://garage.example/own/folder/'], s3-access-key: mine, s3-secret-key: $OTHER}
  - {match: acme/none, s3-buckets: []}
  - {match: acme/work, host-builds: allow}
  - {match: acme/w*, s3-buckets: ['https://garage.example/never'], s3-access-key: a, s3-secret-key: b}
`, "KEY=key", "SECRET=secret", "OTHER=other", "SLIPWAY_BOT_FORGES_0_S3_BUCKETS=https://garage.example/x, https://garage.example/y")
	if err != nil {
		t.Fatal(err)
	}
	for repository, want := range map[string]Settings{
		"Acme/Own":  {Buckets: []string{"https://garage.example/own/folder/"}, S3AccessKey: "mine", S3SecretKey: "other"},
		"acme/none": {Buckets: []string{}},
		"acme/work": {Buckets: []string{"https://garage.example/x", "https://garage.example/y"}, S3AccessKey: "key", S3SecretKey: "secret"},
		"else/what": {Buckets: []string{"https://garage.example/x", "https://garage.example/y"}, S3AccessKey: "key", S3SecretKey: "secret"},
	} {
		s := c.Settings(c.Forges[0], repository)
		got := Settings{Buckets: s.Buckets, S3AccessKey: s.S3AccessKey, S3SecretKey: s.S3SecretKey}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", repository, diff)
		}
	}
	if diff := cmp.Diff([]string{"KEY", "OTHER", "SECRET", "SLIPWAY_BOT_FORGES_0_S3_BUCKETS"}, c.Variables); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

// Any bytes are a config or a list of problems.
func FuzzLoadConfig(f *testing.F) {
	for _, seed := range []string{tea, "forges: [{app: {id: 1}}]", "a: &a [*a]", "workers: 9999999999999999999999", "keep: 99999d", "<<: {a: b}", "forges: [[[[", "\xff", "? a\n: b", "repositories: [{match: '[', work: ~}]"} {
		f.Add([]byte(seed), "SLIPWAY_BOT_FORGES_0_TOKEN=x")
	}
	f.Fuzz(func(t *testing.T, data []byte, variable string) {
		name := filepath.Join(t.TempDir(), "bot.yaml")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadConfig(name, []string{variable}, "/cache")
		if err != nil && release.KindOf(err) != release.Invalid {
			t.Errorf("%v", err)
		}
	})
}
