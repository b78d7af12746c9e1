package gitea

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// The server notes a pushed tag in a queue, some moments after the push. When
// it comes to that and finds a draft for the tag, it makes the draft public
// (pushUpdateAddTags in Gitea's services/repository/push.go, 1.27.3), assets or
// not. Until a first push is noted, the repository counts as empty. So a draft
// waits for its tag to be noted, and preflight for a repository that has refs.
const (
	noteEvery   = 100 * time.Millisecond
	noteWithin  = time.Minute
	noteUnknown = 3 * time.Second // where nothing tells whether the tag was noted
	noteMargin  = time.Second     // the activity is written a moment before the tag
)

// awaitTag returns once the server has noted a tag, at once when there is no
// such tag in git.
func (f *Forge) awaitTag(ctx context.Context, tag string) error {
	if _, err := f.Tag(ctx, tag); err != nil {
		if errors.Is(err, forge.ErrNotFound) {
			return nil // publishing makes it
		}
		return err
	}
	for begun := time.Now(); ; {
		noted, known, err := f.tagNoted(ctx, tag)
		switch {
		case err != nil || noted:
			return err
		case !known && time.Since(begun) > noteUnknown:
			return nil
		case time.Since(begun) > noteWithin:
			return &forge.Error{Op: "wait for tag " + tag, Kind: forge.ErrUnavailable,
				Message: fmt.Sprintf("%s has the tag in git, but its queue has not come to note it", f.dialect)}
		}
		if err := pause(ctx, noteEvery); err != nil {
			return err
		}
	}
}

// tagNoted asks the page that lists the tags of the server's database; the API
// reads git. Of a private repository the page is closed to tokens, but the
// activities tell of pushes that were worked off.
func (f *Forge) tagNoted(ctx context.Context, tag string) (noted, known bool, err error) {
	var list struct{ Results []string }
	err = f.read(ctx, "list the tags that are noted", &list, f.owner, f.name, "tags", "list")
	if err == nil {
		return slices.Contains(list.Results, tag), true, nil
	}
	if ctx.Err() != nil {
		return false, false, ctx.Err()
	}
	var activities []struct {
		RefName string `json:"ref_name"`
	}
	err = f.read(ctx, "read the repository's activities", &activities, "api", "v1", "repos", f.owner, f.name, "activities", "feeds")
	if err == nil {
		for _, a := range activities {
			if strings.TrimPrefix(a.RefName, "refs/tags/") == tag {
				return true, true, pause(ctx, noteMargin)
			}
		}
	}
	return false, false, ctx.Err() // not noted, too long ago to be told, or closed
}

// awaitFirstPush waits while the server calls a repository empty that has refs.
func (f *Forge) awaitFirstPush(ctx context.Context) error {
	var refs []json.RawMessage
	err := f.read(ctx, "list refs", &refs, "api", "v1", "repos", f.owner, f.name, "git", "refs")
	if err != nil || len(refs) == 0 {
		return ctx.Err() // it is empty indeed
	}
	for begun := time.Now(); time.Since(begun) < noteWithin; {
		var r struct{ Empty bool }
		if err := f.read(ctx, "read repository", &r, "api", "v1", "repos", f.owner, f.name); err != nil || !r.Empty {
			return err
		}
		if err := pause(ctx, noteEvery); err != nil {
			return err
		}
	}
	return nil
}

// read gets a JSON document from the server.
func (f *Forge) read(ctx context.Context, op string, into any, path ...string) error {
	ctx, call := wire.Begin(ctx, op)
	for i := range path {
		path[i] = url.PathEscape(path[i])
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.server.JoinPath(path...).String(), nil)
	if err != nil {
		return call.Err(err)
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return call.Err(err)
	}
	defer resp.Body.Close()
	return call.Err(json.NewDecoder(resp.Body).Decode(into))
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
