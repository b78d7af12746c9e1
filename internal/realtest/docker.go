package realtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// Docker returns the address of a real dockerd that all tests of the package
// share: unix:///…/docker.sock. Containers and RUN steps have no network but
// the machine's, which a build asks for with the network mode host. It ends
// with the test process, however that ends.
func Docker(t testing.TB) string {
	t.Helper()
	needRoot(t, "dockerd")
	d, err := sharedDocker(needProgram(t, "dockerd", "docker.io"))
	if err != nil {
		t.Fatal(err)
	}
	return d.address
}

var sharedDocker = once(startDocker)

func startDocker(dockerd string) (endpoint, error) {
	_ = registerEmulation(context.Background()) // as for BuildKit
	var socket string
	srv, err := launch{
		name: "docker",
		prepare: func(dir string) (args, env []string, err error) {
			socket = filepath.Join(dir, "docker.sock")
			config := filepath.Join(dir, "daemon.json")
			data := filepath.Join(dir, "data")
			args = contained(data, dockerd, "--config-file", config, "--host", "unix://"+socket,
				"--data-root", data, "--exec-root", filepath.Join(dir, "exec"),
				"--pidfile", filepath.Join(dir, "pid"), "--cgroup-parent", cgroupParent(dir),
				"--bridge=none", "--iptables=false", "--ip6tables=false")
			err = errors.Join(os.Mkdir(data, 0o711), os.WriteFile(config, []byte("{}\n"), 0o600))
			return args, []string{"HOME=" + dir}, err
		},
		ready: func(ctx context.Context) error { return pings(ctx, socket) },
	}.start()
	if err != nil {
		return endpoint{}, err
	}
	return endpoint{srv, "unix://" + socket}, nil
}

// pings is nil when the Docker engine behind the socket serves its API.
func pings(ctx context.Context, socket string) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ping: %s", resp.Status)
	}
	return nil
}
