package storm

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/git"
	"github.com/slipway-dev/slipway/internal/proc"
)

const (
	secret     = "the secret of all webhooks"
	maintainer = "maria"
	// Each tenth delivery is a comment with a command, the others are tags.
	commentEvery = 10
)

// world is a Gitea with its repositories, and what is to happen there.
type world struct {
	forge      *simforge.Server
	git        string // the clone of every repository: they have the same tags
	commit     string
	names      []string // owner/name
	deliveries []delivery
	public     []atomic.Int64 // releases of each repository
	releases   int            // that there are to be
}

// delivery asks for one operation.
type delivery struct {
	event      string
	body       []byte
	signature  string
	repository string
	tag        string // to be released
	issue      int    // whose comment is to be answered
	identity   string // of the operation
}

func newWorld(ctx context.Context, o Options, dir string) (*world, error) {
	w := &world{git: filepath.Join(dir, "hello.git"), public: make([]atomic.Int64, o.Repositories)}
	if err := w.makeClone(ctx, dir, (o.Deliveries+o.Repositories-1)/o.Repositories); err != nil {
		return nil, err
	}
	var err error
	if w.forge, err = simforge.Start(simforge.Options{Dialect: memory.Gitea}); err != nil {
		return nil, err
	}
	repos := make([]*memory.Repo, o.Repositories)
	for i := range repos {
		w.names = append(w.names, fmt.Sprintf("acme/r%d", i))
		repos[i] = w.addRepo(i)
	}
	for n := range o.Deliveries {
		d, err := w.delivery(ctx, n, repos[n%len(repos)])
		if err != nil {
			w.close()
			return nil, err
		}
		w.deliveries = append(w.deliveries, d)
	}
	return w, nil
}

// makeClone makes the bare repository that stands for every clone.
func (w *world) makeClone(ctx context.Context, dir string, tags int) error {
	work := filepath.Join(dir, "hello")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, ".slipway.yaml"), []byte("project: hello\nbuilds: []\n"), 0o644); err != nil {
		return err
	}
	steps := [][]string{{"init", "--quiet", "--initial-branch=main"}, {"add", "--all"},
		{"-c", "user.name=A Maintainer", "-c", "user.email=maintainer@example.org", "commit", "--quiet", "--message", "feat: begin"},
		{"clone", "--quiet", "--bare", ".", w.git},
		{"-C", w.git, "config", "remote.origin.url", "unused"},
		{"-C", w.git, "update-ref", "refs/remotes/origin/main", "HEAD"},
		{"-C", w.git, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"}}
	for _, args := range steps {
		if err := proc.Run(ctx, proc.Cmd{Args: append([]string{"git"}, args...), Dir: work}); err != nil {
			return fmt.Errorf("make the repository: %w", err)
		}
	}
	hash, err := proc.Output(ctx, proc.Cmd{Args: []string{"git", "rev-parse", "HEAD"}, Dir: work})
	if err != nil {
		return err
	}
	w.commit = strings.TrimSpace(string(hash))
	var updates strings.Builder
	for i := range tags {
		fmt.Fprintf(&updates, "create refs/tags/%s %s\n", tagName(i), w.commit)
	}
	if err := proc.Run(ctx, proc.Cmd{Args: []string{"git", "update-ref", "--stdin"}, Dir: w.git, Stdin: strings.NewReader(updates.String())}); err != nil {
		return err
	}
	_, err = git.Open(ctx, w.git)
	return err
}

func tagName(i int) string { return fmt.Sprintf("v1.0.%d", i) }

func (w *world) addRepo(i int) *memory.Repo {
	refs := memory.NewRefs()
	refs.AddCommit(memory.Commit{Hash: w.commit, Time: time.Now(), Message: "feat: begin"})
	refs.SetBranch("main", w.commit)
	repo := w.forge.AddRepo(memory.Options{FullName: w.names[i], Refs: refs, OnChange: func(public []forge.Release) { w.public[i].Store(int64(len(public))) }})
	repo.SetPermission(maintainer, forge.MayWrite)
	return repo
}

// delivery is the n-th, and makes what it tells of.
func (w *world) delivery(ctx context.Context, n int, repo *memory.Repo) (delivery, error) {
	name, page := repo.FullName(), repo.Page()
	body := map[string]any{
		"sender":     map[string]any{"id": 7, "login": maintainer},
		"repository": map[string]any{"id": 1, "full_name": name, "html_url": page, "clone_url": page + ".git", "default_branch": "main", "private": false},
	}
	d := delivery{repository: name}
	if n%commentEvery == commentEvery-1 {
		issue := repo.OpenIssue(maintainer, fmt.Sprint("Question ", n), "")
		c, err := repo.AddComment(forge.Place{Issue: issue.Number}, maintainer, "/help")
		if err != nil {
			return d, err
		}
		d.event, d.issue = "issue_comment", issue.Number
		body["action"], body["is_pull"], body["issue"] = "created", false, map[string]any{"number": issue.Number}
		body["comment"] = map[string]any{"id": c.ID, "body": c.Body, "user": body["sender"], "created_at": c.Created.UTC().Format(time.RFC3339), "html_url": page}
		d.identity = fmt.Sprintf("comment|sim|%s|issue|%d", name, c.ID)
	} else {
		d.event, d.tag = "push", tagName(n/len(w.names))
		if err := repo.CreateTag(ctx, d.tag, w.commit, maintainer); err != nil {
			return d, err
		}
		body["ref"], body["before"], body["after"] = "refs/tags/"+d.tag, strings.Repeat("0", 40), w.commit
		body["head_commit"], body["commits"] = map[string]any{"id": w.commit, "message": "feat: begin\n"}, []any{}
		d.identity = fmt.Sprintf("release|sim|%s|refs/tags/%s|%s", name, d.tag, w.commit)
		w.releases++
	}
	var err error
	d.body, err = json.Marshal(body)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(d.body)
	d.signature = hex.EncodeToString(mac.Sum(nil))
	return d, err
}

// progress is the part of all releases that are public.
func (w *world) progress() float64 {
	var n int64
	for i := range w.public {
		n += w.public[i].Load()
	}
	return float64(n) / float64(w.releases)
}

func (w *world) close() { _ = w.forge.Close() } // nobody needs it any longer
