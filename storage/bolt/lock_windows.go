package bolt

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes the lock that bbolt holds on an open file, one byte at the end of
// the address range, and reports false when another handle has it. Closing f lets
// go of it.
func tryLock(f *os.File, exclusive bool) (bool, error) {
	var flags uint32 = windows.LOCKFILE_FAIL_IMMEDIATELY
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	const last = 1<<32 - 1
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0,
		&windows.Overlapped{Offset: last, OffsetHigh: last})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("LockFileEx", err)
}

// lockTwice says that a file which is locked can be locked again through the same
// handle.
const lockTwice = false
