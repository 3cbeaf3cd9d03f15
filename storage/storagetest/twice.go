package storagetest

import (
	"context"
	"errors"

	"github.com/siftdb/siftdb/storage"
)

// Twice returns a storage around s that runs every Update function twice: once
// with its write set thrown away, and then for real. A function with an effect
// that does not bear that is found by what its caller then sees. The result
// implements storage.Forker and storage.Sizer when s does.
func Twice(s storage.Storage) storage.Storage { return optional(twice{s}, s) }

type twice struct{ storage.Storage }

// errAgain ends the run whose writes are thrown away.
var errAgain = errors.New("storagetest: first of two runs")

// Update runs fn twice.
func (t twice) Update(ctx context.Context, fn func(storage.Writer) error) error {
	_ = t.Storage.Update(ctx, func(w storage.Writer) error {
		// The second run stands for a retry, which no context stops.
		ctx = context.WithoutCancel(ctx)
		if err := fn(w); err != nil {
			return err
		}
		return errAgain
	})
	return t.Storage.Update(ctx, fn)
}

func (t twice) unwrap() storage.Storage { return t.Storage }

func (t twice) wrap(s storage.Storage) storage.Storage { return Twice(s) }

// outer is a wrapper that can wrap a fork in the same way.
type outer interface {
	storage.Storage
	wrapper
	wrap(storage.Storage) storage.Storage
}

// optional returns w, with the optional interfaces that the store in it has.
func optional(w outer, s storage.Storage) storage.Storage {
	_, forks := s.(storage.Forker)
	_, sizes := s.(storage.Sizer)
	_, compacts := s.(storage.Compacter)
	switch {
	case forks && sizes && compacts:
		return forkerSizerCompacter{w, forker{w}, sizer{w}, compacter{w}}
	case sizes && compacts:
		return sizerCompacter{w, sizer{w}, compacter{w}}
	case compacts:
		return onlyCompacter{w, compacter{w}}
	case forks && sizes:
		return forkerSizer{w, forker{w}, sizer{w}}
	case forks:
		return onlyForker{w, forker{w}}
	case sizes:
		return onlySizer{w, sizer{w}}
	}
	return w
}

type forker struct{ w outer }

// Fork returns a fork of the store within, in the same wrapper.
func (f forker) Fork() (storage.Storage, error) {
	s, err := f.w.unwrap().(storage.Forker).Fork()
	if err != nil {
		return nil, err
	}
	return f.w.wrap(s), nil
}

type sizer struct{ w outer }

// Size returns the size of the store within.
func (s sizer) Size() (storage.Size, error) { return s.w.unwrap().(storage.Sizer).Size() }

type compacter struct{ w outer }

// Compact compacts the store within.
func (c compacter) Compact(ctx context.Context) error {
	return c.w.unwrap().(storage.Compacter).Compact(ctx)
}

type (
	forkerSizerCompacter struct {
		outer
		forker
		sizer
		compacter
	}
	sizerCompacter struct {
		outer
		sizer
		compacter
	}
	onlyCompacter struct {
		outer
		compacter
	}
	onlyForker struct {
		outer
		forker
	}
	onlySizer struct {
		outer
		sizer
	}
	forkerSizer struct {
		outer
		forker
		sizer
	}
)
