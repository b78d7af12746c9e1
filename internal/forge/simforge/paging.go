package simforge

import (
	"fmt"
	"strconv"
	"strings"
)

// number reads a query's number, with a default for none and for nonsense.
func (c *call) number(name string, otherwise int) int {
	n, err := strconv.Atoi(c.r.URL.Query().Get(name))
	if err != nil || n < 1 {
		return otherwise
	}
	return n
}

// cut takes one page, and says how many there are.
func cut[T any](list []T, page, size int) (part []T, pages int) {
	pages = (len(list) + size - 1) / size
	from := min((page-1)*size, len(list))
	return list[from:min(from+size, len(list))], pages
}

// githubPage takes the page that was asked for (30 at a time, at most 100) and
// links its neighbours.
func githubPage[T any](c *call, list []T) []T {
	size := min(c.number("per_page", 30), 100)
	page := c.number("page", 1)
	part, pages := cut(list, page, size)
	var rels []string
	if page > 1 {
		rels = append(rels, c.pageLink(page-1, "prev"))
	}
	if page < pages {
		rels = append(rels, c.pageLink(page+1, "next"), c.pageLink(pages, "last"))
	}
	if page > 1 {
		rels = append(rels, c.pageLink(1, "first"))
	}
	if len(rels) > 0 {
		c.w.Header().Set("Link", strings.Join(rels, ", "))
	}
	return part
}

// Gitea's [api] DEFAULT_PAGING_NUM and MAX_RESPONSE_ITEMS.
const (
	giteaPageSize    = 30
	giteaMaxPageSize = 50
)

// giteaPage takes the page that was asked for and tells the total.
func giteaPage[T any](c *call, list []T) []T {
	size := min(c.number("limit", giteaPageSize), giteaMaxPageSize)
	page := c.number("page", 1)
	part, pages := cut(list, page, size)
	var rels []string
	if page < pages {
		rels = append(rels, c.pageLink(page+1, "next"), c.pageLink(pages, "last"))
	}
	if page > 1 {
		rels = append(rels, c.pageLink(1, "first"), c.pageLink(page-1, "prev"))
	}
	if len(rels) > 0 {
		c.w.Header().Set("Link", strings.Join(rels, ","))
	}
	c.w.Header().Set("X-Total-Count", strconv.Itoa(len(list)))
	return part
}

func (c *call) pageLink(page int, rel string) string {
	u := *c.r.URL
	q := u.Query()
	q.Set("page", strconv.Itoa(page))
	u.RawQuery = q.Encode()
	return fmt.Sprintf("<%s%s>; rel=%q", c.base(), u.RequestURI(), rel)
}
