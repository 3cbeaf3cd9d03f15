package media

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sync"
	"time"
)

// memoryChunk is how much of a file lies in one piece of memory: a file grows
// without being copied.
const memoryChunk = 64 << 10

// memory is the store of Memory.
type memory struct {
	mu    sync.RWMutex
	files map[string]*memoryFile
}

// memoryFile is a stored file. It never changes.
type memoryFile struct {
	info   Info
	chunks [][]byte // all but the last of memoryChunk bytes
}

// Memory returns a new and empty store that keeps its files in memory, for as long
// as the store is reachable. It is meant for tests and for small programs.
func Memory() Store {
	return &memory{files: map[string]*memoryFile{}}
}

func (m *memory) Put(ctx context.Context, path string, r io.Reader) (Info, error) {
	if err := begin(ctx, path); err != nil {
		return Info{}, err
	}
	if m.file(path) != nil {
		return Info{}, existsError(path)
	}
	f, err := readMemory(&source{ctx: ctx, r: r})
	if err != nil {
		return Info{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// Under the lock, so that nothing appears once somebody saw the context end.
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	if m.files[path] != nil {
		return Info{}, existsError(path)
	}
	f.info.Path, f.info.Modified = path, time.Now()
	m.files[path] = f
	return f.info, nil
}

// begin is what every method does first.
func begin(ctx context.Context, path string) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	return ctx.Err()
}

// readMemory reads r to its end.
func readMemory(r io.Reader) (*memoryFile, error) {
	f := new(memoryFile)
	for {
		chunk := make([]byte, memoryChunk)
		n, err := readFull(r, chunk)
		if n < len(chunk) {
			chunk = bytes.Clone(chunk[:n])
		}
		f.chunks = append(f.chunks, chunk)
		f.info.Size += int64(n)
		if err == io.EOF {
			return f, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// file returns the file under a path, or nil.
func (m *memory) file(path string) *memoryFile {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.files[path]
}

func (m *memory) Get(ctx context.Context, path string) (File, error) {
	if err := begin(ctx, path); err != nil {
		return nil, err
	}
	f := m.file(path)
	if f == nil {
		return nil, notExistError(path)
	}
	return &memoryReader{ctx: ctx, f: f}, nil
}

func (m *memory) Delete(ctx context.Context, path string) error {
	if err := begin(ctx, path); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, path)
	return nil
}

func (m *memory) List(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for _, info := range m.infos() {
			if err := ctx.Err(); err != nil {
				yield(Info{}, err)
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// infos returns what is stored now.
func (m *memory) infos() []Info {
	m.mu.RLock()
	defer m.mu.RUnlock()
	infos := make([]Info, 0, len(m.files))
	for _, f := range m.files {
		infos = append(infos, f.info)
	}
	return slices.Clip(infos)
}

// memoryReader is an open file of a memory store.
type memoryReader struct {
	ctx    context.Context
	f      *memoryFile
	pos    int64
	closed bool
}

func (r *memoryReader) Info() Info { return r.f.info }

func (r *memoryReader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, errClosedFile
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if r.pos >= r.f.info.Size {
		return 0, io.EOF
	}
	n := copy(p, r.f.chunks[r.pos/memoryChunk][r.pos%memoryChunk:])
	r.pos += int64(n)
	return n, nil
}

func (r *memoryReader) Seek(offset int64, whence int) (int64, error) {
	if r.closed {
		return 0, errClosedFile
	}
	pos, err := seek(offset, whence, r.pos, r.f.info.Size)
	if err == nil {
		r.pos = pos
	}
	return pos, err
}

func (r *memoryReader) Close() error {
	r.closed = true
	return nil
}

// errBadSeek is what a Seek to no place returns.
var errBadSeek = errors.New("media: seek to before the start of a file, or from nowhere")

// seek works out where a Seek in a file of a size leads that stands at pos.
func seek(offset int64, whence int, pos, size int64) (int64, error) {
	switch whence {
	case io.SeekStart:
		pos = 0
	case io.SeekCurrent:
	case io.SeekEnd:
		pos = size
	default:
		return 0, errBadSeek
	}
	if pos+offset < 0 { // also when the sum overflows
		return 0, errBadSeek
	}
	return pos + offset, nil
}
