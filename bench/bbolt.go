package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
)

// boltStore is what somebody would write by hand: JSON text in bbolt, read into a struct on
// every visit where that is enough, buckets as indexes, loops as queries.
type boltStore struct {
	path string
	db   *bbolt.DB
}

var (
	inBooks = []byte("books")
	inLoans = []byte("loans")
	byISBN  = []byte("isbn")
	byTitle = []byte("title")
	byYear  = []byte("year")
	byState = []byte("state")
)

func (s *boltStore) about() string {
	return "JSON text, indexes kept by hand, loops that read each visited document with encoding/json; map freelist, 1 GiB map, loads in commits of 5,000, DB.Batch for 16 writers"
}

func (s *boltStore) open(dir string) (err error) {
	s.path = filepath.Join(dir, "data.bolt")
	o := *bbolt.DefaultOptions
	o.FreelistType = bbolt.FreelistMapType
	o.InitialMmapSize = 1 << 30
	if s.db, err = bbolt.Open(s.path, 0o600, &o); err == nil {
		s.db.MaxBatchSize = 16
	}
	return err
}

func (s *boltStore) close() error         { return s.db.Close() }
func (s *boltStore) size() (int64, error) { return fileSize(s.path) }

func key(id int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func textKey(text string, id []byte) []byte { return append(append([]byte(text), 0), id...) }

func yearKey(year int, price float64, id []byte) []byte {
	k := binary.BigEndian.AppendUint16(nil, uint16(year))
	k = binary.BigEndian.AppendUint64(k, math.Float64bits(price)) // prices are positive
	return append(k, id...)
}

func idOf(k []byte) []byte { return k[len(k)-8:] }

func (s *boltStore) load(rows iter.Seq2[row, error]) error      { return s.fill(inBooks, rows) }
func (s *boltStore) loadLoans(rows iter.Seq2[row, error]) error { return s.fill(inLoans, rows) }

// fill commits every 5,000 rows: bbolt gets slow in one large transaction.
func (s *boltStore) fill(bucket []byte, rows iter.Seq2[row, error]) error {
	next, stop := iter.Pull2(rows)
	defer stop()
	for more := true; more; {
		err := s.db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucket)
			if err != nil {
				return err
			}
			b.FillPercent = 0.95
			for range 5000 {
				r, err, ok := next()
				if more = ok; !ok || err != nil {
					return err
				}
				if err := b.Put(key(r.id), slices.Clone(r.json)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// visit calls fn with every document of a bucket, read into a struct.
func visit[T any](s *boltStore, bucket []byte, fn func(k []byte, v *T)) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(k, v []byte) error {
			var x T
			if err := json.Unmarshal(v, &x); err != nil {
				return err
			}
			fn(k, &x)
			return nil
		})
	})
}

type entry struct{ key, value []byte }

func (s *boltStore) index() error {
	lists := map[string][]entry{}
	add := func(name, k, v []byte) { lists[string(name)] = append(lists[string(name)], entry{k, bytes.Clone(v)}) }
	err := visit(s, inBooks, func(k []byte, b *book) {
		add(byISBN, []byte(b.ISBN), k)
		add(byTitle, textKey(b.Title, k), nil)
		add(byYear, yearKey(b.Year, b.Price, k), nil)
	})
	if err == nil {
		err = visit(s, inLoans, func(k []byte, l *loan) { add(byState, textKey(l.State, k), nil) })
	}
	if err != nil {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		for name, list := range lists {
			b, err := tx.CreateBucketIfNotExists([]byte(name))
			if err != nil {
				return err
			}
			slices.SortFunc(list, func(x, y entry) int { return bytes.Compare(x.key, y.key) }) // bbolt is quadratic otherwise
			for _, e := range list {
				if err := b.Put(e.key, e.value); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (s *boltStore) count(genre string, year int) (n int, err error) {
	err = visit(s, inBooks, func(_ []byte, b *struct {
		Genre string
		Year  int
	}) {
		if b.Genre == genre && b.Year >= year {
			n++
		}
	})
	return n, err
}

func (s *boltStore) find(genre string, year int) (list []doc, err error) {
	err = visit(s, inBooks, func(_ []byte, d *doc) {
		if (*d)["Genre"] == genre && (*d)["Year"].(float64) >= float64(year) {
			list = append(list, *d)
		}
	})
	return list, err
}

func (s *boltStore) contains(word string) (n int, err error) {
	err = visit(s, inBooks, func(_ []byte, b *struct{ Blurb string }) {
		if strings.Contains(strings.ToLower(b.Blurb), word) {
			n++
		}
	})
	return n, err
}

func (s *boltStore) groups() (list []group, err error) {
	found := map[string]group{}
	err = visit(s, inBooks, func(_ []byte, b *struct {
		Genre string
		Year  int
		Price float64
	}) {
		g := found[b.Genre]
		found[b.Genre] = group{b.Genre, g.count + 1, g.price + b.Price, max(g.year, b.Year)}
	})
	for _, g := range found {
		g.price /= float64(g.count)
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b group) int { return b.count - a.count })
	return list, err
}

func (s *boltStore) unique() (list []string, err error) {
	seen := map[string]bool{}
	err = visit(s, inBooks, func(_ []byte, b *struct{ Branch string }) {
		if !seen[b.Branch] {
			seen[b.Branch] = true
			list = append(list, b.Branch)
		}
	})
	return list, err
}

func (s *boltStore) page(offset, limit int) (list []doc, err error) {
	var ids [][]byte
	err = s.db.View(func(tx *bbolt.Tx) error {
		index := tx.Bucket(byTitle)
		if index == nil {
			return nil
		}
		c, i := index.Cursor(), 0
		for k, _ := c.First(); k != nil && len(ids) < limit; k, _ = c.Next() {
			if i++; i > offset {
				ids = append(ids, bytes.Clone(idOf(k)))
			}
		}
		return nil
	})
	if err != nil || ids == nil {
		if ids, err = s.sorted(); err != nil {
			return nil, err
		}
		ids = ids[offset : offset+limit]
	}
	return s.fetch(ids)
}

// sorted returns the ids of all books by title, where no index has them.
func (s *boltStore) sorted() (ids [][]byte, err error) {
	var all []entry
	err = visit(s, inBooks, func(k []byte, b *struct{ Title string }) { all = append(all, entry{[]byte(b.Title), bytes.Clone(k)}) })
	slices.SortStableFunc(all, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	for _, e := range all {
		ids = append(ids, e.value)
	}
	return ids, err
}

func (s *boltStore) fetch(ids [][]byte) (list []doc, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		for _, id := range ids {
			d, err := decode(tx.Bucket(inBooks).Get(id))
			if err != nil {
				return err
			}
			list = append(list, d)
		}
		return nil
	})
	return list, err
}

func (s *boltStore) get(id int64) (d doc, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		d, err = decode(tx.Bucket(inBooks).Get(key(id)))
		return err
	})
	return d, err
}

func (s *boltStore) raw(id int64) (ok bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		ok = len(bytes.Clone(tx.Bucket(inBooks).Get(key(id)))) > 0
		return nil
	})
	return ok, err
}

func (s *boltStore) lookUp(isbn string) (d doc, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		d, err = decode(tx.Bucket(inBooks).Get(tx.Bucket(byISBN).Get([]byte(isbn))))
		return err
	})
	return d, err
}

// years calls fn with the keys of the index by year and price.
func years(tx *bbolt.Tx, lo, hi int, fn func(k []byte) error) error {
	c := tx.Bucket(byYear).Cursor()
	for k, _ := c.Seek(binary.BigEndian.AppendUint16(nil, uint16(lo))); k != nil && int(binary.BigEndian.Uint16(k)) <= hi; k, _ = c.Next() {
		if err := fn(k); err != nil {
			return err
		}
	}
	return nil
}

func (s *boltStore) dearest(lo, hi, limit int) ([]doc, error) {
	var keys, ids [][]byte
	err := s.db.View(func(tx *bbolt.Tx) error {
		return years(tx, lo, hi, func(k []byte) error {
			keys = append(keys, bytes.Clone(k))
			return nil
		})
	})
	slices.SortFunc(keys, func(a, b []byte) int { return bytes.Compare(b[2:10], a[2:10]) })
	for _, k := range keys[:min(limit, len(keys))] {
		ids = append(ids, idOf(k))
	}
	if err != nil {
		return nil, err
	}
	return s.fetch(ids)
}

func (s *boltStore) join(state string, each func(loan, book doc)) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		prefix := textKey(state, nil)
		c := tx.Bucket(byState).Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			l, err := decode(tx.Bucket(inLoans).Get(idOf(k)))
			if err != nil {
				return err
			}
			b, err := decode(tx.Bucket(inBooks).Get(tx.Bucket(byISBN).Get([]byte(l["ISBN"].(string)))))
			if err != nil {
				return err
			}
			each(l, b)
		}
		return nil
	})
}

func (s *boltStore) update(branch string, lo, hi int, state string) (n int, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		books := tx.Bucket(inBooks)
		var todo []entry
		err := years(tx, lo, hi, func(k []byte) error {
			d, err := decode(books.Get(idOf(k)))
			if err != nil || d["Branch"] != branch {
				return err
			}
			d["State"] = state
			text, err := json.Marshal(d)
			todo = append(todo, entry{bytes.Clone(idOf(k)), text})
			return err
		})
		if err != nil {
			return err
		}
		n = len(todo)
		slices.SortFunc(todo, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
		for _, e := range todo {
			if err := books.Put(e.key, e.value); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

func (s *boltStore) putBook(r row) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		var b book
		if err := json.Unmarshal(r.json, &b); err != nil {
			return err
		}
		k := key(r.id)
		if tx.Bucket(byISBN).Get([]byte(b.ISBN)) != nil {
			return fmt.Errorf("there is a book %s already", b.ISBN)
		}
		return cmp.Or(
			tx.Bucket(inBooks).Put(k, r.json),
			tx.Bucket(byISBN).Put([]byte(b.ISBN), k),
			tx.Bucket(byTitle).Put(textKey(b.Title, k), nil),
			tx.Bucket(byYear).Put(yearKey(b.Year, b.Price, k), nil))
	}
}

func (s *boltStore) insert(r row) error      { return s.db.Update(s.putBook(r)) }
func (s *boltStore) insertBatch(r row) error { return s.db.Batch(s.putBook(r)) }

func (s *boltStore) set(id int64, state string) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		books := tx.Bucket(inBooks)
		d, err := decode(books.Get(key(id)))
		if err != nil {
			return err
		}
		d["State"] = state
		text, err := json.Marshal(d)
		if err != nil {
			return err
		}
		return books.Put(key(id), text)
	})
}
