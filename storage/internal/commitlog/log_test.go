package commitlog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/siftdb/siftdb/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTestLog makes a log in a new file and opens it.
func newTestLog(t testing.TB, o Options) (*Log, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	if err := Create(path, func(*os.File) error { return nil }, o); err != nil {
		t.Fatal(err)
	}
	l := openTestLog(t, path, o)
	l.Restart(First(1))
	return l, path
}

func openTestLog(t testing.TB, path string, o Options) *Log {
	t.Helper()
	l, err := Open(path, false, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// record is a record that says which one it is, in a length of its own.
func record(n int) []byte {
	return append(Begin(nil), held(n)...)
}

func held(n int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%d,", n), 1+n*7%40)
}

func mustAppend(t testing.TB, l *Log, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := l.Append(record(n), 0); err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
	}
}

// replay opens a copy of a log and returns the number of its last record; all from first on
// have to be there.
func replay(t testing.TB, content []byte, from Position) (last int, l *Log, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	l = openTestLog(t, path, Options{Most: 1 << 20, NoSync: true})
	last = int(from.Seq) - 1
	err = l.Replay(from, func(got []byte) error {
		if last++; !bytes.Equal(got, held(last)) {
			t.Errorf("record %d holds %q", last, got)
		}
		return nil
	})
	return last, l, err
}

func content(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wantLast(t testing.TB, what string, content []byte, want int) *Log {
	t.Helper()
	last, l, err := replay(t, content, First(1))
	if err != nil || last != want {
		t.Fatalf("%s: the last record is %d, %v, want %d", what, last, err, want)
	}
	return l
}

// TestTornTail ends the log after every byte of the last record, and puts what may be there
// behind the end. The records before it are read, and the log goes on.
func TestTornTail(t *testing.T) {
	l, path := newTestLog(t, Options{})
	mustAppend(t, l, 1, 9)
	before := l.Head()
	wantLast(t, "whole", content(t, path), 9)
	mustAppend(t, l, 10, 10)
	whole := content(t, path)
	wantLast(t, "whole", whole, 10)
	end := l.Head().Offset
	garbage := bytes.Repeat([]byte("garbage!"), 64)
	for cut := before.Offset; cut < end; cut++ {
		torn := bytes.Clone(whole)
		clear(torn[cut:end])
		if bytes.Equal(torn, whole) {
			continue // only zeros are cut
		}
		wantLast(t, fmt.Sprint("zeros from ", cut), torn, 9)
		copy(torn[cut:], garbage)
		l := wantLast(t, fmt.Sprint("garbage from ", cut), torn, 9)
		mustAppend(t, l, 10, 11)
		short := whole[:cut]
		wantLast(t, fmt.Sprint("cut at ", cut), short, 9)
	}
	// The start of the record is missing, and the rest is there.
	for cut := before.Offset; cut < end-8; cut += 8 {
		torn := bytes.Clone(whole)
		clear(torn[before.Offset : cut+8])
		wantLast(t, fmt.Sprint("zeros up to ", cut+8), torn, 9)
	}
}

// TestRepeatedTail finds older records, of this place or another, behind the last one.
func TestRepeatedTail(t *testing.T) {
	l, path := newTestLog(t, Options{})
	mustAppend(t, l, 1, 4)
	start := l.Head().Offset
	mustAppend(t, l, 5, 5)
	end := l.Head().Offset
	b := content(t, path)
	for n := start; n < int64(len(b))-1000; n += end - start {
		copy(b[end:], b[start:end])
	}
	wantLast(t, "the last one again", b, 5)

	other, otherPath := newTestLog(t, Options{})
	mustAppend(t, other, 1, 9)
	copy(b[end:], content(t, otherPath)[end:other.Head().Offset])
	wantLast(t, "records of another log", b, 5)
	b = content(t, otherPath)
	copy(b, content(t, path)[:headerSize])
	wantLast(t, "only records of another log", b, 0)
}

// TestBrokenMiddle flips each bit of a record that others follow, and zeroes blocks.
func TestBrokenMiddle(t *testing.T) {
	l, path := newTestLog(t, Options{})
	mustAppend(t, l, 1, 4)
	start := l.Head().Offset
	mustAppend(t, l, 5, 5)
	end := l.Head().Offset
	mustAppend(t, l, 6, 7)
	whole := content(t, path)
	for bit := start * 8; bit < end*8; bit++ {
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		if last, _, err := replay(t, b, First(1)); !errors.Is(err, storage.ErrCorrupt) || last != 4 {
			t.Fatalf("bit %d: %d records, %v", bit, last, err)
		}
	}
	b := bytes.Clone(whole)
	clear(b[start:end])
	if _, _, err := replay(t, b, First(1)); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("a zeroed record: %v", err)
	}
	for bit := end * 8; bit < l.Head().Offset*8; bit++ { // records 6 and 7
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		last, _, err := replay(t, b, First(1))
		if last != 6 && !errors.Is(err, storage.ErrCorrupt) || last > 6 {
			t.Fatalf("bit %d: %d records, %v", bit, last, err)
		}
	}
	for bit := range 32 * 8 {
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		damaged := filepath.Join(t.TempDir(), "damaged")
		if err := os.WriteFile(damaged, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(damaged, true, Options{}); !errors.Is(err, storage.ErrCorrupt) {
			t.Fatalf("bit %d of the header: %v", bit, err)
		}
	}
}

// TestRing appends, releases and restarts at random, and replays a copy at every step.
func TestRing(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 0))
		l, path := newTestLog(t, Options{Most: firstSize, NoSync: true})
		tail, jumps, full := First(1), 0, 0
		last := 0
		for range 200 {
			n := l.Head()
			big := append(Begin(nil), bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(30_000))...)
			switch err := l.Append(big, 0); {
			case errors.Is(err, ErrNoRoom):
				full++
				if l.Head() != n && l.Head().Offset != headerSize {
					t.Fatalf("seed %d: a record that has no room moved the head from %v to %v", seed, n, l.Head())
				}
				if r.IntN(8) == 0 {
					tail = First(l.Head().Seq)
					l.Restart(tail)
				} else {
					tail = l.Head()
					l.Release(tail)
				}
			case err != nil:
				t.Fatal(err)
			default:
				last++
				if l.Head().Seq != n.Seq+1 {
					jumps++
				}
			}
			if r.IntN(20) == 0 {
				tail = l.Head()
				l.Release(tail)
			}
			checkReplay(t, seed, path, tail, l.Head())
		}
		if jumps == 0 || full == 0 {
			t.Errorf("seed %d: %d jumps, %d times full", seed, jumps, full)
		}
		if l.Size() > firstSize {
			t.Errorf("seed %d: the file has %d bytes", seed, l.Size())
		}
	}
}

func checkReplay(t *testing.T, seed uint64, path string, from, want Position) {
	t.Helper()
	l, err := Open(path, true, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = l.Replay(from, func([]byte) error { return nil })
	if err != nil || l.Head() != want {
		t.Fatalf("seed %d: replay from %v ends at %v, %v, want %v", seed, from, l.Head(), err, want)
	}
}

func TestResetLeavesNothing(t *testing.T) {
	l, path := newTestLog(t, Options{Most: 1 << 20})
	secret := append(Begin(nil), bytes.Repeat([]byte("secret"), 100_000)...)
	if err := l.Append(secret, 0); err != nil {
		t.Fatal(err)
	}
	if l.Size() <= firstSize {
		t.Fatal("the file did not grow")
	}
	if empty, err := l.Empty(); empty || err != nil {
		t.Errorf("empty %v, %v", empty, err)
	}
	at := First(l.Head().Seq)
	if err := l.Reset(at); err != nil {
		t.Fatal(err)
	}
	if empty, err := l.Empty(); !empty || err != nil {
		t.Errorf("empty %v, %v", empty, err)
	}
	if b := content(t, path); bytes.Contains(b, []byte("secret")) || len(b) != firstSize {
		t.Errorf("%d bytes are left, or a record is", len(b))
	}
	mustAppend(t, l, 2, 5)
	if last, _, err := replay(t, content(t, path), at); last != 5 || err != nil {
		t.Errorf("%d, %v", last, err)
	}
}

func TestRoom(t *testing.T) {
	l, _ := newTestLog(t, Options{Most: firstSize, NoSync: true})
	for _, n := range []int{0, 1, 1000, firstSize - headerSize - 200, firstSize} {
		room := l.Room(int64(n + recordHeader))
		err := l.Append(append(Begin(nil), make([]byte, n)...), 0)
		if room != (err == nil) {
			t.Errorf("%d bytes: room %v, %v", n, room, err)
		}
		l.Restart(First(l.Head().Seq))
	}
}

// TestPositions that no record can have.
func TestPositions(t *testing.T) {
	l, _ := newTestLog(t, Options{NoSync: true})
	for _, offset := range []int64{-8, 0, headerSize - 8, headerSize + 1} {
		if err := l.Replay(Position{offset, 1}, nil); !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("offset %d: %v", offset, err)
		}
	}
}
