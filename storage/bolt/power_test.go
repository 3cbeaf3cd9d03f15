package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/internal/commitlog"
)

// block is what a disk writes whole, or not at all.
const block = 512

// platter is what a disk has of a log: all that was synced, and any of the blocks that were
// written since.
type platter struct {
	commitlog.File
	mu      sync.Mutex
	durable []byte
	pending []pendingWrite
	size    int64
	lazy    bool             // it says that it syncs, and does not
	onSync  func(p *platter) // before a sync
}

type pendingWrite struct {
	at   int64
	data []byte
}

func (p *platter) WriteAt(b []byte, at int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, pendingWrite{at, bytes.Clone(b)})
	p.size = max(p.size, at+int64(len(b)))
	return p.File.WriteAt(b, at)
}

func (p *platter) Truncate(size int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = size
	p.durable = p.durable[:min(int64(len(p.durable)), size)]
	return p.File.Truncate(size)
}

func (p *platter) Sync() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onSync(p)
	if !p.lazy {
		p.durable = p.torn(func() bool { return true })
		p.pending = nil
	}
	return nil
}

func (p *platter) SyncAll() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.durable = p.torn(func() bool { return true })
	p.pending = nil
	return nil
}

// torn is what may be there after the power has failed: of each block that was written since
// the last sync, what it says.
func (p *platter) torn(keep func() bool) []byte {
	image := bytes.Clone(p.durable)
	if n := p.size - int64(len(image)); n > 0 {
		image = append(image, make([]byte, n)...)
	}
	for _, w := range p.pending {
		for from := w.at; from < w.at+int64(len(w.data)); {
			to := min((from/block+1)*block, w.at+int64(len(w.data)))
			if keep() {
				copy(image[min(from, p.size):], w.data[from-w.at:to-w.at])
			}
			from = to
		}
	}
	return image
}

// mixed is what may be there after the power has failed while one image became another.
func mixed(before, after []byte, keep func(at int) bool) []byte {
	image := append(bytes.Clone(before), make([]byte, max(0, len(after)-len(before)))...)
	for at := 0; at < len(after); at += block {
		end := min(at+block, len(after))
		if keep(at) {
			copy(image[at:end], after[at:end])
		}
	}
	return image
}

// power is a store whose power fails again and again: it is looked at as it would then be.
type power struct {
	t     *testing.T
	s     *Store
	path  string
	o     Options
	log   *platter
	from  int64      // of a log inside the file
	mu    sync.Mutex // of r
	r     *rand.Rand
	acked [4]atomic.Int64 // the last number that each writer was told
	began [4]atomic.Int64
	cuts  map[string]int
	lost  atomic.Int32
}

func (p *power) chance(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.r.IntN(n) == 0
}

// keeper returns a choice of the blocks that are kept: none, all, or some.
func (p *power) keeper() func() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, odds := rand.New(rand.NewPCG(p.r.Uint64(), 1)), p.r.IntN(5)
	return func() bool { return r.IntN(4) < odds }
}

func (p *power) told() (n [4]int64) {
	for i := range n {
		n[i] = p.acked[i].Load()
	}
	return n
}

// check opens what is left, and looks for what was told before.
func (p *power) check(when string, file, log []byte, told [4]int64) {
	dir := p.t.TempDir()
	path := filepath.Join(dir, "db")
	var err error
	if p.o.LogInFile {
		copy(file[p.from:], log)
	} else {
		err = os.WriteFile(path+logSuffix, log, 0o600)
	}
	if err := errors.Join(err, os.WriteFile(path, file, 0o600)); err != nil {
		p.t.Error(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := Open(path, Options{NoSync: true, Log: told[0]%2 == 0, LogInFile: told[1]%2 == 0, sizes: &stillSizes})
	if err != nil {
		if p.lost.Add(1); !p.log.lazy {
			p.t.Errorf("%s: %v", when, err)
		}
		return
	}
	defer s.Close()
	for i := range told {
		if fault := numbers(s, i, told[i], p.began[i].Load()); fault != "" {
			if p.lost.Add(1); !p.log.lazy {
				p.t.Errorf("%s: writer %d: %s", when, i, fault)
			}
		}
	}
	p.mu.Lock()
	p.cuts[when]++
	p.mu.Unlock()
}

// numbers says what is wrong with the numbers of a writer: they are there from 1 on without a
// gap, at least to told, at most to began, and in both keyspaces.
func numbers(s *Store, writer int, told, began int64) (fault string) {
	err := s.View(background, func(r storage.Reader) error {
		var last [2]int64
		for i, ks := range []storage.Keyspace{"a", "b"} {
			v, err := r.Get(ks, fmt.Append(nil, "last", writer))
			if err != nil {
				return err
			}
			last[i], _ = strconv.ParseInt(string(v), 10, 64)
			prefix := fmt.Append(nil, writer, "/")
			n := int64(0)
			c := r.Scan(ks, prefix, append(fmt.Append(nil, writer), '0'), false)
			for _, _, ok := c.Next(); ok; _, _, ok = c.Next() {
				n++
			}
			if n != last[i] || c.Err() != nil {
				fault = fmt.Sprintf("%d numbers up to %d in %s, %v", n, last[i], ks, c.Err())
			}
		}
		if last[0] != last[1] || last[0] < told || last[0] > began {
			fault = fmt.Sprintf("%d and %d, told %d, began %d", last[0], last[1], told, began)
		}
		return nil
	})
	if err != nil {
		fault = err.Error()
	}
	return fault
}

// inFlight cuts the power while a record is on its way to the disk.
func (p *power) inFlight(log *platter) {
	if !p.chance(4) || !p.s.recent.flushing.TryLock() {
		return
	}
	defer p.s.recent.flushing.Unlock()
	file, err := os.ReadFile(p.path)
	if err != nil {
		p.t.Error(err)
	}
	p.check("record", file, log.torn(p.keeper()), p.told())
}

// inFlush cuts the power while bbolt commits: its pages are synced before the one that makes
// them count is begun.
func (p *power) inFlush(tx *bbolt.Tx) error {
	before, err := os.ReadFile(p.path)
	if err != nil {
		return err
	}
	told := p.told()
	p.log.mu.Lock()
	log := p.log.torn(p.keeper())
	p.log.mu.Unlock()
	if err := tx.Commit(); err != nil {
		return err
	}
	after, err := os.ReadFile(p.path)
	if err != nil {
		return err
	}
	metas := 2 * p.s.pageSize
	keep := p.keeper()
	p.check("pages", mixed(before, after, func(at int) bool { return at >= metas && keep() }), log, told)
	p.check("meta", mixed(before, after, func(at int) bool { return at >= metas || keep() }), log, told)
	return nil
}

// write commits numbers.
func (p *power) write(writer, count int) {
	for range count {
		n := p.began[writer].Add(1)
		err := p.s.Update(background, func(w storage.Writer) (err error) {
			for _, ks := range []storage.Keyspace{"a", "b"} {
				pad := bytes.Repeat([]byte{byte(n)}, int(n*37%700))
				err = errors.Join(err, w.Put(ks, fmt.Appendf(nil, "%d/%06d", writer, n), pad),
					w.Put(ks, fmt.Append(nil, "last", writer), fmt.Append(nil, n)))
			}
			return err
		})
		if err != nil {
			p.t.Errorf("writer %d: %v", writer, err)
			return
		}
		p.acked[writer].Store(n)
	}
}

// failPower runs writers on a store whose power fails.
func failPower(t *testing.T, o Options, seed uint64, lazy bool) *power {
	p := &power{t: t, path: filepath.Join(t.TempDir(), "db"), r: rand.New(rand.NewPCG(seed, 3)), cuts: map[string]int{}, o: o}
	sizes := tinySizes
	sizes.flush, sizes.most = 16<<10, 256<<10
	o.sizes, o.wrapLog = &sizes, func(file commitlog.File) commitlog.File {
		raw := make([]byte, sizes.most)
		n, _ := file.ReadAt(raw, 0) // nothing of one beside the file that is being made
		p.log = &platter{File: file, durable: raw[:n], size: int64(n), lazy: lazy, onSync: func(*platter) {}}
		return p.log
	}
	p.s = withLog(t, p.path, o)
	if o.LogInFile {
		p.from = logOf(t, p.s, p.path).from
	}
	p.log.mu.Lock()
	p.log.onSync = p.inFlight
	p.log.mu.Unlock()
	p.s.recent.flushing.Lock()
	p.s.commitTx = p.inFlush
	p.s.recent.flushing.Unlock()
	var wg sync.WaitGroup
	for i := range p.acked {
		wg.Go(func() { p.write(i, 40) })
	}
	wg.Wait()
	p.s.recent.flushing.Lock()
	p.s.commitTx = (*bbolt.Tx).Commit
	p.s.recent.flushing.Unlock()
	if err := p.s.Close(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPowerLoss cuts the power while writers commit, with any of the blocks on the disk that
// were not synced: what was told is there, and every commit whole or not at all.
func TestPowerLoss(t *testing.T) { eachPlace(t, testPowerLoss) }

func testPowerLoss(t *testing.T, o Options) {
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("SIFTDB_CUTS")); err == nil {
		rounds = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	total := map[string]int{}
	for i := range rounds {
		for what, n := range failPower(t, o, seed+uint64(i), false).cuts {
			total[what] += n
		}
		if t.Failed() {
			return
		}
	}
	t.Log(total)
	for _, what := range []string{"record", "pages", "meta"} {
		if total[what] == 0 {
			t.Errorf("the power was never cut in %q", what)
		}
	}
}

// TestPowerLossIsSeen: a disk that does not sync what it says it has is found out.
func TestPowerLossIsSeen(t *testing.T) {
	eachPlace(t, func(t *testing.T, o Options) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		if failPower(t, o, seed, true).lost.Load() == 0 {
			t.Error("nothing was lost")
		}
	})
}
