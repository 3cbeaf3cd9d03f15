package siftdb_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestRecover loses the commit log of a database that was not closed.
func TestRecover(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "db")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	table(t, db, "t", `{"n":1}`)
	for name, lost := range map[string]bool{"all.db": false, "part.db": true} { // as a crash leaves them behind
		copied := filepath.Join(dir, name)
		for _, suffix := range []string{"", ".siftdb-log"} {
			b := must[[]byte](t)(os.ReadFile(path + suffix))
			if lost && suffix != "" {
				b = []byte("something else")
			}
			if err := os.WriteFile(copied+suffix, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := siftdb.Recover(ctx, path); !errors.Is(err, siftdb.ErrLocked) {
			t.Errorf("beside an open database: %v", err)
		}
		if lost {
			_, err := siftdb.Open(ctx, copied, nil)
			if !errors.Is(err, siftdb.ErrCorrupt) || !strings.Contains(err.Error(), "Recover") {
				t.Errorf("open: %v", err)
			}
		}
		r := must[siftdb.Recovery](t)(siftdb.Recover(ctx, copied))
		if (r.Lost != nil) != lost || (r.Aside != "") != lost || (r.Records == 0) != lost || lost && !errors.Is(r.Lost, siftdb.ErrCorrupt) {
			t.Errorf("%s: %+v", name, r)
		}
		again := must[*siftdb.DB](t)(siftdb.Open(ctx, copied, nil))
		list := must[[]siftdb.DataSourceInfo](t)(again.DataSources(ctx, siftdb.ListOptions{}))
		if (len(list) == 0) != lost {
			t.Errorf("%s: then there are %v", name, list)
		}
		if err := must[*siftdb.Report](t)(again.Check(ctx)).Err(); err != nil {
			t.Error(err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := siftdb.Recover(ended, path); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
