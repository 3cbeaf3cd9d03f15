package bolt

import (
	"bytes"
	"fmt"
	"io"
)

// verifier reads every page that a file's root leads to and checks what bbolt
// takes for granted when it looks for the free pages of a file that was not
// closed: that pages are what they say they are, that nothing points outside or
// twice to the same page, and that keys are in order.
type verifier struct {
	file io.ReaderAt
	meta meta
	seen []uint64 // a bit for each page
}

// verifyPages returns the first fault found in the pages of a file.
func verifyPages(f io.ReaderAt, m meta) error {
	v := &verifier{file: f, meta: m, seen: make([]uint64, m.next/64+1)}
	_, err := v.page(m.root, nil, nil, 0)
	return err
}

// verifyFreelist returns how many pages are in the list of free pages of a file that was
// closed, and what is wrong with it.
func verifyFreelist(f io.ReaderAt, m meta) (free int, err error) {
	v := &verifier{file: f, meta: m, seen: make([]uint64, m.next/64+1)}
	p, err := v.read(m.freelist)
	if err != nil {
		return 0, err
	}
	if order.Uint16(p[8:]) != flagFreelist {
		return 0, fmt.Errorf("page %d is not a freelist", m.freelist)
	}
	count, ids := uint64(order.Uint16(p[10:])), p[headerSize:]
	if count == 0xFFFF {
		count, ids = order.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return 0, fmt.Errorf("freelist of %d pages is too long", count)
	}
	last := uint64(1)
	for i := range count {
		id := order.Uint64(ids[i*8:])
		if id <= last || id >= m.next {
			return 0, fmt.Errorf("freelist has page %d after page %d of %d", id, last, m.next)
		}
		last = id
	}
	return int(count), nil
}

// read returns a page with those it flows over to, and marks them.
func (v *verifier) read(id uint64) ([]byte, error) {
	if id < 2 || id >= v.meta.next {
		return nil, fmt.Errorf("page %d is out of range", id)
	}
	p := make([]byte, v.meta.pageSize)
	offset := int64(id) * int64(v.meta.pageSize)
	if _, err := v.file.ReadAt(p, offset); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	overflow := uint64(order.Uint32(p[12:]))
	if got := order.Uint64(p); got != id {
		return nil, fmt.Errorf("page %d says it is page %d", id, got)
	}
	if overflow >= v.meta.next-id {
		return nil, fmt.Errorf("page %d flows over by %d pages", id, overflow)
	}
	for i := id; i <= id+overflow; i++ {
		if v.seen[i/64]&(1<<(i%64)) != 0 {
			return nil, fmt.Errorf("page %d is referred to twice", i)
		}
		v.seen[i/64] |= 1 << (i % 64)
	}
	if overflow == 0 {
		return p, nil
	}
	p = append(p, make([]byte, overflow*uint64(v.meta.pageSize))...)
	_, err := v.file.ReadAt(p[v.meta.pageSize:], offset+int64(v.meta.pageSize))
	return p, err
}

// page checks the page id and all below it, whose keys lie in [from, to). It
// returns the last key.
func (v *verifier) page(id uint64, from, to []byte, depth int) (last []byte, err error) {
	const deepest = 64
	if depth > deepest {
		return nil, fmt.Errorf("page %d lies too deep", id)
	}
	p, err := v.read(id)
	if err != nil {
		return nil, err
	}
	switch order.Uint16(p[8:]) {
	case flagBranch:
		return v.branch(id, p, from, to, depth)
	case flagLeaf:
		return v.leaf(id, p, from, to, depth)
	}
	return nil, fmt.Errorf("page %d has flags %x", id, order.Uint16(p[8:]))
}

func (v *verifier) branch(id uint64, p, from, to []byte, depth int) (last []byte, err error) {
	count := int(order.Uint16(p[10:]))
	if count == 0 {
		return nil, fmt.Errorf("branch page %d is empty", id)
	}
	key := func(i int) ([]byte, []byte, error) {
		e, err := element(p, i, count)
		if err != nil {
			return nil, nil, fmt.Errorf("page %d: %w", id, err)
		}
		k, _, err := cut(e, order.Uint32(e), order.Uint32(e[4:]), 0)
		if err != nil {
			return nil, nil, fmt.Errorf("page %d: %w", id, err)
		}
		return e, k, nil
	}
	last = from
	for i := range count {
		e, k, err := key(i)
		if err != nil {
			return nil, err
		}
		until := to
		if i+1 < count {
			if _, until, err = key(i + 1); err != nil {
				return nil, err
			}
		}
		if err := inOrder(id, i, last, k, to); err != nil {
			return nil, err
		}
		if last, err = v.page(order.Uint64(e[8:]), k, until, depth+1); err != nil {
			return nil, err
		}
	}
	return last, nil
}

func (v *verifier) leaf(id uint64, p, from, to []byte, depth int) (last []byte, err error) {
	count := int(order.Uint16(p[10:]))
	last = from
	for i := range count {
		e, err := element(p, i, count)
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", id, err)
		}
		k, value, err := cut(e, order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:]))
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", id, err)
		}
		if err := inOrder(id, i, last, k, to); err != nil {
			return nil, err
		}
		last = k
		if order.Uint32(e)&flagBucket == 0 {
			continue
		}
		if err := v.bucket(id, value, depth); err != nil {
			return nil, err
		}
	}
	return last, nil
}

// bucket checks a bucket, whose header is the value of a leaf element: the root
// page, or 0 and the only page itself, and a sequence number.
func (v *verifier) bucket(id uint64, value []byte, depth int) error {
	if len(value) < headerSize {
		return fmt.Errorf("page %d: bucket header is cut", id)
	}
	if root := order.Uint64(value); root != 0 {
		_, err := v.page(root, nil, nil, depth+1)
		return err
	}
	if value = value[headerSize:]; len(value) < headerSize || order.Uint16(value[8:]) != flagLeaf {
		return fmt.Errorf("page %d: bucket within it is not a leaf", id)
	}
	_, err := v.leaf(id, value, nil, nil, depth+1)
	return err
}

// element returns the rest of a page from its i-th element on.
func element(p []byte, i, count int) ([]byte, error) {
	if headerSize+count*elementSize > len(p) {
		return nil, fmt.Errorf("%d elements do not fit", count)
	}
	return p[headerSize+i*elementSize:], nil
}

// cut takes the key and the value of an element, which stand pos bytes behind
// its start.
func cut(e []byte, pos, keySize, valueSize uint32) (key, value []byte, err error) {
	k, v := uint64(pos)+uint64(keySize), uint64(pos)+uint64(keySize)+uint64(valueSize)
	if v > uint64(len(e)) || pos < elementSize || keySize == 0 {
		return nil, nil, fmt.Errorf("element of %d and %d bytes at %d does not fit", keySize, valueSize, pos)
	}
	return e[pos:k:k], e[k:v:v], nil
}

// inOrder checks the i-th key of a page against the one before it and the bound.
func inOrder(id uint64, i int, last, key, to []byte) error {
	c := bytes.Compare(last, key)
	if c > 0 || c == 0 && i > 0 || to != nil && bytes.Compare(key, to) >= 0 {
		return fmt.Errorf("page %d: key %d is out of order", id, i)
	}
	return nil
}
