// Package siftdb is an embeddable data-source engine: tables of JSON entries,
// called data sources, in one file or in memory, queried with sift/Mongo
// operators, changed in atomic commits, and versioned: every write leaves a
// version that costs only its changes, and any query can be asked of any version.
//
// # The nouns
//
// A [DB] is an open database. A [DataSource] is a handle on one table. An [Entry]
// is one row: an id, a JSON object, and bookkeeping. A [Query] says which entries
// are wanted. A [Commit] is a set of changes that are applied together. A
// [Version] is the backup that one write left behind.
//
// # A tour
//
//	db, err := siftdb.Open(ctx, "app.db", nil)
//	users, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "Users"})
//	bob, err := users.Insert(ctx, siftdb.M{"Name": "Bob", "Age": 42})
//	list, err := users.Find(ctx, siftdb.Query{
//		Where: `{"Age": {"$gte": 18}}`,
//		Order: siftdb.Order{siftdb.Desc("Age")},
//		Limit: new(10),
//	})
//	bob, err = users.UpdateEntry(ctx, bob.ID, siftdb.M{"Age": 43})
//	versions, err := users.Versions(ctx, siftdb.Page{})
//	before, err := users.At(versions[0].ID).FindByID(ctx, bob.ID) // Age is 42
//	version, err := users.Restore(ctx, versions[0].ID)            // and so it is again
//
// # What callers may rely on
//
// Handles and the DB are safe for concurrent use; a [Cursor] belongs to one
// goroutine. A read sees one snapshot, however long it takes, and holds no
// transaction while the caller's code runs, so a loop over [DataSource.Each] may
// write to what it reads. A write is all or nothing, and durable when the call
// returns. Entries own their bytes. No goroutine is left after [DB.Close].
//
// Errors are of type [Error] and tell their kind through errors.Is with the Err
// values. Malformed input is refused before anything is read or written.
package siftdb
