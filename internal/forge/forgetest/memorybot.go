package forgetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// MemoryBot is a subject whose people act on an in-memory repository directly,
// for adapters that see it through a wire. Its forges, tags, webhooks and
// traits are left to the caller.
func MemoryBot(repo *memory.Repo, refs *memory.MemoryRefs) BotSubject {
	m := memoryPeople{repo, refs}
	s := BotSubject{
		Self: repo.Self(), Repository: repo.FullName(),
		AddUser: m.addUser, AddTeam: m.addTeam, OpenIssue: m.openIssue, OpenPull: m.openPull, OpenForkPull: m.openForkPull, Merge: m.merge,
		Comment: m.comment, EditComment: m.editComment, Sign: m.sign, Signs: m.signs, SetStatus: m.setStatus, SetTag: m.setTag,
		AddWorkflow: m.addWorkflow, EndRun: m.endRun,
	}
	if repo.Dialect() == memory.GitHub {
		s.SetCheckRun, s.Deployed = m.setCheckRun, m.deployed
	}
	return s
}

// memoryPeople are the people on a repository in memory.
type memoryPeople struct {
	repo *memory.Repo
	refs *memory.MemoryRefs
}

const maintainer = "Somebody-Who-Maintains"

func (m memoryPeople) addUser(t *testing.T, p forge.Permission) string {
	t.Helper()
	login := fmt.Sprintf("User-%d", len(m.repo.People().Logins()))
	if m.repo.People().Add(login); p != forge.NoAccess {
		m.repo.SetPermission(login, p)
	}
	return login
}

func (m memoryPeople) addTeam(_ *testing.T, members ...string) string {
	m.repo.People().AddTeam("Crew/Captains", members...)
	return "crew/captains"
}

func (m memoryPeople) openIssue(*testing.T) int {
	return m.repo.OpenIssue(maintainer, "an issue", "with a text").Number
}

func (m memoryPeople) openPull(t *testing.T) (int, string) {
	t.Helper()
	head := memory.Hash("feature " + t.Name())
	m.refs.SetBranch("feature", head)
	return m.open(t, memory.NewPull{HeadBranch: "feature"}), head
}

func (m memoryPeople) openForkPull(t *testing.T) (int, string) {
	t.Helper()
	head := memory.Hash("theirs " + t.Name())
	return m.open(t, memory.NewPull{HeadRepository: "forker/hello", HeadBranch: "theirs", HeadCommit: head}), head
}

func (m memoryPeople) open(t *testing.T, n memory.NewPull) int {
	t.Helper()
	n.Author, n.Title = maintainer, "a pull request"
	pull, err := m.repo.OpenPull(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return pull.Number
}

func (m memoryPeople) merge(t *testing.T, number int) string {
	t.Helper()
	pull, err := m.repo.MergePull(t.Context(), number, maintainer)
	if err != nil {
		t.Fatal(err)
	}
	return pull.Pull.MergeCommit
}

func (m memoryPeople) comment(t *testing.T, at forge.Place, body string) string {
	t.Helper()
	c, err := m.repo.AddComment(at, maintainer, body)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatInt(c.ID, 10)
}

func (m memoryPeople) editComment(t *testing.T, _ forge.Place, id, body string) {
	t.Helper()
	if _, err := m.repo.EditComment(digits(t, id), maintainer, body); err != nil {
		t.Fatal(err)
	}
}

func (m memoryPeople) sign(t *testing.T, _ forge.Place, id, sign string) string {
	t.Helper()
	if _, _, err := m.repo.React(digits(t, id), maintainer, sign); err != nil {
		t.Fatal(err)
	}
	return maintainer
}

func (m memoryPeople) signs(t *testing.T, _ forge.Place, id string) []string {
	t.Helper()
	c, err := m.repo.Comment(digits(t, id))
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, r := range c.Reactions {
		out = append(out, r.User.Login+" "+r.Content)
	}
	slices.Sort(out)
	return out
}

func (m memoryPeople) setStatus(t *testing.T, commit, context, state string) {
	t.Helper()
	if _, err := m.repo.AddStatus(maintainer, memory.Status{Commit: commit, Context: context, State: state}); err != nil {
		t.Fatal(err)
	}
}

func (m memoryPeople) setCheckRun(t *testing.T, commit, name, status, conclusion string) {
	t.Helper()
	if _, err := m.repo.SetCheckRun(commit, name, status, conclusion); err != nil {
		t.Fatal(err)
	}
}

func (m memoryPeople) setTag(t *testing.T, name, commit string) {
	t.Helper()
	if err := m.refs.SetTag(t.Context(), name, commit); err != nil {
		t.Fatal(err)
	}
}

func (m memoryPeople) addWorkflow(t *testing.T) (file, head string) {
	t.Helper()
	head = memory.Hash("a workflow is added")
	m.refs.SetBranch("main", head)
	m.setTag(t, "v2.0.0", head)
	return m.repo.AddWorkflow("release.yml", "Release").File, head
}

func (m memoryPeople) endRun(t *testing.T, id string) string {
	t.Helper()
	if err := m.repo.EndRun(digits(t, id), "failure"); err != nil {
		t.Fatal(err)
	}
	return "failure"
}

func (m memoryPeople) deployed(*testing.T) []string {
	out := []string{}
	for _, d := range m.repo.Deployments() {
		line := []string{d.Environment}
		for _, s := range d.Statuses {
			line = append(line, s.State)
		}
		out = append(out, strings.Join(line, " "))
	}
	return out
}

func digits(t *testing.T, id string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
