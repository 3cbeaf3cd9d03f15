package siftdb_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/siftdb/siftdb"
)

// engines runs a test on a database of each kind. Every database is checked, and
// closed, when its test ends.
func engines(t *testing.T, test func(t *testing.T, db *siftdb.DB)) {
	t.Run("memory", func(t *testing.T) { test(t, memoryDB(t, nil)) })
	t.Run("bolt", func(t *testing.T) { test(t, fileDB(t, filepath.Join(t.TempDir(), "test.db"), nil)) })
}

func memoryDB(t testing.TB, options *siftdb.Options) *siftdb.DB {
	t.Helper()
	db, err := siftdb.OpenMemory(options)
	if err != nil {
		t.Fatal(err)
	}
	checked(t, db)
	return db
}

func fileDB(t testing.TB, path string, options *siftdb.Options) *siftdb.DB {
	t.Helper()
	db, err := siftdb.Open(ctx, path, options)
	if err != nil {
		t.Fatal(err)
	}
	checked(t, db)
	return db
}

// checked makes the test end with a check of the whole database.
func checked(t testing.TB, db *siftdb.DB) {
	t.Cleanup(func() {
		report, err := db.Check(ctx)
		if err == nil {
			err = report.Err()
		}
		if err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// table makes a data source filled with rows of JSON.
func table(t testing.TB, db *siftdb.DB, name string, rows ...string) *siftdb.DataSource {
	t.Helper()
	ds, err := db.Create(ctx, siftdb.DataSourceSpec{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) > 0 {
		if _, err := ds.Append(ctx, raws(rows...)); err != nil {
			t.Fatal(err)
		}
	}
	return ds
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// texts returns the data of entries as JSON.
func texts(entries []*siftdb.Entry) []string {
	out := []string{}
	for _, e := range entries {
		out = append(out, string(e.JSON()))
	}
	return out
}

func isNotFound(err error) bool     { return errors.Is(err, siftdb.ErrNotFound) }
func isInvalid(err error) bool      { return errors.Is(err, siftdb.ErrInvalidInput) }
func isConflict(err error) bool     { return errors.Is(err, siftdb.ErrConflict) }
func isInvalidQuery(err error) bool { return errors.Is(err, siftdb.ErrInvalidQuery) }
