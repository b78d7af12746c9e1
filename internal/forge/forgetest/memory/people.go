package memory

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway/internal/forge"
)

// User is an account.
type User struct {
	ID    int64
	Login string
	Bot   bool // an app's account
}

// People are the accounts and teams of a server; its repositories share them.
// Its methods may be called from several goroutines.
type People struct {
	mu    sync.Mutex
	users map[string]User            // by lower-case login
	teams map[string]map[string]bool // by lower-case org/team, of lower-case logins
	last  int64
}

// NewPeople knows nobody but the account that tokens have unless something
// else is said (Self).
func NewPeople(d Dialect) *People {
	p := &People{users: map[string]User{}, teams: map[string]map[string]bool{}, last: 2000}
	id := int64(1000)
	if d == Gitea {
		id = 1
	}
	p.users[d.Self()] = User{ID: id, Login: d.Self()}
	return p
}

// Self is the account of a token of which nothing else is said: it owns the
// repositories.
func (d Dialect) Self() string {
	if d == Gitea {
		return "maintainer"
	}
	return "octocat"
}

// Add makes an account, or finds it. On GitHub a login with "[bot]" at its end
// is an app's.
func (p *People) Add(login string) User {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := strings.ToLower(login)
	if u, ok := p.users[key]; ok {
		return u
	}
	p.last++
	u := User{ID: p.last, Login: login, Bot: strings.HasSuffix(key, "[bot]")}
	p.users[key] = u
	return u
}

// Find looks an account up, in any case.
func (p *People) Find(login string) (User, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, ok := p.users[strings.ToLower(login)]
	return u, ok
}

// Logins are all accounts, sorted.
func (p *People) Logins() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, key := range slices.Sorted(maps.Keys(p.users)) {
		out = append(out, p.users[key].Login)
	}
	return out
}

// AddTeam makes a team, "org/team", or adds to it.
func (p *People) AddTeam(team string, members ...string) {
	for _, m := range members {
		p.Add(m)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := strings.ToLower(team)
	if p.teams[key] == nil {
		p.teams[key] = map[string]bool{}
	}
	for _, m := range members {
		p.teams[key][strings.ToLower(m)] = true
	}
}

// InTeam says whether the team exists, and whether the account is in it.
func (p *People) InTeam(team, login string) (member, exists bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.teams[strings.ToLower(team)]
	return t[strings.ToLower(login)], ok
}

// Teams lists an organisation's teams by their names, sorted.
func (p *People) Teams(org string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, team := range slices.Sorted(maps.Keys(p.teams)) {
		if name, ok := strings.CutPrefix(team, strings.ToLower(org)+"/"); ok {
			out = append(out, name)
		}
	}
	return out
}

// Dialect says whose rules the repository follows, Self whose it is.
func (r *Repo) Dialect() Dialect { return r.dialect }
func (r *Repo) Self() string     { return r.dialect.Self() }

// Page is the address of the repository's page.
func (r *Repo) Page() string { return r.url }

// AllTeams are all teams as "org/team" in lower case, sorted.
func (p *People) AllTeams() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.teams))
}

// People are the accounts that the repository's server has.
func (r *Repo) People() *People { return r.people }

// SetPermission says what somebody may do here; the account is made when there
// is none.
func (r *Repo) SetPermission(login string, p forge.Permission) {
	r.people.Add(login)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grants[strings.ToLower(login)] = p
}

// Permission is what somebody may do here. Nobody of whom the server does not
// know may do anything.
func (r *Repo) Permission(login string) forge.Permission {
	if _, known := r.people.Find(login); !known {
		return forge.NoAccess
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p, granted := r.grants[strings.ToLower(login)]
	switch {
	case granted:
		return p
	case strings.EqualFold(login, r.dialect.Self()):
		return forge.MayAdmin
	case r.private:
		return forge.NoAccess
	}
	return forge.MayRead
}
