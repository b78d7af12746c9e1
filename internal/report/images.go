package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/slipway-dev/slipway/internal/release"
)

// how says what makes a binary.
func how(b release.PlanBuild) string {
	if b.Image != "" {
		return b.Builder + " in " + b.Image
	}
	return b.Builder
}

// imageRows are the lines of a plan that tell of one image.
func imageRows(row func(name, format string, args ...any), img release.PlanImage) {
	if img.Digest != "" {
		row("image", "%s, %s, for %s", img.ID, short(img.Digest), strings.Join(platforms(img.Platforms), ", "))
	} else {
		row("image", "%s of %s for %s", img.ID, madeOf(img), strings.Join(platforms(img.Platforms), ", "))
	}
	var names, moving []string
	for _, t := range img.Tags {
		if t.Moving {
			moving = append(moving, t.Name)
		} else {
			names = append(names, t.Name)
		}
	}
	tags := strings.Join(names, ", ")
	if len(moving) > 0 {
		tags = strings.TrimPrefix(tags+", moving "+strings.Join(moving, ", "), ", ")
	}
	for _, r := range img.Repositories {
		row("", "to %s: %s", r, tags)
	}
	for _, k := range img.Kept {
		row("", "tag %s stays where it is: %s", k.Name, k.Reason)
	}
	if len(img.EnvFiles) > 0 && !img.Development {
		row("", "left out: environment files (%s)", strings.Join(img.EnvFiles, ", "))
	}
	for _, s := range img.Secrets {
		row("", "secret %s, by a mount that leaves nothing behind", s.ID)
	}
}

func madeOf(img release.PlanImage) string {
	switch img.Kind {
	case release.ImageOfBuilds:
		return fmt.Sprintf("%s on %s", strings.Join(img.Builds, ", "), img.Base)
	case release.ImageOfDockerfile:
		return img.Dockerfile
	case release.ImageOfS2I:
		return "sources, with the Source-to-Image builder " + img.S2I.Builder
	}
	return "sources"
}

func way(w release.ImageWay) string {
	if w.Buildx {
		return "built by " + w.Builder
	}
	return "assembled in process"
}

func platforms(list []release.Platform) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return out
}

// Images writes what became of images: where they are and what points at them.
func Images(w io.Writer, images []release.ReportImage) {
	if len(images) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "IMAGE\tPLATFORMS\tDIGEST\tTAGS")
	for _, img := range images {
		var parts []string
		for _, m := range img.Manifests {
			parts = append(parts, m.Platform.String())
		}
		for _, r := range img.Repositories {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r, strings.Join(parts, ", "), short(img.Digest), strings.Join(tagsIn(img.States, r), ", "))
		}
	}
	_ = t.Flush()
	for _, img := range images {
		for _, s := range img.States {
			if s.State == "left" {
				fmt.Fprintf(w, "tag %s of %s was left: %s\n", s.Name, s.Repository, s.Reason)
			}
		}
	}
}

func tagsIn(states []release.TagState, repository string) []string {
	var out []string
	for _, s := range states {
		if s.Repository == repository && s.State != "left" && !slices.Contains(out, s.Name) {
			out = append(out, s.Name)
		}
	}
	return out
}

// short is enough of a digest to recognise it by.
func short(digest string) string {
	if len(digest) > 19 {
		return digest[:19] + "…"
	}
	return digest
}
