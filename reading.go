package siftdb

import (
	"context"
	"math"
	"sort"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// moment is the state that a handle reads.
type moment struct {
	kind momentKind
	n    int64 // a version, or milliseconds since 1970
}

type momentKind int

const (
	latest momentKind = iota
	atVersion
	atTime
	atCommit // after a commit
)

// At returns a handle that reads the entries as version found them: the backup
// taken just before that write (spec 9.1). Find, Count, Query and every other
// read work on it; writes return ErrReadOnly. An unknown version is ErrNotFound,
// told by the first read.
func (ds *DataSource) At(version int64) *DataSource {
	return ds.reads(moment{atVersion, version})
}

// AtTime returns a handle that reads the entries as they were at a time: after
// every write up to and including that millisecond. Times before the first write
// read as empty, times that retention has dropped as ErrSnapshotGone.
func (ds *DataSource) AtTime(t time.Time) *DataSource {
	ms := max(t.UnixMilli(), 0)
	switch year := t.UTC().Year(); { // beyond what UnixMilli can tell
	case year < 1970:
		ms = 0
	case year > 9999:
		ms = math.MaxInt64
	}
	return ds.reads(moment{atTime, ms})
}

// reads returns a handle that differs from this one only in the state it reads.
func (ds *DataSource) reads(at moment) *DataSource {
	other := *ds
	other.at = at
	return &other
}

// state is what a read knows of a data source before it begins.
type state struct {
	head   layout.Head // of now
	source *source     // of now
	commit int64       // what is read: the state after this commit

	// As of commit:
	count   int64
	columns []string
}

// stateAt finds the state that the handle reads.
func (ds *DataSource) stateAt(r storage.Reader) (*state, error) {
	head, src, err := ds.load(r, false)
	if err != nil {
		return nil, err
	}
	st := &state{head: head, source: src, count: head.Count, columns: src.columns}
	next, err := ds.firstAfter(r, head)
	if err != nil {
		return nil, err
	}
	if next == nil {
		meta, _, err := layout.ReadMeta(r)
		st.commit = meta.Commit
		return st, err
	}
	st.commit, st.count = next.ID-1, next.Count
	if next.Columns != head.Columns {
		st.columns, err = layout.ReadColumns(r, ds.id, next.Columns)
		st.columns = ds.veil.shown(st.columns)
	}
	return st, err
}

// firstAfter returns the first version that does not belong to what the handle
// reads, nil when everything does.
func (ds *DataSource) firstAfter(r storage.Reader, head layout.Head) (*history.Version, error) {
	switch ds.at.kind {
	case atVersion:
		v, err := history.Read(r, ds.id, ds.at.n)
		if err == nil && v == nil {
			err = unknownVersion(ds.id, ds.at.n)
		}
		return v, err
	case atCommit:
		if lost(head, ds.at.n) {
			return nil, snapshotGone(ds.id)
		}
		for v, err := range history.Range(r, ds.id, ds.at.n+1, 0, false) {
			return v, err
		}
	case atTime:
		if head.FloorTime > 0 && ds.at.n < head.FloorTime {
			return nil, snapshotGone(ds.id)
		}
		return versionAfter(r, ds.id, head, ds.at.n)
	}
	return nil, nil
}

// versionAfter returns the first version written after a time, by binary search
// over the ids: times never go back.
func versionAfter(r storage.Reader, source int64, head layout.Head, ms int64) (*history.Version, error) {
	var found *history.Version
	var failed error
	span := head.Last - head.Floor
	sort.Search(int(max(span, 0)), func(i int) bool {
		for v, err := range history.Range(r, source, head.Floor+1+int64(i), 0, false) {
			if err != nil {
				failed = err
			} else if v.Time > ms {
				found = v
				return true
			}
			return false
		}
		return true
	})
	return found, failed
}

func unknownVersion(source, version int64) error {
	return &Error{Code: errs.NotFound, DataSourceID: source, Message: "version " + itoa(version) + " of data source " + itoa(source) + " does not exist"}
}

func snapshotGone(source int64) error {
	return &Error{Code: errs.SnapshotGone, DataSourceID: source, Message: "the state of data source " + itoa(source) + " that is read has been dropped by retention"}
}

// reading is one read of one data source. It works in slices of short
// transactions and stays on the state that the first one saw, whatever is written
// between them.
type reading struct {
	ds    *DataSource
	claim *snapshot
	st    *state
	scan  *scanner
	sight *sight // once a where has been bound

	chosen *proposals // what is visited instead of all entries, nil for all

	undivided bool // a parallel scan was tried

	pick func(id int64) query.Verdict // what columns in memory say of entries; nil for nothing
}

// read begins a reading. The caller closes it.
func (ds *DataSource) read() *reading {
	var commit int64 // a handle on an old state may need every version
	if ds.at.kind == latest {
		commit = ds.db.published.Load()
	}
	return &reading{ds: ds, claim: ds.db.snapshots.register(commit)}
}

func (rd *reading) close() {
	rd.chosen.leave()
	rd.ds.db.snapshots.release(rd.claim)
}

// slice runs fn in a short transaction on the state that is read.
func (rd *reading) slice(ctx context.Context, fn func(storage.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return rd.ds.db.view(ctx, func(r storage.Reader) error {
		begin := rd.advance
		if rd.st == nil {
			begin = rd.begin
		}
		if err := begin(r); err != nil {
			return err
		}
		return fn(r)
	})
}

// begin settles on a state.
func (rd *reading) begin(r storage.Reader) error {
	st, err := rd.ds.stateAt(r)
	if err != nil {
		return err
	}
	if st.head.Floor > st.commit {
		return snapshotGone(rd.ds.id)
	}
	rd.st = st
	rd.ds.db.snapshots.move(rd.claim, st.commit)
	rd.scan = newScanner(rd.ds.id, st.commit)
	rd.scan.meet(st.head)
	return nil
}

// advance brings what is known of the data source up to now.
func (rd *reading) advance(r storage.Reader) error {
	head, src, err := rd.ds.load(r, true)
	if err != nil {
		return err
	}
	if head.Floor > rd.st.commit {
		return snapshotGone(rd.ds.id)
	}
	rd.st.head, rd.st.source = head, src
	rd.scan.meet(head)
	return nil
}

// entries visits the entries in default order from where the last slice stopped,
// and returns true at the end. Entries that where certainly leaves out may be
// passed over; nil leaves out none. After narrow it visits what indexes propose. A scan that passed every entry while nobody
// wrote is held against the head's count and digest.
func (rd *reading) entries(r storage.Reader, where *query.Matcher, visit visitor) (bool, error) {
	if rd.chosen != nil {
		return rd.proposed(r, visit)
	}
	if rd.st.source.veil != nil && !rd.ds.db.off.has(guardScan) { // a judge would look behind it
		seen := visit
		visit = func(rec *layout.Record, v query.Verdict) (bool, error) {
			if !rd.see(rec) {
				return true, nil
			}
			return seen(rec, v)
		}
	} else if where != nil && where.CanJudge() {
		rd.scan.judge = where.Judge
	}
	rd.scan.pick = rd.pick
	if err := rd.scan.catchUp(r, rd.st.head); err != nil {
		return false, err
	}
	b := newBudget()
	done, err := rd.scan.run(r, &b, visit)
	if err == nil && done && rd.scan.exact {
		err = rd.verify(rd.scan.count, rd.scan.digest)
	}
	return done, err
}

// see takes out of a record what is hidden, and reports whether the views that the
// reading is of let it through.
func (rd *reading) see(rec *layout.Record) bool {
	if rd.sight != nil {
		return rd.sight.see(rec)
	}
	rd.st.source.lift(rec)
	return true
}

// verify holds what a whole scan passed against the head.
func (rd *reading) verify(count int64, digest layout.Digest) error {
	if count == rd.st.head.Count && digest == rd.st.head.Digest {
		return nil
	}
	return &Error{Code: errs.Corrupt, DataSourceID: rd.ds.id, Message: "data source " + itoa(rd.ds.id) + " does not hold the entries that were written to it"}
}

// budget bounds one slice by time; nil is no bound.
type budget struct {
	deadline time.Time
	n        int
}

// sliceTime is how long one transaction of a read may stay open.
const sliceTime = 250 * time.Millisecond

func newBudget() budget { return budget{deadline: time.Now().Add(sliceTime)} }

// spentNow looks at the clock.
func (b *budget) spentNow() bool { return time.Now().After(b.deadline) }

// spent counts an entry that was looked at, and looks at the clock now and then.
func (b *budget) spent() bool {
	if b == nil {
		return false
	}
	b.n++
	return b.n&255 == 0 && time.Now().After(b.deadline)
}
