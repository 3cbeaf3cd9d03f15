package media

import (
	"errors"
	"io/fs"
)

// TempDir is where a DirStore keeps unfinished uploads.
const TempDir = tempDir

// HeaderSize and SealedChunk are sizes of the form of encrypted files.
const (
	HeaderSize  = headerSize
	ChunkSize   = chunkSize
	SealedChunk = chunkSize + tagSize
)

// SetFault has a function decide whether a step of Put or Delete fails.
func (d *DirStore) SetFault(fault func(step string) error) { d.fault = fault }

// IsReleased reports whether a DirStore holds its directory no more.
func (d *DirStore) IsReleased() bool {
	_, err := d.root.Stat(".")
	return errors.Is(err, fs.ErrClosed)
}
