package bolt

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// BenchmarkSyncProbe is what one write of 1 KiB over what is there, and the wait for the disk,
// take: nothing that is durable alone can be faster.
func BenchmarkSyncProbe(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "probe"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 16<<20)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	record := make([]byte, 1<<10)
	for i := 0; b.Loop(); i++ {
		if _, err := f.WriteAt(record, int64(i)%(15<<10)<<10); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
}
