package realtest

import (
	"fmt"
	"net/http"
	"testing"
)

// AddUser makes an account, whose login is the given name with a number that
// no other has, lets it do that much in the repository ("read", "write" or
// "admin"; "" for nothing but what everybody may), and gives a token of its
// own with all scopes.
func (r *GiteaRepo) AddUser(t testing.TB, name, permission string) (login, token string) {
	t.Helper()
	login, token = r.Server.addUser(t, name)
	if permission != "" {
		r.SetPermission(t, login, permission)
	}
	return login, token
}

// SetPermission makes somebody a collaborator: "read", "write" or "admin".
func (r *GiteaRepo) SetPermission(t testing.TB, login, permission string) {
	t.Helper()
	r.Server.must(t, http.StatusNoContent, http.MethodPut, "/repos/"+r.FullName()+"/collaborators/"+login,
		map[string]string{"permission": permission}, nil, r.Server.asAdmin)
}

func (s *GiteaServer) addUser(t testing.TB, name string) (login, token string) {
	t.Helper()
	login = fmt.Sprintf("%s-%d", name, serial.Add(1))
	s.must(t, http.StatusCreated, http.MethodPost, "/admin/users", map[string]any{
		"username": login, "email": login + "@example.org", "password": s.Password, "must_change_password": false,
	}, nil, s.asAdmin)
	return login, s.tokenOf(t, login, s.Password, nil)
}

// AddTeam makes an organisation with one team of the given members and gives
// its name, "org/team".
func (s *GiteaServer) AddTeam(t testing.TB, members ...string) string {
	t.Helper()
	org := fmt.Sprintf("crew-%d", serial.Add(1))
	s.must(t, http.StatusCreated, http.MethodPost, "/orgs", map[string]string{"username": org}, nil, s.asAdmin)
	var team struct{ ID int64 }
	s.must(t, http.StatusCreated, http.MethodPost, "/orgs/"+org+"/teams", map[string]any{
		"name": "Captains", "permission": "write", "units": []string{"repo.code"},
	}, &team, s.asAdmin)
	for _, m := range members {
		s.must(t, http.StatusNoContent, http.MethodPut, fmt.Sprintf("/teams/%d/members/%s", team.ID, m), nil, nil, s.asAdmin)
	}
	return org + "/Captains"
}
