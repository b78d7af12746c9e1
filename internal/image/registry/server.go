package registry

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"regexp"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Server is a registry in process, without login, that keeps its images in
// memory and writes no log. It is for rehearsals.
type Server struct {
	// URL is http://127.0.0.1:PORT, Host the part of it that stands before a
	// repository's name.
	URL, Host string

	server *http.Server
	inner  http.Handler

	mu   sync.Mutex
	tags map[string]map[string]string // by repository: tag to digest
}

// NewServer starts a registry on a loopback port of its own; Close ends it.
func NewServer() (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the registry in process: %w", err)
	}
	silent := slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	s := &Server{
		URL:   "http://" + l.Addr().String(),
		Host:  l.Addr().String(),
		inner: registry.New(registry.Logger(silent)),
		tags:  map[string]map[string]string{},
	}
	s.server = &http.Server{Handler: s, ErrorLog: silent}
	go func() { _ = s.server.Serve(l) }() // it ends with Close
	return s, nil
}

// Close ends the registry and forgets its images.
func (s *Server) Close() error { return s.server.Close() }

// Tags gives the tags of a repository, named with or without the host, and the
// digests that they point at.
func (s *Server) Tags(repository string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(repository) > len(s.Host) && repository[:len(s.Host)+1] == s.Host+"/" {
		repository = repository[len(s.Host)+1:]
	}
	return maps.Clone(s.tags[repository])
}

var tagPath = regexp.MustCompile(`^/v2/(.+)/manifests/([^/:]+)$`)

// ServeHTTP answers as a registry and takes down which tags are set.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := tagPath.FindStringSubmatch(r.URL.Path)
	if at == nil || r.Method != http.MethodPut && r.Method != http.MethodDelete {
		s.inner.ServeHTTP(w, r)
		return
	}
	// Under the lock, so that what is taken down is in the order of what was done.
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := &seenStatus{ResponseWriter: w, status: http.StatusOK}
	s.inner.ServeHTTP(seen, r)
	repository, tag := at[1], at[2]
	switch {
	case seen.status >= 300:
	case r.Method == http.MethodDelete:
		delete(s.tags[repository], tag)
	default:
		if s.tags[repository] == nil {
			s.tags[repository] = map[string]string{}
		}
		s.tags[repository][tag] = w.Header().Get("Docker-Content-Digest")
	}
}

type seenStatus struct {
	http.ResponseWriter
	status int
}

func (w *seenStatus) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
