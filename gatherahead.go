package siftdb

import (
	"encoding/json"
	"runtime"
	"slices"
	"sync"
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
	parts chan chan part // in the order of the rows
	stop  chan struct{}
	done  sync.WaitGroup
}

// part is some rows that have been encoded.
type part struct {
	rows *rows
	size int64
	err  error
}

// aheadTask is to encode the rows from one to before another.
type aheadTask struct {
	from, to int
	reply    chan part
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

// encodeAhead begins to encode rows of JSON text.
func (g *gathered) encodeAhead(data []any) *ahead {
	cores := runtime.GOMAXPROCS(0)
	a := &ahead{parts: make(chan chan part, 2*cores), stop: make(chan struct{})}
	tasks := make(chan aheadTask)
	a.done.Go(func() { a.deal(data, tasks) })
	for range cores {
		a.done.Go(func() {
			worker := newPartEncoder(g, data)
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
		t := aheadTask{from: from, to: from, reply: make(chan part, 1)}
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
func (a *ahead) next() (p part, ok bool) {
	reply, ok := <-a.parts
	if !ok {
		return part{}, false
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

func newPartEncoder(g *gathered, data []any) partEncoder {
	own := &gathered{db: g.db, base: g.base, known: -1, whole: g.whole}
	own.enc = g.encoder()
	_ = own.add(data[0]) // for its names; whoever gets the first part tells of an error
	return partEncoder{own}
}

func (e partEncoder) encode(data []any, from, to int) part {
	e.g.docs, e.g.chunk, e.g.count, e.g.size = make([][]byte, 0, to-from), nil, 0, 0
	for i := from; i < to; i++ {
		if err := e.g.add(data[i]); err != nil {
			if len(data) > 1 {
				err = rowError(i, err)
			}
			return part{err: err}
		}
	}
	return part{rows: e.g.batch(e.g.docs), size: e.g.size}
}

// addAll adds rows, from which the list begins. Where they are many, the last of them are
// encoded only as they are written.
func (g *gathered) addAll(data []any) error {
	if !encodesAhead(data) {
		return g.addEach(data)
	}
	a := g.encodeAhead(data)
	var list []*rows
	for p, ok := a.next(); ok; p, ok = a.next() {
		if p.err != nil {
			a.close()
			return p.err
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
					yield(nil, p.err)
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
