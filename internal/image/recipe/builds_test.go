package recipe_test

import (
	"crypto/x509"
	"encoding/pem"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

// TestConfig: the settings of an image of builds.
func TestConfig(t *testing.T) {
	t.Parallel()
	img := builds()
	img.Port, img.Env, img.Workdir = 8080, map[string]string{"B": "2", "A": "1"}, "/data"
	want := recipe.ImageConfig{User: "65532:65532", WorkingDir: "/data", Env: []string{"A=1", "B=2", "PORT=8080"},
		ExposedPorts: []string{"8080/tcp"}, Entrypoint: []string{"/hello"}, Labels: img.Labels}
	if d := cmp.Diff(want, recipe.Config(img, []string{"hello", "other"})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	img.Base, img.Entrypoint, img.Cmd, img.Env["PORT"] = "alpine", []string{"sh"}, []string{"-c"}, "9"
	want.Env, want.Entrypoint, want.Cmd = []string{"A=1", "B=2", "PORT=9"}, img.Entrypoint, img.Cmd
	if d := cmp.Diff(want, recipe.Config(img, []string{"hello"})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := recipe.BinaryPath(img, "hello"); got != "/usr/local/bin/hello" {
		t.Errorf("on a base a binary lies at %s", got)
	}
	if img.Env["A"] != "1" || len(img.Env) != 3 {
		t.Errorf("the image's own variables changed: %v", img.Env)
	}
}

// TestFiles: which further files go in, with which mode.
func TestFiles(t *testing.T) {
	t.Parallel()
	fsys := tree(t, "LICENSE", "", "etc/a.conf", "", "etc/deep/b.conf", "", "etc/.env", "S=1", ".env.example", "", ".git/config", "", "etc/.git/x", "")
	fsys["bin/tool"] = &fstest.MapFile{Mode: 0o700}
	for name, c := range map[string]struct {
		patterns, want []string
	}{
		"path":         {[]string{"LICENSE"}, []string{"LICENSE 644"}},
		"folder":       {[]string{"etc/"}, []string{"etc/a.conf 644", "etc/deep/b.conf 644"}},
		"glob":         {[]string{"*/*.conf", "nothing*"}, []string{"etc/a.conf 644"}},
		"executable":   {[]string{"bin/tool", "bin"}, []string{"bin/tool 755"}},
		"template":     {[]string{".env*"}, []string{".env.example 644"}},
		"no history":   {[]string{"**/config", ".git"}, nil},
		"no env in **": {[]string{"etc/**"}, []string{"etc/a.conf 644", "etc/deep/b.conf 644"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			img := builds()
			img.Files = c.patterns
			files, err := recipe.Files(img, fsys)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range files {
				got = append(got, f.Path+" "+map[int64]string{0o644: "644", 0o755: "755"}[f.Mode])
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	for pattern, words := range map[string][]string{
		"missing": {"missing"}, "../x": {"leads out"}, "/etc/passwd": {"leads out"}, "": {"leads out"}, "[a": {"glob"},
		"etc/.env": {"environment file", "--development"},
	} {
		img := builds()
		img.Files = []string{pattern}
		_, err := recipe.Files(img, fsys)
		fails(t, err, words...)
	}
}

// TestRootFS: an image from scratch has users, parseable certificates and /tmp,
// and each folder before what is in it.
func TestRootFS(t *testing.T) {
	t.Parallel()
	seen := map[string]recipe.File{".": {}}
	for _, f := range recipe.RootFS() {
		if _, ok := seen[path.Dir(f.Path)]; !ok {
			t.Errorf("%s comes before its folder", f.Path)
		}
		seen[f.Path] = f
	}
	if tmp := seen["tmp"]; !tmp.Dir || tmp.Mode != 0o1777 {
		t.Errorf("/tmp: %+v", tmp)
	}
	if home := seen["home/nonroot"]; home.UID != 65532 || home.GID != 65532 {
		t.Errorf("home: %+v", home)
	}
	for _, user := range []string{"root:x:0:0:", "nobody:x:65534:65534:", "nonroot:x:65532:65532:"} {
		if !strings.Contains(string(seen["etc/passwd"].Content), user) {
			t.Errorf("no user %s", user)
		}
	}
	n := 0
	for rest := seen["etc/ssl/certs/ca-certificates.crt"].Content; len(rest) > 0; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatal("the certificates are no PEM")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			t.Error(err)
		}
	}
	if n < 80 {
		t.Errorf("%d certificates, want Mozilla's", n)
	}
	if d := cmp.Diff(builds().Base, release.ScratchBase); d != "" {
		t.Error(d)
	}
}
