// Package mediatest holds every store of files to the promises of media.Store. A
// store's own test is one call of Run. Faulty makes the nth call of a store fail,
// for the tests of those who use one.
package mediatest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/siftdb/siftdb/media"
)

// Engine is how Run gets at stores of a kind.
type Engine struct {
	// Open returns a new and empty store. What is to be done with it in the end,
	// Open leaves to t.Cleanup.
	Open func(t testing.TB) media.Store

	// Reopen opens the files again that s has stored, as a new process would. It
	// is nil for a store that keeps nothing.
	Reopen func(t testing.TB, s media.Store) media.Store

	// InMemory says that files take up memory while they are stored.
	InMemory bool
}

// tests are the parts of the suite.
var tests = []struct {
	name string
	run  func(*testing.T, Engine)
}{
	{"Empty", testEmpty},
	{"Sizes", testSizes},
	{"Paths", testPaths},
	{"BadPaths", testBadPaths},
	{"NoOverwrite", testNoOverwrite},
	{"Delete", testDelete},
	{"DeleteOpen", testDeleteOpen},
	{"List", testList},
	{"ListWhileDeleting", testListWhileDeleting},
	{"Seek", testSeek},
	{"ClosedFile", testClosedFile},
	{"Readers", testReaders},
	{"FailingReaders", testFailingReaders},
	{"Panic", testPanic},
	{"Context", testContext},
	{"ContextInPut", testContextInPut},
	{"ContextInRead", testContextInRead},
	{"OnePathAtOnce", testOnePathAtOnce},
	{"ManyPathsAtOnce", testManyPathsAtOnce},
	{"NeighboursComeAndGo", testNeighboursComeAndGo},
	{"Large", testLarge},
	{"Reopen", testReopen},
}

// Run tests that a store keeps every promise of media.Store. One part stores
// 64 MiB, and fails when that takes as much memory, unless Engine.InMemory.
func Run(t *testing.T, e Engine) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, e) })
	}
}

var background = context.Background()

// bytesOf returns n bytes that follow from a seed.
func bytesOf(seed, n int) []byte {
	b := make([]byte, n)
	stream(seed).Read(b)
	return b
}

// stream returns a reader without end whose bytes follow from a seed.
func stream(seed int) io.Reader {
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	return rand.NewChaCha8(key)
}

// put stores a file, and checks what Put tells of it.
func put(t testing.TB, s media.Store, path string, content []byte) {
	t.Helper()
	info, err := s.Put(background, path, bytes.NewReader(content))
	if err != nil {
		t.Fatalf("Put %q: %v", path, err)
	}
	checkInfo(t, "Put", info, path, len(content))
}

func checkInfo(t testing.TB, what string, info media.Info, path string, size int) {
	t.Helper()
	if info.Path != path || info.Size != int64(size) || info.Modified.IsZero() {
		t.Errorf("%s tells %+v of %q, which has %d bytes", what, info, path, size)
	}
}

// has checks that a file is there with its content.
func has(t testing.TB, s media.Store, path string, content []byte) {
	t.Helper()
	f, err := s.Get(background, path)
	if err != nil {
		t.Fatalf("Get %q: %v", path, err)
	}
	defer f.Close()
	checkInfo(t, "Get", f.Info(), path, len(content))
	got, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("reading %q: %v", path, err)
	}
	if !bytes.Equal(got, content) {
		t.Fatalf("%q has %d bytes that are not the %d stored", path, len(got), len(content))
	}
}

// lacks checks that nothing is under a path.
func lacks(t testing.TB, s media.Store, path string) {
	t.Helper()
	f, err := s.Get(background, path)
	if err == nil {
		f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Get %q: error %v, want fs.ErrNotExist", path, err)
	}
}

// list returns what List yields.
func list(t testing.TB, s media.Store) map[string]media.Info {
	t.Helper()
	infos := map[string]media.Info{}
	for info, err := range s.List(background) {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		if _, twice := infos[info.Path]; twice {
			t.Errorf("List yields %q twice", info.Path)
		}
		infos[info.Path] = info
	}
	return infos
}

// holds checks that a store has these files and no others.
func holds(t testing.TB, s media.Store, files map[string][]byte) {
	t.Helper()
	infos := list(t, s)
	for path, content := range files {
		checkInfo(t, "List", infos[path], path, len(content))
		has(t, s, path, content)
	}
	for path := range infos {
		if _, ok := files[path]; !ok {
			t.Errorf("List yields %q, which is not stored", path)
		}
	}
}
