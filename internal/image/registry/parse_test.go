package registry

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-dev/slipway/internal/release"
)

// References get docker's canonical form.
func TestNormalize(t *testing.T) {
	t.Parallel()
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for in, want := range map[string]string{
		"debian":                         "docker.io/library/debian:latest",
		"debian:13":                      "docker.io/library/debian:13",
		"index.docker.io/acme/hello":     "docker.io/acme/hello:latest",
		"ghcr.io/acme/hello:1.2.3":       "ghcr.io/acme/hello:1.2.3",
		"localhost:5000/hello":           "localhost:5000/hello:latest",
		"debian@" + digest:               "docker.io/library/debian@" + digest,
		"registry.example/a:1@" + digest: "registry.example/a:1@" + digest,
		"":                               "",
		"Debian":                         "",
		"debian:":                        "",
		"https://ghcr.io/acme/hello":     "",
		"debian@sha256:12":               "",
		"a/../b":                         "",
		digest[7:]:                       "",
	} {
		got, err := Normalize(in)
		if got != want || (err != nil) != (want == "") || err != nil && release.KindOf(err) != release.Invalid {
			t.Errorf("Normalize(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

// What a registry says of the bytes that have arrived is believed only when it
// can be understood.
func TestReceived(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{
		"0-1023": 1024, "bytes=0-1023": 1024, "0-1": 2,
		"0-0": 0, "": 0, "0": 0, "1-5": 0, "0--5": 0, "0-+5": 0, "0-x": 0, "5-0": 0, "0-99999999999999999999": 0,
	} {
		got, ok := received(in)
		if got != want || ok != (want > 0) {
			t.Errorf("received(%q) = %d, %v, want %d", in, got, ok, want)
		}
	}
}

func FuzzReceived(f *testing.F) {
	f.Add("0-1023")
	f.Add("bytes=0-9223372036854775807")
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := received(s); ok && n < 2 || !ok && n != 0 {
			t.Errorf("received(%q) = %d, %v", s, n, ok)
		}
	})
}

// Every key of a file of logins comes to host or host/path.
func TestAuthKey(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://index.docker.io/v1/": "docker.io",
		"docker.io":                   "docker.io",
		"registry-1.docker.io":        "docker.io",
		"https://ghcr.io":             "ghcr.io",
		"GHCR.io/":                    "ghcr.io",
		"http://localhost:5000/v2/":   "localhost:5000",
		"quay.io/acme/hello":          "quay.io/acme/hello",
		"":                            "",
	} {
		if got := authKey(in); got != want {
			t.Errorf("authKey(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzAuthKey(f *testing.F) {
	f.Add("https://index.docker.io/v1/")
	f.Add("a/b//c/")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "://") { // one scheme is taken off
			s = s[strings.LastIndex(s, "://")+3:]
		}
		key := authKey(s)
		if host, _, _ := strings.Cut(key, "/"); host != canonicalHost(host) || strings.HasSuffix(key, "/") && key != "/" {
			t.Errorf("authKey(%q) = %q", s, key)
		}
	})
}

// A file of logins never brings the parser down, nor shows in its error.
func FuzzAuthFile(f *testing.F) {
	f.Add(`{"auths":{"ghcr.io":{"auth":"YWRhOnN3b3JkZmlzaA=="}}}`)
	f.Add(`{"auths":{"":{"auth":"!"}},"credHelpers":{"a":"b"},"credsStore":"c"}`)
	f.Add(`{"auths":null}`)
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := parseAuthFile("f", strings.NewReader(s)); err != nil && err.Error() != "f can't be understood" {
			t.Errorf("%q: %v", s, err)
		}
	})
}

// Whatever a registry writes becomes one printable line.
func FuzzOneLine(f *testing.F) {
	f.Add("a\nb")
	f.Add("\xff\x1b[31m")
	f.Fuzz(func(t *testing.T, s string) {
		got := oneLine(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || utf8.RuneCountInString(got) > 201 {
			t.Errorf("oneLine(%q) = %q", s, got)
		}
	})
}
