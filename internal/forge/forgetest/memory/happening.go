package memory

// Happening is what a webhook would tell: it names the event in GitHub's words.
type Happening struct {
	Event  string // push, create, delete, issues, issue_comment, commit_comment, pull_request, release, status, check_run, workflow_run, deployment, deployment_status, ping
	Action string // created, edited, opened, closed, published …
	Actor  string // a login
	// Hook is the one webhook that is told (a test delivery); 0: all that
	// want the event.
	Hook int64

	Update   RefUpdate   // push, create, delete
	Issue    *Issue      // issues, issue_comment, pull_request
	Comment  *Comment    // issue_comment, commit_comment
	OldBody  string      // of an edited comment
	Release  *Release    // release
	Status   *Status     // status
	CheckRun *CheckRun   // check_run
	Run      *Run        // workflow_run
	Deployed *Deployment // deployment, deployment_status
}

// happened notes what to tell; the lock is held.
func (r *Repo) happened(h Happening) {
	if r.onEvent != nil {
		r.untold = append(r.untold, h)
	}
}

// tell tells what happened, after the change is made and with no lock held, so
// that the listener may look at the repository.
func (r *Repo) tell() {
	r.mu.Lock()
	list := r.untold
	r.untold = nil
	r.mu.Unlock()
	for _, h := range list {
		r.onEvent(h)
	}
}

// releaseMade tells of a new release: GitHub of a draft too, Gitea not.
func (r *Repo) releaseMade(rel *storedRelease) {
	if r.dialect == GitHub {
		r.releaseTold(rel, "created")
	}
	if !rel.Draft {
		r.releasePublished(rel)
	}
}

func (r *Repo) releaseChanged(rel *storedRelease, published bool) {
	switch {
	case published:
		r.releasePublished(rel)
	case r.dialect == GitHub:
		r.releaseTold(rel, "edited")
	case !rel.Draft:
		r.releaseTold(rel, "updated")
	}
}

// releasePublished tells of it once on Gitea; GitHub tells of a release that
// is no prerelease by a second word too.
func (r *Repo) releasePublished(rel *storedRelease) {
	r.releaseTold(rel, "published")
	switch {
	case r.dialect == GitHub && rel.Prerelease:
		r.releaseTold(rel, "prereleased")
	case r.dialect == GitHub:
		r.releaseTold(rel, "released")
	}
}

func (r *Repo) releaseTold(rel *storedRelease, action string) {
	told := rel.view()
	r.happened(Happening{Event: "release", Action: action, Actor: r.dialect.Self(), Release: &told})
}
