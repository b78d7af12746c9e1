package action

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sethvargo/go-githubactions"

	"github.com/slipway-dev/slipway/internal/release"
)

// outputs are what later steps may read; action.yml tells of each. Paths are
// relative to the workspace, which has another place outside of the container.
func outputs(r release.Report, workspace string) (map[string]string, error) {
	d := r.Decision
	out := map[string]string{"class": d.Class, "version": d.Version, "tag": d.Tag, "reason": d.Reason, "notes": r.Notes, "plan-hash": r.PlanHash,
		"status": release.RolloutStatus(r.Rollouts), "skipped": strconv.FormatBool(r.Outcome == release.Skipped), "outcome": string(r.Outcome)}
	if r.Plan != nil {
		out["class"], out["version"], out["tag"] = r.Plan.Class, r.Plan.Version, r.Plan.Tag
	}
	if f := r.Release; f != nil {
		out["id"], out["url"], out["upload_url"] = f.ID, f.URL, f.UploadURL
	}
	if len(r.Images) > 0 {
		out["digest"] = r.Images[0].Digest
	}
	for _, a := range r.Assets {
		switch a.Kind {
		case release.KindChecksums:
			out["checksums"] = relative(workspace, a.File)
		case release.KindDigests:
			out["digests"] = relative(workspace, a.File)
		}
	}
	out["release"] = ""
	for _, ro := range r.Rollouts {
		out["release"] = cmp.Or(out["release"], ro.Release)
	}
	type artifact struct {
		Name     string `json:"name"`
		Path     string `json:"path"`
		Type     string `json:"type"`
		Platform string `json:"platform,omitempty"`
		Size     int64  `json:"size"`
		Digest   string `json:"digest"`
	}
	type asset struct {
		Name   string `json:"name"`
		URL    string `json:"url,omitempty"`
		Size   int64  `json:"size"`
		Digest string `json:"digest"`
	}
	artifacts, assets := []artifact{}, []asset{}
	for _, a := range r.Assets {
		x := artifact{Name: a.Name, Path: relative(workspace, a.File), Type: string(a.Kind), Size: a.Size, Digest: a.Digest}
		if a.Platform != nil {
			x.Platform = a.Platform.String()
		}
		artifacts = append(artifacts, x)
		if r.Release != nil {
			assets = append(assets, asset{Name: a.Name, URL: a.URL, Size: a.Size, Digest: a.Digest})
		}
	}
	metadata := map[string]any{}
	if p := r.Plan; p != nil {
		metadata = map[string]any{"project_name": p.Project, "tag": p.Tag, "previous_tag": p.Notes.Previous, "version": p.Version,
			"commit": p.Commit, "date": p.Time, "class": p.Class, "prerelease": p.Prerelease}
	}
	for name, v := range map[string]any{"artifacts": artifacts, "assets": assets, "metadata": metadata, "images": emptyNotNull(r.Images), "rollouts": emptyNotNull(r.Rollouts), "plan": r.Plan} {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		out[name] = string(b)
	}
	if r.Plan == nil {
		out["plan"] = ""
	}
	return out, nil
}

func emptyNotNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func relative(workspace, path string) string {
	if rel, err := filepath.Rel(workspace, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// write appends the outputs to the runner's file, each with a delimiter of its
// own that nothing in it can know.
func write(a *githubactions.Action, values map[string]string, mask *strings.Replacer) error {
	if a.Getenv("GITHUB_OUTPUT") == "" {
		return nil // no runner
	}
	if err := writable(a.Getenv("GITHUB_OUTPUT")); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := mask.Replace(values[name])
		end := "slipway_" + rand.Text()
		a.IssueFileCommand(&githubactions.Command{Name: "output", Message: fmt.Sprintf("%s<<%s\n%s\n%s", name, end, value, end)})
	}
	return nil
}

// summarize appends to the job's summary, where the runner keeps one.
func summarize(a *githubactions.Action, markdown string, mask *strings.Replacer) error {
	if a.Getenv("GITHUB_STEP_SUMMARY") == "" {
		return nil
	}
	if err := writable(a.Getenv("GITHUB_STEP_SUMMARY")); err != nil {
		return err
	}
	a.AddStepSummary(clip(mask.Replace(markdown)))
	return nil
}

// summaryLimit is what GitHub takes of one step, in bytes.
const summaryLimit = 1 << 20

// clip cuts what is too long for a summary at the end of a line.
func clip(markdown string) string {
	const cut = "\n\n… (cut: it is too long for a summary)\n"
	if len(markdown) <= summaryLimit {
		return markdown
	}
	markdown = strings.ToValidUTF8(markdown[:summaryLimit-len(cut)-1], "")
	return markdown[:strings.LastIndexByte(markdown, '\n')+1] + cut
}

// writable finds, before go-githubactions panics of it, a file that can't be
// appended to.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return release.Invalidf("run it as a step of a workflow, as a container action", "the runner's file for outputs can't be written: %v", err)
	}
	return f.Close()
}
