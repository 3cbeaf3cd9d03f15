package media

import (
	"io"

	"github.com/siftdb/siftdb/internal/errs"
)

// opener is an open file of an encrypted store. It holds one chunk, which was
// found to be genuine.
type opener struct {
	fileCipher
	f      File
	seeker io.Seeker // f, if it can
	info   Info
	chunks int64  // how many there are
	pos    int64  // where Read goes on in the file
	at     int64  // the chunk at which f stands
	have   int64  // the chunk in plain, or -1
	plain  []byte // in buf
	buf    []byte // room for a chunk and its tag
	err    error  // what Read returns from now on
	closed bool
}

func (o *opener) Info() Info { return o.info }

func (o *opener) Read(p []byte) (int, error) {
	switch {
	case o.closed:
		return 0, errClosedFile
	case o.err != nil:
		return 0, o.err
	case len(p) == 0:
		return 0, nil
	case o.pos >= o.info.Size:
		return 0, io.EOF
	}
	if o.err = o.load(o.pos / chunkSize); o.err != nil {
		return 0, o.err
	}
	n := copy(p, o.plain[o.pos%chunkSize:])
	o.pos += int64(n)
	return n, nil
}

// load gets a chunk into plain.
func (o *opener) load(chunk int64) error {
	if chunk == o.have {
		return nil
	}
	if chunk != o.at {
		offset := int64(headerSize) + chunk*(chunkSize+tagSize)
		if _, err := o.seeker.Seek(offset, io.SeekStart); err != nil {
			return err
		}
	}
	o.have, o.at = -1, -1 // until it is there
	size := min(o.info.Size-chunk*chunkSize, chunkSize) + tagSize
	if o.buf == nil {
		o.buf = make([]byte, min(o.info.Size, chunkSize)+tagSize)
	}
	sealed := o.buf[:size]
	if _, err := readFull(o.f, sealed); err != nil {
		return cutShort(err, o.info.Path)
	}
	plain, err := o.aead.Open(sealed[:0], nonce(chunk, chunk == o.chunks-1), sealed, o.data)
	if err != nil {
		return errs.Wrap(errs.Corrupt, err, "encrypted file %q was changed, or belongs under another path", o.info.Path)
	}
	o.plain, o.have, o.at = plain, chunk, chunk+1
	return nil
}

func (o *opener) Close() error {
	o.closed = true
	return o.f.Close()
}

// seekingOpener is an opener over a file that can seek.
type seekingOpener struct{ *opener }

func (o seekingOpener) Seek(offset int64, whence int) (int64, error) {
	if o.closed {
		return 0, errClosedFile
	}
	pos, err := seek(offset, whence, o.pos, o.info.Size)
	if err == nil {
		o.pos = pos
	}
	return pos, err
}
