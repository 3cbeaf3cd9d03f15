package commitlog

import (
	"bytes"
	"errors"
	"testing"
)

// failing fails the calls that it is told to.
type failing struct {
	File
	write, sync, syncAll func() error
	syncs                int
}

func (f *failing) WriteAt(b []byte, at int64) (int, error) {
	if f.write != nil && !bytes.Equal(b, make([]byte, recordHeader)) {
		if err := f.write(); err != nil {
			n, _ := f.File.WriteAt(b[:len(b)/2], at)
			return n, err
		}
	}
	return f.File.WriteAt(b, at)
}

func (f *failing) Sync() error {
	f.syncs++
	if f.sync != nil {
		return f.sync()
	}
	return f.File.Sync()
}

func (f *failing) SyncAll() error {
	if f.syncAll != nil {
		return f.syncAll()
	}
	return f.File.SyncAll()
}

var errDisk = errors.New("the disk fails")

func fail() error { return errDisk }

func faultyLog(t *testing.T, most int64) (l *Log, f *failing, path string) {
	l, path = newTestLog(t, Options{Most: most, Wrap: func(file File) File { f = &failing{File: file}; return f }})
	return l, f, path
}

// TestFailedWrite leaves half of a record, which is not in the log.
func TestFailedWrite(t *testing.T) {
	l, f, path := faultyLog(t, 1<<20)
	mustAppend(t, l, 1, 3)
	f.write = fail
	var unknown *SyncError
	if err := l.Append(record(4), 0); !errors.Is(err, errDisk) || errors.As(err, &unknown) {
		t.Fatal(err)
	}
	wantLast(t, "after a failed write", content(t, path), 3)
	f.write = nil
	mustAppend(t, l, 4, 6)
	wantLast(t, "after going on", content(t, path), 6)
	if f.syncs != 7 {
		t.Errorf("%d syncs of 6 records, and of one that was taken back", f.syncs)
	}
}

// TestFailedWriteOfZeros leaves half of a record, and what is missing is there already.
func TestFailedWriteOfZeros(t *testing.T) {
	l, f, path := faultyLog(t, 1<<20)
	f.write = fail
	zeros := append(Begin(nil), make([]byte, 1000)...)
	if err := l.Append(zeros, 0); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	checkReplay(t, 0, path, First(1), First(1))
	f.sync = fail
	var unknown *SyncError
	if err := l.Append(zeros, 0); !errors.As(err, &unknown) {
		t.Errorf("it cannot be taken back: %v", err)
	}
}

func TestFailedSync(t *testing.T) {
	l, f, _ := faultyLog(t, 1<<20)
	mustAppend(t, l, 1, 3)
	f.sync = fail
	var unknown *SyncError
	if err := l.Append(record(4), 0); !errors.As(err, &unknown) || !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
}

// TestFailedGrowth has no space for the file to grow, and then has.
func TestFailedGrowth(t *testing.T) {
	for _, where := range []string{"write", "sync"} {
		l, f, path := faultyLog(t, 1<<20)
		big := func() []byte { return append(Begin(nil), make([]byte, firstSize)...) }
		if where == "write" {
			f.write = fail
		} else {
			f.syncAll = fail
		}
		var unknown *SyncError
		if err := l.Append(big(), 0); !errors.Is(err, errDisk) || errors.As(err, &unknown) {
			t.Fatal(where, err)
		}
		if n := len(content(t, path)); n != firstSize || l.Size() != firstSize {
			t.Errorf("%s: the file has %d bytes", where, n)
		}
		f.write, f.syncAll = nil, nil
		mustAppend(t, l, 1, 3)
		wantLast(t, where, content(t, path), 3)
		if err := l.Append(big(), 0); err != nil {
			t.Error(where, err)
		}
	}
}

// TestFailedJump fails at each step of going round.
func TestFailedJump(t *testing.T) {
	l, f, path := faultyLog(t, firstSize)
	fill := func() {
		t.Helper()
		if err := l.Append(append(Begin(nil), make([]byte, 200<<10)...), 0); err != nil {
			t.Fatal(err)
		}
		l.Release(l.Head())
	}
	fill()
	next := append(Begin(nil), make([]byte, 100<<10)...)
	from := l.Head()
	f.write = fail
	if err := l.Append(next, 0); !errors.Is(err, errDisk) || l.Head() != from {
		t.Fatal(err, l.Head())
	}
	checkReplay(t, 0, path, from, from)
	writes := 0
	f.write = func() error {
		if writes++; writes == 2 { // the jump is written, what comes behind it is not
			return errDisk
		}
		return nil
	}
	if err := l.Append(next, 0); !errors.Is(err, errDisk) || l.Head() != First(from.Seq+1) {
		t.Fatal(err, l.Head())
	}
	checkReplay(t, 0, path, from, l.Head())
	f.write = nil
	if err := l.Append(next, 0); err != nil {
		t.Fatal(err)
	}
	checkReplay(t, 0, path, from, l.Head())
}
