package github

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// pages reads a whole list, ordered by id. Once the last page's number is
// known, pages come side by side.
func pages[T any, K cmp.Ordered](ctx context.Context, a *api, call *wire.Call, path string, id func(T) K) ([]T, error) {
	return pagesOf(ctx, a, call, path, func(items []T) []T { return items }, id)
}

// pagesOf is pages for a list inside of an object.
func pagesOf[A, T any, K cmp.Ordered](
	ctx context.Context, a *api, call *wire.Call, path string, list func(A) []T, id func(T) K,
) ([]T, error) {
	var mu sync.Mutex
	found := map[K]T{}
	read := func(ctx context.Context, page int) (next, last int, err error) {
		items, next, last, err := readPage(ctx, a, call, path, page, list)
		if err != nil {
			return 0, 0, err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, item := range items {
			found[id(item)] = item
		}
		return next, last, nil
	}
	next, last, err := read(ctx, 1)
	if err == nil && last > next {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(4)
		for page := next; page < last; page++ {
			group.Go(func() error {
				_, _, err := read(ctx, page)
				return err
			})
		}
		err, next = group.Wait(), last
	}
	for previous := 1; err == nil && next > previous; {
		previous = next
		next, _, err = read(ctx, next)
	}
	if err != nil {
		return nil, err
	}
	items := make([]T, 0, len(found))
	for _, item := range found {
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	return items, nil
}

// readPage reads one page of 100, and gives the numbers of the next and the
// last one, 0 where there is none.
func readPage[A, T any](
	ctx context.Context, a *api, call *wire.Call, path string, page int, list func(A) []T,
) (items []T, next, last int, err error) {
	join := "?"
	if strings.Contains(path, "?") {
		join = "&"
	}
	var answer A
	resp, err := a.do(ctx, call, http.MethodGet, fmt.Sprintf("%s%sper_page=100&page=%d", path, join, page), nil, &answer)
	if err != nil {
		return nil, 0, 0, err
	}
	return list(answer), resp.NextPage, resp.LastPage, nil
}

// newest reads a list that GitHub gives oldest first and can't cut at a time:
// the last page, and those before it down to the first that begins before what
// is asked for, which old says of an item.
func newest[T any](ctx context.Context, a *api, call *wire.Call, path string, old func(T) bool) ([]T, error) {
	same := func(items []T) []T { return items }
	first, next, last, err := readPage(ctx, a, call, path, 1, same)
	if err != nil || last <= 1 {
		return first, err
	}
	var found []T
	for page := last; page > 1; page-- {
		items, after, _, err := readPage(ctx, a, call, path, page, same)
		if err != nil {
			return nil, err
		}
		found = append(found, items...)
		if page == last {
			next = after // made while the pages were read
		}
		if len(items) > 0 && old(items[0]) {
			first = nil
			break
		}
	}
	for next > last {
		items, after, _, err := readPage(ctx, a, call, path, next, same)
		if err != nil {
			return nil, err
		}
		found, last, next = append(found, items...), next, after
	}
	return append(found, first...), nil
}
