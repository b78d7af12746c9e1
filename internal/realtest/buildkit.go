package realtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// endpoint is a server and where it is reached.
type endpoint struct {
	srv     *server
	address string
}

// BuildKit returns the address of a real BuildKit that all tests of the package
// share: unix:///…/buildkitd.sock. Its RUN steps have the machine's network; it
// knows the emulated platforms where the machine can emulate them. It ends with
// the test process, however that ends.
func BuildKit(t testing.TB) string {
	t.Helper()
	return buildKit(t).address
}

// BuildKitData returns the folder of everything that the BuildKit of the package
// keeps: its databases, the blobs, the content of every stage. It is seen as the
// server sees it, which has mounts of its own.
func BuildKitData(t testing.TB) string {
	t.Helper()
	b := buildKit(t)
	return filepath.Join(fmt.Sprintf("/proc/%d/root", b.srv.group), filepath.Dir(strings.TrimPrefix(b.address, "unix://")), "data")
}

func buildKit(t testing.TB) endpoint {
	t.Helper()
	needRoot(t, "BuildKit")
	needProgram(t, "runc", "runc")
	b, err := sharedBuildKit(need(t, buildkitdPart()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var sharedBuildKit = once(startBuildKit)

func startBuildKit(part string) (endpoint, error) {
	// BuildKit asks once, at its start, what the machine can run. Where nothing
	// can be emulated, it is of use all the same; Emulation says why.
	_ = registerEmulation(context.Background())
	var socket string
	srv, err := launch{
		name: "buildkit",
		prepare: func(dir string) (args, env []string, err error) {
			socket = filepath.Join(dir, "buildkitd.sock")
			config := filepath.Join(dir, "buildkitd.toml")
			data := filepath.Join(dir, "data")
			args = contained(data, filepath.Join(part, "buildkitd"), "--config", config, "--addr", "unix://"+socket, "--root", data)
			err = errors.Join(os.Mkdir(data, 0o700), os.WriteFile(config, []byte(buildkitdTOML(dir)), 0o600))
			return args, []string{"HOME=" + dir}, err
		},
		ready: func(ctx context.Context) error { return connects(ctx, socket) },
	}.start()
	if err != nil {
		return endpoint{}, err
	}
	return endpoint{srv, "unix://" + socket}, nil
}

func buildkitdTOML(dir string) string {
	return fmt.Sprintf(`[worker.containerd]
enabled = false
[worker.oci]
enabled = true
gc = false
networkMode = "host"
defaultCgroupParent = %q
[cdi]
disabled = true
`, cgroupParent(dir))
}

// connects is nil when something listens on the socket.
func connects(ctx context.Context, socket string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

// BuildxCommand returns the path of the docker buildx command, which runs on
// its own too.
func BuildxCommand(t testing.TB) string {
	t.Helper()
	return filepath.Join(need(t, buildxPart()), "buildx")
}
