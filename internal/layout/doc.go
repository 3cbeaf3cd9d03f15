// Package layout is siftdb's file format: the keyspaces, the keys in each, and
// the records behind them. Whoever wants to know what the file holds reads this
// folder; nobody else builds a key or takes a record apart.
//
//	keyspace  key                                        value
//	head      00                                         Meta: counters of the store
//	head      01 source:4                                Head: counters of a data source
//	catalog   01 source:4                                definition of a data source (JSON)
//	catalog   02 source:4 number:2                       an interned column name
//	catalog   03 source:4 revision:4                     a list of columns
//	catalog   04 hash of name:8 source:4                 nothing; finds a data source by name
//	catalog   05 block:8                                 the data source that owns a block of ids
//	catalog   06 source:4                                SourceKeys: what the data source is encrypted with
//	catalog   07 source:4                                nothing; a bulk write is under way, or broke off
//	catalog   08 source:4 number:4                       definition of an index (JSON)
//	catalog   09 source:4                                nothing; an index is being built, or dropped
//	entry     source:4 entry:8                           Record: the entry as it is now
//	order     source:4 ordered double:8 entry:8          nothing; lists entries whose order is not 0
//	image     source:4 entry:8 version:8                 Record: the entry as that version found it
//	version   source:4 version:8                         history.Version: what a write did
//	outbox    source:4 delivery:16                       Delivery: what a hook has to send, or failed to
//	due       source:4 hook:2 due:8 commit:8 delivery:16 nothing; lists deliveries that are to be tried
//	index     source:4 number:4 key entry:8              nothing; lists entries by what an index is of
//	index     source:4 number:4 trigram entry:8          a block: up to 128 entries, of which this is the last
//
// An entry counts when its id is below the head's NextID, an image when its version is at
// most Meta's Commit, a block when it is below Meta's NextBlock. A bulk write in several
// transactions writes beyond these, marks the data source, and moves the counters in the
// end; what is there without having been counted is swept.
//
// Head.Indexes tells which numbers of indexes count, how far each has been built, and what
// it holds: IndexState. It stands in the head because every write to entries writes that
// anyway. Keys of other numbers are of no index, or not yet, or no longer. The last block of
// a list of a trigram index has the highest number of all in the place of its last entry.
//
// Numbers in keys are big-endian, so that keys sort as the numbers do. Every
// value that is not empty stands in an envelope of package document, whose
// checksum covers keyspace, key and content. That is what this package sees. Of a
// data source that is encrypted, package sealed stores each such value, its head
// among them, as ciphertext; its name is found through key 04 with a hash of 0, and the
// keys in its indexes are hashed.
package layout
