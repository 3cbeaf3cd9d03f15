package document

import (
	"encoding/binary"
	"iter"
	"sync"
)

// part is one field on its way into a new document: the bytes of its item, and its column.
type part struct {
	item []byte
	col  uint16
}

// parts is room to gather the fields of a new document.
type parts struct {
	list []part
	at   [MaxNames]uint32 // by column: the place of a patch's field, plus 1
	used []bool           // by place in the patch: it replaced a field
	// names holds the places of a patch's fields whose names stand in it; it is made for
	// patches with such fields only.
	names map[string]int
}

var partsPool = sync.Pool{New: func() any { return new(parts) }}

// release clears the references to the documents and gives the room back.
func (p *parts) release() {
	clear(p.list)
	p.list, p.names = p.list[:0], nil
	if cap(p.list) > 1<<14 {
		p.list = nil
	}
	partsPool.Put(p)
}

// Remap appends a copy of a document to dst in which every column from base on is replaced by
// to[col-base]; a column beyond to stays. It is for documents made with proposed numbers, once
// the real ones are known. What is no document is copied as it is.
func Remap(dst, doc []byte, base int, to []uint16) []byte {
	start := len(dst)
	dst = append(dst, doc...)
	if len(doc) == 0 || doc[0] != tagDoc {
		return dst
	}
	f, ok := readFooter(doc)
	if !ok {
		return dst
	}
	cols := dst[start+f.cols:]
	for i := range f.count {
		col := binary.LittleEndian.Uint16(cols[i*colBytes:])
		if n := int(col) - base; col != inlineCol && n >= 0 && n < len(to) {
			binary.LittleEndian.PutUint16(cols[i*colBytes:], to[n])
		}
	}
	return dst
}

// Merge appends to dst the document with doc's fields in their order, replaced by patch's where
// it has them, and patch's other fields after them. Both are documents (form 0x09) over one
// numbering. It allocates only when dst grows, or
// for names that stand in patch. It returns nil when the result would pass 4 GiB.
func Merge(dst, doc, patch []byte) []byte {
	p := partsPool.Get().(*parts)
	defer p.release()

	changes, ok := docFooter(patch)
	if !ok {
		changes.count = 0
	}
	for i := range changes.count {
		if col := changes.col(patch, i); int(col) < len(p.at) {
			p.at[col] = uint32(i + 1)
		} else if name, _, ok := splitName(changes.item(patch, i)); ok {
			if p.names == nil {
				p.names = make(map[string]int)
			}
			p.names[string(name)] = i
		}
	}
	if cap(p.used) < changes.count {
		p.used = make([]bool, changes.count)
	}
	used := p.used[:changes.count]
	clear(used)

	original, ok := docFooter(doc)
	if !ok {
		original.count = 0
	}
	for i := range original.count {
		q := part{original.item(doc, i), original.col(doc, i)}
		if j := p.find(q); j >= 0 {
			used[j] = true
			q.item = changes.item(patch, j)
		}
		p.list = append(p.list, q)
	}
	for i := range changes.count {
		if !used[i] {
			p.list = append(p.list, part{changes.item(patch, i), changes.col(patch, i)})
		}
	}
	for i := range changes.count {
		if col := changes.col(patch, i); int(col) < len(p.at) {
			p.at[col] = 0
		}
	}
	return appendParts(dst, p.list)
}

// find returns the place of the field in the patch that replaces q, or -1.
func (p *parts) find(q part) int {
	if int(q.col) < len(p.at) {
		return int(p.at[q.col]) - 1
	}
	if name, _, ok := splitName(q.item); ok {
		if i, ok := p.names[string(name)]; ok {
			return i
		}
	}
	return -1
}

// Select appends to dst the document with those of doc's fields that keep wants, in their
// order. keep is asked with the column number, or with 0xFFFF and the name for a field whose
// name stands in the document; the name is valid during the call. It allocates only when dst
// grows.
func Select(dst, doc []byte, keep func(col uint16, inlineName string) bool) []byte {
	p := partsPool.Get().(*parts)
	defer p.release()
	f, ok := docFooter(doc)
	if !ok {
		f.count = 0
	}
	for i := range f.count {
		q := part{f.item(doc, i), f.col(doc, i)}
		name := ""
		if q.col == inlineCol {
			b, _, ok := splitName(q.item)
			if !ok {
				continue
			}
			name = text(b)
		}
		if keep(q.col, name) {
			p.list = append(p.list, q)
		}
	}
	return appendParts(dst, p.list)
}

// docFooter reads the footer of a top-level document.
func docFooter(doc []byte) (footer, bool) {
	if len(doc) == 0 || doc[0] != tagDoc {
		return footer{}, false
	}
	return readFooter(doc)
}

// appendParts appends a document made of the fields given. Fields without bytes are damaged
// and are left out.
func appendParts(dst []byte, list []part) []byte {
	dst = append(dst, tagDoc)
	start, count := len(dst), 0
	for _, q := range list {
		if len(q.item) > 0 {
			dst = append(dst, q.item...)
			count++
		}
	}
	size := len(dst) - start
	if uint64(size) > maxItems {
		return nil
	}
	width, code := footerWidth(size, count)
	end := 0
	for _, q := range list {
		if len(q.item) > 0 {
			end += len(q.item)
			dst = appendUint(dst, uint32(end), width)
		}
	}
	for _, q := range list {
		if len(q.item) > 0 {
			dst = binary.LittleEndian.AppendUint16(dst, q.col)
		}
	}
	return append(appendUint(dst, uint32(count), width), code)
}

// Columns yields the column number of each field of a stored top-level document, in order;
// 0xFFFF stands for a field whose name stands in the document. It yields nothing for other
// values, and allocates nothing.
func Columns(doc []byte) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		if len(doc) == 0 || doc[0] != tagDoc {
			return
		}
		f, ok := readFooter(doc)
		if !ok {
			return
		}
		for at := f.cols; at < f.cols+f.count*colBytes; at += colBytes {
			if !yield(binary.LittleEndian.Uint16(doc[at:])) {
				return
			}
		}
	}
}
