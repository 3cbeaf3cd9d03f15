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

// divisible reports whether the whole scan may be divided: nothing has been read
// yet, every entry stands where it stood, and there are many.
func (rd *reading) divisible() bool {
	s := rd.scan
	return rd.chosen == nil && rd.st.source.veil == nil && !rd.undivided && s.exact && !s.ordered && s.count == 0 && rd.st.head.Count >= parallelFrom && runtime.GOMAXPROCS(0) > 1
}

// countParallel counts matches on all cores, each on transactions of its own. done
// is false when somebody wrote meanwhile, or began to: the transactions may then have seen
// different states, and the count is made again by one scanner, which knows how to
// stay on one.
func (rd *reading) countParallel(ctx context.Context, where *query.Matcher) (n int64, done bool, err error) {
	rd.undivided = true
	d := &division{rd: rd, where: where}
	workers := make([]countWorker, min(runtime.GOMAXPROCS(0), 8))
	var wg sync.WaitGroup
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
			return 0, false, w.err
		}
		done = done && !w.moved
		n += w.n
		count += w.scan.count
		digest[0] += w.scan.digest[0]
		digest[1] += w.scan.digest[1]
	}
	if !done {
		return 0, false, nil
	}
	return n, true, rd.verify(count, digest)
}

// division hands out pieces of the id range of a data source.
type division struct {
	rd    *reading
	where *query.Matcher
	mu    sync.Mutex
	next  int64 // the first id that nobody has taken
	over  bool
}

// take returns the next piece that holds an entry.
func (d *division) take(r storage.Reader) (from, to int64, ok bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return 0, 0, false, nil
	}
	lo, hi := d.rd.scan.entries(d.next)
	c := r.Scan(layout.Entries, lo, hi, false)
	key, _, ok := c.Next()
	if d.over = !ok; !ok {
		return 0, 0, false, c.Err()
	}
	from = layout.EntryID(key)
	d.next = (from/layout.BlockSize + pieceBlocks) * layout.BlockSize
	return from, d.next, true, nil
}

// countWorker counts matches in the pieces that it takes.
type countWorker struct {
	n     int64
	moved bool
	err   error
	scan  scanner // of the piece at hand, and the sums of all
	m     matching
}

func (w *countWorker) run(ctx context.Context, d *division) {
	defer func() {
		if v := recover(); v != nil {
			w.err = errs.New(errs.Internal, "a scan panicked: %s", fmt.Sprint(v, "\n", string(debug.Stack())))
		}
	}()
	rd := d.rd
	w.scan = scanner{source: rd.ds.id, commit: rd.st.commit, exact: true, seen: rd.st.commit}
	if d.where.CanJudge() {
		w.scan.judge = d.where.Judge
	}
	w.m = matching{where: d.where}
	w.m.bindTo(rd.ds.id, rd.st.source, d.where)
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

// slice counts in one transaction and reports whether there is more to do.
func (w *countWorker) slice(r storage.Reader, d *division) (more bool, err error) {
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
		from, to, ok, err := d.take(r)
		if err != nil || !ok {
			return false, err
		}
		lo, hi := layout.EntryKey(d.rd.ds.id, from), layout.EntryKey(d.rd.ds.id, min(to, head.NextID))
		_, err = w.scan.runPlain(r.Scan(layout.Entries, lo, hi, false), nil, func(rec *layout.Record, v query.Verdict) (bool, error) {
			ok, err := v == query.Yes, error(nil)
			if !ok {
				ok, err = w.m.match(rec)
			}
			if ok {
				w.n++
			}
			return err == nil, err
		})
		if err != nil {
			return false, err
		}
	}
	return true, nil
}
