package bolt

import (
	"testing"
	"time"

	"github.com/siftdb/siftdb/storage/storagetest"
)

// tinySizes make layers go into bbolt all the time.
var tinySizes = logSizes{flush: 4 << 10, direct: 64 << 10, room: 128 << 10, most: 512 << 10, idle: time.Millisecond}

func TestStorageWithLog(t *testing.T) {
	storagetest.Run(t, engine(Options{Log: true, NoSync: true}))
}

func TestStorageWithTinyLog(t *testing.T) {
	storagetest.Run(t, engine(Options{Log: true, NoSync: true, sizes: &tinySizes}))
}
