package index

import (
	"bytes"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/index/indextest"
	"github.com/siftdb/siftdb/query"
)

// TestTextKey: the key of a text is that of the one span which Lookup makes of an equality, and
// there is none where Lookup makes more of it, or is not exact.
func TestTextKey(t *testing.T) {
	g := indextest.New(5)
	keys := 0
	for range 20_000 {
		d := on("a")
		d.Fields[0].Desc, d.Sparse, d.IgnoreCase = g.IntN(2) == 0, g.IntN(3) == 0, g.IntN(8) == 0
		stats := Stats{Entries: 9, Keys: 9}
		for _, n := range []*int64{&stats.Numbers, &stats.Multi, &stats.Cut, &stats.Mixed, &stats.Many} {
			if g.IntN(8) == 0 {
				*n = 1
			}
		}
		text, ok := g.Scalar().(string)
		if !ok {
			continue
		}
		if g.IntN(9) == 0 {
			text += strings.Repeat("z", g.IntN(600))
		}
		b := d.Bind(query.Schema{})
		key, ok := b.AppendTextKey(nil, text, stats)
		if !ok {
			continue
		}
		keys++
		m, err := query.Compile(query.M{"a": text}, query.ForDataSource())
		if err != nil {
			t.Fatal(err)
		}
		probe := m.Bind(query.Schema{}).Probe()
		l, found := b.Lookup([]query.Bounds{probe.Values(stats.Multi > 0)}, stats)
		if !probe.EqualsText() || !found || !l.Exact || !l.Single || len(l.Spans) != 1 || !l.Spans[0].Whole || !bytes.Equal(l.Spans[0].Lo, key) {
			t.Fatalf("%q: key %x, look-up %+v", text, key, l)
		}
	}
	if keys < 1000 {
		t.Errorf("only %d texts had keys", keys)
	}
}
