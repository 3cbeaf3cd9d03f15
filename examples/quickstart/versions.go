package main

import (
	"context"
	"errors"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/internal/report"
)

// swiss is the question that the rest of the tour asks again and again.
var swiss = siftdb.Query{
	Where: siftdb.M{"CountryCode": "CH"},
	Order: siftdb.Order{siftdb.Desc("Population")},
}

// change updates, inserts and deletes in one commit: all of it or nothing.
func (t *tour) change(ctx context.Context) error {
	t.Heading("One commit: Zurich grows, Winterthur joins, Bern leaves")
	zurich, err := t.city(ctx, "Zurich")
	if err != nil {
		return err
	}
	bern, err := t.city(ctx, "Bern")
	if err != nil {
		return err
	}
	result, err := t.cities.Commit(ctx, siftdb.Commit{
		Entries: []siftdb.CommitEntry{
			{ID: zurich.ID, Data: siftdb.M{"Population": 443_037}},
			{Data: siftdb.M{"Name": "Winterthur", "CountryCode": "CH", "Population": 119_315}},
		},
		Extend: true, // columns that are not sent stay
		Delete: []int64{bern.ID},
	}, siftdb.WithSource("quickstart"))
	if err != nil {
		return err
	}
	t.version = result.Version
	return t.show(ctx, t.cities)
}

// city finds one Swiss city.
func (t *tour) city(ctx context.Context, name string) (*siftdb.Entry, error) {
	e, err := t.cities.FindOne(ctx, siftdb.Query{Where: siftdb.M{"CountryCode": "CH", "Name": name}})
	if err == nil && e == nil {
		err = errors.New(name + " is not in the table; begin with a new file")
	}
	return e, err
}

// lookBack reads the log: the versions, the difference, and the state before.
func (t *tour) lookBack(ctx context.Context) error {
	t.Heading("Every write left a version: the state just before it")
	if err := t.versions(ctx); err != nil {
		return err
	}
	t.Heading("What the commit changed")
	if _, err := t.diff(ctx); err != nil {
		return err
	}
	t.Heading("The same question, asked of the state before the commit")
	return t.show(ctx, t.cities.At(t.version))
}

// restore brings the state before the commit back. That is a write like any
// other, so it can be undone as well.
func (t *tour) restore(ctx context.Context) error {
	t.Heading("Restored: as it was, and the restore is a version too")
	if _, err := t.cities.Restore(ctx, t.version); err != nil {
		return err
	}
	if err := t.show(ctx, t.cities); err != nil {
		return err
	}
	t.Say("")
	n, err := t.diff(ctx)
	if err != nil {
		return err
	}
	t.Say("Entries that differ from before the commit: %d\n", n)
	return t.versions(ctx)
}

// show prints the Swiss cities of one state.
func (t *tour) show(ctx context.Context, cities *siftdb.DataSource) error {
	list, err := cities.Find(ctx, swiss)
	if err != nil {
		return err
	}
	t.Entries(list, "Name", "CountryCode", "Population")
	return nil
}

// versions prints the newest versions.
func (t *tour) versions(ctx context.Context) error {
	list, err := t.cities.Versions(ctx, siftdb.Page{Limit: new(3)})
	if err != nil {
		return err
	}
	g := report.NewTable("version", "write", "label", "entries before", "inserted", "updated", "deleted")
	for _, v := range list {
		g.Add(v.ID, v.Action, v.Source, v.Count, v.Inserted, v.Updated, v.Deleted)
	}
	t.Table(g)
	return nil
}

// diff prints how the state before the commit became that of now, and returns the
// number of entries that differ.
func (t *tour) diff(ctx context.Context) (int, error) {
	g := report.NewTable("change", "Name", "Population before", "after")
	for c, err := range t.cities.Diff(ctx, t.version, siftdb.Now) {
		switch {
		case err != nil:
			return 0, err
		case c.Created():
			g.Add("created", c.After.Get("Name"), nil, c.After.Get("Population"))
		case c.Deleted():
			g.Add("deleted", c.Before.Get("Name"), c.Before.Get("Population"), nil)
		default:
			g.Add("changed", c.After.Get("Name"), c.Before.Get("Population"), c.After.Get("Population"))
		}
	}
	if g.Len() > 0 {
		t.Table(g)
	}
	return g.Len(), nil
}
