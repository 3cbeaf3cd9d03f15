package column

import (
	"slices"
	"sync"

	"github.com/siftdb/siftdb/internal/document"
)

// floats is the values of a dictionary that are numbers, made when first asked for.
type floats struct {
	mu     sync.Mutex
	values []float64
	are    []bool
}

func (f *floats) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return 8*cap(f.values) + cap(f.are)
}

// Floats returns the values by their codes, as far as they are numbers, and which those are.
// Nobody may change them.
func (d Dict) Floats() (values []float64, are []bool) {
	f := d.floats
	f.mu.Lock()
	defer f.mu.Unlock()
	n := d.Len()
	f.values, f.are = slices.Grow(f.values, max(n-len(f.values), 0)), slices.Grow(f.are, max(n-len(f.are), 0))
	for code := len(f.values); code < n; code++ {
		kind, number, _ := document.PeekValue(d.raw(uint32(code)))
		f.values, f.are = append(f.values, number), append(f.are, kind == document.Number)
	}
	return f.values[:n], f.are[:n]
}
