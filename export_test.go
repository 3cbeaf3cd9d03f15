package siftdb

import (
	"context"
	"slices"

	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// ForgeKeys changes what a data source is encrypted with as somebody does who has no key.
func ForgeKeys(w storage.Writer, source int64) error {
	keys, _, err := layout.ReadKeys(w, source)
	if err != nil {
		return err
	}
	keys.Target, keys.Only = 0, false
	return layout.WriteKeys(w, source, keys)
}

// StageAt makes bulk writes of more than some bytes, and the replacing of more than some
// entries, take several transactions.
func StageAt(db *DB, bytes, perTransaction int, rows int64) {
	db.sizes = stageSizes{int64(bytes), perTransaction, rows, 3}
}

// Unswept reports whether a bulk write has left something behind.
func Unswept(db *DB) bool { return db.unswept.Load() }

// Staged reports whether the storage holds what does not count, or not yet.
func Staged(db *DB) bool {
	var list []int64
	err := db.view(context.Background(), func(r storage.Reader) (err error) {
		list, err = layout.Staged(r)
		return err
	})
	return err != nil || len(list) > 0
}

// Guards are the names of the guards of rules.
func Guards() []string { return guardNames[:] }

// Unguard switches a guard off. It is called before anybody else has the database.
func Unguard(db *DB, name string) {
	if i := slices.Index(guardNames[:], name); i >= 0 {
		db.off |= 1 << i
		return
	}
	panic("no guard is called " + name)
}

// KeepLogs has every file that is opened from now on keep a commit log, inside it or where its options
// say, of which about so many bytes are not in the file yet, 0 being as many as ever; or none, if they
// are below 0.
func KeepLogs(bytes int64, inside bool) { logNever, logInside, logBytes = bytes < 0, inside, bytes }

// ColumnsFrom sets how many entries a data source must have for its columns to be held.
func ColumnsFrom(db *DB, n int64) { db.columns.from = n }

// Access makes every query go one way to its entries: "scan", "always" by index where there is
// one, or "" for the best one.
func Access(db *DB, way string) {
	db.access.Store(int32(map[string]access{"": accessBest, "scan": accessScan, "always": accessAlways}[way]))
}

// RunsOf makes indexes be built some entries at a time.
func RunsOf(db *DB, entries int) {
	db.indexer.sizes = indexSizes{int64(entries) * 2 * keyWeight, entries, 1 << 60, 2 * entries}
}

// SortsFrom has indexes of more than some entries sorted as a whole.
func SortsFrom(db *DB, entries int64) { db.indexer.sizes.sorted = entries }

// ForgetColumns drops the columns that are held of a data source.
func ForgetColumns(ds *DataSource) { ds.db.columns.forget(ds.id) }

// LimitQueries sets Limits.QueryBytes, and returns what it was.
func LimitQueries(ds *DataSource, bytes int) (was int) {
	was, ds.db.opts.Limits.QueryBytes = ds.db.opts.Limits.QueryBytes, bytes
	return was
}

// OrdersByColumns is how many orders by several columns have been answered from these.
func OrdersByColumns(ds *DataSource) int64 { return ds.db.columns.orders.Load() }

// JoinsByColumns is how many sides of joins have been read from columns.
func JoinsByColumns(ds *DataSource) int64 { return ds.db.columns.joins.Load() }

// PipelinesByColumns is how many pipelines have been answered from columns.
func PipelinesByColumns(ds *DataSource) int64 { return ds.db.columns.pipelines.Load() }

// FindShort answers a query the short way by a value, as Find does first.
func FindShort(ds *DataSource, q Query) (entries []*Entry, ok bool) {
	return ds.findEqual(context.Background(), &q)
}

// SpreadFrom sets how many look-ups are spread over the cores, until what it returns is called.
func SpreadFrom(n int) func() {
	was := spreadFrom
	spreadFrom = n
	return func() { spreadFrom = was }
}

// KeepAtMost sets how many bytes of parents joins keep, until what it returns is called.
func KeepAtMost(n int) func() {
	was := keptBytes
	keptBytes = n
	return func() { keptBytes = was }
}

// FinishIndexes builds what there is to be built of the indexes of a data source.
func FinishIndexes(ctx context.Context, ds *DataSource) error {
	return ds.db.finishIndexes(ctx, ds.id, "")
}

// HoldIndexer keeps indexes from being built, and dropped ones from being swept, until release.
func HoldIndexer(db *DB) (release func()) {
	db.indexer.at <- struct{}{}
	return func() { <-db.indexer.at }
}

// QueryBytes sets Limits.QueryBytes of a database.
func QueryBytes(ds *DataSource, n int) { ds.db.opts.Limits.QueryBytes = n }
