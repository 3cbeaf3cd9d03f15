package siftdb

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"io"
	"os"

	"github.com/siftdb/siftdb/internal/errs"
)

// spool keeps files while it is not known whether they may be uploaded at all: a rule
// can ask for a column whose part comes after a file. It is a file of the system's
// temporary directory, which is gone with the call, and is encrypted under a key that
// is nowhere else.
type spool struct {
	f     *os.File
	block cipher.Block
	size  int64
	files uint64
}

// held is where a file lies in a spool.
type held struct {
	offset, size int64
	number       uint64
}

func newSpool() (*spool, error) {
	var key [32]byte
	rand.Read(key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "files cannot be kept for a while")
	}
	f, err := os.CreateTemp("", "siftdb-upload-")
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "files cannot be kept for a while")
	}
	_ = os.Remove(f.Name()) // where the system allows it, nobody else finds it
	return &spool{f: f, block: block}, nil
}

// stream is the key stream of one file.
func (s *spool) stream(number uint64) cipher.Stream {
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[:], number)
	return cipher.NewCTR(s.block, iv[:])
}

// hold reads a file into the spool.
func (s *spool) hold(u *upload) error {
	u.held = held{offset: s.size, number: s.files}
	s.files++
	n, err := io.Copy(cipher.StreamWriter{S: s.stream(u.held.number), W: s.f}, u.content)
	u.held.size = n
	s.size += n
	if u.content.err != nil {
		return u.content.err
	}
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "files cannot be kept for a while")
	}
	return nil
}

// reader gives a file back.
func (s *spool) reader(u *upload) io.Reader {
	return cipher.StreamReader{S: s.stream(u.held.number), R: io.NewSectionReader(s.f, u.held.offset, u.held.size)}
}

func (s *spool) close() {
	if s == nil {
		return
	}
	_ = s.f.Close()
	_ = os.Remove(s.f.Name())
}
