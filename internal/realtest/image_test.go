package realtest

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// The shared registry is one, takes an image, gives it back, and deletes it.
func TestRegistry(t *testing.T) {
	t.Parallel()
	host := Registry(t)
	if again := Registry(t); again != host {
		t.Errorf("a second call started a second registry: %s and %s", host, again)
	}
	ref := pushRandom(t, host+"/sample:v1", authn.Anonymous)
	if _, err := remote.Head(ref); err != nil {
		t.Fatal(err)
	}
	if err := remote.Delete(ref); err != nil {
		t.Fatal(err)
	}
	if got := statusOf(remote.Head(ref)); got != http.StatusNotFound {
		t.Errorf("after its deletion the image answers %d, want 404", got)
	}
}

// A registry with a login lets in who has it, and nobody else.
func TestRegistryWithLogin(t *testing.T) {
	t.Parallel()
	host := RegistryWith(t, RegistryOptions{User: "harbour", Password: "master"})
	right := &authn.Basic{Username: "harbour", Password: "master"}
	ref := pushRandom(t, host+"/sample:v1", right)
	for _, tt := range []struct {
		name string
		auth authn.Authenticator
		want int
	}{
		{"right", right, 0},
		{"wrong", &authn.Basic{Username: "harbour", Password: "mister"}, http.StatusUnauthorized},
		{"none", authn.Anonymous, http.StatusUnauthorized},
	} {
		if got := statusOf(remote.Head(ref, remote.WithAuth(tt.auth))); got != tt.want {
			t.Errorf("%s: status %d, want %d", tt.name, got, tt.want)
		}
	}
}

// Deletes are refused where nobody asked for them.
func TestRegistryWithoutDeletes(t *testing.T) {
	t.Parallel()
	ref := pushRandom(t, RegistryWith(t, RegistryOptions{})+"/sample:v1", authn.Anonymous)
	var te *transport.Error
	if err := remote.Delete(ref); !errors.As(err, &te) || te.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a delete gives %v, want status 405", err)
	}
}

// pushRandom pushes an image to a tag, and returns it by digest.
func pushRandom(t *testing.T, to string, auth authn.Authenticator) name.Digest {
	t.Helper()
	tag, err := name.NewTag(to, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	img, err := random.Image(1024, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img, remote.WithAuth(auth)); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return tag.Digest(digest.String())
}

// statusOf returns the status that an error of a registry has, 0 for success
// and -1 for another error.
func statusOf(_ any, err error) int {
	if err == nil {
		return 0
	}
	var te *transport.Error
	if errors.As(err, &te) {
		return te.StatusCode
	}
	return -1
}

// The base image has four platforms, and the same digest wherever it is pushed.
func TestBaseImage(t *testing.T) {
	t.Parallel()
	ref, err := name.NewDigest(BaseImage(t, Registry(t)), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	other, err := name.NewDigest(BaseImage(t, RegistryWith(t, RegistryOptions{})), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if ref.DigestStr() != other.DigestStr() {
		t.Errorf("two pushes gave %s and %s", ref.DigestStr(), other.DigestStr())
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
	}
	want := []string{"linux/amd64", "linux/386", "linux/arm64", "linux/arm/v6"}
	if diff := cmp.Diff(want, platforms); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
}

// dockerd serves its API.
func TestDocker(t *testing.T) {
	t.Parallel()
	address := Docker(t)
	if again := Docker(t); again != address {
		t.Errorf("a second call started a second dockerd: %s and %s", address, again)
	}
	if err := pings(t.Context(), strings.TrimPrefix(address, "unix://")); err != nil {
		t.Error(err)
	}
}

// The buildx command runs on its own.
func TestBuildxCommand(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), BuildxCommand(t), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "github.com/docker/buildx ") {
		t.Errorf("buildx version: %v\n%s", err, out)
	}
}

// A container server leaves no process, mount or control group behind, though
// its test process and itself are killed in the middle of a build.
func TestNothingOfAContainerOutlivesTheTestProcess(t *testing.T) {
	if dir := os.Getenv("SLIPWAY_REALTEST_CHILD"); dir != "" {
		address, base := BuildKit(t), BaseImage(t, Registry(t))
		go func() {
			err := run(context.Background(), dir, address, "linux/amd64", base, "echo STARTED; sleep 1000", os.Stdout)
			t.Error("the build ended:", err)
		}()
		_, _ = os.Stdout.WriteString("AT " + address + "\n")
		select {}
	}
	t.Parallel()
	BuildKit(t)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "SLIPWAY_REALTEST_CHILD="+t.TempDir(), "CI=true")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	started := false
	for lines := bufio.NewScanner(out); (dir == "" || !started) && lines.Scan(); {
		if address, ok := strings.CutPrefix(lines.Text(), "AT unix://"); ok {
			dir = filepath.Dir(address)
		}
		started = started || strings.Contains(lines.Text(), "STARTED")
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if dir == "" || !started {
		t.Fatal("the child did not come to the build")
	}
	eventually(t, func() []string { return traces(t, filepath.Base(dir)) })
}
