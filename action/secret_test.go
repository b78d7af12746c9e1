package action_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-dev/slipway/internal/realtest"
)

// What a step is given in secret, and the workflow's own token, is nowhere: not
// in the log, the outputs, the files, the release or the image. The project
// prints it, which is what a release must survive. This runner shows no summary
// and empties its file for the next step: the tests with act look at that.
func TestSecretIsNowhere(t *testing.T) {
	t.Parallel()
	const secret, password = "swordfish-of-the-harbour", "registry-pass-4711"
	registry := realtest.RegistryWith(t, realtest.RegistryOptions{User: "harbour", Password: password})
	p := newProject(t)
	p.image = registry + "/" + p.repo.FullName()
	p.secret("DEPLOY_TOKEN", secret)
	p.secret("REGISTRY_PASSWORD", password)
	p.Write(".slipway.yaml", strings.ReplaceAll(config, "IMAGE", p.image)+`test:
  - {name: loud, run: 'echo "the token is $DEPLOY_TOKEN, $GITHUB_TOKEN"; env'}
`)
	// The runner hides what it knows to be secret: what the step left is sent
	// past it in another form.
	p.workflow("release", onTags(realtest.RunnerLabel)+`
      - uses: actions/checkout@v4
        with: {fetch-depth: 0}
      - id: slipway
        uses: `+theAction+`
        env:
          DEPLOY_TOKEN: ${{ secrets.DEPLOY_TOKEN }}
        with:
          registry: `+registry+`
          registry-username: harbour
          registry-password: ${{ secrets.REGISTRY_PASSWORD }}
      - env:
          OUTPUTS: ${{ toJSON(steps.slipway.outputs) }}
          TOKEN: ${{ github.token }}
        run: |
          pass() { printf '%s ' "SENT $1"; base64 -w0; echo; }
          printf %s "$OUTPUTS" | pass outputs
          printf %s "$TOKEN" | pass token
          tar -c dist | pass dist
`)
	p.Commit("feat: loud")
	p.Tag("v1.0.0")
	p.push("main", "v1.0.0")
	r := p.wait("push", tagRef("v1.0.0"))
	r.must(t, "success")
	sent := sentPast(t, r.log())
	token := sent["token"]
	var outputs map[string]string
	if err := json.Unmarshal([]byte(sent["outputs"]), &outputs); err != nil || outputs["version"] != "1.0.0" || len(token) < 20 {
		t.Fatalf("the step's outputs did not come: %v %v", err, outputs)
	}
	delete(sent, "token")
	public := p.public()["v1.0.0"]
	places := map[string]string{"log": withoutSent(r.log()), "release": p.get("/api/v1" + p.api("/releases/tags/v1.0.0"))}
	for what, text := range sent {
		places[what] = text
	}
	for what, text := range p.assets(public) {
		places["asset "+what] = text
		if strings.HasSuffix(what, ".tar.gz") {
			for file, text := range unpacked(t, text) {
				places[what+" "+file] = text
			}
		}
	}
	for what, text := range contents(t, p.image+":1.0.0", &authn.Basic{Username: "harbour", Password: password}) {
		places["image "+what] = text
	}
	for where, text := range places {
		for what, value := range map[string]string{"secret": secret, "password": password, "token": token} {
			if strings.Contains(text, value) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(value))) {
				t.Errorf("the %s is in %s", what, where)
			}
		}
	}
	if len(places) < 20 {
		t.Errorf("only %d places were looked at", len(places))
	}
}

// sentPast is what a step sent in base64, by name.
func sentPast(t *testing.T, log string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(log) {
		if _, rest, ok := strings.Cut(line, "Z SENT "); ok {
			name, text, _ := strings.Cut(strings.TrimSpace(rest), " ")
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			out[name] = string(data)
		}
	}
	return out
}

func withoutSent(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "Z SENT ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// contents is all that an image is made of: manifests, configs and the files of
// the layers.
func contents(t *testing.T, image string, auth authn.Authenticator) map[string]string {
	t.Helper()
	ref, err := name.ParseReference(image)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(ref, remote.WithAuth(auth))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	keep := func(what string) func([]byte, error) {
		return func(data []byte, err error) {
			if err != nil {
				t.Fatal(err)
			}
			out[what] = string(data)
		}
	}
	keep("index")(index.RawManifest())
	for _, m := range manifest.Manifests {
		img, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		keep(m.Platform.String() + " manifest")(img.RawManifest())
		keep(m.Platform.String() + " config")(img.RawConfigFile())
		layers, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range layers {
			files, err := l.Uncompressed()
			if err != nil {
				t.Fatal(err)
			}
			keep(fmt.Sprintf("%s layer %d", m.Platform, i))(io.ReadAll(files))
			_ = files.Close()
		}
	}
	return out
}
