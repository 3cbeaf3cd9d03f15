package storagetest

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/siftdb/siftdb/storage"
)

// model is a store as a plain map.
type model map[string]string

// testModel runs random operations on a store and on a map. rapid prints what
// failed, made as short as it can, and how to run it again.
func testModel(t *testing.T, e Engine) {
	rapid.Check(t, func(rt *rapid.T) {
		s := e.Open(t)
		defer func() { s.Close() }()
		committed := model{}
		for range rapid.IntRange(1, 8).Draw(rt, "transactions") {
			next := maps.Clone(committed)
			ops := drawOps(rt)
			drop := rapid.IntRange(0, 4).Draw(rt, "drop") == 0
			err := s.Update(background, func(w storage.Writer) error {
				next = maps.Clone(committed)
				for _, o := range ops {
					if !o.run(rt, w, next) {
						return nil
					}
				}
				if drop {
					return errDrop
				}
				return nil
			})
			if !drop {
				committed = next
			} else if err == errDrop {
				err = nil
			}
			if err != nil {
				rt.Fatalf("Update: %v", err)
			}
			if e.Reopen != nil && rapid.IntRange(0, 3).Draw(rt, "reopen") == 0 {
				s.Close()
				s = e.Reopen(t, s)
			}
			ops = drawReads(rt)
			if err := s.View(background, func(r storage.Reader) error {
				committed.compare(rt, r, op{})
				for _, o := range ops {
					committed.compare(rt, r, o)
				}
				return nil
			}); err != nil {
				rt.Fatalf("View: %v", err)
			}
		}
	})
}

// op is one operation. A range is from key to end, or all where those are "".
type op struct {
	kind    int
	key     string
	end     string
	value   string
	reverse bool
}

const (
	opPut = iota
	opDelete
	opDeleteRange
	opRead
	opBulk
)

var (
	keys  = rapid.Custom(func(t *rapid.T) string { return "k" + strconv.Itoa(rapid.IntRange(0, 60).Draw(t, "n")) })
	edges = rapid.OneOf(keys, rapid.Just(""))
	kinds = rapid.SampledFrom([]int{opPut, opPut, opPut, opPut, opDelete, opDelete, opDeleteRange, opRead, opBulk})
	value = rapid.StringN(0, 4, 8)
)

func drawOps(t *rapid.T) []op {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
		o := op{kind: kinds.Draw(t, "kind"), key: keys.Draw(t, "key")}
		switch o.kind {
		case opPut, opBulk:
			o.value = value.Draw(t, "value")
		case opDeleteRange, opRead:
			o.key, o.end = edges.Draw(t, "from"), edges.Draw(t, "to")
			o.reverse = rapid.Bool().Draw(t, "reverse")
		}
		return o
	}), 0, 20).Draw(t, "ops")
}

func drawReads(t *rapid.T) []op {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
		return op{key: edges.Draw(t, "from"), end: edges.Draw(t, "to"), reverse: rapid.Bool().Draw(t, "reverse")}
	}), 1, 4).Draw(t, "reads")
}

func (o op) bounds() (from, to []byte) {
	if o.key != "" {
		from = []byte(o.key)
	}
	if o.end != "" {
		to = []byte(o.end)
	}
	return from, to
}

func (o op) contains(key string) bool { return key >= o.key && (o.end == "" || key < o.end) }

// run does the operation on both sides, and reports whether they agree.
func (o op) run(t *rapid.T, w storage.Writer, m model) bool {
	var err error
	switch o.kind {
	case opPut:
		m[o.key] = o.value
		err = w.Put(ks, []byte(o.key), []byte(o.value))
	case opBulk: // enough to fill pages
		for i := 0; i < 200 && err == nil; i++ {
			k := o.key + "/" + key(i)
			m[k] = o.value
			err = w.Put(ks, []byte(k), []byte(o.value))
		}
	case opDelete:
		delete(m, o.key)
		err = w.Delete(ks, []byte(o.key))
	case opDeleteRange:
		from, to := o.bounds()
		maps.DeleteFunc(m, func(k, _ string) bool { return o.contains(k) })
		err = w.DeleteRange(ks, from, to)
	case opRead:
		return m.compare(t, w, o)
	}
	if err != nil {
		t.Errorf("%+v: %v", o, err)
	}
	return err == nil
}

// compare compares a scan, and a few look-ups.
func (m model) compare(t *rapid.T, r storage.Reader, o op) bool {
	var want, got []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if o.contains(k) {
			want = append(want, k+"="+m[k])
		}
	}
	if o.reverse {
		slices.Reverse(want)
	}
	from, to := o.bounds()
	c := r.Scan(ks, from, to, o.reverse)
	for k, v, ok := c.Next(); ok; k, v, ok = c.Next() {
		got = append(got, string(k)+"="+string(v))
	}
	if c.Err() != nil || !slices.Equal(got, want) {
		t.Errorf("scan %+v: %v\n got %q\nwant %q", o, c.Err(), got, want)
		return false
	}
	for i := range 61 {
		k := "k" + strconv.Itoa(i)
		v, err := r.Get(ks, []byte(k))
		if w, ok := m[k]; err != nil || ok != (v != nil) || string(v) != w {
			t.Errorf("Get %s: %q, %v, want %q", k, v, err, w)
			return false
		}
	}
	return true
}
