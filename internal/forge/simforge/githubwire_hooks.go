package simforge

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
)

func (g githubWire) hookRoutes() []route {
	const hook = githubRepo + "/hooks/:id"
	return []route{
		on("GET", githubRepo+"/hooks", g.listHooks),
		on("POST", hook+"/pings", func(c *call) error {
			if err := g.mayHooks(c, false); err != nil { // GitHub asks for no more
				return err
			}
			if err := c.repo().TestHook(c.id("id"), c.login); err != nil {
				return err
			}
			return c.empty(http.StatusNoContent)
		}),
		on("GET", hook+"/deliveries", g.deliveries),
		on("GET", hook+"/deliveries/:delivery", func(c *call) error {
			d, err := g.delivery(c, false)
			if err != nil {
				return err
			}
			return c.answer(http.StatusOK, g.deliveryJSON(c, d, true))
		}),
		on("POST", hook+"/deliveries/:delivery/attempts", func(c *call) error {
			d, err := g.delivery(c, true)
			if err != nil {
				return err
			}
			if err := c.s.redeliver(c.hosted, d); err != nil {
				return err
			}
			return c.answer(http.StatusAccepted, map[string]any{})
		}),
		on("GET", "/app/hook/deliveries", g.asApp(g.appDeliveries)),
		on("GET", "/app/hook/deliveries/:delivery", g.asApp(g.appDelivery)),
	}
}

// mayHooks hides webhooks from who may not see them.
func (g githubWire) mayHooks(c *call, write bool) error {
	if c.access == memory.BadToken {
		return c.unauthorized()
	}
	seen := c.access == memory.Writer && c.installation == nil && c.repo().Permission(c.login) == forge.MayAdmin
	if c.installation != nil {
		seen = c.installation.may("repository_hooks", write)
	}
	if !seen {
		return &memory.Refusal{Status: http.StatusNotFound, Message: "Not Found", Kind: forge.ErrNotFound}
	}
	return c.repo().Allow(memory.Writer, false)
}

func (g githubWire) listHooks(c *call) error {
	if err := g.mayHooks(c, false); err != nil {
		return err
	}
	out := []any{}
	for _, h := range githubPage(c, c.s.apps.foreign(c.repo())) {
		out = append(out, g.hookJSON(c, h))
	}
	return c.answer(http.StatusOK, out)
}

func (g githubWire) hookJSON(c *call, h memory.Hook) map[string]any {
	self := fmt.Sprintf("%s/hooks/%d", g.api(c), h.ID)
	config := map[string]any{"url": h.URL, "content_type": h.ContentType, "insecure_ssl": "0"}
	if h.Secret != "" {
		config["secret"] = "********"
	}
	events := h.Events
	if len(events) == 0 {
		events = []string{"*"}
	}
	last := map[string]any{"code": nil, "status": "unused", "message": nil}
	if list := c.repo().Deliveries(h.ID); len(list) > 0 {
		last = map[string]any{"code": list[0].Status, "status": "active", "message": list[0].StatusText}
	}
	return map[string]any{
		"type": "Repository", "id": h.ID, "name": "web", "active": !h.Inactive, "events": events, "config": config,
		"created_at": stamp(h.Created), "updated_at": stamp(h.Created), "url": self, "test_url": self + "/test", "ping_url": self + "/pings",
		"deliveries_url": self + "/deliveries", "last_response": last,
	}
}

// deliveriesKept is how long GitHub keeps a delivery.
const deliveriesKept = 3 * 24 * time.Hour

func (g githubWire) deliveries(c *call) error {
	if err := g.mayHooks(c, false); err != nil {
		return err
	}
	if _, err := c.repo().Hook(c.id("id")); err != nil {
		return err
	}
	return g.answerDeliveries(c, c.repo().Deliveries(c.id("id")), func(memory.HookDelivery) hosted { return c.hosted })
}

// answerDeliveries gives a page, newest first, from where the cursor says.
func (g githubWire) answerDeliveries(c *call, list []memory.HookDelivery, of func(memory.HookDelivery) hosted) error {
	size := min(c.number("per_page", 30), 100)
	oldest := c.s.clock().Add(-deliveriesKept)
	q := c.r.URL.Query()
	var after int64
	if cursor := q.Get("cursor"); cursor != "" {
		data, err := base64.RawURLEncoding.DecodeString(cursor)
		if err == nil {
			after, err = strconv.ParseInt(string(data), 10, 64)
		}
		if err != nil {
			return &memory.Refusal{Status: http.StatusBadRequest, Message: "Invalid cursor"}
		}
	}
	list = slices.DeleteFunc(list, func(d memory.HookDelivery) bool {
		return d.At.Before(oldest) || after != 0 && d.ID >= after || q.Get("status") == "success" && !d.OK() || q.Get("status") == "failure" && d.OK()
	})
	if len(list) > size {
		list = list[:size]
		q.Set("cursor", base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, list[size-1].ID, 10)))
		u := *c.r.URL
		u.RawQuery = q.Encode()
		c.w.Header().Set("Link", fmt.Sprintf("<%s%s>; rel=\"next\"", c.base(), u.RequestURI()))
	}
	out := []any{}
	for _, d := range list {
		c.hosted = of(d)
		out = append(out, g.deliveryJSON(c, d, false))
	}
	return c.answer(http.StatusOK, out)
}

// delivery finds one of a webhook's.
func (g githubWire) delivery(c *call, write bool) (memory.HookDelivery, error) {
	if err := g.mayHooks(c, write); err != nil {
		return memory.HookDelivery{}, err
	}
	for _, d := range c.repo().Deliveries(c.id("id")) {
		if d.ID == c.id("delivery") && c.id("id") > 0 {
			return d, nil
		}
	}
	return memory.HookDelivery{}, c.missing()
}

func (g githubWire) deliveryJSON(c *call, d memory.HookDelivery, whole bool) map[string]any {
	installation := c.s.apps.installationOf(d.Hook)
	out := map[string]any{
		"id": d.ID, "guid": d.GUID, "delivered_at": stamp(d.At), "redelivery": d.Redelivery, "duration": d.Took.Seconds(),
		"status": d.StatusText, "status_code": d.Status, "event": d.Event, "action": orNull(d.Action),
		"installation_id": installation, "repository_id": repositoryID(c.repo().FullName()),
		"throttled_at": nil,
	}
	if !whole {
		return out
	}
	headers := map[string]string{}
	for k := range d.Header {
		headers[k] = d.Header.Get(k)
	}
	out["url"] = ""
	if h, err := c.repo().Hook(d.Hook); err == nil {
		out["url"] = h.URL
	}
	out["request"] = map[string]any{"headers": headers, "payload": json.RawMessage(d.Body)}
	out["response"] = map[string]any{"headers": map[string]string{}, "payload": ""}
	return out
}
