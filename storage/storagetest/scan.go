package storagetest

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/siftdb/siftdb/storage"
)

func testScanOrder(t *testing.T, e Engine) {
	s := open(t, e)
	const n = 5000
	want := make([]string, n)
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	for i := range want {
		want[i] = key(i) + "=v"
	}
	for part := range slices.Chunk(order, n/4) {
		s.update(func(w writer) {
			for _, i := range part {
				w.set(key(i), "v")
			}
		})
	}
	s.view(func(r reader) {
		equal(t, "ascending", r.all(), want)
		equal(t, "part", r.scan(key(1234), key(4321), false), want[1234:4321])
		slices.Reverse(want)
		equal(t, "descending", r.scan(nil, nil, true), want)
		equal(t, "part descending", r.scan(key(1234), key(4321), true), want[n-4321:n-1234])
	})
}

func testScanBounds(t *testing.T, e Engine) {
	s := open(t, e)
	s.set("b", "", "d", "", "d\x00", "", "f", "")
	cases := []struct {
		from, to any
		want     []string
	}{
		{nil, nil, []string{"b=", "d=", "d\x00=", "f="}},
		{"", nil, []string{"b=", "d=", "d\x00=", "f="}},
		{"b", nil, []string{"b=", "d=", "d\x00=", "f="}},
		{"b\x00", nil, []string{"d=", "d\x00=", "f="}},
		{"c", nil, []string{"d=", "d\x00=", "f="}},
		{"f", nil, []string{"f="}},
		{"g", nil, nil},
		{nil, "", nil},
		{"", "", nil},
		{nil, "a", nil},
		{nil, "b", nil},
		{nil, "b\x00", []string{"b="}},
		{nil, "d", []string{"b="}},
		{nil, "d\x00", []string{"b=", "d="}},
		{nil, "z", []string{"b=", "d=", "d\x00=", "f="}},
		{"b", "f", []string{"b=", "d=", "d\x00="}},
		{"c", "e", []string{"d=", "d\x00="}},
		{"d", "d", nil},
		{"d", "d\x00", []string{"d="}},
		{"e", "c", nil},
		{"f", "b", nil},
	}
	check := func(what string, r reader) {
		for _, c := range cases {
			equal(t, what, r.scan(c.from, c.to, false), c.want)
			back := slices.Clone(c.want)
			slices.Reverse(back)
			equal(t, what+" reverse", r.scan(c.from, c.to, true), back)
		}
	}
	s.view(func(r reader) { check("View", r) })
	s.update(func(w writer) {
		check("Update", w.reader)
		w.set("c", "own", "d", "own")
		w.delete("c", "d\x00")
		w.set("d", "", "d\x00", "")
		check("own writes", w.reader)
	})
	s.update(func(w writer) {
		w.deleteRange(nil, nil)
		w.set("f", "", "d\x00", "", "b", "", "d", "")
		check("only own writes", w.reader)
	})
	s.view(func(r reader) {
		from, to := []byte("b"), []byte("f")
		for _, reverse := range []bool{false, true} {
			c := r.Scan(ks, from, to, reverse)
			from[0], to[0] = 'x', 'a'
			is(t, "keys after the bounds changed", len(collect(t, c)), 3)
			from[0], to[0] = 'b', 'f'
		}
	})
}

// testScanUnderWrites writes while a cursor of the same writer walks. What is
// ahead may be seen or not; keys that stay are returned once each, in order.
func testScanUnderWrites(t *testing.T, e Engine) {
	s := open(t, e)
	const n = 400
	s.update(func(w writer) {
		for i := range n {
			w.set(key(2*i), "old")
		}
	})
	writes := map[string]func(w writer, at string, i int){
		"put behind":     func(w writer, _ string, i int) { w.set(key(i), "new") },
		"put here":       func(w writer, at string, _ int) { w.set(at, "new") },
		"put next":       func(w writer, at string, _ int) { w.set(at+"+", "new") },
		"delete here":    func(w writer, at string, _ int) { w.delete(at) },
		"delete range":   func(w writer, at string, _ int) { w.deleteRange(at, at+"+") },
		"delete, put":    func(w writer, at string, _ int) { w.delete(at); w.set(at, "new") },
		"delete between": func(w writer, at string, _ int) { w.deleteRange(at+"!", at+"~"); w.set(at+"+", "new") },
	}
	for name, write := range writes {
		for _, reverse := range []bool{false, true} {
			err := s.Update(background, func(sw storage.Writer) error {
				w := writer{reader{sw, t}, sw}
				w.set(key(3), "own", key(2*n+1), "own")
				c := w.Scan(ks, nil, nil, reverse)
				old, last := 0, ""
				for i := 0; ; i++ {
					k, v, ok := c.Next()
					if !ok {
						break
					}
					at := string(k)
					if last != "" && (at > last) == reverse || at == last {
						t.Errorf("%s, reverse %v: %q after %q", name, reverse, at, last)
						break
					}
					if last = at; string(v) == "old" || at == key(2*i) {
						old++
					}
					if at[len(at)-1] != '+' { // else the walk could go on for ever
						write(w, at, i)
					}
					if i > 4*n {
						t.Errorf("%s: the walk does not end", name)
						break
					}
				}
				if c.Err() != nil {
					t.Errorf("%s: %v", name, c.Err())
				}
				if old < n-1 && name != "put behind" {
					t.Errorf("%s, reverse %v: saw %d of %d keys that stay", name, reverse, old, n)
				}
				return errDrop
			})
			if err != errDrop {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func testDeleteRange(t *testing.T, e Engine) {
	s := open(t, e)
	fill := func(w writer) {
		w.deleteRange(nil, nil)
		w.set("a", "1", "b", "2", "c", "3", "d", "4", "e", "5")
	}
	cases := []struct {
		name  string
		write func(w writer)
		want  []string
	}{
		{"middle", func(w writer) { w.deleteRange("b", "d") }, []string{"a=1", "d=4", "e=5"}},
		{"to the end", func(w writer) { w.deleteRange("c", nil) }, []string{"a=1", "b=2"}},
		{"from the start", func(w writer) { w.deleteRange(nil, "c") }, []string{"c=3", "d=4", "e=5"}},
		{"all", func(w writer) { w.deleteRange(nil, nil) }, nil},
		{"from empty", func(w writer) { w.deleteRange("", "b") }, []string{"b=2", "c=3", "d=4", "e=5"}},
		{"nothing", func(w writer) { w.deleteRange("d", "b"); w.deleteRange("c", "c"); w.deleteRange(nil, "") },
			[]string{"a=1", "b=2", "c=3", "d=4", "e=5"}},
		{"between keys", func(w writer) { w.deleteRange("bb", "bc") }, []string{"a=1", "b=2", "c=3", "d=4", "e=5"}},
		{"put into it", func(w writer) { w.deleteRange("b", "e"); w.set("c", "new", "bb", "new") },
			[]string{"a=1", "bb=new", "c=new", "e=5"}},
		{"put before it", func(w writer) { w.set("bb", "new", "z", "new"); w.deleteRange("b", "e") },
			[]string{"a=1", "e=5", "z=new"}},
		{"put, deleted again", func(w writer) { w.deleteRange("b", "e"); w.set("c", "new"); w.delete("c") },
			[]string{"a=1", "e=5"}},
		{"all, then put", func(w writer) { w.deleteRange(nil, nil); w.set("c", "new") }, []string{"c=new"}},
		{"twice", func(w writer) {
			w.deleteRange("b", "d")
			w.set("c", "new")
			w.deleteRange("c", nil)
			w.set("d", "new")
		}, []string{"a=1", "d=new"}},
		{"overlapping", func(w writer) {
			w.deleteRange("d", "e")
			w.deleteRange("b", "c")
			w.set("b", "new", "d", "new")
			w.deleteRange("bb", "dd")
		}, []string{"a=1", "b=new", "e=5"}},
	}
	for _, c := range cases {
		back := slices.Clone(c.want)
		slices.Reverse(back)
		for _, committed := range []bool{false, true} {
			if committed {
				s.update(fill)
			}
			s.update(func(w writer) {
				if !committed {
					fill(w)
				}
				c.write(w)
				equal(t, c.name+", own", w.all(), c.want)
				equal(t, c.name+", own reverse", w.scan(nil, nil, true), back)
				for _, k := range []string{"a", "b", "bb", "c", "d", "e", "z"} {
					i := slices.IndexFunc(c.want, func(p string) bool { return p[:len(k)+1] == k+"=" })
					if (i >= 0) != (w.get(k) != "-") {
						t.Errorf("%s: Get %q does not agree with Scan", c.name, k)
					}
				}
			})
			equal(t, c.name, s.all(), c.want)
			s.view(func(r reader) { equal(t, c.name+", reverse", r.scan(nil, nil, true), back) })
		}
	}
}

// testDeleteRangeLarge deletes ranges that span many pages, and walks over what
// is left before and after the commit.
func testDeleteRangeLarge(t *testing.T, e Engine) {
	s := open(t, e)
	const n = 10_000
	s.update(func(w writer) {
		for i := range n {
			w.set(key(i), "some value to fill pages with")
		}
	})
	keys := func(r reader, from, to int, reverse bool) (got []string) {
		c := r.Scan(ks, []byte(key(from)), []byte(key(to)), reverse)
		for k, _, ok := c.Next(); ok; k, _, ok = c.Next() {
			got = append(got, string(k))
		}
		return got
	}
	check := func(r reader) {
		want := []string{key(0), key(999), key(5000), key(9000), key(n - 1)}
		equal(t, "left", append(append(append(keys(r, 0, 1, false), keys(r, 999, 5001, false)...),
			keys(r, 8999, 9001, false)...), keys(r, n-1, n, false)...), want)
		equal(t, "gaps", append(keys(r, 1000, 5000, true), keys(r, 5001, 9000, true)...), nil)
		equal(t, "over the gaps, back", keys(r, 999, 9001, true), []string{key(9000), key(5000), key(999)})
		is(t, "count", len(keys(r, 0, n, false)), 1000+1+1000)
		is(t, "count back", len(keys(r, 0, n, true)), 1000+1+1000)
	}
	s.update(func(w writer) {
		w.deleteRange(key(1000), key(9000))
		w.set(key(5000), "back again")
		check(w.reader)
	})
	s.view(check)
	s.update(func(w writer) { check(w.reader); w.deleteRange(key(1), key(n-1)) })
	s.view(func(r reader) { equal(t, "ends", keys(r, 0, n, true), []string{key(n - 1), key(0)}) })
	s.update(func(w writer) { w.deleteRange(nil, key(n)) })
	equal(t, "nothing left", s.all(), nil)
}
