package siftdb

import (
	"context"
	"errors"
	"iter"

	"github.com/siftdb/siftdb/hooks"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// Bulk gathers rows for one atomic write, so that whoever makes or receives them one by
// one need not hold them all. Many rows are kept in an encrypted temporary file, and are
// then written in several transactions, of which nothing is seen before the last: a
// bulk write of any size takes the memory of a few megabytes of rows. In three cases
// the rows are held in memory: in a database that lives there, where the rules must be
// asked about them, and where hooks run on them.
//
// A Bulk is for one goroutine. It must be closed, and is used up by a write, whether that
// succeeds or not; Reset makes it a new one.
type Bulk struct {
	ds   *DataSource
	rows *gathered
	how  bulkWrite
	err  error // of a row
	used bool
}

// Bulk begins a bulk write. Nothing is written before Append or ReplaceWith is called.
func (ds *DataSource) Bulk() *Bulk {
	return &Bulk{ds: ds, rows: ds.db.gather(ds.db.catalog.cached(ds.id), ds.db.as.Unrestricted())}
}

// Add adds a row: an object as for Insert. The row is not retained. An error names the
// row, counted from 0; then nothing can be written any more until Reset.
func (b *Bulk) Add(row any) error {
	if b.used {
		return usedUp()
	}
	if b.err == nil {
		if err := b.rows.add(row); err != nil {
			b.err = rowError(b.rows.count, err)
		}
	}
	return b.err
}

// Len returns how many rows there are.
func (b *Bulk) Len() int { return b.rows.count }

// Reset drops all rows.
func (b *Bulk) Reset() {
	b.rows.reset()
	b.err, b.used = nil, false
}

// Close lets go of the rows, which cannot be written any more.
func (b *Bulk) Close() {
	b.used = true
	b.rows.close()
}

func usedUp() error {
	return errs.New(errs.InvalidInput, "the rows of a bulk write have been written, or tried to be, and it has been closed")
}

// Allowed reports, before any row has been read, that the principal may not insert anything
// into the data source, whatever it is: ErrDenied, ErrUnauthorised, ErrForbidden or
// ErrNotFound. Nil does not say that the rows will be taken.
func (b *Bulk) Allowed(ctx context.Context) error {
	ds := b.ds
	if err := ds.writing(ctx); err != nil || ds.db.as.Unrestricted() {
		return err
	}
	src, err := ds.reach(ctx)
	if err != nil {
		return err
	}
	return src.hopeless(ds.db, security.Insert, false)
}

// Append adds each row as a new entry, as DataSource.Append does.
func (b *Bulk) Append(ctx context.Context, options ...WriteOption) (BulkResult, error) {
	return b.write(ctx, options)
}

// ReplaceWith removes every entry and adds the rows as new ones, as
// DataSource.ReplaceWith does.
func (b *Bulk) ReplaceWith(ctx context.Context, options ...WriteOption) (BulkResult, error) {
	b.how.replace = true
	return b.write(ctx, options)
}

func (b *Bulk) write(ctx context.Context, options []WriteOption) (BulkResult, error) {
	if b.used {
		return BulkResult{}, usedUp()
	}
	defer b.Close()
	if b.err != nil {
		return BulkResult{}, b.err
	}
	if err := b.ds.writing(ctx); err != nil {
		return BulkResult{}, err
	}
	for range maxTries {
		plain, err := b.ds.takesRows(ctx, &b.how, options)
		if err != nil {
			return BulkResult{}, err
		}
		if !plain {
			break
		}
		result, err := b.ds.store(ctx, b.rows, b.how, options)
		if !errors.Is(err, errMoved) {
			return result, err
		}
		if err := b.ds.db.reload(ctx, b.ds.id); err != nil {
			return BulkResult{}, err
		}
	}
	data, err := b.rows.values()
	if err != nil {
		return BulkResult{}, err
	}
	return b.ds.bulk(ctx, data, b.how, options)
}

// AppendSeq is Append for rows that come one by one; see Bulk. An error in the sequence
// ends it, and nothing is written. Of a row that is no object the error may come some rows
// later; it names the row.
func (ds *DataSource) AppendSeq(ctx context.Context, rows iter.Seq2[any, error], options ...WriteOption) (BulkResult, error) {
	return ds.bulkSeq(ctx, rows, bulkWrite{}, options)
}

// ReplaceWithSeq is ReplaceWith for rows that come one by one; see Bulk. An error in the
// sequence ends it, and nothing is written.
func (ds *DataSource) ReplaceWithSeq(ctx context.Context, rows iter.Seq2[any, error], options ...WriteOption) (BulkResult, error) {
	return ds.bulkSeq(ctx, rows, bulkWrite{replace: true}, options)
}

func (ds *DataSource) bulkSeq(ctx context.Context, rows iter.Seq2[any, error], how bulkWrite, options []WriteOption) (BulkResult, error) {
	b := ds.Bulk()
	defer b.Close()
	w := &waiting{b: b}
	n := 0
	for row, err := range rows {
		if err == nil {
			err = w.add(row)
		} else {
			err = firstError(w.settle(), err)
		}
		if n++; err == nil && n%1024 == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return BulkResult{}, err
		}
	}
	if err := w.settle(); err != nil {
		return BulkResult{}, err
	}
	b.how = how
	return b.write(ctx, options)
}

// runsHooks reports whether the hooks of inserts run on the rows.
func (b bulkWrite) runsHooks(opts writeOptions) bool {
	if opts.runHooks != nil {
		return *opts.runHooks
	}
	return !b.replace && !b.file
}

// takesRows reports whether rows can be stored without looking at them together: no
// rules apply, and no hooks run. The write has to confirm b.hooks.
func (ds *DataSource) takesRows(ctx context.Context, b *bulkWrite, options []WriteOption) (bool, error) {
	b.hooks = nil
	if !ds.db.as.Unrestricted() {
		return false, nil
	}
	opts, err := ds.db.writable(options)
	if err != nil || !b.runsHooks(opts) {
		return true, err
	}
	h, err := ds.hooking(ctx, opts.source)
	b.hooks = h
	return !h.runs(hooks.Insert), err
}

// bulkRows is bulk for rows that need not be looked at. failed is what has gone wrong
// before.
func (ds *DataSource) bulkRows(ctx context.Context, data []any, b bulkWrite, options []WriteOption, failed error) (BulkResult, error) {
	if failed != nil {
		return BulkResult{}, failed
	}
	g := ds.db.gather(ds.db.catalog.cached(ds.id), true)
	defer g.close()
	if err := g.addAll(data); err != nil {
		return BulkResult{}, err
	}
	return ds.store(ctx, g, b, options)
}

// store writes rows that have been gathered.
func (ds *DataSource) store(ctx context.Context, g *gathered, b bulkWrite, options []WriteOption) (result BulkResult, err error) {
	if err := ds.writable(); err != nil {
		return result, err
	}
	opts, err := ds.db.writable(options)
	if err != nil {
		return result, err
	}
	if opts.ifChanged != 0 {
		return result, errNoCondition()
	}
	large := g.weight() > ds.db.sizes.from
	if !large && b.replace {
		if large, err = ds.isLarge(ctx); err != nil {
			return result, err
		}
	}
	if large {
		return ds.stage(ctx, g, b, opts)
	}
	r := g.batch(g.docs)
	for range maxTries {
		result.Version, err = ds.db.write(ctx, options, func(t *tx) error {
			st, err := t.source(ds.id, false)
			if err != nil {
				return err
			}
			if err := b.hooks.confirm(st); err != nil {
				return err
			}
			recs, err := st.load(r, b, nil)
			result.IDs = recordIDs(recs)
			return err
		})
		if !errors.Is(err, errStale) {
			return result, err
		}
		if err = ds.db.reload(ctx, ds.id); err != nil {
			return BulkResult{}, err
		}
		if r, err = restate(r, ds.db.catalog.cached(ds.id).names); err != nil {
			return BulkResult{}, err
		}
	}
	return BulkResult{}, ds.overtaken()
}

// isLarge reports whether the data source has so many entries, or so large ones, that they are
// replaced in several transactions.
func (ds *DataSource) isLarge(ctx context.Context) (large bool, err error) {
	err = ds.db.view(ctx, func(r storage.Reader) error {
		head, ok, err := layout.ReadHead(r, ds.id)
		if err == nil && !ok {
			err = unknownSource(ds.id)
		}
		if large = head.Count >= ds.db.sizes.rows; err != nil || large {
			return err
		}
		size := int64(0)
		c := sealed.Raw(r).Scan(layout.Entries, layout.EntryKey(ds.id, 0), layout.EntryKey(ds.id, head.NextID), false)
		for _, value, ok := c.Next(); ok && !large; _, value, ok = c.Next() {
			size += int64(len(value))
			large = size > ds.db.sizes.from
		}
		return c.Err()
	})
	return large, err
}

// load makes a bulk write in one transaction, and returns the new entries. judged are those
// that the rules let go, for whom rules apply.
func (st *sourceTx) load(r *rows, b bulkWrite, judged goes) ([]layout.Record, error) {
	st.begin("import")
	if b.replace {
		if err := st.removeAll(nil, judged); err != nil {
			return nil, err
		}
	}
	st.nameColumns(b)
	return st.insertAll(r, nil)
}

func recordIDs(recs []layout.Record) []int64 {
	ids := make([]int64, len(recs))
	for i := range recs {
		ids[i] = recs[i].ID
	}
	return ids
}

// nameColumns makes the list of columns what a bulk write says.
func (st *sourceTx) nameColumns(b bulkWrite) {
	if (b.replace || b.commit) && b.columns != nil {
		st.setColumns(b.columns)
	} else {
		st.addColumns(b.columns)
	}
}
