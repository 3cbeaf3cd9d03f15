package sealed

import "github.com/siftdb/siftdb/storage"

// Each calls fn with each key and value in a range, and with what is wrong with a value that
// cannot be read, which does not end the walk. The error is the storage's.
func Each(r storage.Reader, ks storage.Keyspace, from, to []byte, fn func(key, value []byte, err error) (more bool)) error {
	own := readerOf(r)
	c := Raw(r).Scan(ks, from, to, false)
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		var err error
		if own != nil && len(value) > 0 {
			value, err = own.value(ks, key, value)
		}
		if !fn(key, value, err) {
			return nil
		}
	}
	return c.Err()
}

// readerOf returns the part of a Store's reader that opens values, nil for any other.
func readerOf(r storage.Reader) *reader {
	switch r := r.(type) {
	case *reader:
		return r
	case *writer:
		return &r.reader
	}
	return nil
}
