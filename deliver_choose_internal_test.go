package siftdb

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/siftdb/siftdb/storage"
)

// countingReader counts the keys that are read.
type countingReader struct {
	storage.Reader
	n *int
}

func (r countingReader) Scan(ks storage.Keyspace, from, to []byte, reverse bool) storage.Cursor {
	return countingCursor{r.Reader.Scan(ks, from, to, reverse), r.n}
}

type countingCursor struct {
	storage.Cursor
	n *int
}

func (c countingCursor) Next() (key, value []byte, ok bool) {
	*c.n++
	return c.Cursor.Next()
}

// TestLanesAreReadNoFurtherThanNeeded: of each hook no more is looked at than it may have
// tries, however much it has to send.
func TestLanesAreReadNoFurtherThanNeeded(t *testing.T) {
	ctx := context.Background()
	db, err := OpenMemory(&Options{Deliveries: DeliveryOptions{Off: true, Concurrency: 16}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const sources = 20
	for range sources {
		ds, err := db.Create(ctx, DataSourceSpec{Name: "t", Hooks: json.RawMessage(`[{"type":"sms","runOn":["insert"],"payload":{"to":"1","body":"x"}}]`)})
		if err != nil {
			t.Fatal(err)
		}
		rows := make([]any, 100)
		for i := range rows {
			rows[i] = M{"a": i}
		}
		if _, err := ds.Append(ctx, rows); err != nil {
			t.Fatal(err)
		}
	}
	n, chosen := 0, 0
	c := db.chooser()
	err = db.view(ctx, func(r storage.Reader) error {
		if err := c.gather(countingReader{r, &n}); err != nil {
			return err
		}
		list, err := c.choose(countingReader{r, &n})
		chosen = len(list)
		return err
	})
	if err != nil || chosen != 16 || n > sources*(4+1)+1 {
		t.Errorf("%d keys are read of %d hooks, to choose %d: %v", n, sources, chosen, err)
	}
	report, err := db.Check(ctx)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		t.Error(err)
	}
}
