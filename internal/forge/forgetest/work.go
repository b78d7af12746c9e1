package forgetest

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
)

var workflowPromises = []promise{
	{"a dispatched workflow runs on its branch or tag", testDispatch},
	{"runs are listed from a time on, oldest first", testRuns},
	{"a run has a conclusion when it has ended", testRunEnds},
	{"what cannot be dispatched is refused", testBadDispatch},
}

var hookPromises = []promise{
	{"webhooks are listed", testHooks},
	{"a test is delivered", testTestHook},
}

var missedPromises = []promise{
	{"what was not delivered can be read", testMissed},
}

var deploymentPromises = []promise{
	{"a deployment goes through its states", testDeployment},
	{"a bad deployment is refused", testBadDeployment},
}

var credentialPromises = []promise{
	{"the login is good for git", testLogin},
}

func (s BotSubject) workflows(t *testing.T) forge.Workflows { return must[forge.Workflows](t, s.Forge) }

// dispatch starts a workflow and waits for its run.
func (s BotSubject) dispatch(t *testing.T, file, ref string, n int) forge.WorkflowRun {
	t.Helper()
	if err := s.workflows(t).Dispatch(t.Context(), file, ref, map[string]string{"tag": "v1.0.0"}); err != nil {
		t.Fatalf("Dispatch(%s, %s): %v", file, ref, err)
	}
	var runs []forge.WorkflowRun
	eventually(t, "the run is listed", func(ctx context.Context) bool {
		var err error
		if runs, err = s.workflows(t).Runs(ctx, file, time.Now().Add(-time.Minute)); err != nil {
			t.Fatalf("Runs: %v", err)
		}
		return len(runs) >= n
	})
	return runs[len(runs)-1]
}

func testDispatch(t *testing.T, s BotSubject) {
	file, head := s.AddWorkflow(t)
	run := s.dispatch(t, file, "refs/heads/main", 1)
	if run.Event != "workflow_dispatch" || run.Branch != "main" || run.Tag != "" || run.Commit != head || run.ID == "" || run.Fork ||
		!strings.HasPrefix(run.URL, "http") || run.Conclusion != "" {
		t.Errorf("the run on main is %+v", run)
	}
	run = s.dispatch(t, file, "refs/tags/v2.0.0", 2)
	if run.Event != "workflow_dispatch" || run.Tag != "v2.0.0" && run.Branch != "v2.0.0" || run.Commit != head {
		t.Errorf("the run on the tag is %+v", run)
	}
}

func testRuns(t *testing.T, s BotSubject) {
	file, _ := s.AddWorkflow(t)
	if runs, err := s.workflows(t).Runs(t.Context(), file, time.Time{}); err != nil || len(runs) != 0 {
		t.Errorf("Runs = %+v, %v; want none", runs, err)
	}
	first := s.dispatch(t, file, "refs/heads/main", 1)
	time.Sleep(2100 * time.Millisecond) // the forges' times are whole seconds
	since := time.Now().Add(-time.Second)
	second := s.dispatch(t, file, "refs/heads/main", 2)
	all, err := s.workflows(t).Runs(t.Context(), file, time.Time{})
	if err != nil || len(all) != 2 || all[0].ID != first.ID || all[1].ID != second.ID {
		t.Errorf("Runs = %+v, %v; want %s and %s", all, err, first.ID, second.ID)
	}
	later, err := s.workflows(t).Runs(t.Context(), file, since)
	if err != nil || len(later) != 1 || later[0].ID != second.ID {
		t.Errorf("Runs since the second = %+v, %v; want %s", later, err, second.ID)
	}
	got, err := s.workflows(t).Run(t.Context(), second.ID)
	if err != nil || got != later[0] {
		t.Errorf("Run = %+v, %v; want %+v", got, err, later[0])
	}
	for _, id := range []string{"987654321", "x", ""} {
		_, err := s.workflows(t).Run(t.Context(), id)
		wantErr(t, "Run("+id+")", err, forge.ErrNotFound)
	}
}

func testRunEnds(t *testing.T, s BotSubject) {
	file, _ := s.AddWorkflow(t)
	run := s.dispatch(t, file, "refs/heads/main", 1)
	if s.Traits.CancelRuns {
		if err := s.workflows(t).CancelRun(t.Context(), run.ID); err != nil {
			t.Fatalf("CancelRun: %v", err)
		}
		s.ended(t, run.ID, "cancelled")
		run = s.dispatch(t, file, "refs/heads/main", 2)
	} else {
		err := s.workflows(t).CancelRun(t.Context(), run.ID)
		wantErr(t, "CancelRun", err, forge.ErrRejected)
		certain(t, "CancelRun", err)
	}
	if s.EndRun != nil {
		s.ended(t, run.ID, s.EndRun(t, run.ID))
		if err := s.workflows(t).CancelRun(t.Context(), run.ID); err != nil {
			t.Errorf("CancelRun of one that has ended: %v", err)
		}
	}
	wantErr(t, "CancelRun of none", s.workflows(t).CancelRun(t.Context(), "987654321"), forge.ErrNotFound)
}

func (s BotSubject) ended(t *testing.T, id, conclusion string) {
	t.Helper()
	eventually(t, "the run ends with "+conclusion, func(ctx context.Context) bool {
		run, err := s.workflows(t).Run(ctx, id)
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		return run.Conclusion == conclusion
	})
}

func testBadDispatch(t *testing.T, s BotSubject) {
	file, _ := s.AddWorkflow(t)
	ctx, w := t.Context(), s.workflows(t)
	for _, name := range []string{"no-such.yml", "../" + file, "a/b.yml", ""} {
		err := w.Dispatch(ctx, name, "refs/heads/main", nil)
		wantErr(t, "Dispatch("+name+")", err, forge.ErrNotFound)
		certain(t, "Dispatch("+name+")", err)
	}
	for _, ref := range []string{"refs/heads/no-such-branch", "refs/tags/v9.9.9", ""} {
		certain(t, "Dispatch on "+ref, w.Dispatch(ctx, file, ref, nil))
	}
	_, err := w.Runs(ctx, "no-such.yml", time.Time{})
	wantErr(t, "Runs of no workflow", err, forge.ErrNotFound)
	err = must[forge.Workflows](t, s.ReadOnly).Dispatch(ctx, file, "refs/heads/main", nil)
	wantErr(t, "Dispatch with the read token", err, forge.ErrForbidden)
	if runs, err := w.Runs(ctx, file, time.Time{}); err != nil || len(runs) != 0 {
		t.Errorf("after refusals there are the runs %+v, %v", runs, err)
	}
}

func testHooks(t *testing.T, s BotSubject) {
	hooks := must[forge.Hooks](t, s.Forge)
	if got, err := hooks.Hooks(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("Hooks = %+v, %v; want none", got, err)
	}
	address := "http://127.0.0.1:1/webhook"
	id := s.AddHook(t, address)
	want := []forge.Hook{{ID: id, URL: address, Active: true, Events: s.Traits.HookEvents, ContentType: "json"}}
	got, err := hooks.Hooks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Hooks (-want +got):\n%s", d)
	}
}

func testTestHook(t *testing.T, s BotSubject) {
	hooks := must[forge.Hooks](t, s.Forge)
	id := s.AddHook(t, "")
	if err := hooks.TestHook(t.Context(), id); err != nil {
		t.Fatalf("TestHook: %v", err)
	}
	s.AwaitHook(t, id)
	for _, bad := range []string{"987654321", "x", ""} {
		wantErr(t, "TestHook("+bad+")", hooks.TestHook(t.Context(), bad), forge.ErrNotFound)
	}
}

func testMissed(t *testing.T, s BotSubject) {
	missed := must[forge.Missed](t, s.Forge)
	hook := s.AddHook(t, "http://127.0.0.1:1/webhook")
	began := time.Now().Add(-time.Minute)
	if got, err := missed.FailedDeliveries(t.Context(), hook, began); err != nil || len(got) != 0 {
		t.Fatalf("FailedDeliveries = %+v, %v; want none", got, err)
	}
	event, body := s.FailDelivery(t, hook)
	s.DeliverLate(t, hook)
	got, err := missed.FailedDeliveries(t.Context(), hook, began)
	if err != nil || len(got) != 1 {
		t.Fatalf("FailedDeliveries = %+v, %v; want the one that never arrived", got, err)
	}
	if got[0].Event != event || got[0].GUID == "" || got[0].At.Before(began) {
		t.Errorf("the delivery is %+v, want one of %s", got[0], event)
	}
	raw, err := missed.DeliveryBody(t.Context(), hook, got[0].ID)
	if err != nil || !bytes.Equal(raw, body) {
		t.Errorf("DeliveryBody = %.100q, %v; want %.100q", raw, err, body)
	}
	if got, err := missed.FailedDeliveries(t.Context(), hook, time.Now().Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("in an hour there are %+v, %v", got, err)
	}
	_, err = missed.DeliveryBody(t.Context(), hook, "987654321")
	wantErr(t, "DeliveryBody of none", err, forge.ErrNotFound)
	_, err = missed.FailedDeliveries(t.Context(), "987654321", began)
	wantErr(t, "FailedDeliveries of no hook", err, forge.ErrNotFound)
}

func testDeployment(t *testing.T, s BotSubject) {
	d := must[forge.Deployments](t, s.Forge)
	for i, ref := range []string{s.Tags["v1.0.0"], "v1.1.0"} {
		id, err := d.CreateDeployment(t.Context(), forge.Deployment{Ref: ref, Environment: "production", Description: "from a test"})
		if err != nil {
			t.Fatalf("CreateDeployment(%s): %v", ref, err)
		}
		want := "production"
		for _, state := range []string{"queued", "in_progress", "success", "failure", "error", "inactive"} {
			err := d.SetDeploymentStatus(t.Context(), id, forge.DeploymentStatus{State: state, LogURL: "https://slipway.example/1", SiteURL: "https://app.example",
				Description: strings.Repeat("long ", 100)})
			if err != nil {
				t.Fatalf("SetDeploymentStatus(%s): %v", state, err)
			}
			want += " " + state
		}
		if got := s.Deployed(t); len(got) != i+1 || got[i] != want {
			t.Errorf("the deployments are %q, want %q at the end", got, want)
		}
		newest, err := d.DeploymentsTo(t.Context(), "production", 1)
		if err != nil || len(newest) != 1 || newest[0].ID != id || newest[0].Ref != ref || newest[0].Description != "from a test" {
			t.Errorf("the newest deployment is %+v, %v; want %s of %s", newest, err, id, ref)
		}
	}
	if all, err := d.DeploymentsTo(t.Context(), "production", 100); err != nil || len(all) != 2 || all[1].Ref != s.Tags["v1.0.0"] {
		t.Errorf("the deployments to production are %+v, %v", all, err)
	}
	if none, err := d.DeploymentsTo(t.Context(), "elsewhere & beyond", 100); err != nil || len(none) != 0 {
		t.Errorf("the deployments to nowhere are %+v, %v", none, err)
	}
}

func testBadDeployment(t *testing.T, s BotSubject) {
	d := must[forge.Deployments](t, s.Forge)
	_, err := d.CreateDeployment(t.Context(), forge.Deployment{Ref: unknownCommit, Environment: "production"})
	certain(t, "CreateDeployment of an unknown commit", err)
	_, err = must[forge.Deployments](t, s.ReadOnly).CreateDeployment(t.Context(), forge.Deployment{Ref: "v1.0.0", Environment: "production"})
	wantErr(t, "CreateDeployment with the read token", err, forge.ErrForbidden)
	wantErr(t, "SetDeploymentStatus of none", d.SetDeploymentStatus(t.Context(), "987654321", forge.DeploymentStatus{State: "success"}), forge.ErrNotFound)
	if got := s.Deployed(t); len(got) != 0 {
		t.Errorf("after refusals there are %q", got)
	}
}

func testLogin(t *testing.T, s BotSubject) {
	user, password, err := must[forge.Credentials](t, s.Forge).Login(t.Context())
	if err != nil || user == "" || password == "" {
		t.Fatalf("Login = %q, %d characters, %v", user, len(password), err)
	}
	if s.GitLogin == nil {
		return
	}
	if err := s.GitLogin(t, user, password); err != nil {
		t.Errorf("git does not get in as %s: %v", user, err)
	}
	if err := s.GitLogin(t, user, "not-"+password); err == nil {
		t.Error("git gets in with another password")
	}
}
