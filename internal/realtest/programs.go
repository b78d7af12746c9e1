package realtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// ImageTools are, for programs that are no tests, what images are made with.
type ImageTools struct {
	Registry string // address of a registry without login, 127.0.0.1:PORT, that speaks HTTP
	BuildKit string // address of a BuildKit, unix:///…/buildkitd.sock
	Buildx   string // path of the docker buildx command
}

// StartImageTools starts servers of the program's own, which stop ends, as does
// the end of the process. What making the parts prints goes to log.
func StartImageTools(ctx context.Context, log io.Writer) (t ImageTools, stop func(), err error) {
	if os.Geteuid() != 0 {
		return t, nil, errors.New("BuildKit runs as root only")
	}
	bin, err := exec.LookPath("docker-registry")
	if err != nil {
		return t, nil, fmt.Errorf("%w; apt-get install docker-registry", err)
	}
	buildx, err := buildxPart().Make(ctx, log)
	if err != nil {
		return t, nil, err
	}
	daemon, err := buildkitdPart().Make(ctx, log)
	if err != nil {
		return t, nil, err
	}
	registry, err := startRegistry(bin, RegistryOptions{Deletes: true})
	if err != nil {
		return t, nil, err
	}
	buildkit, err := startBuildKit(daemon.Dir)
	if err != nil {
		registry.srv.stop()
		return t, nil, err
	}
	stop = func() {
		buildkit.srv.stop()
		registry.srv.stop()
	}
	return ImageTools{registry.address, buildkit.address, filepath.Join(buildx.Dir, "buildx")}, stop, nil
}

// PushToolchain is ToolchainImage for programs that are no tests.
func (t ImageTools) PushToolchain(ctx context.Context, log io.Writer) (reference string, err error) {
	made, err := toolchainPart().Make(ctx, log)
	if err != nil {
		return "", err
	}
	return pushLayout(ctx, made.Dir, t.Registry+"/toolchain")
}
