package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
	"github.com/siftdb/siftdb/storage/memory"
)

// stillSizes leave it to the test when layers go into bbolt: no other goroutine does it.
var stillSizes = logSizes{flush: 1 << 30, direct: 4 << 10, room: 16 << 10, most: 256 << 10, idle: -1}

// logModel is a store with a log beside a model of what it holds.
type logModel struct {
	t     *testing.T
	r     *rand.Rand
	name  string
	dir   string
	s     *Store
	model storage.Storage
	was   string // what was there before the last commit
	is    string
	last  [2]commitlog.Position // where the last commit stands in the log, if it does
	o     Options
	seen  map[string]int // what the test has met
}

func newLogModel(t *testing.T, o Options, seed uint64, seen map[string]int) *logModel {
	o.NoSync, o.sizes = true, &stillSizes
	m := &logModel{t: t, r: rand.New(rand.NewPCG(seed, 9)), name: fmt.Sprint("seed ", seed), dir: t.TempDir(), model: memory.New(), seen: seen, o: o}
	m.open()
	return m
}

func (m *logModel) open() {
	m.s = openStore(m.t, filepath.Join(m.dir, "db"), m.o)
	m.s.steps = func(name string) error {
		if m.r.IntN(3) == 0 {
			m.crash("at " + name)
		}
		return nil
	}
}

// write commits something to both stores, and now and then something large.
func (m *logModel) write() {
	puts, ranges := m.r.IntN(4), m.r.IntN(5)/4
	size := 100
	if m.r.IntN(12) == 0 {
		size, puts = 5000, 2
	}
	seed := m.r.Uint64()
	write := func(w storage.Writer) error {
		r := rand.New(rand.NewPCG(seed, 1))
		space := func() storage.Keyspace { return []storage.Keyspace{"a", "b", rows}[r.IntN(3)] }
		key := func() []byte { return fmt.Appendf(nil, "%02d", r.IntN(60)) }
		for range ranges {
			from, to := key(), key()
			if r.IntN(3) == 0 {
				to = nil
			}
			if err := w.DeleteRange(space(), from, to); err != nil {
				return err
			}
		}
		for range puts {
			value := bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(size))
			if err := errors.Join(w.Put(space(), key(), value), w.Delete(space(), key())); err != nil {
				return err
			}
		}
		return nil
	}
	before := m.head()
	if err := errors.Join(m.s.Update(background, write), m.model.Update(background, write)); err != nil {
		m.t.Fatal(m.name, err)
	}
	m.was, m.is = m.is, dump(m.t, m.model)
	m.last = [2]commitlog.Position{}
	if head := m.head(); head.Seq == before.Seq+1 && head.Offset > before.Offset {
		m.last = [2]commitlog.Position{before, head}
		m.seen["logged"]++
	} else if puts > 0 {
		m.seen["direct"]++
	}
}

// head is where the next record of the log goes, which may be the first one.
func (m *logModel) head() commitlog.Position {
	if m.s.recent.log == nil {
		return commitlog.First(1)
	}
	return m.s.recent.log.Head()
}

// flush writes the frozen layer into bbolt.
func (m *logModel) flush() {
	m.s.recent.flushing.Lock()
	defer m.s.recent.flushing.Unlock() // also when a step ends the test
	if err := m.s.flush(); err != nil {
		m.t.Fatal(m.name, err)
	}
}

// crash opens a copy of the files as they are, in some way.
func (m *logModel) crash(when string) *Store {
	return m.reopen(when, copyDir(m.t, m.dir), m.is)
}

func (m *logModel) reopen(when, dir, want string) *Store {
	m.t.Helper()
	o := Options{NoSync: true, sizes: &stillSizes}
	o.Log = m.r.IntN(3) > 0
	o.LogInFile = m.r.IntN(2) == 0
	o.ReadOnly = m.r.IntN(3) == 0
	path := filepath.Join(dir, "db")
	s, err := Open(path, o)
	if err != nil {
		m.t.Fatalf("%s, %s: %v", m.name, when, err)
	}
	if got := dump(m.t, s); got != want {
		m.t.Fatalf("%s, %s, log %v, read-only %v: the content is\n%.2000s\nwant\n%.2000s", m.name, when, o.Log, o.ReadOnly, got, want)
	}
	if !o.ReadOnly {
		mustPut(m.t, s, "later", "1")
	}
	if err := s.Close(); err != nil {
		m.t.Fatal(err)
	}
	if list, _ := filepath.Glob(path + "*"); !o.ReadOnly && len(list) != 1 {
		m.t.Fatalf("%s, %s: left behind: %v", m.name, when, list)
	}
	m.seen["crashed"]++
	return s
}

// tear opens a copy of which the last record is not whole, or that has something behind it.
func (m *logModel) tear() {
	if m.last[1].Offset == 0 {
		return
	}
	dir := copyDir(m.t, m.dir)
	file := logOf(m.t, m.s, filepath.Join(dir, "db"))
	raw := file.held()
	whole := bytes.Clone(raw)
	from, to := m.last[0].Offset, m.last[1].Offset
	free := raw[to:min(to+4000, int64(len(raw)))]
	want, what := m.was, ""
	switch m.r.IntN(4) {
	case 0:
		what = "cut"
		clear(raw[from+m.r.Int64N(to-from)/2 : to])
	case 1:
		what = "flipped"
		raw[from+m.r.Int64N(to-from)] ^= 1 << m.r.IntN(8)
	case 2:
		what, want = "repeated", m.is
		copy(free, raw[from:to])
	default:
		what, want = "garbage", m.is
		for i := range free {
			free[i] = byte(m.r.Uint32())
		}
	}
	if bytes.Equal(raw, whole) { // only zeros were cut
		want = m.is
	}
	file.write()
	m.seen[what]++
	m.reopen(what, dir, want)
}

// breakMiddle breaks a record that another one follows.
func (m *logModel) breakMiddle() {
	before := m.last
	if before[1].Offset == 0 {
		return
	}
	m.write()
	if m.last[0] != before[1] {
		return
	}
	dir := copyDir(m.t, m.dir)
	file := logOf(m.t, m.s, filepath.Join(dir, "db"))
	file.held()[before[0].Offset+m.r.Int64N(before[1].Offset-before[0].Offset)] ^= 1 << m.r.IntN(8)
	file.write()
	if _, err := Open(filepath.Join(dir, "db"), Options{Log: true}); !errors.Is(err, storage.ErrCorrupt) {
		m.t.Fatalf("%s: a broken record in the middle: %v", m.name, err)
	}
	m.seen["middle"]++
}

func (m *logModel) step() {
	switch m.r.IntN(24) {
	case 0:
		m.s.freeze()
	case 1:
		m.flush()
		m.last = [2]commitlog.Position{}
	case 2:
		if m.r.IntN(4) == 0 {
			if err := m.s.Compact(background); err != nil {
				m.t.Fatal(m.name, err)
			}
			m.last = [2]commitlog.Position{}
		}
	case 3:
		if m.r.IntN(3) == 0 {
			if err := m.s.Close(); err != nil {
				m.t.Fatal(m.name, err)
			}
			m.open()
			m.last = [2]commitlog.Position{}
		}
	case 4:
		m.crash("between commits")
	case 5, 6, 7:
		m.tear()
	case 8:
		m.breakMiddle()
	default:
		m.write()
	}
	if got := dump(m.t, m.s); got != m.is {
		m.t.Fatalf("%s: the content is\n%.2000s\nwant\n%.2000s", m.name, got, m.is)
	}
}

// TestLogModel makes random commits, with layers that are frozen and flushed at random, and
// opens copies of the files as crashes would leave them.
func TestLogModel(t *testing.T) { eachPlace(t, testLogModel) }

func testLogModel(t *testing.T, o Options) {
	seeds := 20
	if testing.Short() {
		seeds = 5
	}
	seen := map[string]int{}
	base := uint64(time.Now().UnixNano())
	t.Logf("first seed %d", base)
	for i := range seeds {
		m := newLogModel(t, o, base+uint64(i), seen)
		for range 120 {
			m.step()
		}
		if err := m.s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(seen)
	for _, what := range []string{"logged", "direct", "crashed", "cut", "flipped", "repeated", "garbage", "middle"} {
		if seen[what] == 0 {
			t.Errorf("the test has not met %q", what)
		}
	}
}
