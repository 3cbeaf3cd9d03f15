package siftdb

import (
	"encoding/json"
	"runtime"
	"slices"
	"sync"

	"github.com/siftdb/siftdb/internal/document"
)

// Rows of JSON text are encoded on all cores from this many on, in parts of so many rows, or
// of so many bytes of text.
const (
	aheadFrom  = 2048
	aheadRows  = 512
	aheadBytes = 256 << 10
)

// ahead encodes a list of rows on several cores, some parts ahead of whoever takes them. Each
// core has an encoder of its own, with proposals of its own; each begins with the first row, so
// they differ only where later rows do. It must be closed.
type ahead struct {
	parts chan chan encodedRows // in the order of the rows
	stop  chan struct{}
	done  sync.WaitGroup
}

// encodedRows is a part of a list of rows, encoded.
type encodedRows struct {
	from, to int // in the list
	rows     *rows
	size     int64
	err      error // of a row
	at       int   // which one that is
}

// aheadTask is to encode the rows from one to before another.
type aheadTask struct {
	from, to int
	reply    chan encodedRows
}

// encodesAhead reports whether a list of rows is worth several cores. Only JSON text is
// looked at by other goroutines than the caller's: other values may run code of the caller.
func encodesAhead(data []any) bool {
	return len(data) >= aheadFrom && runtime.GOMAXPROCS(0) > 1 && !slices.ContainsFunc(data, func(row any) bool {
		_, ok := textOf(row)
		return !ok
	})
}

func textOf(row any) ([]byte, bool) {
	switch text := row.(type) {
	case json.RawMessage:
		return text, true
	case []byte:
		return text, true
	}
	return nil, false
}

// encodeAhead begins to encode rows of JSON text over some names.
func (g *gathered) encodeAhead(data []any, base *document.Names) *ahead {
	cores := runtime.GOMAXPROCS(0)
	most := max(2*cores, g.db.sizes.bytes/aheadBytes) // so that they are busy while a transaction is written
	a := &ahead{parts: make(chan chan encodedRows, most), stop: make(chan struct{})}
	tasks := make(chan aheadTask)
	a.done.Go(func() { a.deal(data, tasks) })
	for range cores {
		a.done.Go(func() {
			worker := newPartEncoder(g, base, data[0])
			for t := range tasks {
				t.reply <- worker.encode(data, t.from, t.to)
			}
		})
	}
	return a
}

// deal hands out the rows in parts.
func (a *ahead) deal(data []any, tasks chan<- aheadTask) {
	defer close(a.parts)
	defer close(tasks)
	for from := 0; from < len(data); {
		t := aheadTask{from: from, to: from, reply: make(chan encodedRows, 1)}
		for size := 0; t.to < len(data) && t.to < from+aheadRows && size < aheadBytes; t.to++ {
			text, _ := textOf(data[t.to])
			size += len(text)
		}
		select {
		case a.parts <- t.reply:
		case <-a.stop:
			return
		}
		select {
		case tasks <- t:
		case <-a.stop:
			return
		}
		from = t.to
	}
}

// next returns the next part, ok false at the end.
func (a *ahead) next() (p encodedRows, ok bool) {
	reply, ok := <-a.parts
	if !ok {
		return encodedRows{}, false
	}
	return <-reply, true
}

// close ends the work, and waits for it to end.
func (a *ahead) close() {
	if a != nil {
		close(a.stop)
		a.done.Wait()
	}
}

// partEncoder is what one core encodes with.
type partEncoder struct{ g *gathered }

func newPartEncoder(g *gathered, base *document.Names, first any) partEncoder {
	own := &gathered{db: g.db, base: base, known: -1, whole: g.whole}
	own.enc = own.encoder()
	_ = own.add(first) // for its names; whoever gets the first part tells of an error
	return partEncoder{own}
}

func (e partEncoder) encode(data []any, from, to int) encodedRows {
	e.g.docs, e.g.chunk, e.g.count, e.g.size = make([][]byte, 0, to-from), nil, 0, 0
	for i := from; i < to; i++ {
		if err := e.g.add(data[i]); err != nil {
			return encodedRows{from: from, to: to, err: err, at: i}
		}
	}
	return encodedRows{from: from, to: to, rows: e.g.batch(e.g.docs), size: e.g.size}
}

// addAll adds rows, from which the list begins. Where they are many, the last of them are
// encoded only as they are written.
func (g *gathered) addAll(data []any) error {
	if !encodesAhead(data) {
		return g.addEach(data)
	}
	a := g.encodeAhead(data, g.base)
	var list []*rows
	for p, ok := a.next(); ok; p, ok = a.next() {
		if p.err != nil {
			a.close()
			return rowError(p.at, p.err)
		}
		list = append(list, p.rows)
		g.count, g.size = g.count+len(p.rows.docs), g.size+p.size
		if g.weight() > g.db.sizes.from {
			g.parts, g.rest = list, a
			return nil
		}
	}
	a.close()
	r, ok := joinRows(list)
	if !ok { // the encoders have met new names in another order
		g.reset()
		return g.addEach(data)
	}
	g.docs, g.proposed = r.docs, r.proposed
	return nil
}

// addEach is addAll on this goroutine.
func (g *gathered) addEach(data []any) error {
	for i, row := range data {
		if err := g.add(row); err != nil {
			if len(data) > 1 {
				err = rowError(i, err)
			}
			return err
		}
	}
	return nil
}

// joinRows makes one of several lists of rows over the same base. It reports false where they
// propose different numbers for names.
func joinRows(list []*rows) (*rows, bool) {
	if len(list) == 1 {
		return list[0], true
	}
	n, most := 0, list[0]
	for _, r := range list {
		n += len(r.docs)
		if len(r.proposed) > len(most.proposed) {
			most = r
		}
	}
	all := &rows{base: most.base, proposed: most.proposed, docs: make([][]byte, 0, n)}
	for _, r := range list {
		if !slices.Equal(r.proposed, most.proposed[:len(r.proposed)]) {
			return nil, false
		}
		all.docs = append(all.docs, r.docs...)
	}
	return all, true
}

// inParts yields the rows of parts, and of what is still being encoded, about size bytes at a
// time.
func (g *gathered) inParts(size int, yield func(*rows, error) bool) {
	taken := g.parts
	g.parts = nil
	for {
		var list []*rows
		weight := 0
		for weight < size || len(list) == 0 {
			var r *rows
			if len(taken) > 0 {
				r, taken = taken[0], taken[1:]
			} else {
				p, ok := g.rest.next()
				if p.err != nil {
					yield(nil, rowError(p.at, p.err))
					return
				}
				if !ok {
					break
				}
				r = p.rows
			}
			list = append(list, r)
			for _, doc := range r.docs {
				weight += rowWeight + len(doc)
			}
		}
		if len(list) == 0 {
			return
		}
		if r, ok := joinRows(list); ok {
			list = []*rows{r}
		}
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// waiting are rows of a sequence that wait until they are worth several cores. They are copied,
// as a row is only valid during its turn.
type waiting struct {
	b    *Bulk
	room []byte
	rows []any
}

const (
	waitingRows  = 4 * aheadFrom
	waitingBytes = 4 << 20
)

// add takes a row. An error may be that of a row before it, which it names.
func (w *waiting) add(row any) error {
	text, ok := textOf(row)
	if !ok || len(text) > waitingBytes/16 || runtime.GOMAXPROCS(0) == 1 {
		if err := w.settle(); err != nil {
			return err
		}
		return w.b.Add(row)
	}
	if len(w.rows) == waitingRows || len(w.room)+len(text) > waitingBytes {
		if err := w.settle(); err != nil {
			return err
		}
	}
	start := len(w.room)
	w.room = append(w.room, text...) // where it moves, the rows before stay where they were
	w.rows = append(w.rows, json.RawMessage(w.room[start:len(w.room):len(w.room)]))
	return nil
}

// settle adds the rows that wait.
func (w *waiting) settle() error {
	err := w.encode()
	clear(w.rows)
	w.rows, w.room = w.rows[:0], w.room[:0]
	return err
}

func (w *waiting) encode() error {
	if len(w.rows) < aheadFrom {
		return w.addEach(w.rows)
	}
	if err := w.b.Add(w.rows[0]); err != nil { // for its names
		return err
	}
	g, data := w.b.rows, w.rows[1:]
	a := g.encodeAhead(data, g.enc.Names())
	defer a.close()
	for p, ok := a.next(); ok; p, ok = a.next() {
		if p.err != nil || len(p.rows.proposed) > 0 { // by an encoder that does not know of the others'
			if err := w.addEach(data[p.from:p.to]); err != nil {
				return err
			}
			continue
		}
		for _, doc := range p.rows.docs {
			if err := g.keep(doc); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *waiting) addEach(rows []any) error {
	for _, row := range rows {
		if err := w.b.Add(row); err != nil {
			return err
		}
	}
	return nil
}
