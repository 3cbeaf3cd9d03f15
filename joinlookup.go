package siftdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// joinLookUp looks up the keys of the parents noted in an index on the first name that joined
// entries are joined by.
//
// Most keys are texts that have one key in the index. These are looked up in the order of the index
// by a cursor that skips from one to the next, and many of them on all cores.
type joinLookUp struct {
	run  *joinRun
	i    int // of the indexes that the reading may use
	x    *readIndex
	most int // entries from which a scan is quicker

	keys   [][]byte     // keys of the index, in its order
	arena  arena        // where they lie
	spans  []index.Span // of the parents' keys that have no such key
	single layout.Head  // of the data source when the keys were made
}

// narrowByIndex looks the joined entries up that the parents noted ask for, when there is an
// index on the name that they are joined by and they are few: then nothing else is read.
func (run *joinRun) narrowByIndex(ctx context.Context) error {
	if run.rd.ds.db.wanted() == accessScan || run.rd.chosen != nil || run.rd.scan.at.id >= 0 {
		return nil
	}
	l := &joinLookUp{run: run}
	spread := false
	err := run.rd.slice(ctx, func(r storage.Reader) error {
		ok, err := l.prepare(r)
		if spread = ok && l.x.hasher == nil && run.rd.spreadable(len(l.keys)); !ok || spread {
			return err
		}
		return l.follow(r)
	})
	if err != nil || !spread {
		return err
	}
	found, err := l.onAllCores(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	spread = err == nil
	return run.rd.slice(ctx, func(r storage.Reader) error {
		if !spread || len(l.spans) > 0 && run.rd.st.head != l.single { // they are looked up anew, on what has become of the data source
			if ok, err := l.prepare(r); !ok {
				return err
			}
			return l.follow(r)
		}
		if err := run.rd.scan.catchUp(r, run.rd.st.head); err != nil || len(run.rd.scan.known) > 4*l.most {
			return err
		}
		return l.propose(r, found)
	})
}

// prepare chooses the index, and makes the keys to look up in it; false when it is none, or
// they are too many.
func (l *joinLookUp) prepare(r storage.Reader) (ok bool, err error) {
	rd := l.run.rd
	indexes, err := rd.indexes(r)
	if err != nil {
		return false, err
	}
	l.most = max(int(rd.st.head.Count)/scanned, fewProposals)
	if l.i = l.run.joinIndex(indexes); l.i < 0 || len(l.run.groups) > l.most {
		return false, nil
	}
	if err := rd.scan.catchUp(r, rd.st.head); err != nil || len(rd.scan.known) > 4*l.most {
		return false, err
	}
	l.x, l.single = indexes[l.i], rd.st.head
	return l.makeKeys(), nil
}

// makeKeys makes the keys of the index for what the parents ask for.
func (l *joinLookUp) makeKeys() (ok bool) {
	var others []string
	var room []byte
	l.keys, l.spans = make([][]byte, 0, len(l.run.groups)), nil
	for key := range l.run.groups {
		part := firstPart(key)
		text, ok := query.MatchText(part)
		if ok {
			room, ok = l.x.bound.AppendTextKey(room[:0], text, l.x.stats)
		}
		if !ok {
			others = append(others, part)
			continue
		}
		l.keys = append(l.keys, l.arena.copy(room))
	}
	l.keys = sortedKeys(l.keys)
	slices.Sort(others)
	for _, part := range slices.Compact(others) {
		found, ok := l.x.bound.Lookup([]query.Bounds{query.MatchBounds(part)}, l.x.stats)
		if !ok {
			return false
		}
		l.spans = append(l.spans, found.Spans...)
	}
	if l.x.stats.Many > 0 {
		l.spans = append(l.spans, index.OverflowSpan())
	}
	return true
}

// follow looks the keys up one after the other.
func (l *joinLookUp) follow(r storage.Reader) error {
	s := keySeeker{x: l.x, most: 2 * l.most}
	if err := s.seek(r, l.keys); err != nil {
		return err
	}
	return l.propose(r, s.ids)
}

// onAllCores looks the keys up on all cores. An error says that they are to be looked up one
// after the other.
func (l *joinLookUp) onAllCores(ctx context.Context) (ids []int64, err error) {
	var seekers []*keySeeker
	err = l.run.rd.spread(ctx, len(l.keys), func() spreadWork {
		s := &keySeeker{x: l.x, most: 2 * l.most}
		seekers = append(seekers, s)
		return func(r storage.Reader, head layout.Head, from, to int) error {
			if head != l.single {
				return errWritten
			}
			return s.seek(r, l.keys[from:to])
		}
	})
	for _, s := range seekers {
		ids = append(ids, s.ids...)
	}
	return ids, err
}

// propose makes the reading visit the entries under the keys, and those in the spans, if these are
// not too many. The transaction sees what the keys were looked up in, or else what was written
// since has been caught up with.
func (l *joinLookUp) propose(r storage.Reader, ids []int64) error {
	if len(ids) > 2*l.most {
		return nil
	}
	if len(l.spans) > 0 {
		p := &indexPlan{r: r, indexes: []*readIndex{l.x}}
		err := p.walk(0, l.spans, func(id int64) bool {
			ids = append(ids, id)
			return len(ids) <= 2*l.most
		})
		if err != nil || len(ids) > 2*l.most {
			return err
		}
	}
	if ids = sortedIDs(ids); len(ids) > l.most {
		return nil
	}
	return l.run.rd.propose(r, ids, false, true)
}

// firstPart returns the first pair's key in the key of a group.
func firstPart(key string) string {
	size, n := 0, 0
	for shift := 0; n < min(len(key), binary.MaxVarintLen64); shift += 7 {
		b := key[n]
		size |= int(b&0x7f) << shift
		if n++; b < 0x80 {
			break
		}
	}
	return key[n:][:size]
}

// keySeeker looks keys of an index up, in its order, with one cursor for each transaction.
type keySeeker struct {
	x    *readIndex
	most int // entries beyond which nobody asks for more
	ids  []int64

	r     storage.Reader
	skip  underKey    // over the whole index; without a cursor where none can skip
	c     indexCursor // of the key at hand
	at    []byte      // where the cursor stands
	spare []byte
}

// seek adds the entries under some keys.
func (s *keySeeker) seek(r storage.Reader, keys [][]byte) error {
	if s.r != r {
		s.begin(r)
	}
	for _, key := range keys {
		s.open(key)
		for _, id, ok := s.c.Next(); ok; _, id, ok = s.c.Next() {
			s.ids = append(s.ids, id)
		}
		if err := s.c.Err(); err != nil || len(s.ids) > s.most {
			return err
		}
	}
	return nil
}

// begin makes the cursor.
func (s *keySeeker) begin(r storage.Reader) {
	s.r, s.skip = r, underKey{}
	if s.x.hasher == nil { // keys that are hashed have another order
		lo, hi := layout.IndexRange(s.x.source, s.x.number)
		s.skip.Skipper, _ = r.Scan(layout.Index, lo, hi, false).(storage.Skipper)
	}
}

// open places s.c before the entries under the next key.
func (s *keySeeker) open(key []byte) {
	if s.skip.Skipper == nil {
		s.c = *s.x.equal(s.r, key)
		return
	}
	s.at, s.spare = layout.AppendIndexKey(s.spare[:0], s.x.source, s.x.number, key, 0), s.at
	s.skip.prefix = s.at[:len(s.at)-8]
	s.skip.Skip(s.skip.prefix)
	s.c = indexCursor{c: &s.skip, end: s.x.end, ids: s.c.ids[:0]}
}

// underKey ends the walk of a cursor behind the keys with a prefix.
type underKey struct {
	storage.Skipper
	prefix []byte
}

// Next is storage.Cursor's.
func (u *underKey) Next() (key, value []byte, ok bool) {
	key, value, ok = u.Skipper.Next()
	if !ok || !bytes.HasPrefix(key, u.prefix) {
		return nil, nil, false
	}
	return key, value, true
}
