package siftdb

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// parallelFrom is how many entries make a scan worth dividing over the cores.
const parallelFrom = 16 * layout.BlockSize

// pieceBlocks is how many blocks of ids a worker takes at a time.
const pieceBlocks = 2

// pieceRows is how many entries that are at most.
const pieceRows = pieceBlocks * layout.BlockSize

// divisible reports whether the whole scan may be divided: nothing has been read
// yet, every entry stands where it stood, and there are many.
func (rd *reading) divisible() bool {
	return !rd.scan.ordered && rd.divisibleById(parallelFrom)
}

// divisibleById is divisible for whoever takes the entries by their ids, some at least.
func (rd *reading) divisibleById(from int64) bool {
	s := rd.scan
	return rd.chosen == nil && rd.st.source.veil == nil && !rd.undivided && s.exact && s.count == 0 && rd.st.head.Count >= from && runtime.GOMAXPROCS(0) > 1
}

// countParallel counts matches on all cores. done is false when the count is to be made again by
// one scanner.
func (rd *reading) countParallel(ctx context.Context, where *query.Matcher) (n int64, done bool, err error) {
	var list []*countPiece
	d := &division{rd: rd}
	if where.CanJudge() {
		d.judge = where.Judge
	}
	done, err = d.read(ctx, func() pieceReader {
		w := &countPiece{m: matching{where: where}}
		w.m.bindTo(rd.ds.id, rd.st.source, where)
		list = append(list, w)
		return w
	})
	if err != nil || !done {
		return 0, false, err
	}
	for _, w := range list {
		n += w.n
	}
	return n, true, nil
}

// countPiece counts the matches of the pieces that it visits.
type countPiece struct {
	n int64
	m matching
}

func (w *countPiece) visit(rec *layout.Record, v query.Verdict) (bool, error) {
	ok, err := v == query.Yes, error(nil)
	if !ok {
		ok, err = w.m.match(rec)
	}
	if ok {
		w.n++
	}
	return err == nil, err
}

func (w *countPiece) end(int) error { return nil }

// pieceReader is what a worker does with the entries of the pieces that it takes.
type pieceReader interface {
	visit(rec *layout.Record, v query.Verdict) (more bool, err error)
	end(piece int) error // of a piece, counted from 0 on by ids
}

// division is a scan of all entries that is divided over the cores, each of which takes pieces of
// the range of ids.
type division struct {
	rd    *reading
	judge func(doc []byte) query.Verdict // as a scanner has it
	bare  bool                           // as well
	mu    sync.Mutex
	next  int64 // the first id that nobody has taken
	piece int   // that comes next
	over  bool
	ended bool // before all entries were read
}

// read reads all entries, each core on transactions of its own. done is false when somebody wrote
// meanwhile, or began to: the transactions may then have seen different states, and one scanner
// has to read everything anew, which knows how to stay on one.
func (d *division) read(ctx context.Context, reader func() pieceReader) (done bool, err error) {
	d.rd.undivided = true
	workers := make([]pieceWorker, min(runtime.GOMAXPROCS(0), 8))
	var wg sync.WaitGroup
	for i := range workers {
		workers[i].pieceReader = reader()
	}
	for i := range workers {
		wg.Go(func() { workers[i].run(ctx, d) })
	}
	wg.Wait()
	var count int64
	var digest layout.Digest
	done = true
	for i := range workers {
		w := &workers[i]
		if w.err != nil {
			return false, w.err
		}
		done = done && !w.moved
		count += w.scan.count
		digest[0] += w.scan.digest[0]
		digest[1] += w.scan.digest[1]
	}
	if !done || d.ended {
		return done, nil
	}
	return true, d.rd.verify(count, digest)
}

// take returns the next piece that holds an entry.
func (d *division) take(r storage.Reader) (from, to int64, piece int, ok bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return 0, 0, 0, false, nil
	}
	lo, hi := d.rd.scan.entries(d.next)
	c := r.Scan(layout.Entries, lo, hi, false)
	key, _, ok := c.Next()
	if d.over = !ok; !ok {
		return 0, 0, 0, false, c.Err()
	}
	from = layout.EntryID(key)
	d.next = (from/layout.BlockSize + pieceBlocks) * layout.BlockSize
	d.piece++
	return from, d.next, d.piece - 1, true, nil
}

// end hands out no more pieces: there is no use in going on.
func (d *division) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over, d.ended = true, true
}

// pieceWorker reads the pieces that it takes.
type pieceWorker struct {
	pieceReader
	moved bool
	err   error
	scan  scanner // of the piece at hand, and the sums of all
}

func (w *pieceWorker) run(ctx context.Context, d *division) {
	defer func() {
		if v := recover(); v != nil {
			w.err = errs.New(errs.Internal, "a scan panicked: %s", fmt.Sprint(v, "\n", string(debug.Stack())))
		}
		if w.err != nil || w.moved {
			d.end()
		}
	}()
	rd := d.rd
	w.scan = scanner{source: rd.ds.id, commit: rd.st.commit, exact: true, seen: rd.st.commit, judge: d.judge, bare: d.bare}
	for more := true; more && w.err == nil; {
		if w.err = ctx.Err(); w.err != nil {
			return
		}
		w.err = rd.ds.db.view(ctx, func(r storage.Reader) (err error) {
			more, err = w.slice(r, d)
			return err
		})
	}
}

// slice reads in one transaction and reports whether there is more to do.
func (w *pieceWorker) slice(r storage.Reader, d *division) (more bool, err error) {
	head, ok, err := layout.ReadHead(r, d.rd.ds.id)
	if err != nil {
		return false, err
	}
	if !ok || head.Last > d.rd.st.commit || head.Staged {
		w.moved = true
		return false, nil
	}
	b := newBudget()
	for !b.spentNow() {
		from, to, piece, ok, err := d.take(r)
		if err != nil || !ok {
			return false, err
		}
		lo, hi := layout.EntryKey(d.rd.ds.id, from), layout.EntryKey(d.rd.ds.id, min(to, head.NextID))
		whole, err := w.scan.runPlain(r.Scan(layout.Entries, lo, hi, false), nil, w.visit)
		if err == nil && whole {
			err = w.end(piece)
		}
		if err != nil {
			return false, err
		}
		if !whole {
			d.end()
			return false, nil
		}
	}
	return true, nil
}
