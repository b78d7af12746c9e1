package memory

import "strings"

// HasPart says whether the repository is among an account's own: it owns it or
// was given a permission here, which reading what is public is not.
func (r *Repo) HasPart(login string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, granted := r.grants[strings.ToLower(login)]
	return granted || strings.EqualFold(login, r.dialect.Self())
}
