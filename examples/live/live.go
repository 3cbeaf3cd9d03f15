package main

import (
	"context"
	"strings"
	"sync"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/internal/report"
)

// live follows the three largest Swiss cities. A live query waits for writes, so it
// runs on a goroutine of its own, which hands its updates over.
func (t *tour) live(ctx context.Context) error {
	t.Heading("A live query: the three largest, and what each write does to them")
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()

	updates := make(chan *siftdb.LiveUpdate)
	var failed error // why updates was closed
	wg.Go(func() {
		defer close(updates)
		q := siftdb.Query{Where: swiss, Order: siftdb.Order{siftdb.Desc("Population")}, Limit: new(3)}
		for u, err := range t.cities.DataSource().Live(ctx, q) {
			if err != nil { // also the end of the context
				failed = err
				return
			}
			select {
			case updates <- u:
			case <-ctx.Done(): // nobody fetches it any more
			}
		}
	})
	g := report.NewTable("write", "what happens", "the three largest")
	for _, w := range []struct {
		city   string
		people int64
	}{
		{"", 0}, // the first update is the result as it is
		{"Geneva", 203_951},
		{"Bern", 164_500},   // now larger than Basel
		{"Zurich", 190_000}, // smaller than Geneva
	} {
		if w.city != "" {
			if err := t.grow(ctx, w.city, w.people); err != nil {
				return err
			}
		}
		// Updates that nobody fetches are merged. Each write here waits for its own.
		u, ok := <-updates
		if !ok {
			return failed
		}
		what, err := t.told(u)
		if err != nil {
			return err
		}
		names, err := t.names(u.Result)
		if err != nil {
			return err
		}
		g.Add(w.city, what, strings.Join(names, ", "))
		t.seen = u.Version
	}
	t.Table(g)
	return nil
}

// told says what an update is about.
func (t *tour) told(u *siftdb.LiveUpdate) (string, error) {
	var parts []string
	for _, list := range []struct {
		what    string
		entries []*siftdb.Entry
	}{{"enters", u.Entered}, {"changes", u.Changed}, {"leaves", u.Left}} {
		names, err := t.names(list.entries)
		if err != nil {
			return "", err
		}
		for _, name := range names {
			parts = append(parts, name+" "+list.what)
		}
	}
	return strings.Join(parts, ", "), nil
}

// names returns the names of cities.
func (t *tour) names(entries []*siftdb.Entry) ([]string, error) {
	rows, err := t.cities.Rows(entries)
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.Value.Name
	}
	return names, err
}
