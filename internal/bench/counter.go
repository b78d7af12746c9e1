package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"sync/atomic"
	"time"
)

// counter stands between Slipway and a forge. It counts the bytes of assets
// either way, and can refuse to publish.
type counter struct {
	address string // http://127.0.0.1:PORT
	sent    atomic.Int64
	fetched atomic.Int64
	refuse  atomic.Bool // answers 503 to what would change a release
	server  *http.Server
}

var (
	uploadPath   = regexp.MustCompile(`/releases/\d+/assets$`)
	releasePath  = regexp.MustCompile(`/releases/[1-9]\d*$`)
	downloadPath = regexp.MustCompile(`/(attachments|releases/download)/`)
)

func newCounter(upstream string) (*counter, error) {
	target, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counter{address: "http://" + l.Addr().String()}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // links in answers lead back here
			if r.In.Method == http.MethodPost && uploadPath.MatchString(r.In.URL.Path) {
				r.Out.Body = counted{r.Out.Body, &c.sent}
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if downloadPath.MatchString(r.Request.URL.Path) {
				r.Body = counted{r.Body, &c.fetched}
			}
			return nil
		},
	}
	c.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.refuse.Load() && r.Method == http.MethodPatch && releasePath.MatchString(r.URL.Path) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.Copy(w, bytes.NewReader([]byte(`{"message":"not now"}`)))
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = c.server.Serve(l) }() // until close
	return c, nil
}

func (c *counter) close() { _ = c.server.Close() }

// counted adds what is read of a body to a sum.
type counted struct {
	io.ReadCloser
	sum *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum.Add(int64(n))
	return n, err
}
