package github_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/github"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
	"github.com/slipway-dev/slipway/internal/forge/simforge/simtest"
	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// The repositories that may be written are found: of a token by its rights, of
// an app over all its installations, none twice, none that is archived.
func TestRepositories(t *testing.T) {
	t.Parallel()
	sim, app := appSim(t, simforge.Options{Tokens: map[string]memory.Access{"maggies": memory.Writer, simforge.WriteToken: memory.Writer, simforge.ReadToken: memory.ReadOnly},
		Logins: map[string]string{"maggies": "maggie"}})
	var many []string
	for i := range 120 {
		many = append(many, fmt.Sprintf("beta/r%03d", i))
		sim.Server.AddRepo(memory.Options{FullName: many[i], Private: i == 7})
	}
	old := sim.Server.AddRepo(memory.Options{FullName: "acme/old", Archived: true})
	theirs := sim.Server.AddRepo(memory.Options{FullName: "zeta/theirs"})
	theirs.SetPermission("maggie", forge.MayWrite)
	old.SetPermission("maggie", forge.MayWrite)
	sim.Server.Install(77, simforge.Installation{ID: 702, Account: "beta", Repositories: append(many, "acme/old")})
	sim.Server.Install(77, simforge.Installation{ID: 703, Account: "zeta", Repositories: []string{"zeta/theirs"}, Suspended: true})
	sim.Server.Install(77, simforge.Installation{ID: 704, Account: "zeta", Repositories: []string{"zeta/theirs"}, Rights: map[string]string{"contents": "read"}})
	all := append([]string{simtest.Repository}, many...)
	for what, tt := range map[string]struct {
		o    github.Options
		want []string
	}{
		"a token":           {github.Options{Token: simforge.WriteToken}, append(all[:len(all):len(all)], "zeta/theirs")},
		"another's token":   {github.Options{Token: "maggies"}, []string{"zeta/theirs"}},
		"a reader's token":  {github.Options{Token: simforge.ReadToken}, []string{}},
		"an app":            {github.Options{App: app}, all},
		"one installation":  {github.Options{App: &github.App{ID: 77, Key: app.Key, Installation: 701}}, all[:1]},
		"an app's own word": {github.Options{App: &github.App{ID: 77, Key: app.Key, Installation: 704}}, []string{}},
	} {
		tt.o.Server, tt.o.UserAgent = sim.Server.URL, "slipway/test"
		got, err := github.Repositories(t.Context(), tt.o)
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, d)
		}
	}
	none := github.Options{Server: sim.Server.URL}
	_, err := github.Repositories(t.Context(), none)
	says(t, err, forge.ErrUnauthorized, "there is no token")
	none.App = &github.App{ID: 77, Key: app.Key, Installation: 703}
	none.UserAgent = "slipway/test"
	_, err = github.Repositories(t.Context(), none)
	says(t, err, forge.ErrUnauthorized, "suspended")
}

// The deliveries that an app's own webhook missed are told of this repository
// alone.
func TestAppHook(t *testing.T) {
	t.Parallel()
	sim, app := appSim(t, simforge.Options{})
	other := sim.Server.AddRepo(memory.Options{FullName: "acme/other"})
	sim.Server.Install(77, simforge.Installation{ID: 701, Account: "acme", Repositories: []string{simtest.Repository, "acme/other"}})
	if err := sim.Server.HookApp(77, simforge.Hook{URL: "http://127.0.0.1:1/hook"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*memory.Repo{sim.Repo, other} {
		hook := r.Hooks()[0].ID
		r.RecordDelivery(memory.HookDelivery{Hook: hook, GUID: "lost in " + r.FullName(), Event: "push", Body: []byte(`{"a":1}`)})
		r.RecordDelivery(memory.HookDelivery{Hook: hook, GUID: "arrived", Event: "push", Body: []byte(`{}`), Status: 200})
	}
	f := byApp(t, sim, app, wire.Options{})
	list, err := f.FailedDeliveries(t.Context(), forge.AppHook, time.Now().Add(-time.Hour))
	if err != nil || len(list) != 1 || list[0].GUID != "lost in acme/hello" {
		t.Fatalf("%+v, %v", list, err)
	}
	if body, err := f.DeliveryBody(t.Context(), forge.AppHook, list[0].ID); string(body) != `{"a":1}` || err != nil {
		t.Errorf("body %s, %v", body, err)
	}
	if hooks, err := f.Hooks(t.Context()); err != nil || len(hooks) != 0 {
		t.Errorf("Hooks = %+v, %v; want none of the app's own", hooks, err)
	}
}
