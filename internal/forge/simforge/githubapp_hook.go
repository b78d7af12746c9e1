package simforge

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

// HookApp gives an app a webhook of its own, which hears of what happens in
// the repositories where it is installed now.
func (s *Server) HookApp(app int64, h Hook) error {
	s.apps.mu.Lock()
	var covered []*Installation
	for _, a := range s.apps.known {
		for i := range a.Installations {
			if a.ID == app {
				covered = append(covered, &a.Installations[i])
			}
		}
	}
	s.apps.mu.Unlock()
	for _, in := range covered {
		for _, name := range in.Repositories {
			made, err := s.AddHook(name, h)
			if err != nil {
				return err
			}
			s.apps.mu.Lock()
			if s.apps.hooks == nil {
				s.apps.hooks = map[int64]appHook{}
			}
			s.apps.hooks[made.ID] = appHook{app, in.ID}
			s.apps.mu.Unlock()
		}
	}
	return nil
}

type appHook struct{ app, installation int64 }

// foreign lists a repository's webhooks without those of apps.
func (ap *apps) foreign(r *memory.Repo) []memory.Hook {
	ap.mu.Lock()
	defer ap.mu.Unlock()
	return slices.DeleteFunc(r.Hooks(), func(h memory.Hook) bool {
		_, own := ap.hooks[h.ID]
		return own
	})
}

// installationOf is the number that a delivery of an app's webhook has, nil
// for other webhooks.
func (ap *apps) installationOf(hook int64) any {
	ap.mu.Lock()
	defer ap.mu.Unlock()
	if h, ok := ap.hooks[hook]; ok {
		return h.installation
	}
	return nil
}

// ofHook says whether a webhook is the app's.
func (ap *apps) ofHook(hook, app int64) bool {
	ap.mu.Lock()
	defer ap.mu.Unlock()
	return ap.hooks[hook].app == app
}

// appDeliveries lists the deliveries of the app's own webhook, of all
// repositories, newest first.
func (g githubWire) appDeliveries(c *call) error {
	var list []memory.HookDelivery
	of := map[int64]hosted{}
	c.s.each(func(h hosted) {
		for _, d := range h.repo.Deliveries(0) {
			if c.s.apps.ofHook(d.Hook, c.app.ID) {
				list, of[d.ID] = append(list, d), h
			}
		}
	})
	slices.SortFunc(list, func(a, b memory.HookDelivery) int { return cmp.Compare(b.ID, a.ID) })
	return g.answerDeliveries(c, list, func(d memory.HookDelivery) hosted { return of[d.ID] })
}

func (g githubWire) appDelivery(c *call) error {
	var found []memory.HookDelivery
	c.s.each(func(h hosted) {
		for _, d := range h.repo.Deliveries(0) {
			if d.ID == c.id("delivery") && c.s.apps.ofHook(d.Hook, c.app.ID) {
				found, c.hosted = append(found, d), h
			}
		}
	})
	if len(found) == 0 {
		return &memory.Refusal{Status: http.StatusNotFound, Message: "Not Found", Kind: forge.ErrNotFound}
	}
	return c.answer(http.StatusOK, g.deliveryJSON(c, found[0], true))
}
