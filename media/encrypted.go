package media

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"iter"

	"github.com/siftdb/siftdb/internal/errs"
)

// The form of an encrypted file, version 1:
//
//	magic    8 bytes  "SIFTENC1"
//	key id   8 bytes  derived from the key, so that a wrong one is noticed
//	salt    32 bytes  random; the file's own key is derived from it and the key
//	chunks            64 KiB of the file each, the last one 1 byte to 64 KiB (0 when
//	                  the file is empty), each followed by its tag of 16 bytes
//
// Chunks are AES-256-GCM under the file's own key. The nonce is the number of the
// chunk in 11 bytes, and one byte that is 1 for the last: chunks cannot change
// places nor be left out, and a file cut after any of them does not end in a last
// one. The header and the path are additional data: no file, and no chunk of one,
// can stand for another.
const (
	encMagic   = "SIFTENC1"
	keySize    = 32
	keyIDSize  = 8
	saltSize   = 32
	headerSize = len(encMagic) + keyIDSize + saltSize
	chunkSize  = 64 << 10
	tagSize    = 16
)

// ErrWrongKey is in the chain of the error when a file is opened that was
// encrypted with another key.
var ErrWrongKey = errors.New("the file was encrypted with another key")

// encrypted is the store of Encrypted.
type encrypted struct {
	store Store
	key   []byte
	keyID []byte
}

// Encrypted returns a store that keeps its files encrypted in another one, under
// the same paths, with AES-256-GCM and a key of 32 random bytes. What lies in the
// other store reveals the paths and the sizes of files, nothing else of them, and
// no change of it goes unnoticed: not of a byte, not of the length, not files or
// parts of them that changed places. (That a file was deleted, or an older one
// put back that had the very path, shows in no store.)
//
// Get fails with ErrWrongKey when another key was used, and with the code
// "corrupt" when a file is not one that Encrypted wrote under its path. Read gives
// out no byte that was not found to be genuine. It works through the file in
// order, so genuine bytes may come before the error about those that are not: what
// was read is complete only when Read has returned io.EOF. Files are io.Seekers
// when those of the other store are; then Get checks their end too, so that the
// size it tells is genuine, and ranges can be read.
//
// Files that were stored before it was there are not readable through it; keep
// note of which are encrypted, and read the others from the other store.
func Encrypted(store Store, key []byte) (Store, error) {
	if len(key) != keySize {
		return nil, errs.New(errs.InvalidInput, "the key of encrypted files has %d bytes, not %d", keySize, len(key))
	}
	id, err := hkdf.Key(sha256.New, key, nil, "siftdb media key id v1", keyIDSize)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "the key of encrypted files cannot be used")
	}
	return &encrypted{store: store, key: bytes.Clone(key), keyID: id}, nil
}

// fileCipher seals and opens the chunks of one file.
type fileCipher struct {
	aead cipher.AEAD
	data []byte // additional data of every chunk
}

// cipher returns the cipher of a file with a header and a path.
func (e *encrypted) cipher(header []byte, path string) (fileCipher, error) {
	salt := header[len(header)-saltSize:]
	key, err := hkdf.Key(sha256.New, e.key, salt, "siftdb media file v1", keySize)
	if err != nil {
		return fileCipher{}, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return fileCipher{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return fileCipher{}, err
	}
	return fileCipher{aead, append(bytes.Clone(header), path...)}, nil
}

// nonce returns the nonce of a chunk.
func nonce(chunk int64, last bool) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[3:], uint64(chunk))
	if last {
		n[11] = 1
	}
	return n
}

// sealedSize returns the size of the encrypted form of a file.
func sealedSize(size int64) int64 {
	chunks := max((size+chunkSize-1)/chunkSize, 1)
	return int64(headerSize) + size + chunks*tagSize
}

// openedSize returns the size of a file, and the number of its chunks, from the
// size of its encrypted form; ok is false when there is no such form.
func openedSize(sealed int64) (size, chunks int64, ok bool) {
	body := sealed - int64(headerSize)
	if body < tagSize {
		return 0, 0, false
	}
	chunks = (body + chunkSize + tagSize - 1) / (chunkSize + tagSize)
	size = body - chunks*tagSize
	return size, chunks, sealedSize(size) == sealed
}

func (e *encrypted) Put(ctx context.Context, path string, r io.Reader) (Info, error) {
	header := make([]byte, headerSize)
	n := copy(header, encMagic)
	n += copy(header[n:], e.keyID)
	rand.Read(header[n:]) // never fails
	c, err := e.cipher(header, path)
	if err != nil {
		return Info{}, errs.Wrap(errs.Internal, err, "file %q cannot be encrypted", path)
	}
	s := &sealer{
		fileCipher: c,
		r:          &source{ctx: ctx, r: r},
		plain:      make([]byte, chunkSize+1),
		sealed:     make([]byte, 0, chunkSize+tagSize),
		out:        header,
	}
	info, err := e.store.Put(ctx, path, s)
	if err != nil {
		return Info{}, err
	}
	info.Size = s.size
	return info, nil
}

// sealer gives the encrypted form of what r gives.
type sealer struct {
	fileCipher
	r      io.Reader
	plain  []byte // a chunk, and a byte to see whether there is another
	have   int    // bytes in plain left over from the chunk before: 0 or 1
	sealed []byte // room for a chunk and its tag
	out    []byte // what Read has yet to give out
	chunk  int64  // the number of the next chunk
	size   int64
	err    error // what comes after out
}

func (s *sealer) Read(p []byte) (int, error) {
	if len(s.out) == 0 && s.err == nil && len(p) > 0 {
		s.next()
	}
	if len(s.out) == 0 {
		return 0, s.err
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

// next reads a chunk and seals it.
func (s *sealer) next() {
	n, err := readFull(s.r, s.plain[s.have:])
	n += s.have
	switch err {
	case nil:
		s.seal(s.plain[:chunkSize], false)
		s.plain[0], s.have = s.plain[chunkSize], 1
	case io.EOF:
		s.seal(s.plain[:n], true)
		s.err = io.EOF
	default:
		s.err = err
	}
}

func (s *sealer) seal(plain []byte, last bool) {
	s.out = s.aead.Seal(s.sealed[:0], nonce(s.chunk, last), plain, s.data)
	s.chunk++
	s.size += int64(len(plain))
}

func (e *encrypted) Get(ctx context.Context, path string) (File, error) {
	f, err := e.store.Get(ctx, path)
	if err != nil {
		return nil, err
	}
	o, err := e.open(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	if o.seeker == nil {
		return o, nil
	}
	return seekingOpener{o}, nil
}

// open reads the header of a file, and checks one chunk: the last, if it can.
func (e *encrypted) open(f File, path string) (*opener, error) {
	info := f.Info()
	size, chunks, ok := openedSize(info.Size)
	if !ok {
		return nil, errs.New(errs.Corrupt, "file %q is not an encrypted file: it has %d bytes", path, info.Size)
	}
	header := make([]byte, headerSize)
	if _, err := readFull(f, header); err != nil {
		return nil, cutShort(err, path)
	}
	id, ok := bytes.CutPrefix(header, []byte(encMagic))
	if !ok {
		return nil, errs.New(errs.Corrupt, "file %q is not an encrypted file", path)
	}
	if !bytes.HasPrefix(id, e.keyID) {
		return nil, errs.Wrap(errs.Unavailable, ErrWrongKey, "file %q cannot be opened", path)
	}
	c, err := e.cipher(header, path)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "file %q cannot be decrypted", path)
	}
	info.Path, info.Size = path, size
	o := &opener{fileCipher: c, f: f, info: info, chunks: chunks, have: -1}
	o.seeker, _ = f.(io.Seeker)
	check := int64(0)
	if o.seeker != nil {
		check = chunks - 1
	}
	return o, o.load(check)
}

// cutShort is the error of reading what the size promised.
func cutShort(err error, path string) error {
	if err == io.EOF {
		return errs.New(errs.Corrupt, "encrypted file %q is cut short", path)
	}
	return err
}

func (e *encrypted) Delete(ctx context.Context, path string) error {
	return e.store.Delete(ctx, path)
}

func (e *encrypted) List(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for info, err := range e.store.List(ctx) {
			if err == nil {
				size, _, ok := openedSize(info.Size)
				if !ok {
					size = -1
				}
				info.Size = size
			}
			if !yield(info, err) {
				return
			}
		}
	}
}
