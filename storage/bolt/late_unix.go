//go:build unix && !solaris && !aix && !android

package bolt

import (
	"os"

	"golang.org/x/sys/unix"
)

// duplicate returns another handle of an open file, which shares its lock.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// tryMap returns why so much of a file cannot be mapped.
func tryMap(f *os.File, size int) error {
	b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	return os.NewSyscallError("munmap", unix.Munmap(b))
}

// unlock lets go of the lock of a file that something may have mapped for good: closing it is not
// enough then.
func unlock(f *os.File) error {
	return os.NewSyscallError("flock", unix.Flock(int(f.Fd()), unix.LOCK_UN))
}
