package simforge

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/proc"
)

// gitService says which of git's services a path asks for, empty for none.
func gitService(segs []string) string {
	rest := ""
	if len(segs) > 2 {
		rest = strings.Join(segs[2:], "/")
	}
	switch rest {
	case "info/refs", "git-upload-pack", "git-receive-pack", "HEAD":
		return rest
	}
	return ""
}

// serveGit lets git's own HTTP backend answer, for repositories that have a
// directory. Everybody may read; a push needs a writer's token as password.
func (c *call) serveGit(segs []string) {
	h, ok := c.s.repo(segs[0], strings.TrimSuffix(segs[1], ".git"))
	if !ok || h.gitDir == "" {
		c.plain(http.StatusNotFound, "text/plain; charset=utf-8", "Not Found\n")
		return
	}
	service := gitService(segs)
	push := service == "git-receive-pack" || c.r.URL.Query().Get("service") == "git-receive-pack"
	switch {
	case c.access == memory.BadToken, push && c.access == memory.Anonymous:
		c.w.Header().Set("WWW-Authenticate", `Basic realm="simforge"`)
		c.plain(http.StatusUnauthorized, "text/plain; charset=utf-8", "Invalid username or token.\n")
		return
	case push && c.access != memory.Writer:
		c.plain(http.StatusForbidden, "text/plain; charset=utf-8", "Write access to repository not granted.\n")
		return
	}
	if service == "git-receive-pack" {
		h.pushes.Lock() // what one push has changed can be told from the rest
		defer h.pushes.Unlock()
	}
	before := c.refsNow(h, service)
	if err := c.backend(h.gitDir, service); err != nil {
		c.plain(http.StatusInternalServerError, "text/plain; charset=utf-8", err.Error()+"\n")
		return
	}
	if service == "git-receive-pack" {
		// The push is done, whatever becomes of its client.
		_ = h.repo.Pushed(context.WithoutCancel(c.r.Context()), c.login, changes(before, c.refsNow(h, service)))
	}
}

// refsNow are the objects of all refs by name, for a push.
func (c *call) refsNow(h hosted, service string) map[string]string {
	out := map[string]string{}
	if service != "git-receive-pack" {
		return out
	}
	// A list that can't be read has nothing in it to tell of.
	refs, _ := h.repo.Refs().Matching(context.WithoutCancel(c.r.Context()), "refs/")
	for _, ref := range refs {
		out[ref.Name] = ref.Object
	}
	return out
}

// changes are what a push made of the refs, by name.
func changes(before, after map[string]string) []memory.RefUpdate {
	const zeros = "0000000000000000000000000000000000000000"
	var out []memory.RefUpdate
	for name, object := range after {
		if was := cmp.Or(before[name], zeros); was != object {
			out = append(out, memory.RefUpdate{Ref: name, Before: was, After: object})
		}
	}
	for name, object := range before {
		if after[name] == "" {
			out = append(out, memory.RefUpdate{Ref: name, Before: object, After: zeros})
		}
	}
	slices.SortFunc(out, func(a, b memory.RefUpdate) int { return cmp.Compare(a.Ref, b.Ref) })
	return out
}

func (c *call) backend(gitDir, service string) error {
	out, err := proc.Output(c.r.Context(), proc.Cmd{Args: []string{"git", "--exec-path"}})
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(gitDir)
	if err != nil {
		return err
	}
	r, remove, err := withLength(c.r)
	if err != nil {
		return err
	}
	defer remove()
	r = r.Clone(r.Context())
	r.URL.Path = "/" + filepath.Base(dir) + "/" + service
	handler := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env: []string{
			"GIT_PROJECT_ROOT=" + filepath.Dir(dir), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=maintainer",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.receivepack", "GIT_CONFIG_VALUE_0=true",
			"GIT_PROTOCOL=" + r.Header.Get("Git-Protocol"),
		},
		InheritEnv: []string{"HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"},
	}
	handler.ServeHTTP(c.w, r)
	return nil
}

// withLength spools a body of unknown length to a file: CGI needs to know it.
func withLength(r *http.Request) (*http.Request, func(), error) {
	if r.ContentLength >= 0 {
		return r, func() {}, nil
	}
	f, err := os.CreateTemp("", "simforge-push-*")
	if err != nil {
		return nil, nil, err
	}
	remove := func() {
		_ = f.Close()
		os.Remove(f.Name())
	}
	n, err := io.Copy(f, r.Body)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	out := r.Clone(r.Context())
	out.Body, out.ContentLength, out.TransferEncoding = f, n, nil
	return out, remove, nil
}
