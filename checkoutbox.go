package siftdb

import (
	"encoding/json"

	"github.com/siftdb/siftdb/hooks"
	"github.com/siftdb/siftdb/internal/layout"
)

// outbox checks that every delivery can be read, and that exactly those that are pending
// are listed as due.
func (c *checker) outbox() {
	from, to := layout.Prefix(c.source)
	pending := make(map[layout.Due]bool)
	c.scan(layout.Outbox, from, to, func(key, value []byte) {
		d, err := layout.ReadDelivery(key, value)
		if c.fault(layout.Outbox, 0, err) {
			return
		}
		if d.Failed == 0 {
			pending[d.DueOf()] = true
		}
		if d.Commit < 1 || d.Commit > c.meta.Commit {
			c.find("counter", layout.Outbox, d.Entry, "a delivery is of commit %d, where the last one is %d", d.Commit, c.meta.Commit)
		}
		c.payload(d)
	})
	c.scan(layout.Dues, from, to, func(key, _ []byte) {
		u, ok := layout.ParseDue(key)
		if !ok || !pending[u] {
			c.find("outbox-orphan", layout.Dues, 0, "a delivery is listed as due that is not in the outbox, or not pending")
		}
		delete(pending, u)
	})
	for u := range pending {
		c.find("missing-entry", layout.Dues, 0, "delivery %x is pending and not listed as due", u.ID)
	}
}

// payload checks that what is to be sent can be read. What could not be rendered says
// why.
func (c *checker) payload(d *layout.Delivery) {
	var m hooks.Delivery
	switch {
	case len(d.Payload) == 0 && d.Error != "":
	case json.Unmarshal(d.Payload, &m) != nil || string(m.Type) != d.Type || int64(m.HookIndex) != d.Hook:
		c.find("decode", layout.Outbox, d.Entry, "delivery %x cannot be read", d.ID)
	}
}
