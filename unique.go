package siftdb

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// Index returns the distinct values of one column, as Indexes does.
func (ds *DataSource) Index(ctx context.Context, column string) ([]any, error) {
	values, err := ds.Indexes(ctx, column)
	if err != nil {
		return nil, err
	}
	return values[column], nil
}

// Indexes returns, for each column asked, the list of its distinct values in order
// of first appearance (spec 2.4). A name may be a path into nested values. Null
// and absent are left out; an array contributes its elements, one level deep; two
// values are the same when they are equal as JSON. An unknown column gives an
// empty list. Values are as Entry.Lookup's; IndexesJSON keeps their digits.
func (ds *DataSource) Indexes(ctx context.Context, columns ...string) (map[string][]any, error) {
	return distinct(ctx, ds, columns, document.Value.Go)
}

// IndexesJSON is Indexes with the values as JSON text, as they were written where each
// appeared first: numbers with the digits they were given, keys in their order. So of
// 1.10 and 1.1, which are one value, the text is that of whichever comes first.
func (ds *DataSource) IndexesJSON(ctx context.Context, columns ...string) (map[string][]json.RawMessage, error) {
	return distinct(ctx, ds, columns, func(v document.Value) json.RawMessage { return document.AppendJSON(nil, v) })
}

// distinct returns the distinct values of columns as take makes them of stored ones.
func distinct[T any](ctx context.Context, ds *DataSource, columns []string, take func(document.Value) T) (map[string][]T, error) {
	ds, err := ds.selectingAll(ctx)
	if err != nil {
		return nil, err
	}
	rd := ds.read()
	defer rd.close()
	sets := make([]*valueSet[T], 0, len(columns))
	known := make(map[string]*valueSet[T], len(columns))
	for _, name := range columns {
		if known[name] == nil {
			known[name] = &valueSet[T]{path: query.ParsePath(name), take: take, values: []T{}, seen: make(map[string]struct{})}
			sets = append(sets, known[name])
		}
	}
	bind := func() {
		for _, s := range sets {
			if s.bound == nil {
				s.bound = s.path.Bind(rd.st.source.schema())
			}
		}
	}
	done, err := distinctColumns(ctx, rd, sets, bind)
	if err != nil {
		return nil, err
	}
	for !done {
		err := rd.slice(ctx, func(r storage.Reader) (err error) {
			bind()
			src := rd.st.source
			done, err = rd.entries(r, nil, func(rec *layout.Record, _ query.Verdict) (bool, error) {
				doc := document.Stored(rec.Doc, src.names)
				for _, s := range sets {
					s.bound.Each(doc, s.addValue)
				}
				return true, nil
			})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	lists := make(map[string][]T, len(sets))
	for name, s := range known {
		lists[name] = s.values
	}
	return lists, nil
}

// distinctColumns gathers the distinct values from columns in memory, and reports whether it
// could.
func distinctColumns[T any](ctx context.Context, rd *reading, sets []*valueSet[T], bind func()) (bool, error) {
	var needs columnNeeds
	p := &columnPlan{}
	moved := map[int64][]document.Value{} // what each path leads to in a moved entry
	ok, err := rd.table(ctx, func(storage.Reader) (columnNeeds, error) {
		bind()
		needs = rd.needs()
		for _, s := range sets {
			number, absent, ok := s.bound.Column()
			switch {
			case !ok:
				needs.reason = "a name is no column"
			case !absent && !needs.hides(number):
				needs.numbers = append(needs.numbers, number)
			}
		}
		return needs, nil
	}, func(r storage.Reader, _ columnNeeds, v columnView) error {
		p.columnView, p.apart = v, nil
		clear(moved)
		return rd.eachMoved(ctx, r, v, func(rec *layout.Record) error {
			p.apart = append(p.apart, apart{place: place{rec.OrderValue(), rec.ID}})
			doc := document.Stored(slices.Clone(rec.Doc), rd.st.source.names)
			for _, s := range sets {
				number, _, _ := s.bound.Column()
				moved[rec.ID] = append(moved[rec.ID], doc.Column(number))
			}
			return nil
		})
	})
	if err != nil || !ok {
		return false, err
	}
	for i, s := range sets {
		number, absent, _ := s.bound.Column()
		if absent || needs.hides(number) {
			continue
		}
		p.eachFirst(number, func(id int64, v document.Value) {
			if values, ok := moved[id]; ok {
				v = values[i]
			}
			s.addValue(v)
		})
	}
	rd.ds.db.columns.measure(rd.ds.id)
	return true, nil
}

// valueSet gathers the distinct values of one column.
type valueSet[T any] struct {
	path   query.Path
	bound  *query.BoundPath
	take   func(document.Value) T
	values []T
	seen   map[string]struct{}
	key    []byte
}

// addValue adds a value, or the elements of an array.
func (s *valueSet[T]) addValue(v document.Value) bool {
	if v.Kind() != document.Array {
		s.add(v)
		return true
	}
	for item := range v.Items() {
		s.add(item)
	}
	return true
}

func (s *valueSet[T]) add(v document.Value) {
	if k := v.Kind(); k == document.Null || k == document.Absent {
		return
	}
	s.key = document.CanonicalKey(s.key[:0], v)
	if _, dup := s.seen[string(s.key)]; dup {
		return
	}
	s.seen[string(s.key)] = struct{}{}
	s.values = append(s.values, s.take(v))
}
