package project_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
)

// Promise: it works the first time. What needs a toolchain that this machine
// lacks runs in a builder image, and is told of.
func TestInImages(t *testing.T) {
	t.Parallel()
	source := fstest.MapFS{"go.mod": {Data: []byte("module a\n\ngo 1.26.2\n")}, "sub/go.mod": {Data: []byte("module b\n\ngo 1.25\n")},
		"odd/go.mod": {Data: []byte("module c\n")}, "bad/go.mod": {Data: []byte("{{{")}}
	cfg := release.Config{
		Builds: []release.Build{{ID: "a", Builder: "go"}, {ID: "b", Builder: "go", Dir: "sub"}, {ID: "c", Builder: "go", Image: "own"},
			{ID: "d", Builder: "command", Run: release.Command{Script: "cargo build"}}, {ID: "e", Builder: "command", Run: release.Command{Args: []string{"make"}}},
			{ID: "f", Builder: "go", Dir: "odd"}, {ID: "g", Builder: "go", Dir: "bad"}},
		Test: []release.Step{{Run: release.Command{Script: "go vet ./..."}}, {Run: release.Command{Script: "./check"}}, {}},
	}
	got, told := project.InImages(cfg, source, func(string) bool { return false })
	var images []string
	for _, b := range got.Builds {
		images = append(images, b.Image)
	}
	for _, s := range got.Test {
		images = append(images, s.Image)
	}
	want := []string{"golang:1.26", "golang:1.25", "own", "rust:latest", "", "golang:1.26", "golang:1.26", "golang:1.26", "", ""}
	if diff := cmp.Diff(want, images); diff != "" {
		t.Error(diff)
	}
	if len(told) != 6 || !told[0].Warning || told[0].Field != "builds[0]" || told[5].Field != "test[0]" {
		t.Errorf("told: %v", told)
	}
	if cfg.Builds[0].Image != "" || cfg.Test[0].Image != "" {
		t.Error("the config that was given is changed")
	}
	same, told := project.InImages(cfg, source, func(string) bool { return true })
	if diff := cmp.Diff(cfg, same); diff != "" || len(told) > 0 {
		t.Errorf("with the toolchains there: %s %v", diff, told)
	}
}
