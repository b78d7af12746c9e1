package memory

import (
	"net/http"
	"slices"
	"time"
)

// Hook is a webhook of the repository.
type Hook struct {
	ID          int64
	URL         string
	Secret      string
	Inactive    bool
	Events      []string // in the forge's words; "*" (GitHub) and none mean all
	ContentType string   // json or form; empty is json
	Created     time.Time
}

// HookDelivery is a try to deliver an event.
type HookDelivery struct {
	ID         int64
	Hook       int64
	GUID       string
	Event      string // the header's word
	Action     string
	Header     http.Header
	Body       []byte // raw JSON
	At         time.Time
	Took       time.Duration
	Status     int    // what the receiver answered, 0 when it did not
	StatusText string // "OK", "failed to connect to host"
	Redelivery bool
}

// OK says whether the receiver took it.
func (d HookDelivery) OK() bool { return d.Status/100 == 2 }

// AddHook makes a webhook.
func (r *Repo) AddHook(h Hook) Hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	h.ID, h.Created = r.ids.nextOther(), r.now()
	if h.ContentType == "" {
		h.ContentType = "json"
	}
	r.hooks = append(r.hooks, h)
	return h
}

// RemoveHook takes a webhook away.
func (r *Repo) RemoveHook(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hooks = slices.DeleteFunc(r.hooks, func(h Hook) bool { return h.ID == id })
}

// Hooks lists the webhooks, oldest first.
func (r *Repo) Hooks() []Hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.hooks)
}

// Hook reads one.
func (r *Repo) Hook(id int64) (Hook, error) {
	for _, h := range r.Hooks() {
		if h.ID == id {
			return h, nil
		}
	}
	return Hook{}, notFound(r.dialect)
}

// TestHook has a webhook told of something: GitHub sends a ping, Gitea a push
// of the default branch that changes nothing.
func (r *Repo) TestHook(id int64, actor string) error {
	if _, err := r.Hook(id); err != nil {
		return err
	}
	r.mu.Lock()
	h := Happening{Event: "ping", Actor: actor, Hook: id}
	if r.dialect == Gitea {
		h.Event = "push"
	}
	r.happened(h)
	r.mu.Unlock()
	r.tell()
	return nil
}

// RecordDelivery notes a try to deliver, and gives it a number where it has
// none.
func (r *Repo) RecordDelivery(d HookDelivery) HookDelivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.ID == 0 {
		d.ID = r.ids.nextOther()
	}
	if d.At.IsZero() {
		d.At = r.clock().UTC()
	}
	r.deliveries = append(r.deliveries, d)
	return d
}

// Deliveries lists the tries of a webhook (0: of all), newest first.
func (r *Repo) Deliveries(hook int64) []HookDelivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []HookDelivery{}
	for _, d := range slices.Backward(r.deliveries) {
		if hook == 0 || d.Hook == hook {
			out = append(out, d)
		}
	}
	return out
}
