package github_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// A workflow is started, found among its runs, followed and cancelled.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{Clock: ticking()})
	f := writer(t, sim)
	w := sim.Repo.AddWorkflow("release.yml", "Release")
	sim.Repo.AddRun("maggie", memory.Run{Workflow: w, Event: "push", Ref: "refs/heads/main", Commit: sim.Tags["v1.1.0"]})
	pushed := sim.Repo.AddRun("maggie", memory.Run{Workflow: w, Event: "push", Ref: "refs/tags/v1.0.0", Commit: sim.Tags["v1.0.0"]})
	if err := f.Dispatch(t.Context(), "release.yml", "refs/tags/v1.1.0", map[string]string{"class": "release"}); err != nil {
		t.Fatal(err)
	}
	runs, err := f.Runs(t.Context(), "release.yml", pushed.Created.Add(time.Millisecond))
	if err != nil || len(runs) != 2 {
		t.Fatalf("Runs = %+v, %v", runs, err)
	}
	if r := runs[0]; r.Event != "push" || r.Branch != "v1.0.0" || r.Commit != sim.Tags["v1.0.0"] || r.Fork || r.Name != "Release" || r.URL == "" {
		t.Errorf("run %+v", r)
	}
	id := runs[1].ID
	if stored, err := sim.Repo.Run(mustID(t, id)); err != nil || stored.Inputs["class"] != "release" || stored.Ref != "refs/tags/v1.1.0" {
		t.Errorf("dispatched %+v, %v", stored, err)
	}
	if r, err := f.Run(t.Context(), id); err != nil || r.Conclusion != "" || r.Event != "workflow_dispatch" {
		t.Errorf("Run = %+v, %v", r, err)
	}
	for range 2 { // the second time it has ended
		if err := f.CancelRun(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if r, err := f.Run(t.Context(), id); err != nil || r.Conclusion != "cancelled" {
		t.Errorf("Run = %+v, %v", r, err)
	}
	for file, ref := range map[string]string{"none.yml": "main", "../../x.yml": "main", "release": "main", "": "main"} {
		if err := f.Dispatch(t.Context(), file, ref, nil); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("Dispatch(%q): %v", file, err)
		}
	}
	if err := f.Dispatch(t.Context(), "release.yml", "nowhere", nil); !errors.Is(err, forge.ErrRejected) || !strings.Contains(err.Error(), "No ref found") {
		t.Errorf("no ref: %v", err)
	}
	for _, err := range []error{f.CancelRun(t.Context(), "7"), f.CancelRun(t.Context(), "x")} {
		if !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("CancelRun: %v", err)
		}
	}
}

// A dispatch that may have been done is not done again.
func TestUncertainWrites(t *testing.T) {
	t.Parallel()
	for what, try := range map[string]func(f forge.Forge, commit string) error{
		"dispatch": func(f forge.Forge, _ string) error {
			return f.(forge.Workflows).Dispatch(t.Context(), "release.yml", "main", nil)
		},
		"deploy": func(f forge.Forge, commit string) error {
			_, err := f.(forge.Deployments).CreateDeployment(t.Context(), forge.Deployment{Ref: commit, Environment: "production"})
			return err
		},
		"tag": func(f forge.Forge, commit string) error {
			return f.(forge.Commits).CreateTag(t.Context(), "v3", commit)
		},
	} {
		sim := simtest.Start(t, simforge.Options{}, "other-502-after")
		sim.Repo.AddWorkflow("release.yml", "Release")
		err := try(onSim(t, sim, simtest.Repository, simforge.WriteToken, wire.Options{}), sim.Tags["v1.0.0"])
		if !errors.Is(err, forge.ErrUnavailable) || !forge.Uncertain(err) {
			t.Errorf("%s: %v (uncertain %v)", what, err, forge.Uncertain(err))
		}
		if n := len(sim.Server.Recorder().Requests()); n != 1 {
			t.Errorf("%s: %d requests, want 1", what, n)
		}
	}
}

// A deployment merges nothing and asks for no checks.
func TestDeployment(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{})
	f := writer(t, sim)
	if err := f.SetStatus(t.Context(), sim.Tags["v1.0.0"], forge.CommitStatus{Context: "red", State: "failure"}); err != nil {
		t.Fatal(err)
	}
	id, err := f.CreateDeployment(t.Context(), forge.Deployment{Ref: "v1.0.0", Environment: "production", Description: strings.Repeat("x", 200)})
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"in_progress", "success"} {
		if err := f.SetDeploymentStatus(t.Context(), id, forge.DeploymentStatus{State: state, LogURL: "https://bot.example/1", SiteURL: "https://app.example", Description: strings.Repeat("y", 200)}); err != nil {
			t.Fatal(err)
		}
	}
	d := sim.Repo.Deployments()[0]
	if d.Commit != sim.Tags["v1.0.0"] || d.Environment != "production" || len(d.Statuses) != 2 || d.Statuses[1].State != "success" || d.Statuses[1].URL != "https://bot.example/1" || d.Statuses[1].SiteURL != "https://app.example" {
		t.Errorf("deployment %+v", d)
	}
	if err := f.SetDeploymentStatus(t.Context(), "7", forge.DeploymentStatus{State: "success"}); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("of none: %v", err)
	}
}

// Deliveries of which no try arrived are found, each once, over all pages, and
// their body is there to the letter.
func TestMissedDeliveries(t *testing.T) {
	t.Parallel()
	clock := ticking()
	sim := simtest.Start(t, simforge.Options{Clock: clock})
	f := writer(t, sim)
	hook := sim.Repo.AddHook(memory.Hook{URL: "https://bot.example/hook", Secret: "s3cr3t", Events: []string{"push"}})
	body := []byte(`{"ref": "refs/tags/v1.0.0",  "n": 1.50, "s": "é"}`)
	try := func(guid string, status int) memory.HookDelivery {
		return sim.Repo.RecordDelivery(memory.HookDelivery{Hook: hook.ID, GUID: guid, Event: "push", Body: body, Status: status, StatusText: "x"})
	}
	try("too-old", 0)
	var since time.Time
	var lost []string
	for i := range 250 {
		guid := fmt.Sprintf("g%03d", i)
		d := try(guid, map[bool]int{true: 202, false: 502}[i%5 != 0])
		if i == 0 {
			since = d.At
		}
		if i%5 == 0 && i%25 != 0 {
			lost = append(lost, guid)
		}
	}
	for i := 0; i < 250; i += 25 {
		try(fmt.Sprintf("g%03d", i), 200) // arrived at the second try
	}
	try("g005", 500)
	id := fmt.Sprint(hook.ID)
	list, err := f.FailedDeliveries(t.Context(), id, since)
	var got []string
	for _, d := range list {
		got = append(got, d.GUID)
		if d.Event != "push" || d.At.IsZero() {
			t.Errorf("delivery %+v", d)
		}
	}
	if d := cmp.Diff(lost, got); d != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, d)
	}
	if text, err := f.DeliveryBody(t.Context(), id, list[0].ID); string(text) != compactJSON(t, body) || err != nil {
		t.Errorf("body %s, %v", text, err)
	}
	hooks, err := f.Hooks(t.Context())
	want := []forge.Hook{{ID: id, URL: "https://bot.example/hook", Active: true, Events: []string{"push"}, ContentType: "json"}}
	if d := cmp.Diff(want, hooks); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if err := f.TestHook(t.Context(), id); err != nil {
		t.Error(err)
	}
	_, none := f.FailedDeliveries(t.Context(), "7", since)
	_, app := f.FailedDeliveries(t.Context(), "app", since)
	for what, err := range map[string]error{"no webhook": none, "no app": app, "no hook": f.TestHook(t.Context(), "x")} {
		if !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	reader := onSim(t, sim, simtest.Repository, simforge.ReadToken, wire.Options{})
	if _, err := reader.Hooks(t.Context()); !errors.Is(err, forge.ErrNotFound) || !strings.Contains(err.Error(), "admin:repo_hook") {
		t.Errorf("a reader's: %v", err)
	}
}

// What is left of the rate limit is what the last answer said, of the main
// limit alone.
func TestRateLeft(t *testing.T) {
	t.Parallel()
	sim := simtest.Start(t, simforge.Options{})
	f := writer(t, sim)
	if r := f.RateLeft(); r != (forge.Rate{}) {
		t.Errorf("before the first call: %+v", r)
	}
	for n := 1; n < 4; n++ {
		if _, err := f.Head(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
		if r := f.RateLeft(); r.Limit != 5000 || r.Remaining != 5000-n || r.Reset.Before(time.Now()) {
			t.Errorf("after %d calls: %+v", n, r)
		}
	}
	other := scripted(t, "x", map[string]answer{"GET /api/v3/repos/acme/hello/tags": {http.StatusOK, `[]`, map[string]string{
		"X-RateLimit-Limit": "30", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1", "X-RateLimit-Resource": "search",
	}}})
	if _, err := other.Tags(t.Context()); err != nil || other.RateLeft() != (forge.Rate{}) {
		t.Errorf("another limit: %+v, %v", other.RateLeft(), err)
	}
}

func compactJSON(t *testing.T, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
