package bolt

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"io"
	"os"
)

// The parts of bbolt's file format that have to be read before bbolt may map the
// file: bbolt trusts what it finds there, and a process that follows a damaged
// page in one of bbolt's own goroutines dies.
//
// A page starts with its id (8 bytes), flags (2), count (2) and overflow (4). A
// meta page goes on with magic, version, page size, flags (4 bytes each), root
// page, sequence, freelist page, page count, transaction id and checksum (8 each).
const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSize    = 64
	headerSize  = 16
	elementSize = 16

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10

	flagBucket = 0x01 // of an element on a leaf

	noFreelist  = ^uint64(0)
	newPages    = 4 // of a new file: two metas, an empty freelist, an empty leaf
	minPageSize = 1 << 10
	maxPageSize = 1 << 24
)

var order = binary.NativeEndian

// meta is what a meta page says.
type meta struct {
	pageSize             int
	root, freelist, next uint64 // page ids; next is the number of pages
	txid                 uint64
}

// decodeMeta reads a meta page, and reports whether it is a whole and sound one.
func decodeMeta(page []byte) (m meta, ok bool) {
	if len(page) < headerSize+metaSize {
		return m, false
	}
	b := page[headerSize : headerSize+metaSize]
	m = meta{
		pageSize: int(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]),
		freelist: order.Uint64(b[32:]),
		next:     order.Uint64(b[40:]),
		txid:     order.Uint64(b[48:]),
	}
	ok = order.Uint32(b) == metaMagic && order.Uint32(b[4:]) == metaVersion &&
		order.Uint64(b[56:]) == metaChecksum(b) &&
		m.pageSize >= minPageSize && m.pageSize <= maxPageSize && m.pageSize&(m.pageSize-1) == 0
	return m, ok
}

func metaChecksum(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b[:metaSize-8])
	return h.Sum64()
}

// readMeta returns the newer of the sound meta pages of a file, the one that
// bbolt will use, and reports whether there is one.
func readMeta(f io.ReaderAt) (m meta, ok bool) {
	buf := make([]byte, headerSize+metaSize)
	read := func(off int64) (meta, bool) {
		if n, _ := f.ReadAt(buf, off); n < len(buf) {
			return meta{}, false
		}
		return decodeMeta(buf)
	}
	m, ok = read(0)
	sizes := []int{m.pageSize}
	if !ok { // the second page stands at a distance not yet known
		sizes = sizes[:0]
		for size := minPageSize; size <= maxPageSize; size *= 2 {
			sizes = append(sizes, size)
		}
	}
	for _, size := range sizes {
		if m1, ok1 := read(int64(size)); ok1 && m1.pageSize == size && (!ok || m1.txid > m.txid) {
			m, ok = m1, true
		}
	}
	return m, ok
}

// newImage is the content of a new file: exactly what bbolt itself writes.
func newImage(pageSize int) []byte {
	image := make([]byte, newPages*pageSize)
	page := func(id int, flags uint16) []byte {
		p := image[id*pageSize:]
		order.PutUint64(p, uint64(id))
		order.PutUint16(p[8:], flags)
		return p[headerSize:]
	}
	for i := range 2 {
		m := page(i, flagMeta)
		order.PutUint32(m, metaMagic)
		order.PutUint32(m[4:], metaVersion)
		order.PutUint32(m[8:], uint32(pageSize))
		order.PutUint64(m[16:], 3) // root
		order.PutUint64(m[32:], 2) // freelist
		order.PutUint64(m[40:], newPages)
		order.PutUint64(m[48:], uint64(i)) // transaction id
		order.PutUint64(m[56:], metaChecksum(m))
	}
	page(2, flagFreelist)
	page(3, flagLeaf)
	return image
}

// isTorn reports whether f holds part of a new file and nothing else: each of its
// sectors is as a creation writes it, or still zero. Such a file has never held
// data. It is what a crash during the creation leaves behind.
func isTorn(f io.ReaderAt, size int64) bool {
	const sector = 512
	for _, pageSize := range []int{os.Getpagesize(), 4 << 10, 16 << 10, 64 << 10} {
		if size > int64(newPages*pageSize) {
			continue
		}
		image := newImage(pageSize)
		got := make([]byte, size)
		if n, _ := f.ReadAt(got, 0); int64(n) < size {
			return false
		}
		if bytes.Equal(got, image) {
			return false // whole
		}
		torn := true
		for len(got) > 0 && torn {
			n := min(sector, len(got))
			torn = bytes.Equal(got[:n], image[:n]) || bytes.Count(got[:n], []byte{0}) == n
			got, image = got[n:], image[n:]
		}
		if torn {
			return true
		}
	}
	return false
}
