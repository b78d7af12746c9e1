package action

import (
	"errors"
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
)

// askedRollout is the command line of a rollout. What a pull request proposes is
// never rolled out.
func (w *workflow) askedRollout(line []string) (args []string, skip string, err error) {
	with := func(more ...string) []string {
		args := append(append(line, more...), w.in.args...)
		if len(w.in.packages) > 0 {
			args = append(append(args, "--"), w.in.packages...)
		}
		return args
	}
	if w.in.tag != "" {
		return with("--tag", w.in.tag), "", nil
	}
	ev, there, err := w.event()
	if err != nil || !there {
		return with(), "", err
	}
	asked := project.Ask(ev)
	switch {
	case asked.Plan:
		return nil, "what a pull request proposes is not rolled out", nil
	case asked.Skip:
		return nil, asked.Reason, nil
	case w.in.goOn:
		return with(), "", nil
	}
	fmt.Fprintln(w.log, "event: "+asked.Reason)
	return with(selection(asked.Selection)...), "", nil
}

// endRollout tells how a rollout went: failures where they are in the packages,
// and that it waits, which fails the step only where that is asked for.
func (w *workflow) endRollout(r release.Report, err error) error {
	waits := release.KindOf(err) == release.Waiting && release.RolloutStatus(r.Rollouts) == string(release.Waits)
	switch {
	case err == nil:
	case waits && !w.in.failOnWaiting:
		w.log.flush()
		w.action.Warningf("%s", w.log.mask.Replace(oneLine(err.Error())+" (it goes on with a later run of this step, or with continue: true)"))
		err = nil
	case waits:
		w.tell(err)
	default:
		r.Outcome = release.Stopped
		var placed release.Problems
		for _, ro := range r.Rollouts {
			placed = append(placed, ro.Problems...)
		}
		if len(placed) == 0 {
			w.tell(err)
			break
		}
		w.log.flush()
		w.annotations(placed)
	}
	return errors.Join(err, w.hand(r, err))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
