package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// hosted is a repository on a Gitea.
type hosted struct {
	server *realtest.GiteaServer
	name   string // owner/name
}

func (h hosted) page() string { return h.server.URL + "/" + h.name }

// push sends all branches and tags of the git repository in dir.
func (h hosted) push(ctx context.Context, b *bench, dir string) error {
	c := b.cmd(dir, "git", "push", "--quiet", h.page()+".git", "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*")
	c.Env = append(c.Env, "GIT_CONFIG_COUNT=1", // keeps the token out of arguments and errors
		"GIT_CONFIG_KEY_0=http.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: token "+h.server.Admin)
	return proc.Run(ctx, c)
}

// create makes a repository with one commit, or an empty one.
func create(ctx context.Context, s *realtest.GiteaServer, name string, empty bool) (hosted, error) {
	h := hosted{server: s, name: s.User + "/" + name}
	in := map[string]any{"name": name, "default_branch": "main", "auto_init": !empty}
	return h, h.call(ctx, http.MethodPost, h.server.URL+"/api/v1/user/repos", in, nil)
}

// draft makes a draft release and returns its number.
func (h hosted) draft(ctx context.Context, tag string) (int64, error) {
	var made struct{ ID int64 }
	in := map[string]any{"tag_name": tag, "target_commitish": "main", "name": tag, "draft": true}
	return made.ID, h.call(ctx, http.MethodPost, h.server.URL+"/api/v1/repos/"+h.name+"/releases", in, &made)
}

// settle waits until Gitea lists so many tags in its database: a push is noted
// in the background, and until then Slipway waits for it.
func (h hosted) settle(ctx context.Context, tags int) error {
	for range 600 {
		var noted struct{ Results []string }
		// Until the first push is noted the page does not exist.
		if err := h.call(ctx, http.MethodGet, h.page()+"/tags/list", nil, &noted); err == nil && len(noted.Results) >= tags {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("a real Gitea has not noted a push to %s within a minute", h.page())
}

func (h hosted) call(ctx context.Context, method, address string, in, out any) error {
	var body io.Reader = http.NoBody
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "token "+h.server.Admin)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("a real Gitea answers %d to %s %s: %.300s", resp.StatusCode, method, address, data)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}
