package siftdb

// StageAt makes bulk writes of more than some bytes, and the replacing of more than some
// entries, take several transactions.
func StageAt(db *DB, bytes, perTransaction int, rows int64) {
	db.sizes = stageSizes{int64(bytes), perTransaction, rows}
}

// Unswept reports whether a bulk write has left something behind.
func Unswept(db *DB) bool { return db.unswept.Load() }
