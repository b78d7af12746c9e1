package releasenotes

import "strings"

// people holds every author once; commits refer to them by number.
type people struct {
	numbers map[string]int32
	list    []identity
}

// identity is one email, or one name where there is no email.
type identity struct {
	email string // lower case
	name  string // as the newest commit has it
	fold  string // the name in lower case: identities that share it are one person
	bot   bool
	alone []string // the name as the list that most entries need
}

func newPeople() *people { return &people{numbers: map[string]int32{}} }

// number finds an author's number, making one for a new author.
func (p *people) number(name, email string) int32 {
	key := strings.ToLower(email)
	if key == "" {
		key = "\x00" + name
	}
	if n, ok := p.numbers[key]; ok {
		return n
	}
	n := int32(len(p.list))
	key = strings.Clone(key)
	id := identity{name: strings.Clone(oneLine(name)), bot: isBot(name, email)}
	if email != "" {
		id.email = key
	}
	if id.name == "" {
		id.name, _, _ = strings.Cut(oneLine(email), "@")
	}
	id.fold = strings.ToLower(id.name)
	id.alone = []string{id.name}
	p.list = append(p.list, id)
	p.numbers[key] = n
	return n
}

// isBot knows programs by the forges' mark "[bot]" and by the names that the
// widespread ones commit under.
func isBot(name, email string) bool {
	name, email = strings.ToLower(strings.TrimSpace(name)), strings.ToLower(email)
	if strings.HasSuffix(name, "[bot]") || strings.Contains(email, "[bot]@") {
		return true
	}
	switch name {
	case "dependabot", "dependabot-preview", "renovate", "renovate bot", "renovate-bot", "mend renovate",
		"github-actions", "github actions", "gitea-actions", "forgejo-actions", "snyk-bot", "greenkeeper",
		"pre-commit-ci", "allcontributors", "semantic-release-bot", "weblate", "copilot":
		return true
	}
	switch email {
	case "bot@renovateapp.com", "support@dependabot.com", "action@github.com", "noreply@anthropic.com", "cursoragent@cursor.com":
		return true
	}
	return false
}
