package build

import (
	"context"

	"github.com/slipway-dev/slipway/internal/pack/dist"
	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/release"
)

// Adopt puts binaries that another machine has built where Binaries would have
// left them, and looks at them as if it had built them here. path tells where
// each lies now; the files are moved.
func Adopt(ctx context.Context, o Options, path func(release.PlanBuild) string) ([]release.Binary, error) {
	folder, err := dist.Open(o.Dist, "build")
	if err != nil {
		return nil, err
	}
	r := &run{Options: o, folder: folder}
	jobs, err := r.jobs()
	if err != nil {
		return nil, err
	}
	var out []release.Binary
	for _, j := range jobs {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		from := path(j.PlanBuild)
		if err := CheckBinary(from, j.Platform, j.Static); err != nil {
			return nil, &release.Error{Kind: release.KindOf(err), Message: "adopt " + j.String(), Hint: release.HintOf(err), Err: err}
		}
		// No build has this identity: a later one of this machine is made anew.
		record, err := folder.Adopt(j.key, j.name, "adopted", from)
		if err != nil {
			return nil, err
		}
		r.Stage.Task(j.ID+" "+j.Platform.String(), 0).Done(progress.Bytes(record.Size)+", built elsewhere", nil)
		out = append(out, release.Binary{ID: j.ID, Platform: j.Platform, Name: j.Binary, Size: record.Size, Digest: record.Digest,
			Path: folder.Path(j.name)})
	}
	return out, nil
}
