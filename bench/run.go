package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
)

// The operations, in the order of the table, and what it says of them.
var operations = []struct{ name, text string }{
	{"load", "books loaded in one go, durable, a second"},
	{"count", "count by two fields, no index"},
	{"find", "the same, all matches decoded"},
	{"contains", "count by a rare word in a text, any case, no index"},
	{"group", "group by a field: count, average, maximum"},
	{"unique", "unique values of a field"},
	{"page, no index", "order by a text, from the middle, 25"},
	{"get", "get by id, decoded"},
	{"get, raw", "get by id, not decoded"},
	{"look-up", "unique field equal to a value, index, decoded"},
	{"range", "range of a number by index, order by another, 25"},
	{"page", "order by a text, from the middle, 25, index"},
	{"join", "1 in 100 of the loans with their books"},
	{"update", "update by a filter, durable"},
	{"insert, 1 writer", "single durable inserts, three indexes, a second"},
	{"insert, 16 writers", "the same, concurrent"},
	{"mixed", "8 goroutines, 95 % look-ups, 5 % durable updates, a second"},
	{"open", "open and first get"},
}

// report is what one store made of the workload.
type report struct {
	Store   string
	About   string
	N       int64
	Results []result
	Disk    int64         // bytes, with loans and indexes
	Memory  int64         // anonymous, at most, from before the load on
	Fsync   time.Duration // of the disk, before it
}

func (r *report) result(op string) *result {
	for i := range r.Results {
		if r.Results[i].Op == op {
			return &r.Results[i]
		}
	}
	return nil
}

// run is one store under the workload.
type run struct {
	store  store
	lib    *library
	effort effort
	dir    string
	random *rand.Rand
	report report
	err    error
}

// add keeps a result, unless something has failed before.
func (r *run) add(x result, err error) {
	if r.err == nil {
		if r.err = err; err == nil {
			r.report.Results = append(r.report.Results, x)
		}
	}
}

func (r *run) repeat(op string, fn func() (string, error)) {
	if r.err == nil {
		r.add(r.effort.repeat(op, fn))
	}
}

func (r *run) small(op string, fn func() (string, error)) {
	if r.err == nil {
		r.add(r.effort.small(op, fn))
	}
}

// measure runs a store through the workload, or through its reads alone, in a folder that
// must not exist yet.
func measure(name string, s store, lib *library, dir string, e effort, writes bool) (report, error) {
	r := &run{store: s, lib: lib, effort: e, dir: dir, random: rand.New(rand.NewPCG(1, 2))}
	r.report = report{Store: name, About: s.about(), N: lib.n}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return r.report, err
	}
	if r.report.Fsync, r.err = fsyncProbe(dir); r.err != nil {
		return r.report, r.err
	}
	memory := anonymous()
	r.load()
	if r.err == nil {
		r.scans()
	}
	if r.err == nil {
		r.err = s.loadLoans(rows(lib.loans))
	}
	if r.err == nil {
		r.err = s.index()
	}
	if r.err == nil {
		r.reads()
	}
	if r.err == nil {
		r.report.Disk, r.err = s.size()
	}
	if r.err == nil && writes {
		r.writes()
	}
	r.report.Memory = memory()
	if r.err == nil {
		r.err = s.close()
	}
	return r.report, r.err
}

// load fills fresh stores, and keeps the last one.
func (r *run) load() {
	var times []time.Duration
	for k := 0; r.err == nil && k < min(r.effort.reps, 3); k++ {
		if k > 0 {
			if r.err = r.store.close(); r.err != nil {
				return
			}
			os.RemoveAll(r.dir)
		}
		dir := r.dir
		if r.err = os.MkdirAll(dir, 0o755); r.err == nil {
			r.err = r.store.open(dir)
		}
		if r.err != nil {
			return
		}
		t := time.Now()
		r.err = r.store.load(rows(r.lib.books))
		times = append(times, time.Since(t))
		if times[k] > 5*time.Second {
			break
		}
	}
	if r.err == nil {
		t := median(times)
		r.add(result{Op: "load", Time: t, Rate: float64(r.lib.n) / t.Seconds()}, nil)
	}
}

// scans are the reads that have no index.
func (r *run) scans() {
	s, lib := r.store, r.lib
	r.repeat("count", func() (string, error) {
		n, err := s.count(countGenre, countYear)
		return differs(n, lib.count), err
	})
	r.repeat("find", func() (string, error) {
		list, err := s.find(countGenre, countYear)
		return lib.checkFound(list), err
	})
	r.repeat("contains", func() (string, error) {
		n, err := s.contains(rareWord)
		return differs(n, lib.contains), err
	})
	r.repeat("group", func() (string, error) {
		list, err := s.groups()
		return lib.checkGroups(list), err
	})
	r.repeat("unique", func() (string, error) {
		list, err := s.unique()
		slices.Sort(list)
		return differs(fmt.Sprint(list), fmt.Sprint(lib.branches)), err
	})
	r.repeat("page, no index", r.page)
}

func (r *run) page() (string, error) {
	list, err := r.store.page(int(r.lib.n/2), pageSize)
	return differs(fmt.Sprint(column(list, "Title")), fmt.Sprint(r.lib.page)), err
}

// reads are those that indexes serve.
func (r *run) reads() {
	s, lib := r.store, r.lib
	r.small("get", func() (string, error) {
		id := 1 + r.random.Int64N(lib.n)
		d, err := s.get(id)
		return differs(d["ISBN"], any(isbn(id))), err
	})
	r.small("get, raw", func() (string, error) {
		ok, err := s.raw(1 + r.random.Int64N(lib.n))
		return differs(ok, true), err
	})
	r.small("look-up", func() (string, error) {
		number := isbn(1 + r.random.Int64N(lib.n))
		d, err := s.lookUp(number)
		return differs(d["ISBN"], any(number)), err
	})
	r.repeat("range", func() (string, error) {
		list, err := s.dearest(rangeLo, rangeHi, pageSize)
		return differs(fmt.Sprint(column(list, "Price")), fmt.Sprint(lib.prices)), err
	})
	r.repeat("page", r.page)
	r.repeat("join", func() (string, error) {
		n, fees, bad := 0, 0.0, ""
		err := s.join(joinState, func(l, b doc) {
			n++
			fees += l["Fee"].(float64)
			if l["ISBN"] != b["ISBN"] {
				bad = "a loan came with another book"
			}
		})
		if math.Abs(fees-lib.fees) > 0.01 {
			bad = "other loans were joined"
		}
		return bad + differs(n, lib.joined), err
	})
}

// writes change the books, and open the store again.
func (r *run) writes() {
	s, lib := r.store, r.lib
	k := 0
	r.repeat("update", func() (string, error) {
		k++
		n, err := s.update(updateBranch, updateLo, updateHi, fmt.Sprint("moved ", k))
		return differs(n, lib.updated), err
	})
	next := lib.n + 1
	for _, x := range []struct {
		op      string
		writers int
	}{{"insert, 1 writer", 1}, {"insert, 16 writers", 16}} {
		if r.err != nil {
			return
		}
		insert := s.insert
		if batch, ok := s.(interface{ insertBatch(row) error }); ok && x.writers > 1 {
			insert = batch.insertBatch
		}
		var res result
		var err error
		res, next, err = r.effort.inserts(x.op, insert, x.writers, next)
		r.add(res, err)
	}
	if r.err == nil {
		r.add(r.mixed())
	}
	if r.err == nil {
		r.add(r.open(next - 1))
	}
}

// mixed is look-ups and durable updates at once.
func (r *run) mixed() (result, error) {
	var n atomic.Int64
	var times [8][]time.Duration
	var faults [8]error
	begin := time.Now()
	parallel(8, func(k int) {
		rnd := rand.New(rand.NewPCG(3, uint64(k)))
		for time.Since(begin) < 5*r.effort.spell && faults[k] == nil {
			n.Add(1)
			id := 1 + rnd.Int64N(r.lib.n)
			if rnd.IntN(20) == 0 {
				faults[k] = r.store.set(id, fmt.Sprint("set ", k))
				continue
			}
			t := time.Now()
			d, err := r.store.lookUp(isbn(id))
			times[k] = append(times[k], time.Since(t))
			if faults[k] = err; err == nil && d["ISBN"] != isbn(id) {
				faults[k] = fmt.Errorf("a look-up of %s found %v", isbn(id), d["ISBN"])
			}
		}
	})
	took := time.Since(begin)
	all := slices.Concat(times[:]...)
	for _, err := range faults {
		if err != nil {
			return result{}, err
		}
	}
	slices.Sort(all)
	x := result{Op: "mixed", Time: took / time.Duration(n.Load()), Rate: float64(n.Load()) / took.Seconds()}
	if len(all) > 0 {
		x.P99 = all[len(all)*99/100]
	}
	return x, nil
}

// open opens the store again and again, and gets the book that was inserted last.
func (r *run) open(last int64) (result, error) {
	var times []time.Duration
	x := result{Op: "open"}
	for range r.effort.reps {
		if err := r.store.close(); err != nil {
			return x, err
		}
		t := time.Now()
		if err := r.store.open(r.dir); err != nil {
			return x, err
		}
		d, err := r.store.get(last)
		times = append(times, time.Since(t))
		if err != nil {
			return x, err
		}
		x.Wrong = differs(d["ISBN"], any(isbn(last)))
	}
	x.Time = median(times)
	return x, nil
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // the generator's values can be written
	}
	return text
}

// differs says that an answer is not the expected one.
func differs[T comparable](got, want T) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("%.200v instead of %.200v", got, want)
}

// column takes one field out of documents.
func column(list []doc, name string) []any {
	values := make([]any, len(list))
	for i, d := range list {
		values[i] = d[name]
	}
	return values
}

func (l *library) checkFound(list []doc) string {
	for _, d := range list {
		if year, _ := d["Year"].(float64); d["Genre"] != countGenre || year < countYear {
			return "a book was found that does not match"
		}
	}
	return differs(len(list), l.count)
}

func (l *library) checkGroups(list []group) string {
	for i, g := range list {
		want := l.groups[g.genre]
		if g.count != want.count || g.year != want.year || math.Abs(g.price-want.price) > 1e-6 {
			return fmt.Sprintf("group %v instead of %v", g, want)
		}
		if i > 0 && list[i-1].count < g.count {
			return "the groups are not in order"
		}
	}
	return differs(len(list), len(l.groups))
}

// child runs one store in this process, and returns what it made of the workload.
func child(name string, n int64, dir string, writes bool) (report, error) {
	i := slices.IndexFunc(engines, func(e engine) bool { return e.name == name })
	if i < 0 {
		return report{}, fmt.Errorf("there is no store %q", name)
	}
	lib, err := newLibrary(dir, n)
	if err != nil {
		return report{}, err
	}
	debug.FreeOSMemory() // what making the rows took is not the store's
	return measure(name, engines[i].make(), lib, filepath.Join(dir, "store"), full, writes)
}
