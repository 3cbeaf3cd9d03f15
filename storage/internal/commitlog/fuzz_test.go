package commitlog

import (
	"bytes"
	"testing"
)

// inMemory is a file that is only read.
type inMemory struct {
	File
	*bytes.Reader
}

func (f inMemory) ReadAt(b []byte, at int64) (int, error) { return f.Reader.ReadAt(b, at) }

// FuzzReplay replays what stands in a file behind the header. What is read must be what was
// appended, in order, as far as it goes: nobody can make a record without the ID.
func FuzzReplay(f *testing.F) {
	l, path := newTestLog(f, Options{NoSync: true})
	mustAppend(f, l, 1, 5)
	id, end := l.ID(), l.Head().Offset
	whole := content(f, path)[:end+64]
	tail := whole[headerSize:]
	f.Add(tail, uint64(1))
	f.Add(tail[:len(tail)/2], uint64(1))
	f.Add(append(bytes.Clone(tail), tail...), uint64(1))
	f.Add(bytes.Repeat([]byte{0xFF}, 100), uint64(3))
	f.Add([]byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, behind []byte, seq uint64) {
		file := append(bytes.Clone(whole[:headerSize]), behind...)
		l := &Log{file: inMemory{Reader: bytes.NewReader(file)}, id: id, size: int64(len(file))}
		n := int(seq)
		err := l.Replay(First(seq), func(got []byte) error {
			if seq == 0 || !bytes.Equal(got, held(n)) {
				t.Errorf("record %d holds %q", n, got)
			}
			n++
			return nil
		})
		if err == nil && l.Head().Seq != uint64(n) && seq < 1<<60 {
			t.Errorf("%d records, and the head is %v", n, l.Head())
		}
	})
}
