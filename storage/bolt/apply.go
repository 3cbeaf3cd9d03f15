package bolt

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage/internal/overlay"
	"github.com/siftdb/siftdb/storage/internal/tree"
)

// appendFill is how full pages get where keys are added one after the other;
// elsewhere bbolt leaves half of a page for what comes between.
const appendFill = 0.95

// pauseKeys is after how many keys apply may pause.
const pauseKeys = 64

// apply makes the writes of a set, or of a layer, in the transaction, in key order: bbolt shifts
// the rest of a page for every key that comes before it. After an error the
// transaction holds part of the set.
func (r *reader) apply(spaces []*overlay.Space) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if err = corruption(v); err == nil {
				err = fmt.Errorf("panic in bbolt: %v", v)
			}
		}
	}()
	for _, sp := range spaces {
		b, err := r.find(sp.Name)
		if err != nil {
			return err
		}
		for _, d := range sp.Deleted {
			if err := r.deleteRange(b, d); err != nil {
				return err
			}
		}
		if err := r.write(b, sp.Writes); err != nil {
			return err
		}
	}
	return nil
}

// write puts and deletes the keys of a tree.
func (r *reader) write(b *bucket, writes *tree.Tree) error {
	all := writes.Scan(tree.Bounds{}, false)
	first := true
	n := 0
	for k, v, ok := all.Next(); ok; k, v, ok = all.Next() {
		if n++; r.pause != nil && n%pauseKeys == 0 {
			r.pause()
		}
		if v == nil {
			if b.Bucket != nil {
				if err := b.Delete(k); err != nil {
					return err
				}
			}
			continue
		}
		if b.Bucket == nil {
			made, err := r.tx.CreateBucket([]byte(b.name))
			if err != nil {
				return err
			}
			b.set(made)
		}
		if first {
			b.chooseFill(writes)
			first = false
		}
		if err := b.Put(k, v); err != nil {
			return err
		}
	}
	return nil
}

// chooseFill sets how full the bucket's pages get in this transaction: full when
// all that was put so far came in runs of keys with nothing between them.
func (b *bucket) chooseFill(writes *tree.Tree) {
	b.mixed = b.mixed || !b.inRuns(writes)
	b.FillPercent = appendFill
	if b.mixed {
		b.FillPercent = bbolt.DefaultFillPercent
	}
}

// inRuns reports whether the keys go to the end of the bucket, or to few places
// in it for their number.
func (b *bucket) inRuns(writes *tree.Tree) bool {
	const run = 64
	gaps := writes.Len()/run + 1
	c := b.Cursor()
	all := writes.Scan(tree.Bounds{}, false)
	var next []byte // the bucket's first key above those of the run
	for i := 0; ; i++ {
		k, _, ok := all.Next()
		if !ok {
			return true
		}
		if i > 0 && bytes.Compare(k, next) < 0 {
			continue
		}
		if next, _ = c.Seek(k); next == nil {
			return true // the rest is appended
		}
		if gaps--; gaps < 0 || writes.Len() < run {
			return false
		}
	}
}

// deleteRange deletes the keys between two bounds, a page's worth at a time: from
// the last back, so that bbolt shifts less, and without moving its cursor over
// what it deletes.
func (r *reader) deleteRange(b *bucket, d tree.Bounds) error {
	if b.Bucket == nil {
		return nil
	}
	if d.All() {
		b.set(nil)
		return r.tx.DeleteBucket([]byte(b.name))
	}
	var batch [256][]byte
	c, from := b.Cursor(), d.From
	for {
		n := 0
		for k, _ := c.Seek(from); k != nil && d.Before(k); k, _ = c.Next() {
			batch[n] = k
			if n++; n == len(batch) {
				break
			}
		}
		for i := n - 1; i >= 0; i-- {
			c.Seek(batch[i])
			if err := c.Delete(); err != nil {
				return err
			}
		}
		if n < len(batch) {
			return nil
		}
		from = batch[n-1]
	}
}
