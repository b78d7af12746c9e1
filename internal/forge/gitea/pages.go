package gitea

import (
	"strconv"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/slipway-dev/slipway/internal/forge/wire"
)

// pageSize is what is asked for; the server may give fewer.
const pageSize = 50

func page(n int) sdk.ListOptions { return sdk.ListOptions{Page: n, PageSize: pageSize} }

// pages reads a list to its end. What stands on two pages, because the list
// grew meanwhile, is given once. The server may give fewer on a page than asked
// for, so only a page with nothing new ends the list, or the count that the
// server tells, or take, which says whether more is wanted.
func pages[T any, K comparable](call *wire.Call, key func(T) K, read func(page int) ([]T, *sdk.Response, error), take func(T) (more bool)) error {
	seen := map[K]bool{}
	for n := 1; ; n++ {
		list, resp, err := read(n)
		if err := call.Err(err); err != nil {
			return err
		}
		before := len(seen)
		for _, x := range list {
			if k := key(x); !seen[k] {
				seen[k] = true
				if !take(x) {
					return nil
				}
			}
		}
		total, err := strconv.Atoi(resp.Header.Get("X-Total-Count"))
		if len(seen) == before || (err == nil && len(seen) >= total) {
			return nil
		}
	}
}
