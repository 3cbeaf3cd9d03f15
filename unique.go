package siftdb

import (
	"context"

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
// empty list. Values are as Entry.Lookup's.
func (ds *DataSource) Indexes(ctx context.Context, columns ...string) (map[string][]any, error) {
	ds, err := ds.selectingAll(ctx)
	if err != nil {
		return nil, err
	}
	rd := ds.read()
	defer rd.close()
	sets := make([]*valueSet, 0, len(columns))
	known := make(map[string]*valueSet, len(columns))
	for _, name := range columns {
		if known[name] == nil {
			known[name] = &valueSet{path: query.ParsePath(name), values: []any{}, seen: make(map[string]struct{})}
			sets = append(sets, known[name])
		}
	}
	for done := false; !done; {
		err := rd.slice(ctx, func(r storage.Reader) (err error) {
			src := rd.st.source
			for _, s := range sets {
				if s.bound == nil {
					s.bound = s.path.Bind(src.schema())
				}
			}
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
	lists := make(map[string][]any, len(sets))
	for name, s := range known {
		lists[name] = s.values
	}
	return lists, nil
}

// valueSet gathers the distinct values of one column.
type valueSet struct {
	path   query.Path
	bound  *query.BoundPath
	values []any
	seen   map[string]struct{}
	key    []byte
}

// addValue adds a value, or the elements of an array.
func (s *valueSet) addValue(v document.Value) bool {
	if v.Kind() != document.Array {
		s.add(v)
		return true
	}
	for item := range v.Items() {
		s.add(item)
	}
	return true
}

func (s *valueSet) add(v document.Value) {
	if k := v.Kind(); k == document.Null || k == document.Absent {
		return
	}
	s.key = document.CanonicalKey(s.key[:0], v)
	if _, dup := s.seen[string(s.key)]; dup {
		return
	}
	s.seen[string(s.key)] = struct{}{}
	s.values = append(s.values, v.Go())
}
