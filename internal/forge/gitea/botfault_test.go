package gitea_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/gitea"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// What may be repeated is repeated after a passing fault; what makes something
// is not, and says that it may be done.
func TestBotFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		call      string
		repeated  bool
		fault     string
		noSuccess bool // the fault leaves nothing done
	}{
		{call: "CreateComment", fault: "any-502", noSuccess: true},
		{call: "CreateComment", fault: "any-502-after"},
		{call: "CreateComment", fault: "any-cut-after"},
		{call: "CreateComment", fault: "secondary-limit=1", repeated: true},
		{call: "Dispatch", fault: "any-504-after"},
		{call: "CreateTag", fault: "any-cut-after"},
		{call: "EditComment", fault: "any-502-after", repeated: true},
		{call: "React", fault: "any-502", repeated: true},
		{call: "React", fault: "any-cut-after@2", repeated: true},
		{call: "SetStatus", fault: "any-502-after", repeated: true},
		{call: "SetStatus", fault: "any-500", repeated: true},
		{call: "Comments", fault: "any-garbage", repeated: true},
	} {
		t.Run(tt.call+" "+tt.fault, func(t *testing.T) {
			t.Parallel()
			sim := simtest.Start(t, simforge.Options{Dialect: memory.Gitea}, tt.fault)
			noWait := wire.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
			done, err := act(t, sim, onSim(t, sim, simtest.Repository, simforge.WriteToken, noWait), tt.call)
			if tt.repeated && err != nil || !tt.repeated && (!forge.Uncertain(err) || !errors.Is(err, forge.ErrUnavailable)) {
				t.Errorf("%v, uncertain %v", err, forge.Uncertain(err))
			}
			if done() == tt.noSuccess {
				t.Errorf("it was done: %v", done())
			}
		})
	}
}

// act makes one call; done says whether it had its effect, just once where
// twice would be too much.
func act(t *testing.T, sim *simtest.Sim, f *gitea.Forge, call string) (done func() bool, err error) {
	t.Helper()
	ctx, repo, commit := t.Context(), sim.Repo, sim.Tags["v1.0.0"]
	at := forge.Place{Issue: repo.OpenIssue("alice", "an issue", "").Number}
	first, err := repo.AddComment(at, memory.Gitea.Self(), "first")
	if err != nil {
		t.Fatal(err)
	}
	id := strconv.FormatInt(first.ID, 10)
	switch call {
	case "CreateComment":
		_, err = f.CreateComment(ctx, at, "second")
		return func() bool { list, _ := repo.CommentsAt(at); return len(list) == 2 }, err
	case "Dispatch":
		repo.AddWorkflow("release.yml", "Release")
		err = f.Dispatch(ctx, "release.yml", "refs/heads/main", nil)
		return func() bool { return len(repo.Runs("")) == 1 }, err
	case "CreateTag":
		err = f.CreateTag(ctx, "v2.0.0", commit)
		return func() bool { at, ok, _ := repo.Refs().Peel(ctx, "refs/tags/v2.0.0"); return ok && at.Hash == commit }, err
	case "EditComment":
		err = f.EditComment(ctx, at, id, "changed")
		return func() bool { c, _ := repo.Comment(first.ID); return c.Body == "changed" }, err
	case "React":
		err = f.React(ctx, at, id, forge.Eyes)
		return func() bool { c, _ := repo.Comment(first.ID); return len(c.Reactions) == 1 }, err
	case "SetStatus":
		err = f.SetStatus(ctx, commit, forge.CommitStatus{Context: "slipway/release", State: "success"})
		return func() bool { list := repo.Statuses(commit); return len(list) > 0 && list[0].State == "success" }, err
	}
	list, err := f.Comments(ctx, first.Created)
	return func() bool { return len(list) == 1 }, err
}

// A status of a commit that is not there costs two requests, not five with
// waits between.
func TestStatusOfUnknownCommit(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{Dialect: memory.Gitea})
	f := onSim(t, sim, simtest.Repository, simforge.WriteToken, wire.Options{})
	err := f.SetStatus(t.Context(), memory.Hash("nobody knows"), forge.CommitStatus{Context: "c", State: "success"})
	if !errors.Is(err, forge.ErrRejected) || forge.Uncertain(err) || sim.Server.Recorder().Count() != 2 {
		t.Errorf("%v after %d requests", err, sim.Server.Recorder().Count())
	}
}

// Only administrators of the repository are told what others may do, and the
// error says so.
func TestPermissionForWriters(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{
		Dialect: memory.Gitea, Tokens: map[string]memory.Access{"alices-token": memory.Writer}, Logins: map[string]string{"alices-token": "alice"},
	})
	sim.Repo.SetPermission("alice", forge.MayWrite)
	f := onSim(t, sim, simtest.Repository, "alices-token", wire.Options{})
	_, err := f.Permission(t.Context(), memory.Gitea.Self())
	if !errors.Is(err, forge.ErrForbidden) || !strings.Contains(err.Error(), "administrator of acme/hello") {
		t.Errorf("Permission of another: %v", err)
	}
	if p, err := f.Permission(t.Context(), "alice"); err != nil || p != forge.MayWrite {
		t.Errorf("her own: %v, %v", p, err)
	}
	if _, err := f.Hooks(t.Context()); !errors.Is(err, forge.ErrForbidden) || !strings.Contains(err.Error(), "administrator") {
		t.Errorf("Hooks: %v", err)
	}
}

// All repositories that the token may write are found, to the last page.
func TestRepositories(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{Dialect: memory.Gitea})
	want := []string{simtest.Repository}
	for i := range 60 {
		name := "crew/boat-" + strconv.Itoa(i)
		repo := sim.Server.AddRepo(memory.Options{FullName: name})
		switch i % 3 {
		case 0:
			repo.SetPermission(memory.Gitea.Self(), forge.MayRead)
		default:
			want = append(want, name)
		}
	}
	got, err := gitea.Repositories(t.Context(), gitea.Options{Server: sim.Server.URL, Token: simforge.WriteToken, UserAgent: "slipway/test"})
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: %q, want %q", err, got, want)
	}
	if _, err := gitea.Repositories(t.Context(), gitea.Options{Server: sim.Server.URL, Token: "wrong-token"}); !errors.Is(err, forge.ErrUnauthorized) {
		t.Errorf("with a bad token: %v", err)
	}
}
