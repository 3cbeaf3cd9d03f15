package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"sync"

	"github.com/siftdb/siftdb"
)

var ctx = context.Background()

// siftStore is siftdb with its options at their defaults. Documents come out decoded, by
// Entry.Map.
type siftStore struct {
	db           *siftdb.DB
	path         string
	books, loans *siftdb.DataSource

	mu  sync.RWMutex
	ids []int64 // of book i+1: siftdb hands out ids of its own
	own map[int64]int64
}

func (s *siftStore) about() string {
	return "options at their defaults, a version kept of every write, documents by Entry.Map"
}

func (s *siftStore) open(dir string) (err error) {
	s.path = filepath.Join(dir, "data.siftdb")
	if s.db, err = siftdb.Open(ctx, s.path, nil); err != nil {
		return err
	}
	if s.books, err = s.source("Books"); err != nil {
		return err
	}
	s.loans, err = s.source("Loans")
	return err
}

func (s *siftStore) source(name string) (*siftdb.DataSource, error) {
	ds, err := s.db.DataSourceByName(ctx, name, siftdb.Scope{})
	if errors.Is(err, siftdb.ErrNotFound) {
		return s.db.Create(ctx, siftdb.DataSourceSpec{Name: name})
	}
	return ds, err
}

func (s *siftStore) close() error         { return s.db.Close() }
func (s *siftStore) size() (int64, error) { return fileSize(s.path) }

func texts(rows iter.Seq2[row, error]) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for r, err := range rows {
			if !yield(json.RawMessage(r.json), err) {
				return
			}
		}
	}
}

func (s *siftStore) load(rows iter.Seq2[row, error]) error {
	result, err := s.books.AppendSeq(ctx, texts(rows))
	s.ids, s.own = result.IDs, map[int64]int64{}
	return err
}

func (s *siftStore) loadLoans(rows iter.Seq2[row, error]) error {
	_, err := s.loans.AppendSeq(ctx, texts(rows))
	return err
}

func (s *siftStore) count(genre string, year int) (int, error) {
	n, err := s.books.Count(ctx, siftdb.Query{Where: siftdb.M{"Genre": genre, "Year": siftdb.M{"$gte": year}}})
	return int(n), err
}

func (s *siftStore) find(genre string, year int) ([]doc, error) {
	return s.list(siftdb.Query{Where: siftdb.M{"Genre": genre, "Year": siftdb.M{"$gte": year}}})
}

func (s *siftStore) list(q siftdb.Query) ([]doc, error) {
	entries, err := s.books.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	docs := make([]doc, len(entries))
	for i, e := range entries {
		docs[i] = e.Map()
	}
	return docs, nil
}

func (s *siftStore) contains(word string) (int, error) {
	n, err := s.books.Count(ctx, siftdb.Query{Where: siftdb.M{"Blurb": siftdb.M{"$iLike": word}}})
	return int(n), err
}

func (s *siftStore) groups() ([]group, error) {
	docs, err := s.books.Aggregate(ctx, `[{"$group": {"_id": "$data.Genre", "count": {"$sum": 1}, "price": {"$avg": "$data.Price"}, "year": {"$max": "$data.Year"}}},
		{"$sort": {"count": -1}}]`, siftdb.Query{})
	var list []group
	for _, d := range docs {
		list = append(list, group{d.Get("_id").(string), int(d.Get("count").(float64)), d.Get("price").(float64), int(d.Get("year").(float64))})
	}
	return list, err
}

func (s *siftStore) unique() (list []string, err error) {
	values, err := s.books.Index(ctx, "Branch")
	for _, v := range values {
		list = append(list, v.(string))
	}
	return list, err
}

func (s *siftStore) page(offset, limit int) ([]doc, error) {
	return s.list(siftdb.Query{Order: siftdb.Order{siftdb.Asc("Title")}, Offset: offset, Limit: &limit})
}

func (s *siftStore) index() error {
	for _, x := range []struct {
		ds   *siftdb.DataSource
		spec siftdb.IndexSpec
	}{
		{s.books, siftdb.IndexSpec{Name: "isbn", Fields: []siftdb.IndexField{{Name: "ISBN"}}, Unique: true}},
		{s.books, siftdb.IndexSpec{Name: "title", Fields: []siftdb.IndexField{{Name: "Title"}}}},
		{s.books, siftdb.IndexSpec{Name: "year_price", Fields: []siftdb.IndexField{{Name: "Year"}, {Name: "Price"}}}},
		{s.loans, siftdb.IndexSpec{Name: "state", Fields: []siftdb.IndexField{{Name: "State"}}}},
	} {
		if err := x.ds.CreateIndex(ctx, x.spec); err != nil {
			return err
		}
	}
	return nil
}

func (s *siftStore) id(id int64) int64 {
	if id <= int64(len(s.ids)) {
		return s.ids[id-1]
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.own[id]
}

func (s *siftStore) get(id int64) (doc, error) {
	e, err := s.books.FindByID(ctx, s.id(id))
	if err != nil {
		return nil, err
	}
	return e.Map(), nil
}

func (s *siftStore) raw(id int64) (bool, error) {
	e, err := s.books.FindByID(ctx, s.id(id))
	return e != nil, err
}

func (s *siftStore) lookUp(isbn string) (doc, error) {
	e, err := s.books.FindOne(ctx, siftdb.Query{Where: siftdb.M{"ISBN": isbn}})
	if err != nil || e == nil {
		return nil, errors.Join(err, fmt.Errorf("no book %s", isbn))
	}
	return e.Map(), nil
}

func (s *siftStore) dearest(lo, hi, limit int) ([]doc, error) {
	return s.list(siftdb.Query{Where: siftdb.M{"Year": siftdb.M{"$gte": lo, "$lte": hi}}, Order: siftdb.Order{siftdb.Desc("Price")}, Limit: &limit})
}

func (s *siftStore) join(state string, each func(loan, book doc)) error {
	loans, err := s.loans.Find(ctx, siftdb.Query{Where: siftdb.M{"State": state},
		Joins: []siftdb.Join{{Name: "book", DataSourceID: s.books.ID(), On: siftdb.On{"ISBN": "ISBN"}, Required: true}}})
	for _, l := range loans {
		for _, b := range l.Joined("book") {
			each(l.Map(), b.Map())
		}
	}
	return err
}

func (s *siftStore) update(branch string, lo, hi int, state string) (int, error) {
	n, err := s.books.UpdateWhere(ctx, siftdb.M{"Branch": branch, "Year": siftdb.M{"$gte": lo, "$lte": hi}}, siftdb.Patch{Set: siftdb.M{"State": state}})
	return int(n), err
}

func (s *siftStore) insert(r row) error {
	e, err := s.books.Insert(ctx, json.RawMessage(r.json))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own[r.id] = e.ID
	return nil
}

func (s *siftStore) set(id int64, state string) error {
	_, err := s.books.UpdateEntry(ctx, s.id(id), siftdb.M{"State": state})
	return err
}
