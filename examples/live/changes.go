package main

import (
	"context"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/internal/report"
)

// subscription gets rows, one call for each write, on a goroutine of the database's.
func (t *tour) subscription(ctx context.Context) error {
	t.Heading("A subscription: what was written while it was paused comes in one call")
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	calls := make(chan siftdb.TableChanges[City])
	sub, err := t.cities.Subscribe(ctx, siftdb.SubscribeOptions{Where: swiss}, func(c siftdb.TableChanges[City]) {
		select {
		case calls <- c:
		case <-ctx.Done(): // Close waits for this function, so it must not wait for ever
		}
	})
	if err != nil {
		return err
	}
	g := report.NewTable("call", "what", "city", "people")
	wait := func(name string) error {
		select {
		case c := <-calls:
			addRows(g, name, "inserted", c.Inserted)
			addRows(g, name, "updated", c.Updated)
			addRows(g, name, "deleted", c.Deleted)
			return nil
		case <-sub.Done():
			return sub.Err()
		}
	}

	if _, err := t.cities.Insert(ctx, City{"Winterthur", "CH", 119_315}); err != nil {
		return err
	}
	if err := wait("first"); err != nil {
		return err
	}

	sub.Pause()
	for _, people := range []int64{120_376, 122_640} { // of the two only the last is told
		if err := t.grow(ctx, "Winterthur", people); err != nil {
			return err
		}
	}
	lugano, err := t.cities.Insert(ctx, City{"Lugano", "CH", 63_185})
	if err != nil {
		return err
	}
	if err := t.cities.DataSource().Remove(ctx, lugano.ID); err != nil { // came and went: not told
		return err
	}
	if err := t.grow(ctx, "Lausanne", 146_372); err != nil {
		return err
	}
	sub.Resume()
	if err := wait("resumed"); err != nil {
		return err
	}
	t.Table(g)
	return nil
}

// addRows adds a line for each row.
func addRows(g *report.Table, call, what string, rows []siftdb.Row[City]) {
	for _, row := range rows {
		g.Add(call, what, row.Value.Name, row.Value.Population)
	}
}

// feed reads every write after the last one that the live query saw, none merged: what
// a program does that keeps that version in a file and was not running meanwhile. It
// would go on and wait for more; this one stops at the last write.
func (t *tour) feed(ctx context.Context) error {
	t.Heading("The change feed, resumed after the last live update")
	g := report.NewTable("version", "write", "city", "people before", "after")
	for set, err := range t.cities.DataSource().Changes(ctx, t.seen) {
		if err != nil {
			return err
		}
		for _, c := range set.Changes {
			switch {
			case c.Created():
				g.Add(set.Version.ID, set.Version.Action, c.After.Get("Name"), nil, c.After.Get("Population"))
			case c.Deleted():
				g.Add(set.Version.ID, set.Version.Action, c.Before.Get("Name"), c.Before.Get("Population"), nil)
			default:
				g.Add(set.Version.ID, set.Version.Action, c.After.Get("Name"), c.Before.Get("Population"), c.After.Get("Population"))
			}
		}
		// A large write comes in several sets. Only after its last one may the version
		// be kept.
		if !set.More && set.Version.ID == t.last {
			break
		}
	}
	t.Table(g)
	return nil
}
