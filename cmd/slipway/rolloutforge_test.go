package main

import (
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// deployments LINE… holds what the forge shows of deployments, oldest first:
// "production: r1 of release.ocu.star: in_progress success".
func cmdDeployments(ts *testscript.TestScript, _ bool, args []string) {
	x, ok := scripts.Load(ts)
	if !ok {
		ts.Fatalf("there is no simforge")
	}
	var got []string
	for _, d := range x.(scriptForge).repo.Deployments() {
		line := d.Environment + ": " + d.Description + ":"
		for _, s := range d.Statuses {
			line += " " + s.State
			if s.SiteURL != "" {
				line += "(" + s.SiteURL + ")"
			}
		}
		got = append(got, line)
	}
	if strings.Join(got, "\n") != strings.Join(args, "\n") {
		ts.Fatalf("the deployments are\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(args, "\n"))
	}
}
