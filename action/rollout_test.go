package action_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/workflows"
)

// rolledOut is a release package whose deploys leave their traces on a branch of
// the repository, and whose staging is well only where the branch fixed is.
const rolledOut = `slipway("1")

for name in ["staging", "production"]:
    register_environment(environment(name, {"type": name}))

def up(version, digest, environment):
    name = environment["name"]
    print("deploying {} {} to {}".format(version, digest, name))
    if name == "staging":
        host.shell("git fetch -q origin refs/heads/fixed")
    return done(outputs={"version": version})

def down(version, digest, environment):
    return done()

for kind in ["staging", "production"]:
    phase(kind, tasks=[
        deploy(up=up, down=down, environment=e, inputs={
            "version": input(ref="./release#output/version"),
            "digest": input(ref="./release#output/images/hello/digest"),
        })
        for e in environments() if e.attributes["type"] == kind
    ])
`

// A pushed tag is released, and carried out by the config's release package with
// the digest of its image. What failed in a first run of the job is run again by
// a rerun, and what was complete is not; the state is on a branch that the job's
// own token writes, although the checkout keeps no login.
func TestRollout(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.Write(".slipway.yaml", strings.ReplaceAll(config, "IMAGE", p.image)+"rollout: [{package: release.ocu.star}]\n")
	p.Write("release.ocu.star", rolledOut)
	f, err := workflows.Render("gitea", "release", workflows.Options{Action: theAction, Rollout: true})
	if err != nil {
		t.Fatal(err)
	}
	p.Write(f.Path, string(f.Content))
	p.Commit("feat: it is rolled out")
	p.Tag("v1.0.0")
	p.push("main", "v1.0.0")
	r := p.wait("push", tagRef("v1.0.0"))
	r.must(t, "failure", "v1.0.0 is published as stable", "deploying 1.0.0 sha256:", "to staging", "release.ocu.star, commit ", ": failed", "::error col=9,file=release.ocu.star,line=10::deploy/staging: ")
	if log := r.log(); strings.Contains(log, "to production") {
		t.Errorf("production was reached:\n%s", log)
	}

	p.Git("branch", "fixed")
	p.push("fixed")
	p.hub.must(t, http.StatusCreated, http.MethodPost, p.api(fmt.Sprintf("/actions/runs/%d/rerun", r.ID)), nil, nil)
	again := p.until("push", tagRef("v1.0.0"), func(now run) bool { return now.Attempt > r.Attempt && now.Status == "completed" })
	again.must(t, "success", "r1 of release.ocu.star: deploy/staging again", "to production", ": complete")
	if log := again.log(); strings.Contains(log, "release r2") {
		t.Errorf("it began anew:\n%s", log)
	}
	p.Git("fetch", "-q", p.hub.withLogin(t, "/"+p.repo.FullName()+".git"), "slipway-state")
	history := p.Git("log", "--format=%s", "FETCH_HEAD")
	for what, times := range map[string]int{"r1 deploy/staging is complete": 1, "r1 deploy/production is complete": 1, "r1 deploy/staging failed": 1, "release r1 is complete": 1} {
		if got := strings.Count(history, what); got != times {
			t.Errorf("the state's history tells %d times, not %d, that %s:\n%s", got, times, what, history)
		}
	}
}
