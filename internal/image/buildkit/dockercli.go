package buildkit

import (
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	dcontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/cli/opts"
	dockerclient "github.com/moby/moby/client"
)

// dockerCLI is what buildx needs to know of docker: its settings, its contexts
// and a client. Docker's own implementation ends the process when it can't
// make a client, pings the engine whether or not it is needed, and changes
// variables of the process; so only its unused rest is taken.
type dockerCLI struct {
	command.Cli
	config   *configfile.ConfigFile
	contexts store.Store
	current  string
	from     string // which setting named the current context
	client   func() dockerclient.APIClient
}

func newDockerCLI(getenv func(string) string) (*dockerCLI, error) {
	rest, err := command.NewDockerCli(command.WithInputStream(io.NopCloser(&nothing{})), command.WithCombinedStreams(io.Discard))
	if err != nil {
		return nil, err
	}
	dir := getenv("DOCKER_CONFIG")
	if dir == "" {
		home := getenv("HOME")
		if home == "" {
			home, _ = os.UserHomeDir()
		}
		dir = filepath.Join(home, ".docker")
	}
	file, err := config.Load(dir)
	if err != nil {
		return nil, err
	}
	c := &dockerCLI{Cli: rest, config: file}
	c.current, c.from = currentContext(getenv, file)
	c.contexts = &command.ContextStoreWithDefault{
		Store:    store.New(filepath.Join(dir, "contexts"), command.DefaultContextStoreConfig()),
		Resolver: func() (*command.DefaultContext, error) { return defaultContext(getenv, dir) },
	}
	c.client = sync.OnceValue(c.newClient)
	return c, nil
}

// currentContext is docker's order: DOCKER_HOST is the default context.
func currentContext(getenv func(string) string, file *configfile.ConfigFile) (name, from string) {
	switch {
	case getenv("DOCKER_HOST") != "":
		return command.DefaultContextName, "DOCKER_HOST"
	case getenv("DOCKER_CONTEXT") != "":
		return getenv("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
	case file.CurrentContext != "":
		return file.CurrentContext, "docker's current context"
	}
	return command.DefaultContextName, "docker's default socket"
}

// defaultContext is the context that DOCKER_HOST and the TLS variables give.
func defaultContext(getenv func(string) string, dir string) (*command.DefaultContext, error) {
	tls := getenv("DOCKER_TLS_VERIFY") != "" || getenv("DOCKER_TLS") != ""
	host, err := opts.ParseHost(tls, getenv("DOCKER_HOST"))
	if err != nil {
		return nil, err
	}
	d := &command.DefaultContext{
		Meta: store.Metadata{
			Name:     command.DefaultContextName,
			Metadata: command.DockerContext{},
			Endpoints: map[string]any{docker.DockerEndpoint: docker.EndpointMeta{
				Host: host, SkipTLSVerify: tls && getenv("DOCKER_TLS_VERIFY") == "",
			}},
		},
		TLS: store.ContextTLSData{Endpoints: map[string]store.EndpointTLSData{}},
	}
	if !tls {
		return d, nil
	}
	if certs := getenv("DOCKER_CERT_PATH"); certs != "" {
		dir = certs
	}
	data, err := dcontext.TLSDataFromFiles(existing(dir, "ca.pem"), existing(dir, "cert.pem"), existing(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	if data != nil {
		d.TLS.Endpoints[docker.DockerEndpoint] = *data.ToStoreTLSData()
	}
	return d, nil
}

// existing is the file's path, or empty when it is not there.
func existing(dir, name string) string {
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// newClient makes a client of the current context's engine. It connects with
// the first call. When the context is broken it is one of the default socket:
// buildx asks it for nothing but its address then.
func (c *dockerCLI) newClient() dockerclient.APIClient {
	if ep, err := c.endpoint(c.current); err == nil {
		if options, err := ep.ClientOpts(); err == nil {
			if api, err := dockerclient.New(options...); err == nil {
				return api
			}
		}
	}
	api, _ := dockerclient.New() // of constants alone, and they are right
	return api
}

// endpoint is where a context's engine is.
func (c *dockerCLI) endpoint(name string) (docker.Endpoint, error) {
	meta, err := c.contexts.GetMetadata(name)
	if err != nil {
		return docker.Endpoint{}, err
	}
	ep, err := docker.EndpointFromContext(meta)
	if err != nil {
		return docker.Endpoint{}, err
	}
	return docker.WithTLSData(c.contexts, name, ep)
}

func (c *dockerCLI) Client() dockerclient.APIClient     { return c.client() }
func (c *dockerCLI) ConfigFile() *configfile.ConfigFile { return c.config }
func (c *dockerCLI) ContextStore() store.Store          { return c.contexts }
func (c *dockerCLI) CurrentContext() string             { return c.current }

func (c *dockerCLI) DockerEndpoint() docker.Endpoint {
	ep, _ := c.endpoint(c.current)
	return ep
}

// nothing is an empty stdin.
type nothing struct{}

func (*nothing) Read([]byte) (int, error) { return 0, io.EOF }
