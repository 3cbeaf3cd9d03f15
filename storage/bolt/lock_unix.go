//go:build unix && !solaris && !aix && !android

package bolt

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock that bbolt holds on an open file, and reports false when
// another handle has it. Closing f lets go of it.
func tryLock(f *os.File, exclusive bool) (bool, error) {
	how := syscall.LOCK_SH | syscall.LOCK_NB
	if exclusive {
		how = syscall.LOCK_EX | syscall.LOCK_NB
	}
	for {
		err := syscall.Flock(int(f.Fd()), how)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, os.NewSyscallError("flock", err)
		}
	}
}

// lockTwice says that a file which is locked can be locked again through the same
// handle.
const lockTwice = true
