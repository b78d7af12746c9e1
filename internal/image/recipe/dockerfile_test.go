package recipe_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/image/recipe"
	"github.com/slipway-dev/slipway/internal/release"
)

func userFile() release.PlanImage {
	return release.PlanImage{ID: "x", Kind: release.ImageOfDockerfile, Dockerfile: "Dockerfile"}
}

// TestDockerfileProblems: an error of the user's Dockerfile names the file and
// the line, and shows the line.
func TestDockerfileProblems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text   string
		change func(*release.PlanImage)
		line   int
		words  []string
	}{
		"empty":        {"", nil, 0, []string{"no instructions"}},
		"no FROM":      {"RUN true\n", nil, 1, []string{"RUN true"}},
		"only ARG":     {"ARG A\n", nil, 0, []string{"builds nothing"}},
		"unknown":      {"FROM scratch\n\nCOPPY . /\n", nil, 3, []string{"COPPY . /", "COPPY"}},
		"flag":         {"FROM scratch\nCOPY --fron=x . /\n", nil, 2, []string{"COPY --fron=x", "fron"}},
		"json":         {"FROM scratch\nCMD [1]\n", nil, 2, []string{"CMD [1]"}},
		"heredoc":      {"FROM scratch\nRUN <<EOF\ntrue\n", nil, 2, []string{"heredoc"}},
		"target":       {"FROM scratch AS final\n", func(i *release.PlanImage) { i.Target = "finale" }, 0, []string{"finale", "final"}},
		"copies env":   {"FROM scratch\nCOPY .env /app/\n", nil, 2, []string{"COPY .env", "environment file", "--development"}},
		"adds env":     {"FROM scratch\nADD [\"./config/.env.local\", \"/app/\"]\n", nil, 2, []string{"environment file"}},
		"mounts env":   {"FROM alpine\nRUN --mount=type=bind,source=.env,target=/e true\n", nil, 2, []string{"environment file"}},
		"in 2nd stage": {"FROM alpine AS a\nFROM alpine\nCOPY --from=a /x /x\nCOPY a/../.env /\n", nil, 4, []string{"environment file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			img := userFile()
			if c.change != nil {
				c.change(&img)
			}
			_, err := recipe.Dockerfile(img, tree(t, "Dockerfile", c.text))
			fails(t, err, append(c.words, "Dockerfile")...)
			var ps release.Problems
			if !errors.As(err, &ps) || ps[0].Line != c.line {
				t.Errorf("%#v, want line %d", err, c.line)
			}
		})
	}
}

// TestDockerfileTaken: a good Dockerfile is taken as it is.
func TestDockerfileTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text     string
		change   func(*release.PlanImage)
		warnings []string
	}{
		"platform args":  {"FROM --platform=$BUILDPLATFORM golang AS b\nARG TARGETOS\nFROM scratch\nCOPY --from=b /x /\n", nil, nil},
		"other language": {"# syntax=registry.example/frontend:1\nimage: hello\n", nil, nil},
		"newer":          {"# syntax=docker/dockerfile:99\nFROM scratch\nTELEPORT x\n", nil, []string{"TELEPORT"}},
		"target":         {"FROM scratch AS a\nFROM scratch\n", func(i *release.PlanImage) { i.Target = "A" }, nil},
		"target number":  {"FROM scratch AS a\nFROM scratch\n", func(i *release.PlanImage) { i.Target = "1" }, nil},
		"development":    {"FROM scratch\nCOPY .env /\n", func(i *release.PlanImage) { i.Development = true }, nil},
		"of a stage":     {"FROM alpine AS a\nFROM scratch\nCOPY --from=a /.env /\n", nil, nil},
		"template":       {"FROM scratch\nCOPY .env.example /\n", nil, nil},
		"args": {"ARG BASE=alpine\nFROM $BASE\nARG A\n", func(i *release.PlanImage) {
			i.Args = map[string]string{"A": "1", "BASE": "b", "B": "2", "HTTP_PROXY": "p"}
		}, []string{"no ARG declares the build argument B"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			img := userFile()
			if c.change != nil {
				c.change(&img)
			}
			r, err := recipe.Dockerfile(img, tree(t, "Dockerfile", c.text))
			if err != nil {
				t.Fatal(err)
			}
			if string(r.Dockerfile) != c.text || r.Path != "Dockerfile" {
				t.Errorf("%q at %q", r.Dockerfile, r.Path)
			}
			if d := cmp.Diff(img.Args, r.Args); d != "" {
				t.Errorf("arguments: %s", d)
			}
			if len(r.Warnings) != len(c.warnings) {
				t.Fatalf("warnings %v, want %q", r.Warnings, c.warnings)
			}
			for i, w := range r.Warnings {
				if !w.Warning {
					t.Errorf("%v is no warning", w)
				}
				fails(t, release.Problems{w}, c.warnings[i])
			}
		})
	}
}
