package main

import "iter"

// doc is a document, decoded.
type doc = map[string]any

// store is one engine under the workload. The calls come in the order in which they stand
// here; those from get on may come from several goroutines.
type store interface {
	open(dir string) error
	close() error
	about() string

	load(books iter.Seq2[row, error]) error // atomic or not, but durable
	count(genre string, year int) (int, error)
	find(genre string, year int) ([]doc, error)
	contains(word string) (int, error)
	groups() ([]group, error)
	unique() ([]string, error) // branches
	page(offset, limit int) ([]doc, error)

	loadLoans(loans iter.Seq2[row, error]) error
	index() error // ISBN unique, Title, (Year, Price); the State of loans
	get(id int64) (doc, error)
	raw(id int64) (bool, error) // get, not decoded
	lookUp(isbn string) (doc, error)
	dearest(lo, hi, limit int) ([]doc, error)                    // years lo to hi, by price
	join(state string, each func(loan, book doc)) error          // loans with their books
	update(branch string, lo, hi int, state string) (int, error) // years lo to hi
	insert(row) error                                            // durable
	set(id int64, state string) error                            // durable
	size() (int64, error)                                        // bytes on disk
}

// engine is a kind of store.
type engine struct {
	name string
	make func() store
}

// engines are the stores by name, in the order of the table.
var engines = []engine{
	{"siftdb", func() store { return &siftStore{} }},
	{"SQLite", func() store { return &sqliteStore{} }},
	{"bbolt", func() store { return &boltStore{} }},
}
