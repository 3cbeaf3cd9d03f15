package siftdb

import (
	"context"
	"encoding/json"
	"io"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// CommitBody is a commit that was read from a stream for one data source. Many members
// that only insert data are kept as a Bulk keeps rows, and are stored as those are: in
// several transactions, of which nothing is seen before the last. So a commit of new
// entries takes the memory of a few megabytes of them, however many they are. Members
// with an id or an order are held in memory together with all others, and so is a commit
// that deletes entries by their ids or runs hooks, or about which rules must be asked.
//
// A CommitBody is for one goroutine, is applied once, and must be closed.
type CommitBody struct {
	ds     *DataSource
	reader commitReader
}

// ReadCommit reads a commit body as the function of that name does. Limits of the data
// are checked on the way.
func (ds *DataSource) ReadCommit(body io.Reader, fallback json.RawMessage) (*CommitBody, error) {
	b := &CommitBody{ds: ds}
	b.reader.db = ds.db
	if ds.db.as.Unrestricted() {
		b.reader.rows = ds.db.gather(ds.db.catalog.cached(ds.id), true)
		b.reader.rows.whole = true
	}
	if err := b.reader.read(body, fallback); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// ReturnEntries reports whether the entries after the commit are asked for.
func (b *CommitBody) ReturnEntries() bool { return b.reader.commit.ReturnEntries }

// Close lets go of the members.
func (b *CommitBody) Close() {
	if b.reader.rows != nil {
		b.reader.rows.close()
	}
	b.reader = commitReader{}
}

// Apply applies the commit as CommitEach does.
func (b *CommitBody) Apply(ctx context.Context, each func(*Entry) error, options ...WriteOption) (*CommitResult, error) {
	defer b.Close()
	if b.staged() {
		return b.stage(ctx, each, options)
	}
	if err := b.reader.unfold(); err != nil {
		return nil, err
	}
	return b.ds.CommitEach(ctx, b.reader.commit, each, options...)
}

// staged reports whether the commit is stored in several transactions.
func (b *CommitBody) staged() bool {
	r, c := b.reader.rows, &b.reader.commit
	return r != nil && r.weight() > b.ds.db.sizes.from && len(c.Delete) == 0 && len(c.RunHooks) == 0
}

func (b *CommitBody) stage(ctx context.Context, each func(*Entry) error, options []WriteOption) (*CommitResult, error) {
	ds, c := b.ds, &b.reader.commit
	opts, err := ds.db.writable(options)
	if err == nil {
		err = firstError(ds.writable(), ds.writing(ctx))
	}
	if err == nil && opts.ifChanged != 0 {
		err = errNoCondition()
	}
	if err != nil {
		return nil, err
	}
	how := bulkWrite{commit: true, label: c.Source, replace: c.Delete == nil}
	if c.Append != nil {
		how.replace = !*c.Append
	}
	if c.Columns != nil {
		if how.columns, err = ds.db.cleanColumns(c.Columns); err != nil {
			return nil, err
		}
	}
	if c.ReturnEntries { // what the answer is read from must stay until it is read
		claim := ds.db.snapshots.register(ds.db.published.Load())
		defer ds.db.snapshots.release(claim)
	}
	stored, err := ds.stage(ctx, b.reader.rows, how, opts)
	if err != nil {
		return nil, err
	}
	result := &CommitResult{Version: stored.Version, Inserted: stored.IDs, ClientIDs: make([]ClientID, 0, len(b.reader.clients))}
	for _, client := range b.reader.clients {
		result.ClientIDs = append(result.ClientIDs, ClientID{client.id, stored.IDs[client.at]})
	}
	b.reader.rows.close()
	if c.ReturnEntries {
		err = ds.reads(moment{atCommit, result.Version}).answer(ctx, result, each)
	}
	return result, unanswered(result.Version, err)
}

// unanswered is the error of a commit that was applied.
func unanswered(version int64, err error) error {
	if err == nil {
		return nil
	}
	return errs.Wrap(errs.Unavailable, err, "the commit was applied as version %d, but its entries could not be read", version)
}

// commitReader reads a commit. Its members are in commit.Entries, or else in rows.
type commitReader struct {
	commit  Commit
	rows    *gathered // nil where all members are to be in memory
	clients []client  // of the members in rows
	db      *DB       // whose limits hold; nil for none
	held    int64     // what the members in commit.Entries count for
}

// client is the caller's own id of a member.
type client struct {
	id string
	at int
}

// entries reads the array of members.
func (r *commitReader) entries(text *document.Stream) error {
	r.commit.Entries, r.held = nil, 0 // of a repeated key the last one counts
	if r.rows != nil {
		r.clients = nil
		r.rows.reset()
	}
	if c, err := text.Peek(); err == nil && c != '[' {
		_, err = text.Value()
		return err
	}
	r.commit.Entries = []CommitEntry{}
	n := 0
	return text.Items(func() error {
		value, err := text.Value()
		if err != nil {
			return err
		}
		v, err := parseLoose(value)
		if err == nil {
			var e CommitEntry
			if e, err = parseCommitEntry(v); err == nil {
				if err = r.take(e, n, len(value)); err == nil {
					n++
					return nil
				}
			}
		}
		return rowError(n, err)
	})
}

// take keeps the nth member, whose text is of some size.
func (r *commitReader) take(e CommitEntry, n, size int) error {
	switch {
	case r.rows == nil || n < r.rows.db.sizes.members:
		return r.hold(e, size)
	case e.ID != 0 || e.Order != nil:
		if err := r.unfold(); err != nil {
			return err
		}
		return r.hold(e, size)
	case len(r.commit.Entries) > 0:
		if !r.fold() {
			r.rows = nil
			return r.hold(e, size)
		}
	}
	return r.fill(e, n)
}

// hold keeps a member in memory.
func (r *commitReader) hold(e CommitEntry, size int) error {
	r.held += heldWeight + heldTimes*int64(size)
	if r.db != nil {
		if err := r.db.holdable(r.held); err != nil {
			return err
		}
	}
	r.commit.Entries = append(r.commit.Entries, e)
	return nil
}

// fill puts the nth member into rows.
func (r *commitReader) fill(e CommitEntry, n int) error {
	if e.ClientID != "" {
		r.clients = append(r.clients, client{e.ClientID, n})
	}
	return r.rows.add(e.Data)
}

// fold moves the members into rows. It reports false when some are not for rows, or are
// refused, which then is told of all members together.
func (r *commitReader) fold() bool {
	for i, e := range r.commit.Entries {
		if e.ID != 0 || e.Order != nil || r.fill(e, i) != nil {
			r.rows.close()
			return false
		}
	}
	r.commit.Entries, r.held = r.commit.Entries[:0:0], 0
	return true
}

// unfold moves the members out of rows.
func (r *commitReader) unfold() error {
	rows := r.rows
	if r.rows = nil; rows == nil {
		return nil
	}
	defer rows.close()
	if rows.count == 0 {
		return nil
	}
	r.held = int64(rows.count)*heldWeight + heldTimes*rows.size
	data, err := rows.values()
	if err != nil {
		return err
	}
	entries := make([]CommitEntry, len(data))
	for i, v := range data {
		entries[i].Data = v
	}
	for _, client := range r.clients {
		entries[client.at].ClientID = client.id
	}
	r.commit.Entries, r.clients = entries, nil
	return nil
}
