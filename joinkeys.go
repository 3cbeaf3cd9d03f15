package siftdb

import (
	"encoding/binary"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

// joinKeys turns the values that an entry has on one side of a join's pairs into
// keys: entries of the two sides belong together when they have a key in common.
// An array gives a key for each of its elements, so an entry may have several; with
// several pairs, one for each combination.
type joinKeys struct {
	names []*query.BoundName
	key   []byte
	one   []byte     // a pair's key, alone
	parts [][][]byte // of each pair, when there are several keys
	seen  map[string]struct{}

	column bool // entries have value in the column of the only name, and what they are does not count
	value  document.Value
}

// maxCombinations is how many keys one entry may have over several pairs.
const maxCombinations = 10_000

func bindNames(names []query.Name, s query.Schema) []*query.BoundName {
	bound := make([]*query.BoundName, len(names))
	for i, n := range names {
		bound[i] = n.Bind(s)
	}
	return bound
}

// each calls fn with every key of an entry, once each. The key is valid during the
// call.
func (k *joinKeys) each(rec *query.Record, fn func(key []byte)) error {
	switch key, n := k.single(rec); n {
	case 0:
		return nil
	case 1:
		fn(key)
		return nil
	}
	total := 1
	k.parts = k.parts[:0]
	for _, name := range k.names {
		part := k.part(name, rec)
		if total *= len(part); total == 0 {
			return nil
		}
		if len(k.names) > 1 && total > maxCombinations {
			return errs.New(errs.TooLarge, "entry %d has more than %d combinations of values to join by", rec.ID, maxCombinations)
		}
		k.parts = append(k.parts, part)
	}
	k.combine(0, k.key[:0], fn)
	return nil
}

// values calls fn with every value that a name leads to.
func (k *joinKeys) values(name *query.BoundName, rec *query.Record, fn func(document.Value) bool) {
	if k.column {
		name.EachIn(k.value, fn)
		return
	}
	name.Each(rec, fn)
}

// single returns the key of an entry that has one scalar for each pair, which is the common
// case, and 1; 0 when it has no key, and 2 when there may be several. The key is valid until the
// next call.
func (k *joinKeys) single(rec *query.Record) (key []byte, n int) {
	k.key = k.key[:0]
	for _, name := range k.names {
		if !k.column {
			if v, ok := name.One(rec); ok && v.Kind() != document.Array {
				if k.one, ok = query.AppendMatchKey(k.one[:0], v); !ok {
					return nil, 0 // it matches nothing
				}
				k.key = appendPart(k.key, k.one)
				continue
			}
		}
		count, scalar := 0, false
		k.values(name, rec, func(v document.Value) bool {
			if count++; count > 1 || v.Kind() == document.Array {
				count = 2
				return false
			}
			k.one, scalar = query.AppendMatchKey(k.one[:0], v)
			return true
		})
		if count > 1 {
			return nil, 2
		}
		if !scalar {
			return nil, 0 // it matches nothing
		}
		k.key = appendPart(k.key, k.one)
	}
	return k.key, 1
}

// part returns the keys of one pair.
func (k *joinKeys) part(name *query.BoundName, rec *query.Record) [][]byte {
	if k.seen == nil {
		k.seen = make(map[string]struct{})
	}
	clear(k.seen)
	var keys [][]byte
	add := func(v document.Value) {
		key, ok := query.AppendMatchKey(nil, v)
		if !ok {
			return
		}
		if _, dup := k.seen[string(key)]; !dup {
			k.seen[string(key)] = struct{}{}
			keys = append(keys, key)
		}
	}
	k.values(name, rec, func(v document.Value) bool {
		if v.Kind() != document.Array {
			add(v)
			return true
		}
		for item := range v.Items() {
			add(item)
		}
		return true
	})
	return keys
}

// combine calls fn with every combination of the parts from the i-th on.
func (k *joinKeys) combine(i int, key []byte, fn func([]byte)) {
	if i == len(k.parts) {
		fn(key)
		return
	}
	for _, part := range k.parts[i] {
		k.combine(i+1, appendPart(key, part), fn)
	}
}

// appendPart appends a pair's key so that no two lists of them give the same bytes.
func appendPart(dst, part []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(part))), part...)
}

// idOf returns the entry id that the only part of a key reads as, 0 when it is none.
func idOf(key string) (id int64) {
	size, n := binary.Uvarint([]byte(key[:min(len(key), 4)]))
	text := key[min(max(n, 0), len(key)):]
	if uint64(len(text)) != size || len(text) < 2 || len(text) > 17 || text[0] != 't' || text[1] == '0' {
		return 0
	}
	for _, c := range []byte(text[1:]) {
		if c < '0' || c > '9' {
			return 0
		}
		id = id*10 + int64(c-'0')
	}
	return id
}
