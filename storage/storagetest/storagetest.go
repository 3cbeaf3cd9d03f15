// Package storagetest holds every storage engine to the promises of package
// storage. An engine's own test is one call of Run. The package also has two
// wrappers for the tests of those who use a storage: Twice, which runs every
// Update function twice, and Faulty, which makes the nth call fail.
package storagetest

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/siftdb/siftdb/storage"
)

// Engine is how Run gets at the stores of an engine.
type Engine struct {
	// Open returns a new and empty store. Run closes it.
	Open func(t testing.TB) storage.Storage

	// Reopen opens the store again that s, which was closed, left behind. It is
	// nil for an engine that keeps nothing.
	Reopen func(t testing.TB, s storage.Storage) storage.Storage
}

// Run tests that an engine keeps every promise of package storage: once as it
// is, once with every Update function run twice, and once more under a Faulty
// that has nothing to do. Tests do not run in parallel; after each, no goroutine
// that it started may be left.
func Run(t *testing.T, e Engine) {
	t.Run("Plain", func(t *testing.T) { run(t, e) })
	t.Run("Twice", func(t *testing.T) { run(t, e.wrapped(Twice)) })
	t.Run("Faulty", func(t *testing.T) {
		run(t, e.wrapped(func(s storage.Storage) storage.Storage {
			s, _ = Faulty(s)
			return s
		}))
	})
}

// wrapper is a store around another one.
type wrapper interface{ unwrap() storage.Storage }

// wrapped returns an engine whose stores are those of e in a wrapper.
func (e Engine) wrapped(wrap func(storage.Storage) storage.Storage) Engine {
	w := Engine{Open: func(t testing.TB) storage.Storage { return wrap(e.Open(t)) }}
	if e.Reopen != nil {
		w.Reopen = func(t testing.TB, s storage.Storage) storage.Storage {
			return wrap(e.Reopen(t, s.(wrapper).unwrap()))
		}
	}
	return w
}

// tests are the parts of the suite.
var tests = []struct {
	name string
	run  func(*testing.T, Engine)
}{
	{"Empty", testEmpty},
	{"GetPutDelete", testGetPutDelete},
	{"EmptyValues", testEmptyValues},
	{"KeySizes", testKeySizes},
	{"LargeValues", testLargeValues},
	{"Keyspaces", testKeyspaces},
	{"Ownership", testOwnership},
	{"Lifetime", testLifetime},
	{"ScanOrder", testScanOrder},
	{"ScanBounds", testScanBounds},
	{"ScanUnderWrites", testScanUnderWrites},
	{"Skip", testSkip},
	{"Seek", testSeek},
	{"DeleteRange", testDeleteRange},
	{"DeleteRangeLarge", testDeleteRangeLarge},
	{"OwnWrites", testOwnWrites},
	{"DroppedWrites", testDroppedWrites},
	{"Snapshot", testSnapshot},
	{"ReadersAndWriters", testReadersAndWriters},
	{"Panics", testPanics},
	{"Exit", testExit},
	{"Counter", testCounter},
	{"ErrorsAreOnesOwn", testErrorsAreOnesOwn},
	{"Context", testContext},
	{"ContextWhileWaiting", testContextWhileWaiting},
	{"Close", testClose},
	{"CloseWaits", testCloseWaits},
	{"Reopen", testReopen},
	{"Fork", testFork},
	{"Size", testSize},
	{"Compact", testCompact},
	{"Model", testModel},
}

func run(t *testing.T, e Engine) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			t.Run("", func(t *testing.T) { test.run(t, e) })
			goleak.VerifyNone(t, before)
		})
	}
}
